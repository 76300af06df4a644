"""A voice's place in a medium: fills rows of the slab with sound at the mix rate, and knows where that is.

Sound is counted in mix frames of the medium as if it ran straight on at rate 1, through every wrap of a loop;
a `Filling` gets what comes next of it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from ..messages import MIX_RATE, RING_FRAMES
from .decoder import BROKEN, Decoder
from .resample import Resampler, Sound, Tempo, lead, make_sane, steps
from .source import Trouble

__all__ = ["Cursor", "Filling"]

MARKS: Final = 256  # of one fill: a file of a few samples may wrap thousands of times; the latest are told


class Filling:
    """One request's share of a row: `room` frames from `column` on, wrapping at RING_FRAMES.

    It can be closed early, when a growing file has no more yet; then it takes nothing any more.
    """

    def __init__(self, row: Sound, column: int, frames: int) -> None:
        self._row = row
        self._column = column
        self.room = max(0, min(frames, RING_FRAMES))
        self.written = 0
        self.position = 0.0
        self.marks: list[tuple[int, float]] = []

    def take(self, sound: Sound) -> int:
        """Write what there is room for, mono on both channels; gives the number of frames."""
        count = min(len(sound), self.room)
        at = (self._column + self.written) % RING_FRAMES
        first = min(count, RING_FRAMES - at)
        self._row[at : at + first] = sound[:first]
        self._row[: count - first] = sound[first:count]
        self.written += count
        self.room -= count
        return count

    def close(self) -> None:
        """Take nothing any more, and leave nothing that would spoil the mix."""
        self.room = 0
        at = self._column % RING_FRAMES
        first = min(self.written, RING_FRAMES - at)
        make_sane(self._row[at : at + first])
        make_sane(self._row[: self.written - first])


class Cursor:
    """Decodes on from one place to the next.

    Its `fill` raises `Trouble` when decoding breaks off; what was written before stays written.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self._place(0.0, 1.0)

    @property
    def duration(self) -> float:
        """Seconds that were counted at the end, -1 before it was met."""
        return self.decoder.end / self.decoder.rate if self.decoder.end >= 0 else -1.0

    @property
    def ended(self) -> bool:
        """Tell whether nothing follows."""
        return self._finished and not self._pending

    def _place(self, position: float, rate: float) -> None:
        """Forget what is under way and begin at a position; `_begin` goes there."""
        self._begun = False
        self._finished = False
        self._rate = rate
        self._pending: deque[Sound] = deque()
        self._resampler: Resampler | None = None
        self._tempo = Tempo(rate) if rate != 1.0 else None
        self._first = max(0, round(position * MIX_RATE))
        self._made = self._first  # mix frames up to here left the resampler
        self._given = 0  # frames handed out since, at the voice's rate
        self._samples = 0  # source samples fed, counted from sample 0 through every wrap
        self._wrapped = -1  # `_samples` at the last wrap: a loop that yields nothing more ends
        self._wraps: deque[tuple[int, float]] = deque()
        self._anchor = (self._first, self._first / MIX_RATE)  # (mix frame, media position there)

    def _begin(self) -> None:
        self._begun = True
        decoder = self.decoder
        source = self._first * decoder.rate // MIX_RATE
        start = max(0, source - lead(decoder.rate))
        step, _ = steps(decoder.rate)
        if step <= decoder.rate // 20:
            start -= start % step  # there a mix frame falls on a source sample, as in a straight run
        decoder.go(start)
        self._samples = start
        self._skip = self._first - round(self._fed)

    @property
    def _fed(self) -> float:
        """Mix frames that the fed samples last."""
        return self._samples * MIX_RATE / self.decoder.rate

    def _position(self, ahead: int) -> float:
        """Give the media position of the frame `ahead` after the last one handed out."""
        at = self._first + (self._given + ahead) * self._rate
        frame, position = self._anchor
        return round(position + (at - frame) / MIX_RATE, 9)  # without the noise of binary fractions

    def fill(self, filling: Filling, position: float, rate: float, loop: bool) -> None:
        """Write into a filling until it is full or the medium ends; from `position` on if that is >= 0."""
        self.decoder.reader.begin()
        if position >= 0 or rate != self._rate:
            self._place(position if position >= 0 else self._position(0), rate)
        while True:
            if filling.written == 0:
                filling.position = self._position(0)
            self._hand_out(filling)
            if self._finished or (self._pending and filling.room == 0):
                return
            self.decoder.reader.check()
            if not self._begun:
                self._begin()
            self._advance(loop)

    def _hand_out(self, filling: Filling) -> None:
        while self._pending and filling.room:
            sound = self._pending[0]
            offset = filling.written
            count = filling.take(sound)
            while self._wraps:
                at, position = self._wraps[0]
                ahead = math.ceil((at - self._first) / self._rate) - self._given
                if ahead >= count:
                    break
                self._wraps.popleft()
                self._anchor = (at, position)
                if ahead <= 0 and offset == 0:
                    filling.position = position
                filling.marks.append((offset + max(0, ahead), self._position(max(0, ahead))))
            self._given += count
            if count == len(sound):
                self._pending.popleft()
            else:
                self._pending[0] = sound[count:]
        del filling.marks[:-MARKS]

    def _advance(self, loop: bool) -> None:
        """Decode one frame, or wrap, or finish."""
        frame = self.decoder.next()
        if frame is None:
            if loop and self.decoder.end > 0 and self._resampler is None:
                self._place(0.0, self._rate)  # the place that was asked for lies beyond the end
            elif loop and self.decoder.end > 0 and self._samples > self._wrapped:
                self._wrapped = self._samples
                # The resampler is fed on, so that a tone which fits the loop has no seam.
                at = -(-self._samples * MIX_RATE // self.decoder.rate)
                self._wraps.append((at, at / MIX_RATE - self._samples / self.decoder.rate))
                self.decoder.go(0)
            else:
                self._finish()
            return
        try:
            if self._resampler is None or not self._resampler.matches(frame):
                if self._resampler is not None:
                    self._drain()
                self._resampler = Resampler(frame)
            self._samples += frame.samples * self.decoder.rate // frame.sample_rate
            self._emit(self._resampler.push(frame))
        except BROKEN as error:
            raise Trouble("format", f"the sound can't be converted: {error}") from error

    def _drain(self) -> None:
        """Get out of the resampler what is inside, not more than the samples that were fed are worth."""
        if self._resampler is None:
            return
        sounds = self._resampler.push(None)
        left = round(self._fed) - self._made + self._skip
        kept = []
        for sound in sounds:
            kept.append(sound[: max(0, left)])
            left -= len(sound)
        self._emit(kept)
        self._resampler = None

    def _finish(self) -> None:
        self._finished = True
        try:
            self._drain()
            if self._tempo is not None:
                due = round((self._made - self._first) / self._rate)
                due -= self._given + sum(len(sound) for sound in self._pending)
                for sound in self._tempo.push(None):
                    self._keep(sound[: max(0, due)])
                    due -= len(sound)
                self._tempo = None
        except BROKEN as error:
            raise Trouble("format", f"the sound can't be converted: {error}") from error

    def _emit(self, sounds: list[Sound]) -> None:
        """Queue what left the resampler, without what lies before the place that was asked for."""
        for whole in sounds:
            dropped = min(self._skip, len(whole))
            self._skip -= dropped
            sound = whole[dropped:]
            self._made += len(sound)
            if self._tempo is None:
                self._keep(sound)
            else:
                for paced in self._tempo.push(sound):
                    self._keep(paced)

    def _keep(self, sound: Sound) -> None:
        if len(sound):
            self._pending.append(sound)

    def close(self) -> None:
        """Let the container go."""
        self._pending.clear()
        self.decoder.close()
