"""Accepted work that has not had its effects yet: opens, seeks, starts of a session."""

from __future__ import annotations

import asyncio


class Pending:
    """Counts work in progress; `settled` waits for none.

    The virtual clock moves, and a session's next call runs on it, only when all earlier work is settled: that
    makes two runs of the same calls give the same journal.
    """

    def __init__(self) -> None:
        self._count = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def busy(self) -> bool:
        """Whether something is in progress."""
        return self._count > 0

    def begin(self) -> None:
        """Count a piece of work; each needs its `done`."""
        self._count += 1

    def done(self) -> None:
        """End a piece of work."""
        self._count -= 1
        if self._count == 0:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def settled(self) -> None:
        """Wait until nothing is in progress."""
        while self._count:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
