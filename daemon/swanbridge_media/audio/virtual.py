"""Speakers that are none: one paced by the system clock, one that plays when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..messages import MIX_RATE, RING_FRAMES
from .capture import Captures
from .mixer import BLOCK, Mixer
from .slab import NEVER, Floats
from .voices import Voices

_EARLY: Final = 0.001  # selectors wake to the millisecond
_LATE_FRAMES: Final = MIX_RATE // 5  # from here on a suspended process doesn't rush after the clock


class VirtualSpeaker:
    """Real time without a device: frame f is heard at `start` + f / MIX_RATE."""

    device = "virtual"
    name = "Virtual speaker"
    latency = BLOCK / MIX_RATE

    def __init__(self, frame: int, now: float) -> None:
        self._start = now - frame / MIX_RATE

    def time_of(self, frame: int) -> float:
        """When the frame is heard."""
        return self._start + frame / MIX_RATE

    def present(self, frame: int, now: float) -> int:
        """Give the frame at which sound that starts now begins, nothing having sounded since `frame`."""
        return max(frame, -int(-(now - self._start) * MIX_RATE // 1))

    def wake(self, frame: int, now: float) -> None:
        """Begin to play at `frame` after a rest."""

    def rest(self, frame: int, now: float) -> None:
        """Nothing sounds from `frame` on."""

    def late(self, frame: int, now: float) -> int:
        """Give how many frames were missed, and count from now on without them."""
        late = int((now - self._start) * MIX_RATE) - frame
        if late < _LATE_FRAMES:
            return 0
        self._start += late / MIX_RATE
        return late

    def wants(self, frame: int, now: float) -> bool:
        """Tell whether the block from `frame` on is to be mixed now."""
        return self.time_of(frame) <= now + _EARLY

    def play(self, sound: Floats) -> None:
        """Take a block."""

    def next_wake(self, frame: int, now: float) -> float:
        """When to look again while sound is being mixed."""
        return self.time_of(frame) - _EARLY


class RenderedClock:
    """The virtual clock: plays on when `Render` asks, waits for decoders, stops at edges.

    `flush` sends what is waiting to the decoders, so that they work while we mix.
    """

    def __init__(self, mixer: Mixer, voices: Voices, captures: Captures, flush: Callable[[], None]) -> None:
        self._mixer = mixer
        self._voices = voices
        self._captures = captures
        self._flush = flush

    def run(self, until: int, has_edge: Callable[[], bool]) -> bool:
        """Play towards `until`; True: got there, or to an edge. False: a decoder has to answer first."""
        mixer, rows = self._mixer, self._mixer.rows
        while True:
            self._voices.attend(mixer.frame)
            if not self._voices.is_settled():
                return False
            if has_edge() or mixer.frame >= until:
                return True
            if mixer.is_idle:
                self._captures.record(None, until - mixer.frame)
                mixer.frame = until
                continue
            limit = min(until, mixer.frame + RING_FRAMES // 2, int(rows.edge[: rows.top].min(initial=NEVER)))
            if rows.dry[: rows.top].min(initial=NEVER) < limit:
                return False
            self._flush()
            frames = limit - mixer.frame
            self._voices.attend(limit)
            if self._captures:
                self._captures.record(mixer.mix(frames), frames)
            mixer.advance(frames)
