"""The speaker through PortAudio: the callback, the ring it plays from, and the thread that may block.

Opening, closing and listing can hang for as long as a sound server does, so all calls into PortAudio are made
by one worker thread; the engine's loop hands it jobs and never waits for it. PortAudio's callback thread only
copies out of the ring. `sounddevice` is imported by the worker, at the first job.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..messages import CHANNELS, MIX_RATE, SpeakerFact
from .mixer import BLOCK
from .slab import Floats

RING: Final = 20 * BLOCK
LEAD: Final = 4 * BLOCK  # mixed ahead of the device
_LOW: Final = 2 * BLOCK


class OutputRing:
    """Sound between the mixer (one writer) and the callback (one reader); frames count what was mixed."""

    def __init__(self) -> None:
        self.active: Stream | None = None  # the stream that may take from the ring
        self.written = 0  # by the mixer only
        self.consumed = 0  # by the callback only, like the next two
        self.missed = 0
        self.zero_at = 0.0  # when frame 0 would have been asked for
        self.is_resting = True  # running dry is no fault
        self._sound: Floats = np.zeros((RING, CHANNELS), np.float32)

    def write(self, sound: Floats) -> None:
        """Add a block, interleaved; there is room for it (see LEAD)."""
        block = sound.reshape(-1, CHANNELS)
        first = self.written % RING
        head = min(len(block), RING - first)
        self._sound[first : first + head] = block[:head]
        self._sound[: len(block) - head] = block[head:]
        self.written += len(block)

    def take(self, out: Floats, frames: int, now: float) -> None:
        """Fill `out` [frames, CHANNELS]; what is not there is silence."""
        consumed = self.consumed
        self.zero_at = now - consumed / MIX_RATE
        have = min(self.written - consumed, frames)
        first = consumed % RING
        head = min(have, RING - first)
        out[:head] = self._sound[first : first + head]
        if head < have:
            out[head:have] = self._sound[: have - head]
        if have < frames:
            out[have:] = 0.0
            if not self.is_resting:
                self.missed += frames - have
        self.consumed = consumed + have


class Stream:
    """One open PortAudio stream. It is only called on the worker's thread, except for its attributes."""

    def __init__(
        self, sounddevice: Any, device: str, latency: float, ring: OutputRing, wake: Callable[[], None]
    ) -> None:
        self.device = device
        self.called = time.monotonic()  # when the last callback came, or it was opened
        self.calls = 0
        self.is_finished = False

        def callback(out: Floats, frames: int, _time: Any, _status: Any) -> None:
            now = time.monotonic()
            self.called = now
            self.calls += 1
            if ring.active is self:
                ring.take(out, frames, now)
            else:
                out.fill(0.0)

        def finished() -> None:
            self.is_finished = True
            wake()

        index = _find(sounddevice, device)
        self._stream = sounddevice.OutputStream(
            samplerate=MIX_RATE,
            blocksize=BLOCK,
            device=index,
            channels=CHANNELS,
            dtype="float32",
            latency=latency,
            callback=callback,
            finished_callback=finished,
        )
        self._stream.start()
        self.called = time.monotonic()
        self.latency = float(self._stream.latency)
        self.name = str(sounddevice.query_devices(self._stream.device)["name"])

    def close(self) -> None:
        """Let go of the device."""
        with contextlib.suppress(Exception):  # a stream that died says so in many ways
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)


def _find(sounddevice: Any, device: str) -> int | None:
    if device == "default":
        return None
    for index, fact in enumerate(sounddevice.query_devices()):
        if fact["name"] == device and fact["max_output_channels"] > 0:
            return index
    raise ValueError(f"there is no speaker {device!r}")


