"""Rows of sound in memory shared with the decoders, and what the mixer knows of each row.

A slab is a sealed memfd of float32 [SLAB_ROWS, RING_FRAMES * CHANNELS]. The sample a voice plays at engine
frame f lies at column f % RING_FRAMES of its row, so a block of all voices of a slab is one matrix product.
A row's number is slab * SLAB_ROWS + row within the slab.
"""

from __future__ import annotations

import fcntl
import heapq
import mmap
import os
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from ..messages import CHANNELS, RING_FRAMES, SLAB_ROWS

Floats = npt.NDArray[np.float32]

NEVER: Final = 1 << 62  # a frame that does not come

_SLAB_BYTES: Final = SLAB_ROWS * RING_FRAMES * CHANNELS * 4


def read_row(row: Floats, frame: int, frames: int) -> Floats:
    """Copy `frames` frames that begin at the column of `frame`; interleaved, 1-D."""
    first = frame % RING_FRAMES
    head = min(frames, RING_FRAMES - first)
    if head == frames:
        return row[2 * first : 2 * (first + frames)].copy()
    return np.concatenate((row[2 * first :], row[: 2 * (frames - head)]))


def write_row(row: Floats, frame: int, sound: Floats) -> None:
    """Write interleaved sound from the column of `frame` on, wrapping."""
    first = frame % RING_FRAMES
    frames = len(sound) // 2
    head = min(frames, RING_FRAMES - first)
    row[2 * first : 2 * (first + head)] = sound[: 2 * head]
    if head < frames:
        row[: 2 * (frames - head)] = sound[2 * head :]


class Rows:
    """Every row there is. `announce(slab, memfd)` is called for a new slab before its first use.

    The arrays have one element a row. Rows that do not sound have weight 0 and never come up.
    """

    def __init__(self, announce: Callable[[int, int], None]) -> None:
        self._announce = announce
        self._maps: list[mmap.mmap] = []
        self.descriptors: list[int] = []
        self.slabs: list[Floats] = []
        self.top = 0  # rows beyond were never used
        self.high: list[int] = []  # of each slab: rows from here on are not in use
        self.live: list[int] = []  # of each slab: rows that sound
        self.sounding = 0
        self._used = 0
        self.weight: Floats = np.zeros(0, np.float32)
        self.owner = np.zeros(0, np.int64)
        self.wake = np.zeros(0, np.int64)  # frame by which the voice needs a look: edge or refill
        self.soonest = NEVER  # no `wake` is earlier
        self.edge = np.zeros(0, np.int64)  # frame of the next edge that is certain: mark, end, failure
        self.dry = np.zeros(0, np.int64)  # frame where the data runs out though more should come
        self._free: list[int] = []
        self._filling: list[int] = []  # fills in flight, stale ones too: a decoder may write into the row
        self._given_up: list[bool] = []

    def _grow(self) -> None:
        descriptor = os.memfd_create("swanbridge-slab", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, _SLAB_BYTES)
        # A decoder gone wild may write rubbish, but it can't take the memory away under the mixer (SIGBUS).
        fcntl.fcntl(
            descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        )
        memory = mmap.mmap(descriptor, _SLAB_BYTES)
        number = len(self.slabs)
        self._maps.append(memory)
        self.descriptors.append(descriptor)
        self.slabs.append(np.frombuffer(memory, np.float32).reshape(SLAB_ROWS, RING_FRAMES * CHANNELS))
        self.high.append(0)
        self.live.append(0)
        count = SLAB_ROWS
        self.weight = np.concatenate((self.weight, np.zeros(count, np.float32)))
        self.owner = np.concatenate((self.owner, np.full(count, -1, np.int64)))
        never = np.full(count, NEVER, np.int64)
        self.wake = np.concatenate((self.wake, never))
        self.edge = np.concatenate((self.edge, never))
        self.dry = np.concatenate((self.dry, never))
        self._filling += [0] * count
        self._given_up += [True] * count
        for row in range(number * SLAB_ROWS, (number + 1) * SLAB_ROWS):
            heapq.heappush(self._free, row)
        self._announce(number, descriptor)

    def take(self, owner: int) -> int:
        """Give the lowest free row; grows by a slab if there is none."""
        if not self._free:
            self._grow()
        number = heapq.heappop(self._free)
        slab, row = divmod(number, SLAB_ROWS)
        self.high[slab] = max(self.high[slab], row + 1)
        self.top = max(self.top, number + 1)
        self.owner[number] = owner
        self._given_up[number] = False
        self._used += 1
        return number

    def give_back(self, number: int) -> None:
        """Free a silent row, as soon as no decoder may write into it any more."""
        self._given_up[number] = True
        self._settle(number)

    def _settle(self, number: int) -> None:
        if not self._given_up[number] or self._filling[number]:
            return
        self.owner[number] = -1
        heapq.heappush(self._free, number)
        self._used -= 1
        slab, row = divmod(number, SLAB_ROWS)
        if row + 1 == self.high[slab]:
            first = slab * SLAB_ROWS
            while row >= 0 and self._given_up[first + row] and not self._filling[first + row]:
                row -= 1
            self.high[slab] = row + 1

    def begin_fill(self, number: int) -> None:
        """Note that a decoder may write into the row."""
        self._filling[number] += 1

    def end_fill(self, number: int) -> None:
        """Note that a fill was answered, or that its decoder is dead."""
        self._filling[number] -= 1
        self._settle(number)

    def is_filling(self, number: int) -> bool:
        """Tell whether the row must not be moved now."""
        return self._filling[number] > 0

    def data(self, number: int) -> Floats:
        """Give a row: interleaved, RING_FRAMES * CHANNELS."""
        row: Floats = self.slabs[number // SLAB_ROWS][number % SLAB_ROWS]
        return row

    def sound(self, number: int, weight: float) -> None:
        """Take the row into the product."""
        self.weight[number] = weight
        self.live[number // SLAB_ROWS] += 1
        self.sounding += 1

    def silence(self, number: int) -> None:
        """Take the row out of the product."""
        self.weight[number] = 0.0
        self.wake[number] = self.edge[number] = self.dry[number] = NEVER
        self.live[number // SLAB_ROWS] -= 1
        self.sounding -= 1

    def trim(self) -> None:
        """Give the memory of slabs without a row in use back to the system; they stay mapped."""
        for memory, high in zip(self._maps, self.high, strict=True):
            if high == 0:
                memory.madvise(mmap.MADV_REMOVE)
