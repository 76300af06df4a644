"""One child process: started, watched, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swanbridge_media.messages import FD_CONTROL, Hello, Ping

from .channel import Channel, EngineGone

log = logging.getLogger(__name__)

PING_EVERY = 2.0  # seconds
HELLO_PATIENCE = 30.0  # seconds; a slow machine under emulation needs eight
HANG_UP_PATIENCE = 1.0  # seconds for a child to end by itself once its channel is closed
PING_PATIENCE = 5.0  # a child that says nothing for so long hangs and is killed
CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS}
)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended. `own_fault`: a crash of its own or a limit of ours, not a kill from outside."""

    status: int
    own_fault: bool

    def __str__(self) -> str:
        if os.WIFSIGNALED(self.status):
            return signal.Signals(os.WTERMSIG(self.status)).name
        return f"exit status {os.waitstatus_to_exitcode(self.status)}"


class Child:
    """A running engine process. `gone` is called once, when it is dead and reaped."""

    def __init__(
        self,
        kind: str,
        incoming: Any,
        on_message: Callable[[Any], None],
        gone: Callable[[Exit], None],
        *,
        arguments: tuple[str, ...] = (),
        descriptors: Mapping[int, int] | None = None,
        environment: Mapping[str, str],
    ) -> None:
        self.kind = kind
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._gone = gone
        self._killed_by_us = False
        self._hello: asyncio.Future[Hello] = self._loop.create_future()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        self._last_resort: asyncio.TimerHandle | None = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.pid = _spawn(
                kind, arguments, {FD_CONTROL: theirs.fileno(), **(descriptors or {})}, environment
            )
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._exited)
        self.channel = Channel(ours, incoming, self._message, self._hung_up)
        self._watch = self._loop.create_task(self._ping(), name=f"watch {kind}")

    async def hello(self) -> Hello:
        """Wait until it takes requests; `EngineGone` if it died before."""
        return await asyncio.shield(self._hello)

    async def ended(self) -> Exit:
        """Wait until it is dead and reaped. Its channel may be closed some moments before."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def hang_up(self) -> None:
        """Close its control socket, at which it exits by itself."""
        self.channel.close()

    def _hung_up(self) -> None:
        # It exits by itself, unless it is frozen, or decodes something that takes long.
        self._last_resort = self._loop.call_later(HANG_UP_PATIENCE, self.kill)

    def _message(self, message: Any) -> None:
        if isinstance(message, Hello):
            if not self._hello.done():
                self._hello.set_result(message)
        else:
            self._on_message(message)

    async def _ping(self) -> None:
        try:
            async with asyncio.timeout(HELLO_PATIENCE):
                await self.hello()
            while True:
                await asyncio.sleep(PING_EVERY)
                async with asyncio.timeout(PING_PATIENCE):
                    await self.channel.request(Ping)
        except TimeoutError:
            log.error("%s engine (pid %d) does not answer; killing it", self.kind, self.pid)
            self._killed_by_us = True
            self.kill()
        except EngineGone:
            pass  # `_exited` tells it

    def _exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            status = 0
        self._watch.cancel()
        self.channel.close()
        if not self._hello.done():
            self._hello.set_exception(EngineGone(f"the {self.kind} engine did not start"))
            self._hello.exception()  # it may be that nobody waits
        if self._last_resort is not None:
            self._last_resort.cancel()
        crashed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in CRASHES
        how = Exit(status, own_fault=crashed or self._killed_by_us)
        self._ended.set_result(how)
        self._gone(how)


def _spawn(
    kind: str, arguments: tuple[str, ...], descriptors: Mapping[int, int], environment: Mapping[str, str]
) -> int:
    """Start `python -m swanbridge_media KIND` with exactly these descriptors beside stdin, stdout and stderr."""
    # Out of the way of the numbers they are to get.
    high = {number: fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, 64) for number, given in descriptors.items()}
    try:
        actions: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, 2, 1),  # stdout is the daemon's: one line, for whoever started it
            *((os.POSIX_SPAWN_DUP2, given, number) for number, given in high.items()),
        ]
        command = [sys.executable, "-m", "swanbridge_media", kind, *arguments]
        return os.posix_spawn(
            sys.executable,
            command,
            dict(environment),
            file_actions=actions,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE],
        )
    finally:
        for descriptor in high.values():
            os.close(descriptor)
