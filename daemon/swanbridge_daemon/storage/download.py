"""One reader's view of bytes that are still coming."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from .body import Body
from .opened import reopen
from .problems import FetchProblem

__all__ = ["Download"]


class Download:
    """One reader's hold on a URL's bytes; others may hold the same ones. Close it when done.

    The file is sparse: only what `ranges` tells of is there, everything else reads as zeros or as an early
    end. Belongs to the event loop's thread; the descriptors don't.
    """

    def __init__(self, body: Body, let_go: Callable[[Body], None]) -> None:
        self._body = body
        self._let_go = let_go
        self._listeners: list[Callable[[], None]] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._is_open = True
        body.holders += 1
        body.listen(self._wake)

    @property
    def descriptor(self) -> int:
        """The file, open for reading (pread: its offset is shared); lives as long as this hold."""
        return self._body.descriptor

    @property
    def size(self) -> int:
        """All bytes of the file; -1 while nobody knows."""
        return self._body.size

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """What is there: sorted, disjoint, half-open (start, end)."""
        return self._body.ranges.spans()

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self._body.complete

    @property
    def error(self) -> FetchProblem | None:
        """Why no more bytes will come, where that isn't because all are there."""
        return self._body.error

    @property
    def identity(self) -> str:
        """Equal for two downloads exactly when they share their bytes."""
        return self._body.identity

    def contiguous_from(self, offset: int) -> int:
        """Give where the bytes there from `offset` on end; `offset` itself where none is there."""
        return self._body.ranges.contiguous_from(offset)

    def open_reader(self) -> int:
        """Give a descriptor of the file with an offset of its own; the caller closes it."""
        return reopen(self._body.descriptor)

    def want(self, offset: int) -> None:
        """Have the bytes from `offset` on fetched soon, where the server allows it.

        For a reader that has moved; harmless to repeat, free where the bytes are there or within 256 KiB of
        arriving.
        """
        self._require_open()
        self._body.want(offset)

    def on_progress(self, listener: Callable[[], None]) -> None:
        """Call `listener` from the event loop when bytes came (each 64 KiB or 20 ms) and at the end.

        Not for what happened before; ends with `close`.
        """
        self._require_open()
        self._listeners.append(listener)

    async def wait_for(self, offset: int) -> int:
        """Wait until the byte at `offset` is there and give where its run of bytes ends.

        Gives `offset` itself where the file ends before it. Asks for nothing by itself, see `want`. Raises
        the `FetchProblem` that ended the download.
        """
        while True:
            end = self.contiguous_from(offset)
            if end > offset or self.complete:
                return end
            await self._grown()

    async def finished(self) -> None:
        """Wait until every byte is there. Raises the `FetchProblem` that ended the download."""
        while not self.complete:
            await self._grown()

    def close(self) -> None:
        """Let go; the last one that does ends an unfinished download. Harmless to repeat."""
        if self._is_open:
            self._is_open = False
            self._body.unlisten(self._wake)
            self._listeners.clear()
            self._wake()
            self._body.holders -= 1
            self._let_go(self._body)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _grown(self) -> None:
        self._require_open()
        if self.error is not None:
            raise FetchProblem(self.error.kind, self.error.sentence)
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in tuple(self._waiting):
            if not future.done():
                future.set_result(None)
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener)

    def _require_open(self) -> None:
        if not self._is_open:
            raise FetchProblem("network", "the download was closed")
