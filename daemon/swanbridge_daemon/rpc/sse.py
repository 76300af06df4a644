"""Server-Sent Events: a session's events for one reader of `GET /events`."""

from __future__ import annotations

import asyncio
from collections import deque

import orjson
from aiohttp import web

from ..core.journal import Entry
from ..core.session import Session

BEHIND = 1024  # events a reader may be behind; then its stream ends and it may resume
KEEP_ALIVE = 15.0  # seconds


class EventStream:
    """Writes a session's events as they happen, after those since `last`; ends with the session."""

    def __init__(self, session: Session, last: int | None) -> None:
        self._session = session
        self._waiting: deque[Entry] = deque([] if last is None else session.journal.after(last))
        self._room = BEHIND + len(self._waiting)
        self._ended = False
        self._news = asyncio.Event()

    async def send(self, response: web.StreamResponse) -> None:
        """Send until the session ends or the reader is too far behind; raises `ConnectionError`."""
        self._session.listeners.append(self._take)
        self._session.on_close.append(self._end)
        try:
            while True:
                while self._waiting:
                    await response.write(_text(self._waiting.popleft()))
                if self._ended:
                    return
                self._news.clear()
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        await self._news.wait()
                except TimeoutError:
                    await response.write(b": still here\n\n")
        finally:
            self._session.listeners.remove(self._take)
            self._session.on_close.remove(self._end)

    def _take(self, entry: Entry) -> None:
        # It stays a listener to the end: the bus is going through the list at this moment.
        if self._ended:
            return
        self._waiting.append(entry)
        if len(self._waiting) > self._room:
            self._waiting.clear()
            self._end()
        self._news.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()


def _text(entry: Entry) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (
        entry.seq,
        entry.method.encode(),
        orjson.dumps(entry.params),
    )
