"""What is on its way to one reader: written directly while it keeps up, queued while it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from ..core.journal import Entry
from ..core.tasks import Tasks

OUTBOX = 1024  # events a reader may be behind; then it is closed with 1013 and may resume
BACKLOG = 32 * 1024 * 1024  # bytes of answers a reader may be behind; then the same

Send = Callable[[str], Coroutine[Any, Any, None]]


class Outbox:
    """Sends responses and events over one socket in order.

    `send` is the socket's; `overrun` is called once when the reader is hopelessly behind. Progress events are
    coalesced while it is behind: the newest of each object stays, `skipped` tells how many numbers were left
    out just before an event. With `keep_all` (virtual clock) nothing is coalesced.
    """

    def __init__(self, send: Send, overrun: Callable[[], None], tasks: Tasks, *, keep_all: bool) -> None:
        self._send = send
        self._overrun = overrun
        self._tasks = tasks
        self._keep_all = keep_all
        self._waiting: list[Entry | bytes | None] = []
        self._newest: dict[tuple[str, str], int] = {}
        self._behind = 0
        self._backlog = 0
        self._drain: asyncio.Task[None] | None = None
        self._closed = False

    def respond(self, response: bytes) -> None:
        """Send a response."""
        if self._closed:
            return
        if self._drain is None:
            self._write(response)
            return
        self._waiting.append(response)
        self._backlog += len(response)
        if self._backlog > BACKLOG:
            self.close()
            self._overrun()

    def deliver(self, entry: Entry) -> None:
        """Send an event."""
        if self._closed:
            return
        if self._drain is None:
            self._write(orjson.dumps(entry.notification()))
            return
        if entry.group is not None and not self._keep_all:
            older = self._newest.get(entry.group)
            if older is not None:
                self._waiting[older] = None
                self._behind -= 1
            self._newest[entry.group] = len(self._waiting)
        self._waiting.append(entry)
        self._behind += 1
        if self._behind > OUTBOX and not self._keep_all:
            self.close()
            self._overrun()

    async def drained(self) -> None:
        """Wait until all that was delivered is with the socket."""
        while self._drain is not None:
            await asyncio.wait([self._drain])

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._waiting.clear()
        self._newest.clear()

    def _write(self, data: bytes) -> None:
        """Write at once; if the socket makes us wait, go on in a task and queue from then on."""
        if self._closed:
            return
        sending = self._send(data.decode())
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return
        except (ConnectionError, RuntimeError):
            self.close()
            return
        self._drain = self._tasks.spawn(self._go_on(sending, waits_for), "slow reader")

    async def _go_on(self, sending: Coroutine[Any, Any, None], waits_for: Any) -> None:
        try:
            await _Started(sending, waits_for)
            while self._waiting and not self._closed:
                batch, self._waiting, self._newest = self._waiting, [], {}
                self._behind = self._backlog = 0
                lost = 0
                for item in batch:
                    if self._closed:
                        break
                    if item is None:
                        lost += 1
                    elif isinstance(item, Entry):
                        await self._send(self._encode(item, lost))
                        lost = 0
                    else:
                        await self._send(item.decode())
        except (ConnectionError, RuntimeError):
            self.close()
        finally:
            self._drain = None

    @staticmethod
    def _encode(entry: Entry, lost: int) -> str:
        notification = entry.notification()
        if lost:
            notification["params"] = {**entry.params, "skipped": lost}
        return orjson.dumps(notification).decode()


class _Started:
    """Awaits a coroutine that was stepped once by hand and waits for a future."""

    def __init__(self, work: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def __await__(self) -> Any:
        waits_for = self._waits_for
        thrown: BaseException | None = None
        while True:
            try:
                yield waits_for
            except BaseException as error:
                thrown = error
            try:
                if thrown is None:
                    waits_for = self._work.send(None)
                else:
                    waits_for = self._work.throw(thrown)
                    thrown = None
            except StopIteration:
                return
