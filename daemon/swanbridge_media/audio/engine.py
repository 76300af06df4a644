"""The audio engine's process: one loop that serves the daemon and the decoders and keeps the speaker fed."""

from __future__ import annotations

import argparse
import ctypes
import gc
import heapq
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from .. import messages as m
from ..wire import Peer, PeerGone
from .capture import Capture, Captures
from .feeder import Feeder
from .links import Links
from .mixer import BLOCK, Mixer
from .slab import Rows
from .speakers import Speakers
from .virtual import RenderedClock
from .voice import Voice
from .voices import Voices

_CONTROL: Final = -1  # selector data; a decoder's is its index
_WORKER: Final = -2
_TIDY_AFTER: Final = 10.0  # seconds of rest until memory is tidied up
_PR_SET_PDEATHSIG: Final = 1
_POSITIONS_A_MESSAGE: Final = 2_000


class Engine:
    """The engine behind one control socket."""

    def __init__(self, control: socket.socket, *, is_virtual: bool) -> None:
        self._is_virtual = is_virtual
        self._selector = selectors.DefaultSelector()
        self._control: Peer[m.Message] = Peer(control, m.ToAudio)
        self._selector.register(self._control, selectors.EVENT_READ, _CONTROL)
        self._is_control_slow = False
        self._links = Links(self._selector)
        self._rows = Rows(self._links.announce)
        self._mixer = Mixer(self._rows)
        self._captures = Captures(self._mixer)
        self._feeder = Feeder(self._mixer, self._links.send, self._later, is_patient=is_virtual)
        self._voices = Voices(self._mixer, self._feeder, self._tell, self._links.send, self._captures.miss)
        self._clock = RenderedClock(self._mixer, self._voices, self._captures, self._flush_links)
        self._speakers = Speakers(self._mixer, self._captures, self._control.send, is_virtual=is_virtual)
        self._selector.register(self._speakers.wake_descriptor, selectors.EVENT_READ, _WORKER)
        self._used_at = 0.0
        self._is_resting = True
        self._positions_at = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._edges: list[m.Edge] = []
        self._silent_starts: dict[int, m.Edge] = {}  # told when the lost speaker is back
        self._renders: deque[m.Render] = deque()
        self._handlers: dict[type[m.Message], Callable[[Any], None]] = {
            m.Ping: lambda ask: self._control.send(m.Done(ask.rid)),
            m.OpenSpeaker: self._speakers.open,
            m.ListSpeakers: lambda ask: self._speakers.list_all(ask.rid),
            m.LoadVoice: self._load,
            m.StartVoice: lambda ask: self._voices.start(ask.voice),
            m.PauseVoice: lambda ask: self._voices.pause(ask.voice),
            m.SeekVoice: lambda ask: self._voices.seek(ask.voice, ask.position, ask.token),
            m.TuneVoice: self._voices.tune,
            m.FreeVoice: self._free,
            m.DropClip: self._drop_clip,
            m.Render: self._start_render,
            m.StopCapture: self._stop_capture,
            m.FlushCapture: self._flush_capture,
        }

    def serve(self) -> None:
        """Serve until the daemon hangs up."""
        self._control.send(m.Hello(pid=os.getpid(), notes=[]))
        try:
            while True:
                self._flush()
                timeout = self._timeout()
                if timeout is not None:
                    self._used_at = time.monotonic()
                ready = self._selector.select(_TIDY_AFTER if timeout is None else timeout)
                self._turn(ready)
                self._tidy_at_rest()
        except PeerGone:
            self._captures.close()
            self._speakers.close()

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        now = time.monotonic()
        if self._is_resting and not self._is_virtual:
            self._mixer.frame = self._speakers.now.present(self._mixer.frame, now)
        for key, events in ready:
            if key.data == _CONTROL:
                self._read_control()
            elif key.data == _WORKER:
                self._speakers.worker_reports()
            else:
                if events & selectors.EVENT_WRITE:
                    self._links.can_write(key.data)
                if events & selectors.EVENT_READ:
                    self._read_link(key.data)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        if self._is_virtual:
            self._run_renders()
        else:
            self._speakers.watch(now)
            if self._silent_starts and not self._speakers.is_lost:
                for edge in self._silent_starts.values():
                    self._edges.append(msgspec.structs.replace(edge, time=now + self._speakers.now.latency))
                self._silent_starts.clear()
            self._flush()  # what was asked goes out before the work that nobody waits for
            self._play(now)

    # --- sound ------------------------------------------------------------------------------------

    def _play(self, now: float) -> None:
        mixer, speaker = self._mixer, self._speakers.now
        if mixer.is_idle:
            if not self._is_resting:
                self._is_resting = True
                self._speakers.rest(now)
            return
        if self._is_resting:
            self._is_resting = False
            self._speakers.wake(now)
        late = speaker.late(mixer.frame, now)
        if late:
            self._captures.stand_still(late)
            self._control.send(m.Underflow(time=now, frames=late))
        while not mixer.is_idle and speaker.wants(mixer.frame, now):
            first = len(self._edges)
            self._voices.attend(mixer.frame + BLOCK)
            sound = mixer.mix(BLOCK)
            speaker.play(sound)
            self._captures.record(sound, BLOCK)
            mixer.advance(BLOCK)
            if len(self._edges) > first + 1:
                self._edges[first:] = sorted(self._edges[first:], key=lambda edge: edge.time)
        if now >= self._positions_at and self._rows.sounding:
            self._positions_at = now + 1.0
            if not self._is_control_slow:
                at, positions = speaker.time_of(mixer.frame), self._voices.positions()
                for start in range(0, len(positions), _POSITIONS_A_MESSAGE):
                    self._control.send(m.Positions(at, positions[start : start + _POSITIONS_A_MESSAGE]))
                    self._flush_control()  # a packet holds one such message

    def _run_renders(self) -> None:
        while self._renders:
            ask = self._renders[0]
            if not self._clock.run(ask.until, lambda: bool(self._edges)):
                return
            self._flush_edges()
            self._renders.popleft()
            self._control.send(m.Rendered(ask.rid, self._mixer.frame))

    def _tell(
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
        at = frame / m.MIX_RATE if self._is_virtual else self._speakers.now.time_of(frame)
        self._edges.append(m.Edge(voice.number, kind, at, position, token, duration, fault[0], fault[1]))

    # --- messages ---------------------------------------------------------------------------------

    def _read_control(self) -> None:
        try:
            found = self._control.receive()
        except msgspec.MsgspecError as error:
            print(f"audio engine: a packet of the daemon is not understood: {error}", file=sys.stderr)
            return
        for message, descriptor in found:
            if not isinstance(message, m.Ping):
                self._used_at = time.monotonic()
            if isinstance(message, m.AttachDecoder):
                self._attach(message, descriptor)
            elif isinstance(message, m.StartCapture):
                self._start_capture(message, descriptor)
            else:
                self._handlers[type(message)](message)
                if descriptor is not None:
                    os.close(descriptor)

    def _read_link(self, decoder: int) -> None:
        try:
            found = self._links.receive(decoder)
        except PeerGone:
            self._drop_decoder(decoder)
            return
        for answer in found:
            if isinstance(answer, m.Filled):
                self._feeder.filled(decoder, answer)
            else:
                clip, sound = answer
                self._feeder.clips[clip] = sound
                self._voices.clip_came(clip)

    def _attach(self, ask: m.AttachDecoder, descriptor: int | None) -> None:
        self._drop_decoder(ask.decoder)
        if descriptor is not None:
            self._links.attach(ask.decoder, descriptor, self._rows.descriptors)

    def _drop_decoder(self, decoder: int) -> None:
        if self._links.drop(decoder):
            self._voices.decoder_gone(decoder)

    def _free(self, ask: m.FreeVoice) -> None:
        self._silent_starts.pop(ask.voice, None)
        self._voices.free(ask.voice)

    def _load(self, ask: m.LoadVoice) -> None:
        self._silent_starts.pop(ask.voice, None)
        try:
            self._voices.load(ask)
        except OSError as error:  # no memory or descriptor for another slab
            at = self._mixer.frame / m.MIX_RATE if self._is_virtual else time.monotonic()
            self._edges.append(m.Edge(ask.voice, "failed", at, ask.position, 0, -1.0, "system", str(error)))

    def _start_capture(self, ask: m.StartCapture, descriptor: int | None) -> None:
        if descriptor is None:
            self._control.send(m.Failed(ask.rid, "system", "a capture needs a file"))
            return
        self._captures.start(ask.capture, ask.owner, descriptor)
        self._control.send(m.Done(ask.rid))

    def _start_render(self, ask: m.Render) -> None:
        if not self._renders:
            self._flush_edges()  # what happened before is no reason to stop
        self._renders.append(ask)

    def _drop_clip(self, ask: m.DropClip) -> None:
        self._feeder.clips.pop(ask.clip, None)

    def _stop_capture(self, ask: m.StopCapture) -> None:
        self._speakers.account(time.monotonic())
        self._answer(ask.rid, self._captures.stop(ask.capture))

    def _flush_capture(self, ask: m.FlushCapture) -> None:
        self._speakers.account(time.monotonic())
        capture = self._captures.find(ask.capture)
        if capture:
            capture.flush(self._mixer.frame)
        self._answer(ask.rid, capture)

    def _answer(self, rid: int, capture: Capture | None) -> None:
        if capture is None:
            self._control.send(m.Failed(rid, "gone", "there is no such capture"))
        else:
            self._control.send(m.CaptureStopped(rid, capture.frames, capture.dropouts))

    # --- sending ----------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_links()
        if not self._renders:
            self._flush_edges()
        self._flush_control()

    def _flush_links(self) -> None:
        for decoder in self._links.flush():
            self._drop_decoder(decoder)

    def _flush_edges(self) -> None:
        """Send edges; those of a rendered stretch in an order that does not depend on the decoders' speed."""
        if not self._edges:
            return
        edges, self._edges = self._edges, []
        if self._renders:
            edges.sort(key=lambda edge: (edge.time, edge.voice))
        for edge in edges:
            if self._speakers.is_lost and edge.kind == "started":
                self._silent_starts[edge.voice] = edge
                continue
            if edge.kind in ("paused", "failed"):
                self._silent_starts.pop(edge.voice, None)
            self._control.send(edge)

    def _flush_control(self) -> None:
        is_slow = not self._control.flush()
        if is_slow != self._is_control_slow:
            self._is_control_slow = is_slow
            wanted = selectors.EVENT_READ | selectors.EVENT_WRITE if is_slow else selectors.EVENT_READ
            self._selector.modify(self._control, wanted, _CONTROL)

    # --- time -------------------------------------------------------------------------------------

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        self._timer_count += 1
        heapq.heappush(self._timers, (time.monotonic() + delay, self._timer_count, call))

    def _timeout(self) -> float | None:
        """Seconds until something is to be done; None: nothing is."""
        due: list[float] = []
        if self._timers:
            due.append(self._timers[0][0])
        if not self._is_virtual:
            now = time.monotonic()
            watch = self._speakers.next_watch()
            if watch is not None:
                due.append(watch)
            if not self._mixer.is_idle:
                due.append(self._speakers.now.next_wake(self._mixer.frame, now))
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _tidy_at_rest(self) -> None:
        """Give memory back once nothing was asked and nothing sounded for a while; the daemon's pings don't count."""
        if self._used_at and time.monotonic() - self._used_at > _TIDY_AFTER:
            self._used_at = 0.0
            gc.collect()
            self._rows.trim()


def run(arguments: list[str]) -> int:
    """Serve the control socket on FD_CONTROL until it closes; 0 then."""
    parser = argparse.ArgumentParser(prog="swanbridge_media audio")
    parser.add_argument("--clock", choices=("real", "virtual"), default="real")
    options = parser.parse_args(arguments)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon's to handle
    np.seterr(all="ignore")  # a decoder's rubbish is dealt with where it is heard
    control = socket.socket(fileno=m.FD_CONTROL)
    engine = Engine(control, is_virtual=options.clock == "virtual")
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection would come in the middle of a block; `_tidy` does it at rest
    engine.serve()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # PortAudio's own clean-up can wait for a sound server for ever
