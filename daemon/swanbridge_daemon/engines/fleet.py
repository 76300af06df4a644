"""All engines together: started lazily, wired to each other, and replaced when they die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import os
import socket
from collections.abc import Callable
from typing import Any

from swanbridge_media.messages import FD_LINK, FD_STATUS, AttachDecoder, FromAudio, FromDecoder

from .channel import Channel, EngineGone
from .child import Child, Exit

log = logging.getLogger(__name__)

BACK_OFF = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before the n-th restart in a row
STEADY = 10.0  # seconds after which a child counts as healthy again
START_PATIENCE = 20.0  # seconds; a slow machine under emulation needs eight

# Nothing of the daemon's environment but this reaches a process that parses foreign bytes.
DECODER_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONSAFEPATH": "1",
}


class Engine:
    """The place of one engine in the fleet; the process in it may change."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.child: Child | None = None
        self.starts = 0
        self.notes: list[str] = []
        self._up = asyncio.Event()
        self._failures = 0
        self._since = 0.0

    @property
    def is_up(self) -> bool:
        """Whether it takes requests."""
        return self._up.is_set()

    async def channel(self) -> Channel:
        """Wait for the engine, restarts included, and return the channel to it."""
        try:
            async with asyncio.timeout(START_PATIENCE):
                while (child := self.child) is None or not self.is_up:
                    await self._up.wait()
        except TimeoutError:
            raise EngineGone(f"the {self.label} engine does not start; see `swanbridged doctor`") from None
        return child.channel

    def came_up(self, notes: list[str]) -> None:
        """Take note that it takes requests."""
        self.notes = notes
        self.starts += 1
        self._since = asyncio.get_running_loop().time()
        self._up.set()

    def went_down(self) -> None:
        """Take note that it takes no requests any more."""
        self._up.clear()

    def died(self, how: Exit) -> float:
        """Take note that it died; returns the seconds to wait before the next start."""
        self.went_down()
        if self._since and asyncio.get_running_loop().time() - self._since > STEADY:
            self._failures = 0
        if not how.own_fault:
            return BACK_OFF[1]  # somebody killed it; that says nothing about the next one
        delay = BACK_OFF[min(self._failures, len(BACK_OFF) - 1)]
        self._failures += 1
        return delay


class Fleet:
    """One audio engine and `decoders` decoder engines.

    Losing the audio engine ends the decoders too (their link is gone), so all come back together.
    `on_audio(message)`, `on_decoder(index, message)` hear what engines say on their own; `on_audio_down()` and
    `on_decoder_down(index, exit, media)` tell a death, with the number of the medium that was worked on.
    """

    def __init__(self, *, clock_mode: str, decoders: int) -> None:
        self._clock_mode = clock_mode
        self.audio = Engine("audio")
        self.decoders = [Engine(f"decoder {index}") for index in range(decoders)]
        self._status: list[mmap.mmap | None] = [None] * decoders
        self._tasks: set[asyncio.Task[Any]] = set()
        self._started = False
        self._closing = False
        self.on_audio: Callable[[Any], None] = lambda message: None
        self.on_decoder: Callable[[int, Any], None] = lambda index, message: None
        self.on_audio_up: Callable[[Channel], None] = lambda channel: None
        self.on_audio_down: Callable[[], None] = lambda: None
        self.on_decoder_down: Callable[[int, Exit, int], None] = lambda index, exit_, media: None

    def start(self) -> None:
        """Start all engines in the background, once."""
        if not self._started:
            self._started = True
            self._spawn(self._run_audio(0.0))

    async def close(self) -> None:
        """End all engines."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for engine in (self.audio, *self.decoders):
            if engine.child is not None:
                engine.child.hang_up()
                engine.child.kill()

    def processes(self) -> dict[str, int]:
        """Return the process id of each engine that runs."""
        return {
            engine.label: engine.child.pid
            for engine in (self.audio, *self.decoders)
            if engine.is_up and engine.child is not None
        }

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_audio(self, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            child = Child(
                "audio",
                FromAudio,
                lambda message: self.on_audio(message),
                self._audio_gone,
                arguments=("--clock", self._clock_mode),
                environment={**os.environ, **ONE_THREAD},
            )
        except OSError:
            log.exception("the audio engine can't be started; trying again in %g s", BACK_OFF[-1])
            self._spawn(self._run_audio(BACK_OFF[-1]))
            return
        self.audio.child = child
        for index in range(len(self.decoders)):
            self._spawn(self._run_decoder(index, 0.0, child))
        try:
            hello = await child.hello()
        except EngineGone:
            return  # _audio_gone starts the next one
        self.audio.came_up(hello.notes)
        self.on_audio_up(child.channel)

    def _audio_gone(self, how: Exit) -> None:
        delay = self.audio.died(how)
        if self._closing:
            return
        log.error("the audio engine died (%s); starting another", how)
        for index, engine in enumerate(self.decoders):
            # Their successors may be up before they are dead, so they count as gone now.
            former, engine.child = engine.child, None
            engine.went_down()
            if former is not None:
                former.hang_up()
            self.on_decoder_down(index, how, 0)
        self.on_audio_down()
        self._spawn(self._run_audio(delay))

    async def _run_decoder(self, index: int, delay: float, audio: Child) -> None:
        await asyncio.sleep(delay)
        if audio is self.audio.child and not audio.channel.closed:
            try:
                self._start_decoder(index, audio)
            except OSError:
                log.exception("decoder %d can't be started; trying again in %g s", index, BACK_OFF[-1])
                self._spawn(self._run_decoder(index, BACK_OFF[-1], audio))

    def _start_decoder(self, index: int, audio: Child) -> None:
        engine = self.decoders[index]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        status = os.memfd_create("swanbridge-status", os.MFD_CLOEXEC)
        with ours, theirs, contextlib.ExitStack() as stack:
            stack.callback(os.close, status)
            os.ftruncate(status, 8)
            self._status[index] = mmap.mmap(status, 8, prot=mmap.PROT_READ)
            audio.channel.send(AttachDecoder(index), ours.fileno())
            child = engine.child = Child(
                "decoder",
                FromDecoder,
                lambda message: self.on_decoder(index, message),
                lambda how: self._decoder_gone(index, how, child, audio),
                descriptors={FD_LINK: theirs.fileno(), FD_STATUS: status},
                environment={
                    **{name: os.environ[name] for name in DECODER_ENVIRONMENT if name in os.environ},
                    **ONE_THREAD,
                },
            )
        self._spawn(self._greet_decoder(index, child))

    async def _greet_decoder(self, index: int, child: Child) -> None:
        try:
            hello = await child.hello()
        except EngineGone:
            return
        if self.decoders[index].child is child:
            self.decoders[index].came_up(hello.notes)

    def _decoder_gone(self, index: int, how: Exit, child: Child, audio: Child) -> None:
        if self._closing or self.decoders[index].child is not child:
            return
        delay = self.decoders[index].died(how)
        status = self._status[index]
        media = int.from_bytes(status[:8], "little") if status is not None else 0
        if audio is self.audio.child and not audio.channel.closed:
            log.error("decoder %d died (%s); starting another", index, how)
            self._spawn(self._run_decoder(index, delay, audio))
        self.on_decoder_down(index, how, media)
