"""Keeps the rows of all voices filled: asks decoders, takes their answers, copies clips."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from ..messages import MIX_RATE, RING_FRAMES, SLAB_ROWS, Fill, Filled, Message
from .mixer import Mixer
from .slab import NEVER, Floats, write_row
from .voice import Voice

FIRST_FRAMES: Final = 4_800  # enough to start with; decoded quickly
CHUNK: Final = RING_FRAMES // 2

_COPIES: Final = 32
_RETRY: Final = 0.02
_SETTLE: Final = 0.02


class Outlet(Protocol):
    """Where the feeder reports to."""

    def arrived(self, voice: Voice) -> None:
        """Something new is in the row, or the source's end or failure is known."""

    def lost(self, voice: Voice, kind: str, error: str) -> None:
        """Go on without the source."""


class _Asked(NamedTuple):
    voice: Voice
    row: int
    frames: int


class Feeder:
    """`send(decoder, message)` is False if there is no such decoder; `later(delay, call)` sets a timer.

    With `is_patient` false, voices that are ready but not started soon get more than their first data.
    """

    def __init__(
        self,
        mixer: Mixer,
        send: Callable[[int, Message], bool],
        later: Callable[[float, Callable[[], None]], None],
        *,
        is_patient: bool,
    ) -> None:
        self.outlet: Outlet
        self.clips: dict[int, Floats] = {}
        self.waiting: set[Voice] = set()  # for a decoder, for bytes of a growing file, or for a clip
        self._mixer = mixer
        self._send = send
        self._later = later
        self._is_patient = is_patient
        # Clips are topped up late, as it takes no time; but a rendered block may be as long as a chunk.
        # In real time so many are topped up per block that a thousand started at once do not fall due at once.
        self.copies = NEVER if is_patient else _COPIES
        self.clip_low = CHUNK if is_patient else CHUNK // 2
        self._asked: dict[int, dict[int, _Asked]] = {}  # by decoder, by token
        self._token = 0

    def head(self, voice: Voice) -> int:
        """Give the frame of the sample that the voice plays next."""
        return self._mixer.frame if voice.is_sounding else voice.head

    def needs_more(self, voice: Voice) -> bool:
        """Tell whether there is room and nothing on its way."""
        return not (
            voice.token
            or voice.is_at_end
            or voice.fault
            or voice.is_failed
            or voice.is_retrying
            or voice.is_new_place
            or voice.end - self.head(voice) > CHUNK
        )

    def ask(self, voice: Voice, frames: int = CHUNK, position: float = -1.0, *, wrap: bool = False) -> None:
        """Ask for data after `end`; a clip's is there at once."""
        available = voice.end - self.head(voice)
        frames = min(frames, RING_FRAMES - available)
        if available <= 2 * FIRST_FRAMES and not self._is_patient:
            frames = min(frames, 2 * FIRST_FRAMES)  # many may begin at once: something soon for each of them
        voice.is_retrying = False
        if frames <= 0:
            return
        if voice.clip >= 0:
            self._copy(voice, frames, position, wrap)
            return
        self._token += 1
        fill = Fill(
            voice=voice.number,
            media=voice.media,
            slab=voice.row // SLAB_ROWS,
            row=voice.row % SLAB_ROWS,
            column=voice.end % RING_FRAMES,
            frames=frames,
            position=position,
            rate=voice.rate,
            loop=voice.loop,
            token=self._token,
        )
        if not self._send(voice.decoder, fill):
            self.outlet.lost(voice, "gone", f"decoder {voice.decoder} is not there")
            return
        voice.token = self._token
        voice.is_wrapping = wrap
        self._asked.setdefault(voice.decoder, {})[self._token] = _Asked(voice, voice.row, frames)
        self._mixer.rows.begin_fill(voice.row)
        self.waiting.add(voice)

    def filled(self, decoder: int, answer: Filled) -> None:
        """Take a decoder's answer; one that was not asked of it, or not any more, changes nothing."""
        asked = self._asked.get(decoder, {}).pop(answer.token, None)
        if asked is None:
            return
        self._mixer.rows.end_fill(asked.row)
        voice = asked.voice
        if voice.token != answer.token:
            self.outlet.arrived(voice)  # it may have waited with moving its data
            return
        voice.token = 0
        self.waiting.discard(voice)
        frames = max(0, min(answer.frames, asked.frames))
        position = answer.position if math.isfinite(answer.position) else 0.0
        marks = [(offset, at) for offset, at in answer.marks if 0 <= offset <= frames and math.isfinite(at)]
        if answer.error:
            voice.fault = (answer.kind, answer.error)
        self._accept(voice, frames, position, marks, ended=answer.ended, duration=answer.duration)

    def gone(self, decoder: int) -> None:
        """Nothing will be answered by that decoder."""
        for asked in self._asked.pop(decoder, {}).values():
            self._mixer.rows.end_fill(asked.row)

    def forget(self, voice: Voice) -> None:
        """Let the voice wait for nothing any more."""
        voice.token = 0
        voice.is_retrying = False
        self.waiting.discard(voice)

    def _accept(
        self,
        voice: Voice,
        frames: int,
        position: float,
        marks: list[tuple[int, float]],
        *,
        ended: bool,
        duration: float,
    ) -> None:
        start = voice.end
        wraps = voice.is_wrapping
        voice.is_wrapping = False
        if wraps and (frames or ended):
            marks = [(0, 0.0), *(mark for mark in marks if mark[0] > 0)]
        heard = self.head(voice)
        if frames or voice.is_new_place:
            voice.note_stretch(start, position, heard)
        if wraps and ended and not frames:
            marks, voice.is_hollow = [], True
        for offset, at in marks:
            voice.marks.append(start + offset)
            voice.note_stretch(start + offset, at, heard)
        voice.end = start + frames
        if marks and not voice.loop:
            self.end_loop(voice)
        elif ended and not voice.fault:
            if duration >= 0:
                voice.duration = duration
            voice.is_at_end = True
            if self.may_wrap(voice):
                self.wrap(voice)
                if voice.clip >= 0:
                    return  # that told it already
        elif not frames and not voice.fault:
            self._retry(voice, wrap=wraps)
            return
        if voice.is_new_place and not voice.is_sounding and not self._is_patient and voice.clip < 0:
            self._later(_SETTLE, lambda: self._settle(voice))
        self.outlet.arrived(voice)

    def may_wrap(self, voice: Voice) -> bool:
        """Tell whether the loop can begin anew after the end that is in the row: there is room, and sound."""
        return (
            voice.is_at_end
            and voice.loop
            and not voice.is_hollow
            and voice.end - self.head(voice) <= RING_FRAMES - FIRST_FRAMES
        )

    def wrap(self, voice: Voice) -> None:
        """Begin the loop anew after the end."""
        voice.is_at_end = False
        self.ask(voice, CHUNK, 0.0, wrap=True)

    def end_loop(self, voice: Voice) -> None:
        """Make the present round the last: cut at the next mark, if there is one in the row."""
        if voice.is_wrapping:
            voice.cut(voice.end)
            voice.is_at_end = True
            self.waiting.discard(voice)
        if voice.marks:
            voice.cut(voice.marks[0])
            voice.is_at_end = True
            voice.duration = voice.end_position()
            self.waiting.discard(voice)

    def _retry(self, voice: Voice, *, wrap: bool) -> None:
        voice.is_retrying = True
        self.waiting.add(voice)

        def again() -> None:
            if not voice.is_retrying or voice.token:
                return
            if voice.is_new_place:
                self.ask(voice, FIRST_FRAMES, voice.target)
            else:
                self.ask(voice, CHUNK, 0.0 if wrap else -1.0, wrap=wrap)

        self._later(_RETRY, again)

    def _settle(self, voice: Voice) -> None:
        if not voice.is_sounding and self.needs_more(voice):
            self.ask(voice)

    def _copy(self, voice: Voice, frames: int, position: float, wrap: bool) -> None:
        if voice.sound is None:
            voice.sound = self.clips.get(voice.clip)
            if voice.sound is None:
                self.waiting.add(voice)  # its data is on the way from a decoder
                return
        self.waiting.discard(voice)
        sound = voice.sound
        length = len(sound) // 2
        if position >= 0:
            voice.cursor = min(length, round(position * MIX_RATE))
        begin = voice.cursor / MIX_RATE
        row = self._mixer.rows.data(voice.row)
        marks: list[tuple[int, float]] = []
        done = 0
        ended = voice.cursor >= length
        while done < frames and not ended:
            count = min(frames - done, length - voice.cursor)
            write_row(row, voice.end + done, sound[2 * voice.cursor : 2 * (voice.cursor + count)])
            done += count
            voice.cursor += count
            if voice.cursor == length:
                if voice.loop:
                    marks.append((done, 0.0))
                    voice.cursor = 0
                else:
                    ended = True
        voice.is_wrapping = wrap
        self._accept(voice, done, begin, marks, ended=ended, duration=length / MIX_RATE)
