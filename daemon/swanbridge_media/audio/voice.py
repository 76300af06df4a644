"""One voice: what it plays, which of it is in its row, and how frames map to media time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..messages import MIX_RATE
from .slab import Floats


@dataclass(slots=True)
class Stretch:
    """From `frame` on the row holds media time `position` and later, `rate` times as fast."""

    frame: int
    position: float
    rate: float


@dataclass(slots=True, eq=False)
class Voice:
    """State of one voice. The row holds data for the frames [`head`, `end`), at columns frame % RING_FRAMES.

    While it sounds, frames are the engine's, and `head` is not kept: it is the mixer's frame. While it
    doesn't, they are those of the moment when the data was written; starting again moves the data.
    """

    number: int
    owner: int
    decoder: int
    media: int
    clip: int
    row: int
    rate: float
    loop: bool
    gain: float
    target: float  # the position asked for last; where the voice is while it has no data

    head: int = 0
    end: int = 0
    stretches: list[Stretch] = field(default_factory=list)
    marks: deque[int] = field(default_factory=deque)  # frames to come where a loop begins again
    is_at_end: bool = False  # no data follows after `end`
    duration: float = -1.0
    fault: tuple[str, str] | None = None  # what follows after `end` is this failure
    is_failed: bool = False

    is_wanted: bool = False  # the daemon started it
    is_sounding: bool = False
    is_starting: bool = False  # "started" is still to be told
    starved_at: int = -1
    is_ready: bool = False  # "ready" was told
    seek: int | None = None  # token of the seek to be told
    is_new_place: bool = True  # nothing arrived yet since the last load or seek
    is_smooth: bool = False  # fade in at the next start

    token: int = 0  # the fill in flight that counts; 0: none
    is_wrapping: bool = False  # that fill begins a loop anew
    is_hollow: bool = False  # the source has no sound at all: nothing to loop over
    is_retrying: bool = False  # a growing file had nothing yet; a timer asks again
    sound: Floats | None = None  # of a clip
    cursor: int = 0  # next frame of the clip

    def position_at(self, frame: int) -> float:
        """Media time of the sample at `frame`."""
        for stretch in reversed(self.stretches):
            if stretch.frame <= frame:
                return stretch.position + (frame - stretch.frame) * stretch.rate / MIX_RATE
        return self.target

    def end_position(self) -> float:
        """Media time where the data ends; a loop beginning just there does not count."""
        for stretch in reversed(self.stretches):
            if stretch.frame < self.end:
                return stretch.position + (self.end - stretch.frame) * stretch.rate / MIX_RATE
        return self.target

    def note_stretch(self, frame: int, position: float, heard: int) -> None:
        """Say what lies from `frame` on; stretches that were over at frame `heard` are forgotten."""
        known = self.stretches
        while len(known) > 1 and known[1].frame <= heard:
            del known[0]
        if known and known[-1].frame == frame:
            known.pop()
        known.append(Stretch(frame, position, self.rate))

    def shift(self, frames: int) -> None:
        """Rename all frames; the data has been moved."""
        self.head += frames
        self.end += frames
        for stretch in self.stretches:
            stretch.frame += frames
        self.marks = deque(mark + frames for mark in self.marks)

    def cut(self, frame: int) -> None:
        """Forget the data from `frame` on, and whatever was being fetched."""
        self.end = frame
        self.token = 0
        self.is_wrapping = self.is_at_end = self.is_retrying = False
        self.fault = None
        while self.marks and self.marks[-1] >= frame:
            self.marks.pop()
        while len(self.stretches) > 1 and self.stretches[-1].frame >= frame:
            self.stretches.pop()

    def drop(self, frame: int, position: float) -> None:
        """Forget all data: the voice stands at `position` and waits for it."""
        self.cut(frame)
        self.head = frame
        self.stretches.clear()
        self.marks.clear()
        self.target = position
        self.is_new_place = True
        self.is_failed = False
        self.starved_at = -1
