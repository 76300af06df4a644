"""Which speaker plays: opening, listing, and the watchdog over PortAudio.

PortAudio dies loudly when its server goes, and silently in other ways: the stream stays "active" and no
callback comes. So it counts as lost when none came for STALL seconds, whatever PortAudio says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

from .. import messages as m
from .capture import Captures
from .mixer import Mixer
from .portaudio import OutputRing, PortAudioSpeaker, Stream, Worker, make_wake, missing
from .speaker import Speaker
from .virtual import VirtualSpeaker

STALL: Final = 0.4
_POLL: Final = 0.02  # while lost
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_PATIENCE: Final = 5.0  # for PortAudio to answer at all


class Speakers:
    """The speaker in use is `now`. Everything here is called by the engine's loop."""

    def __init__(
        self, mixer: Mixer, captures: Captures, send: Callable[[m.Message], None], *, is_virtual: bool
    ) -> None:
        self.now: Speaker = VirtualSpeaker(0, time.monotonic())
        self.is_lost = False
        self.wake_descriptor, wake = make_wake()
        self._mixer = mixer
        self._captures = captures
        self._send = send
        self._is_rendered = is_virtual
        self._worker = Worker(wake)
        self._waiting: dict[int, tuple[float, Callable[[], None]]] = {}  # rid -> when and how to give up
        self._latency = 0.0
        self._looked_at = 0.0
        self._lost_calls = 0
        self._candidate: Stream | None = None
        self._candidate_until = 0.0
        self._attempt = 0
        self._is_attempting = False
        self._is_abandoned = False  # the lost stream is being closed: it does not come back
        self._attempt_at = 0.0
        self._stuck_since: float | None = None

    # --- the daemon asks ------------------------------------------------------------------------------

    def open(self, ask: m.OpenSpeaker) -> None:
        """Change the speaker; what plays goes on."""
        now = time.monotonic()
        if self._is_rendered:
            if ask.device == "virtual":
                self._send(m.SpeakerOpened(ask.rid, "virtual", VirtualSpeaker.name, 0.0))
            else:
                self._send(
                    m.Failed(ask.rid, "system", "with the virtual clock there is only the virtual speaker")
                )
            return
        if ask.device == "virtual":
            self._use_virtual(now)
            self._send(m.SpeakerOpened(ask.rid, "virtual", self.now.name, self.now.latency))
            return
        ring = self.now.ring if isinstance(self.now, PortAudioSpeaker) else OutputRing()

        def give_up() -> None:
            self._send(m.Failed(ask.rid, "system", "PortAudio does not answer"))

        def opened(result: Stream | Exception) -> None:
            is_late = self._waiting.pop(ask.rid, None) is None
            if isinstance(result, Exception):
                if not is_late:
                    is_library = isinstance(result, (ImportError, OSError))
                    self._send(m.Failed(ask.rid, "system", missing(result) if is_library else str(result)))
            elif is_late:
                self._close(result)
            else:
                self._latency = ask.latency
                self._use(result, ring)
                self._send(m.SpeakerOpened(ask.rid, result.device, result.name, self.now.latency))

        def job() -> Stream:
            try:
                return self._worker.open(ask.device, ask.latency, ring, reset=False)
            except (ImportError, OSError):
                raise
            except Exception:
                if isinstance(self.now, PortAudioSpeaker) and not self.is_lost:
                    raise  # looking for devices afresh would silence what plays
                return self._worker.open(ask.device, ask.latency, ring, reset=True)

        self._waiting[ask.rid] = (now + _PATIENCE, give_up)
        self._worker.submit(job, opened)

    def list_all(self, rid: int) -> None:
        """Answer with all speakers, the virtual one first."""
        virtual = [m.SpeakerFact("virtual", VirtualSpeaker.name, True)]

        def give_up() -> None:
            self._send(m.Speakers(rid, virtual, "PortAudio does not answer"))

        def listed(result: Any) -> None:
            if self._waiting.pop(rid, None) is None:
                return
            facts, problem = ([], f"PortAudio: {result}") if isinstance(result, Exception) else result
            self._send(m.Speakers(rid, virtual + facts, problem))

        self._waiting[rid] = (time.monotonic() + _PATIENCE, give_up)
        self._worker.submit(self._worker.facts, listed)

    # --- the loop calls -------------------------------------------------------------------------------

    def worker_reports(self) -> None:
        """Take the worker's results."""
        try:
            os.eventfd_read(self.wake_descriptor)
        except BlockingIOError:
            return
        while self._worker.results:
            self._worker.results.popleft()()

    def watch(self, now: float) -> None:
        """Notice that sound has stopped or come back, and work on it."""
        for rid, (until, give_up) in list(self._waiting.items()):
            if now >= until:
                del self._waiting[rid]
                give_up()
        slept_too_long = now - self._looked_at > STALL + 0.2
        self._looked_at = now
        speaker = self.now
        if not isinstance(speaker, PortAudioSpeaker):
            return
        if self.is_lost:
            self._recover(speaker, now)
        elif speaker.stream.is_finished:
            self._lose(speaker, now, "the sound server closed the stream")
        elif now - speaker.stream.called > STALL:
            if slept_too_long:  # it was us who stood still; the callbacks get their chance
                speaker.stream.called = now - STALL / 2
            else:
                self._lose(speaker, now, f"no callback for {STALL} s")

    def next_watch(self) -> float | None:
        """When `watch` wants to be called at the latest."""
        due = [until for until, _ in self._waiting.values()]
        if self.is_lost:
            due.append(time.monotonic() + _POLL)
        elif isinstance(self.now, PortAudioSpeaker):
            due.append(self.now.stream.called + STALL + 0.001)
        return min(due, default=None)

    def wake(self, now: float) -> None:
        """Sound begins after a rest."""
        self.now.wake(self._mixer.frame, now)
        if self.is_lost:
            self._stuck_since = now

    def rest(self, now: float) -> None:
        """Nothing sounds any more."""
        self.account(now)
        self._stuck_since = None
        self.now.rest(self._mixer.frame, now)

    def account(self, now: float) -> None:
        """Let captures know of the time that sound has been standing still."""
        if self._stuck_since is not None:
            self._captures.stand_still(round((now - self._stuck_since) * m.MIX_RATE))
            self._stuck_since = now

    # --- losing and finding ---------------------------------------------------------------------------

    def _lose(self, speaker: PortAudioSpeaker, now: float, reason: str) -> None:
        at = min(now, speaker.edge_of_silence())
        self.is_lost = True
        self._lost_calls = speaker.stream.calls
        self._attempt = 0
        self._attempt_at = now
        self._is_abandoned = False
        self._stuck_since = None if self._mixer.is_idle else at
        self._send(m.SpeakerLost(at, reason))

    def _recover(self, speaker: PortAudioSpeaker, now: float) -> None:
        stream, candidate = speaker.stream, self._candidate
        if stream.calls > self._lost_calls and not stream.is_finished and not self._is_abandoned:
            self._found(stream, now)
        elif candidate and candidate.calls:
            self._found(candidate, now)
        elif candidate and (candidate.is_finished or now > self._candidate_until):
            self._candidate = None
            self._close(candidate)
            self._plan_attempt(now)
        elif not candidate and not self._is_attempting and now >= self._attempt_at:
            self._try(speaker)

    def _plan_attempt(self, now: float) -> None:
        self._attempt_at = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._attempt - 1, 10))

    def _try(self, speaker: PortAudioSpeaker) -> None:
        """Open once more: plainly at first, then with PortAudio started afresh."""
        self._attempt += 1
        self._is_attempting = True
        reset = self._attempt > 1
        self._is_abandoned = self._is_abandoned or reset
        device, ring = speaker.device, speaker.ring

        def opened(result: Stream | Exception) -> None:
            self._is_attempting = False
            now = time.monotonic()
            if isinstance(result, Exception):
                self._plan_attempt(now)
            elif not self.is_lost or self.now is not speaker:
                self._close(result)
            else:
                self._candidate, self._candidate_until = result, now + STALL

        self._worker.submit(lambda: self._worker.open(device, self._latency, ring, reset=reset), opened)

    def _found(self, stream: Stream, now: float) -> None:
        speaker = self.now
        assert isinstance(speaker, PortAudioSpeaker)
        if stream is not speaker.stream:
            self._close(speaker.stream)
            speaker.stream = speaker.ring.active = stream
        if self._candidate and self._candidate is not stream:
            self._close(self._candidate)
        self._candidate = None
        speaker.anchor(now)
        self._back(max(now, speaker.edge_of_silence()))

    def _back(self, now: float) -> None:
        self.is_lost = False
        self.account(now)
        self._stuck_since = None
        self._send(m.SpeakerBack(now, self.now.name))

    def _close(self, stream: Stream) -> None:
        self._worker.submit(lambda: self._worker.close(stream), lambda _: None)

    # --- changing -------------------------------------------------------------------------------------

    def _use_virtual(self, now: float) -> None:
        former = self.now
        frame = self._mixer.frame
        self.now = VirtualSpeaker(frame, now)
        if isinstance(former, PortAudioSpeaker):
            former.ring.active = None
            self._close(former.stream)
            if self.is_lost:
                self._back(now)

    def _use(self, stream: Stream, ring: OutputRing) -> None:
        now = time.monotonic()
        former = self.now
        if isinstance(former, PortAudioSpeaker):
            self._close(former.stream)
            former.stream = ring.active = stream
            former.anchor(now)
        else:
            ring.active = stream
            self.now = PortAudioSpeaker(stream, ring, self._mixer.frame, now)
            if not self._mixer.is_idle:
                self.now.wake(self._mixer.frame, now)
        if self.is_lost:
            self._back(now)

    def close(self) -> None:
        """Stop using the device; what PortAudio does about it is not waited for."""
        if isinstance(self.now, PortAudioSpeaker):
            self.now.ring.active = None
