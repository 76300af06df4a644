"""Media that are open, and whose turn it is inside libav.

A local medium is worked on by the engine's own thread. A growing one has a thread of its own, for its reads
may wait for the network; still only one of them is inside libav at a time, since two decoding threads of one
process are slower than one (measured), and so that the status word names the medium that killed us.
"""

from __future__ import annotations

import mmap
import os
import queue
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..messages import MediaInfo
from .cursor import Cursor
from .decoder import Decoder
from .source import GrowingFile, LocalFile, Trouble

__all__ = ["Medium", "Task", "Turn", "Worker"]

Task = Callable[[], None]

_STATUS = struct.Struct("=q")


class Turn:
    """The right to be inside libav; while it is held the status word is the medium's number."""

    def __init__(self, descriptor: int) -> None:
        if os.fstat(descriptor).st_size < _STATUS.size:
            os.ftruncate(descriptor, _STATUS.size)
        self._status = mmap.mmap(descriptor, _STATUS.size)
        self._lock = threading.Lock()

    def take(self, medium: int) -> None:
        """Wait for the turn."""
        self._lock.acquire()
        _STATUS.pack_into(self._status, 0, medium)

    def give(self) -> None:
        """Give the turn back."""
        _STATUS.pack_into(self._status, 0, 0)
        self._lock.release()

    @contextmanager
    def of(self, medium: int) -> Iterator[None]:
        """Hold the turn for a medium."""
        self.take(medium)
        try:
            yield
        finally:
            self.give()


class Worker:
    """A thread that runs tasks in order. A task that raises ends the process: tasks answer their errors."""

    def __init__(self, name: str) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def do(self, task: Task) -> None:
        """Run a task after those before it."""
        self._tasks.put(task)

    def end(self) -> None:
        """Let the thread go after the tasks that are waiting."""
        self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


class Medium:
    """One open file and the cursors on it."""

    def __init__(self, number: int, source: LocalFile | GrowingFile) -> None:
        self.number = number
        self.source = source
        self._cursors: dict[int, Cursor] = {}
        self._spare: Decoder | None = None
        self._worker = Worker(f"medium {number}") if isinstance(source, GrowingFile) else None

    def do(self, task: Task) -> None:
        """Run a task: at once, or in the thread of a growing medium after those before it."""
        if self._worker is None:
            task()
        else:
            self._worker.do(task)

    def open(self) -> MediaInfo:
        """Open the file and decode its first frame; the first voice gets this decoder."""
        size = self.source.size
        try:
            self._spare = Decoder(self.source)
        except Trouble:
            if size >= 0 or self.source.size < 0:
                raise
            # Without a size libav can't seek, but some files have their index at the end; now it is known.
            self._spare = Decoder(self.source)
        return self._spare.info()

    def cursor(self, voice: int) -> Cursor:
        """Give a voice's cursor, made when it is first asked for. May raise `Trouble`."""
        found = self._cursors.get(voice)
        if found is None:
            decoder, self._spare = self._spare, None
            found = self._cursors[voice] = Cursor(decoder or Decoder(self.source))
        return found

    def drop(self, voice: int) -> None:
        """Forget a voice's cursor."""
        cursor = self._cursors.pop(voice, None)
        if cursor is not None:
            cursor.close()

    def close(self) -> None:
        """Close everything, after what is being done; reads that wait fail."""
        if isinstance(self.source, GrowingFile):
            self.source.abandon()
        self.do(self._release)
        if self._worker is not None:
            self._worker.end()

    def _release(self) -> None:
        for voice in list(self._cursors):
            self.drop(voice)
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        self.source.close()
