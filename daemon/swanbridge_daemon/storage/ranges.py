"""A set of bytes as sorted, disjoint, half-open ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

__all__ = ["RangeSet"]


class RangeSet:
    """Which bytes of a file are there; ranges that touch are one."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Add the bytes from `start` up to, without, `end`."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def contiguous_from(self, offset: int) -> int:
        """Give where the bytes there from `offset` on end, `offset` itself where there are none."""
        index = bisect_right(self._starts, offset) - 1
        return max(offset, self._ends[index]) if index >= 0 else offset

    def next_start(self, offset: int) -> int | None:
        """Give where the first range that begins after `offset` begins."""
        index = bisect_right(self._starts, offset)
        return self._starts[index] if index < len(self._starts) else None

    def total(self) -> int:
        """Give how many bytes are there."""
        return sum(self._ends) - sum(self._starts)

    def spans(self) -> tuple[tuple[int, int], ...]:
        """Give the ranges as (start, end)."""
        return tuple(zip(self._starts, self._ends, strict=True))
