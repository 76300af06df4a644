"""Sets of bytes, against a plain set of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from swanbridge_daemon.storage.ranges import RangeSet

SPAN = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(st.lists(SPAN, max_size=20), st.integers(0, 45))
def test_ranges_tell_what_a_plain_set_tells(spans: list[tuple[int, int]], offset: int) -> None:
    ranges, model = RangeSet(), set[int]()
    for start, end in spans:
        ranges.add(start, end)
        model |= set(range(start, end))
    assert {each for start, end in ranges.spans() for each in range(start, end)} == model
    flat = [edge for span in ranges.spans() for edge in span]
    assert flat == sorted(set(flat)), "sorted, disjoint, never touching"
    assert ranges.contiguous_from(offset) == next(each for each in range(offset, 99) if each not in model)
    begins = sorted(start for start, _ in ranges.spans() if start > offset)
    assert ranges.next_start(offset) == (begins[0] if begins else None)
