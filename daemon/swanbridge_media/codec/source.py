"""Where the bytes of a medium come from: a local file, or one that is still being fetched.

libav never gets a path: it reads through `Reader`, a file object over `pread` of a descriptor, so that it can
reach nothing but this one file, and so that a read can be refused when an operation takes too long.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final, Literal, Protocol

__all__ = ["PATIENCE", "Bytes", "GrowingFile", "Kind", "LocalFile", "Reader", "Trouble", "Waiter"]

Kind = Literal["file", "format", "network", "system", "gone"]

PATIENCE: Final = 5.0  # seconds that one operation may keep libav busy
BARREN: Final = 64 * 1024 * 1024  # bytes without a frame in them after which a file counts as over


class Trouble(Exception):
    """Something that a program is told: `kind` as in `messages.Failed`, and a sentence."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind


class Bytes(Protocol):
    """Random access to the bytes of a medium."""

    @property
    def size(self) -> int:
        """Bytes in all, -1 while unknown."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Give up to `count` bytes, none at the end; raises `Trouble`."""

    def close(self) -> None:
        """Let the descriptor go."""


class LocalFile:
    """A file that is all there. Owns its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read_at(self, offset: int, count: int) -> bytes:
        """Give up to `count` bytes, none at the end."""
        try:
            return os.pread(self._descriptor, count, offset)
        except OSError as error:
            raise Trouble("file", f"reading failed: {error.strerror}") from error

    def share(self) -> LocalFile:
        """Give the same bytes under a descriptor of their own, for another thread."""
        return LocalFile(os.dup(self._descriptor))

    def close(self) -> None:
        """Let the descriptor go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Waiter(Protocol):
    """Who is told that a read has to wait; called in the thread that reads."""

    def waiting(self, offset: int) -> None:
        """Bytes from `offset` on are wanted, and nothing happens until they come."""

    def resumed(self) -> None:
        """Go on: the wait is over."""


class GrowingFile:
    """A sparse file that another process fills; `announce` says what is there. Owns its descriptor."""

    def __init__(self, descriptor: int, size: int, waiter: Waiter) -> None:
        self._descriptor = descriptor
        self._waiter = waiter
        self._changed = threading.Condition()
        self._size = size
        self._ranges: list[tuple[int, int]] = []
        self._complete = False
        self._abandoned = False
        self._trouble: Trouble | None = None

    @property
    def size(self) -> int:
        """Bytes in all, -1 while unknown."""
        return self._size

    def announce(self, size: int, ranges: list[tuple[int, int]], complete: bool, error: str) -> None:
        """Say which ranges are there, sorted and disjoint; an error fails every read that would wait."""
        with self._changed:
            if size >= 0:
                self._size = size
            if not self._abandoned:
                self._ranges, self._complete = ranges, complete
            if complete and self._size < 0:
                self._size = max((end for _, end in ranges), default=0)
            if not self._abandoned:
                self._trouble = Trouble("network", error) if error else None
            self._changed.notify_all()

    def abandon(self) -> None:
        """Fail every read from now on: the medium was closed."""
        with self._changed:
            self._ranges, self._complete = [], False
            self._abandoned = True
            self._trouble = Trouble("gone", "the medium was closed")
            self._changed.notify_all()

    def _available(self, offset: int) -> int | None:
        """Count the bytes that are there from `offset` on; 0 at the end, None if they are still to come."""
        if 0 <= self._size <= offset:
            return 0
        for start, end in self._ranges:
            if start <= offset < end:
                return end - offset
        return 0 if self._complete else None

    def read_at(self, offset: int, count: int) -> bytes:
        """Give up to `count` bytes, none at the end; waits for them as long as the daemon fetches."""
        waited = False
        try:
            with self._changed:
                while (there := self._available(offset)) is None:
                    if self._trouble is not None:
                        raise self._trouble
                    if not waited:
                        waited = True
                        self._waiter.waiting(offset)
                    self._changed.wait()
                if self._descriptor < 0:
                    raise Trouble("gone", "the medium was closed")
                return os.pread(self._descriptor, min(count, there), offset)
        except OSError as error:
            raise Trouble("file", f"reading failed: {error.strerror}") from error
        finally:
            if waited:
                self._waiter.resumed()

    def share(self) -> GrowingFile:
        """Give itself, for another thread: it locks."""
        return self

    def close(self) -> None:
        """Let the descriptor go."""
        with self._changed:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


class Reader:
    """A file object over `Bytes` as PyAV wants it; each container has its own.

    `trouble` keeps what a read raised, since libav may take it for the end of the file. Time spent waiting
    for a growing file doesn't count against `deadline`.
    """

    def __init__(self, source: Bytes) -> None:
        self._source = source
        self._position = 0
        self._seekable = source.size >= 0
        self._deadline = time.monotonic() + PATIENCE
        self._barren = 0
        self._is_seeking = False
        self.trouble: Trouble | None = None

    def begin(self) -> None:
        """Begin an operation: it has `PATIENCE` seconds."""
        self._deadline = time.monotonic() + PATIENCE

    def check(self) -> None:
        """Raise `Trouble` if the operation takes too long."""
        if time.monotonic() > self._deadline:
            raise Trouble("format", f"no sound within {PATIENCE:.0f} s of decoding")

    def found(self) -> None:
        """Note that a frame was found."""
        self._barren = 0

    def search(self, *, on: bool) -> None:
        """Begin or end a seek, which may read through all of a file."""
        self._is_seeking = on
        self._barren = 0

    def seekable(self) -> bool:
        """Tell whether libav may seek: only if the size is known."""
        return self._seekable

    def read(self, count: int) -> bytes:
        """Give up to `count` bytes from the present position, none at the end."""
        if self._barren > BARREN and not self._is_seeking:
            return b""
        try:
            self.check()
            began = time.monotonic()
            data = self._source.read_at(self._position, count)
            self._deadline += time.monotonic() - began
        except Trouble as trouble:
            self.trouble = trouble
            raise
        self._position += len(data)
        self._barren += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere; gives the new position."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._source.size
        if offset < 0:
            raise ValueError("seek before the start")
        self._position = offset
        return offset

    def tell(self) -> int:
        """Give the present position."""
        return self._position
