"""What the daemon tells voices to do, and what happens to them as frames go by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from ..messages import RING_FRAMES, DropVoice, LoadVoice, Message, TuneVoice
from .feeder import CHUNK, FIRST_FRAMES, Feeder
from .mixer import BLOCK, FADE_FRAMES, Mixer
from .slab import NEVER, Floats, read_row, write_row
from .voice import Voice

_RATE_LEAD: Final = 960  # what still sounds at the old rate while the decoder prepares the new one
_CLIP_CHUNK: Final = RING_FRAMES - CHUNK // 2


class Tell(Protocol):
    """Reports an edge."""

    def __call__(
        self,
        voice: Voice,
        kind: str,
        frame: int,
        position: float,
        *,
        token: int = 0,
        duration: float = -1.0,
        fault: tuple[str, str] = ("", ""),
    ) -> None:
        """Report `kind` at `frame`."""


class Voices:
    """All voices. `missed(owner, start, end)` notes frames where an owner's sound was not there in time."""

    def __init__(
        self,
        mixer: Mixer,
        feeder: Feeder,
        tell: Tell,
        send: Callable[[int, Message], bool],
        missed: Callable[[int, int, int], None],
    ) -> None:
        self._mixer = mixer
        self._rows = mixer.rows
        self._feeder = feeder
        feeder.outlet = self
        self._tell = tell
        self._send = send
        self._missed = missed
        self._voices: dict[int, Voice] = {}
        self._by_row: dict[int, Voice] = {}

    # --- commands ---------------------------------------------------------------------------------

    def load(self, ask: LoadVoice) -> None:
        """Make a voice; one of that number that is there is freed."""
        self.free(ask.voice)
        voice = Voice(
            number=ask.voice,
            owner=ask.owner,
            decoder=ask.decoder,
            media=ask.media,
            clip=ask.clip,
            row=self._rows.take(ask.owner),
            rate=ask.rate if ask.clip < 0 else 1.0,
            loop=ask.loop,
            gain=ask.gain,
            target=max(0.0, ask.position),
        )
        self._voices[voice.number] = voice
        self._by_row[voice.row] = voice
        voice.head = voice.end = self._mixer.frame
        self._feeder.ask(voice, FIRST_FRAMES, voice.target)

    def free(self, number: int) -> None:
        """End a voice; unknown ones are none."""
        voice = self._voices.pop(number, None)
        if voice is None:
            return
        self._halt(voice)
        self._end_starvation(voice)
        voice.is_failed = True
        voice.is_wanted = False
        self._feeder.forget(voice)
        if voice.clip < 0:
            self._send(voice.decoder, DropVoice(voice=number))
        del self._by_row[voice.row]
        self._rows.give_back(voice.row)

    def start(self, number: int) -> None:
        """Play as soon as there is sound."""
        voice = self._voices.get(number)
        if voice is None or voice.is_wanted or voice.is_failed:
            return
        voice.is_wanted = voice.is_starting = True
        self._begin(voice)

    def pause(self, number: int) -> None:
        """Stand still here."""
        voice = self._voices.get(number)
        if voice is None or not voice.is_wanted:
            return
        voice.is_wanted = False
        voice.is_smooth = voice.is_smooth or voice.is_sounding or voice.starved_at >= 0
        self._halt(voice)
        self._end_starvation(voice)
        self._tell(voice, "paused", self._mixer.frame, voice.position_at(voice.head))

    def seek(self, number: int, position: float, token: int) -> None:
        """Go elsewhere; a seek that was under way is never heard of again."""
        voice = self._voices.get(number)
        if voice is None:
            return
        self._halt(voice)
        self._end_starvation(voice)
        self._feeder.forget(voice)
        voice.drop(self._mixer.frame, max(0.0, position))
        voice.seek = token
        voice.is_smooth = voice.target > 0.0
        self._feeder.ask(voice, FIRST_FRAMES, voice.target)

    def tune(self, ask: TuneVoice) -> None:
        """Change gain, loop or rate."""
        voice = self._voices.get(ask.voice)
        if voice is None:
            return
        if ask.gain is not None and ask.gain != voice.gain:
            if voice.is_sounding:
                self._mixer.ramp(self._ahead(voice), voice.gain - ask.gain, voice.owner)
                self._rows.weight[voice.row] = ask.gain
            voice.gain = ask.gain
        if ask.loop is not None and ask.loop != voice.loop:
            voice.loop = ask.loop
            if not ask.loop:
                self._feeder.end_loop(voice)
            elif voice.end > self._feeder.head(voice) and self._feeder.may_wrap(voice):
                self._feeder.wrap(voice)
            self._plan(voice)
        if ask.rate is not None and ask.rate != voice.rate and voice.clip < 0:
            voice.rate = ask.rate
            self._change_rate(voice)

    def _change_rate(self, voice: Voice) -> None:
        feeder = self._feeder
        head = feeder.head(voice)
        if voice.is_failed:
            return
        if voice.is_new_place:
            voice.cut(head)
            feeder.ask(voice, FIRST_FRAMES, voice.target)
            return
        keep = min(voice.end - head, _RATE_LEAD) if voice.is_sounding else 0
        if (voice.is_at_end or voice.fault) and head + keep == voice.end:
            return
        wraps = voice.is_wrapping and head + keep == voice.end
        position = 0.0 if wraps else voice.position_at(head + keep)
        voice.cut(head + keep)
        feeder.ask(voice, FIRST_FRAMES, position, wrap=wraps)
        self._plan(voice)

    # --- what the feeder brings -------------------------------------------------------------------

    def arrived(self, voice: Voice) -> None:
        """Go on with what the voice waited for."""
        if voice.is_failed:
            return
        if voice.is_new_place and not voice.token and not voice.is_retrying:
            frame = self._mixer.frame
            if voice.fault and voice.end == voice.head:
                self._fail(voice, voice.fault)
                return
            voice.is_new_place = False
            position = voice.position_at(voice.head)
            if not voice.is_ready:
                voice.is_ready = True
                self._tell(voice, "ready", frame, position)
            if voice.seek is not None:
                self._tell(voice, "seeked", frame, position, token=voice.seek)
                voice.seek = None
        if voice.is_sounding:
            if self._feeder.needs_more(voice):
                self._feeder.ask(voice)
            self._plan(voice)
        else:
            self._begin(voice)

    def lost(self, voice: Voice, kind: str, error: str) -> None:
        """Fail at once."""
        self._fail(voice, (kind, error))

    def decoder_gone(self, decoder: int) -> None:
        """Fail all voices that depend on a decoder."""
        self._feeder.gone(decoder)
        for voice in list(self._voices.values()):
            waits_for_clip = voice.clip >= 0 and voice.sound is None
            is_hit = waits_for_clip if voice.clip >= 0 else voice.decoder == decoder
            if is_hit and not voice.is_failed:
                self._fail(voice, ("gone", f"decoder {decoder} is gone"))

    def clip_came(self, clip: int) -> None:
        """Go on with voices that were loaded before their clip was here."""
        for voice in list(self._feeder.waiting):
            if voice.clip == clip:
                self._feeder.ask(voice, FIRST_FRAMES, voice.target)

    # --- as time goes by --------------------------------------------------------------------------

    def attend(self, limit: int) -> None:
        """Do what is due from the mixer's frame to `limit`: refills, and edges up to `limit` itself."""
        rows = self._rows
        if rows.soonest > limit:
            return  # as for most blocks
        wake = rows.wake[: rows.top]
        due = np.flatnonzero(wake <= limit)
        copies = 0
        for row in due.tolist():
            voice = self._by_row[row]
            if voice.clip >= 0 and rows.edge[row] > limit:
                if copies >= self._feeder.copies and voice.end > limit + 4 * BLOCK:
                    continue
                copies += 1
            self._attend(voice, limit)
        rows.soonest = int(rows.wake[: rows.top].min(initial=NEVER))

    def _attend(self, voice: Voice, limit: int) -> None:
        feeder = self._feeder
        looped = -1
        while voice.marks and voice.marks[0] <= limit:
            looped = voice.marks.popleft()
        if looped >= 0:  # of rounds shorter than a block only the last is told
            self._tell(voice, "looped", looped, voice.position_at(looped))
        if feeder.may_wrap(voice):
            feeder.wrap(voice)
        elif feeder.needs_more(voice):
            feeder.ask(voice, CHUNK if voice.clip < 0 else _CLIP_CHUNK)
        if not voice.is_sounding:
            return  # asking has failed it
        if voice.end <= limit:
            if voice.is_at_end or voice.fault:
                self._finish(voice)
                return
            if voice.end < limit:
                self._starve(voice)
                return
        self._plan(voice)

    def _finish(self, voice: Voice) -> None:
        end = voice.end
        self._stop_at(voice, end)
        voice.is_wanted = False
        voice.is_smooth = False
        if voice.fault:
            voice.is_failed = True
            self._tell(voice, "failed", end, voice.end_position(), fault=voice.fault)
            return
        position = voice.duration if voice.duration >= 0 else voice.end_position()
        self._tell(voice, "ended", end, position, duration=position)

    def _starve(self, voice: Voice) -> None:
        end = voice.end
        self._stop_at(voice, end)
        voice.starved_at = end
        self._tell(voice, "starved", end, voice.end_position())

    def _stop_at(self, voice: Voice, end: int) -> None:
        """Let what is left before `end` (within this block) be heard, without the row."""
        frames = end - self._mixer.frame
        if frames > 0:
            sound = read_row(self._rows.data(voice.row), self._mixer.frame, frames)
            self._mixer.lay(sound, voice.gain, voice.owner)
        self._rows.silence(voice.row)
        voice.is_sounding = False
        voice.head = end

    def _end_starvation(self, voice: Voice) -> None:
        if voice.starved_at >= 0:
            self._missed(voice.owner, voice.starved_at, self._mixer.frame)
            voice.starved_at = -1

    def _ahead(self, voice: Voice) -> Floats:
        frames = max(0, min(FADE_FRAMES, voice.end - self._mixer.frame))
        return read_row(self._rows.data(voice.row), self._mixer.frame, frames)

    def _halt(self, voice: Voice) -> None:
        """Stop sounding, with a short tail."""
        if voice.is_sounding:
            self._mixer.ramp(self._ahead(voice), voice.gain, voice.owner)
            self._rows.silence(voice.row)
            voice.is_sounding = False
            voice.head = self._mixer.frame

    def _fail(self, voice: Voice, fault: tuple[str, str]) -> None:
        self._halt(voice)
        self._end_starvation(voice)
        self._feeder.forget(voice)
        voice.is_failed = True
        voice.is_wanted = False
        self._tell(voice, "failed", self._mixer.frame, voice.position_at(voice.head), fault=fault)

    def _begin(self, voice: Voice) -> None:
        """Sound from the present frame on, if all that takes is there; `arrived` tries again."""
        if voice.is_sounding or voice.is_new_place or voice.is_failed or not voice.is_wanted:
            return
        available = voice.end - voice.head
        if not available and not voice.is_at_end:
            if voice.fault:
                self._fail(voice, voice.fault)
            elif self._feeder.needs_more(voice):
                self._feeder.ask(voice)
            return
        frame = self._mixer.frame
        shift = frame - voice.head
        row = self._rows.data(voice.row)
        if available and shift % RING_FRAMES:
            if self._rows.is_filling(voice.row):
                return
            write_row(row, frame, read_row(row, voice.head, available))
        voice.shift(shift)
        if voice.is_smooth:
            self._mixer.ramp(self._ahead(voice), -voice.gain, voice.owner)
            voice.is_smooth = False
        self._rows.sound(voice.row, voice.gain)
        voice.is_sounding = True
        if voice.is_starting:
            voice.is_starting = False
            self._tell(voice, "started", frame, voice.position_at(frame))
        elif voice.starved_at >= 0:
            self._tell(voice, "fed", frame, voice.position_at(frame))
        self._end_starvation(voice)
        if self._feeder.needs_more(voice):
            self._feeder.ask(voice)
        self._plan(voice)

    def _plan(self, voice: Voice) -> None:
        """Say when the voice needs a look again."""
        if not voice.is_sounding:
            return
        row, end = voice.row, voice.end
        is_last = voice.is_at_end or voice.fault is not None
        edge = end if is_last else NEVER
        if voice.marks:
            edge = min(edge, voice.marks[0])
        wake = edge if is_last else min(edge, end + 1)
        if is_last:
            if voice.loop and voice.is_at_end and not voice.is_hollow:
                wake = min(wake, end - CHUNK)
        elif not voice.token and not voice.is_retrying:
            wake = min(wake, end - (CHUNK if voice.clip < 0 else self._feeder.clip_low))
        self._rows.edge[row] = edge
        self._rows.dry[row] = NEVER if is_last else end
        self._rows.wake[row] = wake
        self._rows.soonest = min(self._rows.soonest, wake)

    # --- questions --------------------------------------------------------------------------------

    def positions(self) -> list[tuple[int, float]]:
        """Where every sounding voice is at the mixer's frame."""
        frame = self._mixer.frame
        return [(one.number, one.position_at(frame)) for one in self._voices.values() if one.is_sounding]

    def is_settled(self) -> bool:
        """Nobody waits for a decoder, except voices that have enough for the next fade."""
        frame = self._mixer.frame
        return all(one.is_sounding and one.end - frame >= FADE_FRAMES for one in self._feeder.waiting)
