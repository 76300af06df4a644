"""A session's events with gapless numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from swanbridge_daemon.core.journal import Journal
from swanbridge_protocol import inner_audio


def filled(size: int, count: int) -> Journal:
    journal = Journal(size)
    for number in range(count):
        journal.append(inner_audio.ON_PLAY, number / 3, {"contextId": "a"})
    return journal


@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 45), st.none() | st.integers(0, 45))
def test_after_gives_what_is_kept_in_order(size: int, count: int, seq: int, limit: int | None) -> None:
    journal = filled(size, count)
    kept = [number for number in range(max(1, count - size + 1), count + 1) if number > seq]
    assert [entry.seq for entry in journal.after(seq, limit)] == kept[:limit]


@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 45))
def test_it_reaches_back_when_nothing_after_is_missing(size: int, count: int, seq: int) -> None:
    journal = filled(size, count)
    complete = [entry.seq for entry in journal.after(seq)] == list(range(seq + 1, count + 1))
    assert journal.reaches(seq) == (complete and seq <= count)


def test_an_entry_begins_with_its_number_and_time_in_microseconds() -> None:
    entry = Journal().append(inner_audio.ON_PLAY, 1 / 3, {"contextId": "a"})
    assert list(entry.params.items()) == [("seq", 1), ("at", 0.333333), ("contextId", "a")]
    assert entry.notification() == {
        "jsonrpc": "2.0",
        "method": "innerAudioContext.onPlay",
        "params": entry.params,
    }


def test_only_progress_has_a_group_and_each_object_its_own() -> None:
    journal = Journal()
    update = journal.append(inner_audio.ON_TIME_UPDATE, 0, {"contextId": "a"})
    other = journal.append(inner_audio.ON_TIME_UPDATE, 0, {"contextId": "b"})
    assert update.group != other.group
    assert journal.append(inner_audio.ON_PLAY, 0, {"contextId": "a"}).group is None