class PortAudioSpeaker:
    """A `Speaker` (see there) that fills the ring; its stream may be replaced under it."""

    def __init__(self, stream: Stream, ring: OutputRing, frame: int, now: float) -> None:
        self.ring = ring
        self.stream = stream
        self._shift = frame  # engine frame minus frame of the ring
        self._anchor = now  # when frame 0 of the ring was asked for
        self._reported = 0
        self._rested: tuple[int, float] | None = (frame, now)

    @property
    def device(self) -> str:
        """The device as asked for."""
        return self.stream.device

    @property
    def name(self) -> str:
        """The device as PortAudio calls it."""
        return self.stream.name

    @property
    def latency(self) -> float:
        """Seconds from mixing to hearing."""
        return self.stream.latency + LEAD / MIX_RATE

    def time_of(self, frame: int) -> float:
        """When the frame is heard."""
        return self._anchor + (frame - self._shift) / MIX_RATE + self.stream.latency

    def edge_of_silence(self) -> float:
        """When the last sound that the device took was over, or will be."""
        return self.time_of(self._shift + self.ring.consumed)

    def anchor(self, asked: float) -> None:
        """Note that the device asked for the next frame of the ring at `asked`."""
        self._anchor = asked - self.ring.consumed / MIX_RATE

    def present(self, frame: int, now: float) -> int:
        """Count frames by the clock while the ring rests."""
        if self._rested is None:
            return frame
        start, since = self._rested
        return max(frame, start + int((now - since) * MIX_RATE))

    def wake(self, frame: int, now: float) -> None:
        """Go on at engine frame `frame`."""
        self._rested = None
        self._shift = frame - self.ring.written
        self._anchor = max(now, self.stream.called + BLOCK / MIX_RATE) - self.ring.written / MIX_RATE

    def rest(self, frame: int, now: float) -> None:
        """Expect nothing more."""
        self.ring.is_resting = True
        self._rested = (frame, now)

    def late(self, frame: int, now: float) -> int:
        """Give what the device asked for in vain since the last time."""
        missed = self.ring.missed - self._reported
        self._reported += missed
        return missed

    def wants(self, frame: int, now: float) -> bool:
        """Keep LEAD frames in the ring."""
        return self.ring.written - self.ring.consumed < LEAD

    def play(self, sound: Floats) -> None:
        """Take a block."""
        self.ring.write(sound)
        self.ring.is_resting = False

    def next_wake(self, frame: int, now: float) -> float:
        """Wake when the ring is half empty."""
        if self.ring.consumed and not self.ring.is_resting:
            off = self.ring.zero_at - self._anchor
            self._anchor += off if abs(off) > 0.05 else 0.1 * off
        return now + max(0.001, (self.ring.written - self.ring.consumed - _LOW) / MIX_RATE)


class Worker:
    """The thread that calls PortAudio. A job's result comes back through `results`, and `wake` is called."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.results: deque[Callable[[], None]] = deque()
        self.is_busy = False
        self._wake = wake
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._sounddevice: Any = None
        self._open: list[Stream] = []

    def submit(self, job: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run `job` on the thread, then `then` with its result or exception, by whoever takes `results`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="portaudio", daemon=True)
            self._thread.start()
        self._jobs.put((job, then))

    def _run(self) -> None:
        while True:
            job, then = self._jobs.get()
            self.is_busy = True
            try:
                result = job()
            except Exception as error:  # it is the asker's to judge
                result = error
            self.is_busy = False
            self.results.append(lambda then=then, result=result: then(result))  # type: ignore[misc]
            self._wake()

    def open(self, device: str, latency: float, ring: OutputRing, *, reset: bool) -> Stream:
        """Job: open and start a stream. `reset` closes all others first and looks for devices afresh."""
        if reset:
            for stream in list(self._open):
                self.close(stream)
        sounddevice = self._library(afresh=reset)
        stream = Stream(sounddevice, device, latency, ring, self._wake)
        self._open.append(stream)
        return stream

    def close(self, stream: Stream) -> None:
        """Job: close a stream."""
        if stream in self._open:
            self._open.remove(stream)
        stream.close()

    def facts(self) -> tuple[list[SpeakerFact], str]:
        """Job: list all speakers, and say what is wrong if there are none."""
        try:
            sounddevice = self._library(afresh=not self._open)
        except (ImportError, OSError) as error:
            return [], missing(error)
        found = [
            SpeakerFact(str(fact["name"]), str(fact["name"]), False)
            for fact in sounddevice.query_devices()
            if fact["max_output_channels"] > 0 and fact["name"] != "default"
        ]
        has_default = sounddevice.default.device[1] >= 0
        if not found and not has_default:
            return [], "PortAudio finds no speaker: is a sound server running (and libasound2-plugins there)?"
        default = [SpeakerFact("default", "Default speaker", False)] if has_default else []
        return default + found, ""

    def _library(self, *, afresh: bool) -> Any:
        """Import PortAudio; its list of devices is as old as its last start."""
        if self._sounddevice is None:
            import sounddevice

            self._sounddevice = sounddevice
        elif afresh:
            with contextlib.suppress(Exception):
                self._sounddevice._terminate()
            self._sounddevice._initialize()
        return self._sounddevice


def missing(error: BaseException) -> str:
    """Say what to install."""
    if isinstance(error, ImportError):
        return f"python package sounddevice is not installed (pip install 'swanbridge[daemon]'): {error}"
    return f"PortAudio is not installed (Debian: apt-get install libportaudio2 libasound2-plugins): {error}"


def make_wake() -> tuple[int, Callable[[], None]]:
    """Make an eventfd for a selector and the function that rings it, from any thread."""
    descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    return descriptor, lambda: os.eventfd_write(descriptor, 1)
