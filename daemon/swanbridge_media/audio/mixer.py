"""The sum of all voices: one matrix product a slab, plus overlays for whatever is not a constant gain.

An overlay is a short piece of sound, scaled already, with the frame where it begins and the owner it counts
for: the tail of a voice that was paused, the last samples of one that ended within a block, or the difference
between a gain ramp and the final gain that the product applies already.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from ..messages import RING_FRAMES, SLAB_ROWS
from .slab import Floats, Rows

BLOCK: Final = 480  # 10 ms
FADE_FRAMES: Final = 240  # 5 ms

_SANE: Final = 1e6  # a sample beyond is rubbish; no decoder makes that

_FALLING: Final = np.repeat(np.linspace(1.0, 0.0, FADE_FRAMES, endpoint=False, dtype=np.float32), 2)


class Overlay(NamedTuple):
    """`sound` is interleaved and begins at `frame`."""

    frame: int
    sound: Floats
    owner: int


class Mixer:
    """Mixes frame after frame; `frame` is the next one to be mixed."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.frame = 0
        self.overlays: list[Overlay] = []
        self._out: Floats = np.zeros(RING_FRAMES * 2, np.float32)
        self._share: Floats = np.zeros(RING_FRAMES * 2, np.float32)
        self._part: Floats = np.zeros(RING_FRAMES * 2, np.float32)

    @property
    def is_idle(self) -> bool:
        """Nothing sounds: frames may be skipped."""
        return not self.rows.sounding and not self.overlays

    def lay(self, sound: Floats, gain: float, owner: int) -> None:
        """Let `sound` be heard from the present frame on, whatever becomes of its row."""
        if len(sound) and gain:
            self.overlays.append(Overlay(self.frame, sound * np.float32(gain), owner))

    def ramp(self, sound: Floats, first: float, owner: int) -> None:
        """Lay `sound` with a gain that falls from `first` to 0 within FADE_FRAMES (or rises, if negative)."""
        if len(sound) and first:
            self.overlays.append(
                Overlay(self.frame, sound * (_FALLING[: len(sound)] * np.float32(first)), owner)
            )

    def mix(self, frames: int) -> Floats:
        """Sum all voices from the present frame on: interleaved, clipped; the next call reuses it."""
        out = self._sum(self._out, frames, None)
        return self._finish(out, frames, None)

    def share(self, frames: int, owner: int) -> Floats:
        """Give the part of one owner in the same frames."""
        out = self._sum(self._share, frames, owner)
        return self._finish(out, frames, owner)

    def advance(self, frames: int) -> None:
        """Go on to the next block and forget overlays that are over."""
        self.frame += frames
        if self.overlays:
            self.overlays = [one for one in self.overlays if one.frame + len(one.sound) // 2 > self.frame]

    def _finish(self, out: Floats, frames: int, owner: int | None) -> Floats:
        # One rubbish sample would silence all others, as NaN spreads: look at the sum, search only then.
        energy = float(out.dot(out))
        if not math.isfinite(energy):
            self._scrub(frames)
            out = self._sum(out, frames, owner)
            np.nan_to_num(out, copy=False, nan=0.0)
            energy = math.inf
        if energy > 1.0:  # else no sample is beyond
            out.clip(-1.0, 1.0, out=out)
        return out

    def _sum(self, buffer: Floats, frames: int, owner: int | None) -> Floats:
        out = buffer[: 2 * frames]
        rows = self.rows
        column = self.frame % RING_FRAMES
        head = min(frames, RING_FRAMES - column)
        is_first = True
        for slab, live in enumerate(rows.live):
            if not live:
                continue
            high = rows.high[slab]
            first = slab * SLAB_ROWS
            weight = rows.weight[first : first + high]
            if owner is not None:
                is_theirs = rows.owner[first : first + high] == owner
                if not is_theirs.any():
                    continue
                weight = weight * is_theirs
            data = rows.slabs[slab]
            target = out if is_first else self._part[: 2 * frames]
            np.matmul(weight, data[:high, 2 * column : 2 * (column + head)], out=target[: 2 * head])
            if head < frames:
                np.matmul(weight, data[:high, : 2 * (frames - head)], out=target[2 * head :])
            if not is_first:
                out += target
            is_first = False
        if is_first:
            out.fill(0.0)
        for one in self.overlays:
            if owner is None or one.owner == owner:
                skip = self.frame - one.frame
                piece = one.sound[2 * skip : 2 * (skip + frames)]
                out[: len(piece)] += piece
        return out

    def _scrub(self, frames: int) -> None:
        column = self.frame % RING_FRAMES
        head = min(frames, RING_FRAMES - column)
        for slab, high in enumerate(self.rows.high):
            for start, stop in ((column, column + head), (0, frames - head)):
                part = self.rows.slabs[slab][:high, 2 * start : 2 * stop]
                part[~(np.abs(part) < _SANE)] = 0.0
        for one in self.overlays:
            one.sound[~(np.abs(one.sound) < _SANE)] = 0.0
