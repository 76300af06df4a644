"""The bytes behind one URL: a sparse file without a name, and the requests that fill it.

A body first reads from its beginning. `want` sends a second request to where a reader is; two run at most,
each ends where it meets bytes that are there, and what is left open is filled once none runs any more.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from .opened import reopen
from .problems import FetchProblem
from .ranges import RangeSet
from .wire import Answer, Limits, Wire, explain, status_problem

__all__ = ["Body", "Spawn"]

NEAR: Final = 256 << 10  # bytes ahead of a request that it will bring soon enough
CONCURRENT: Final = 2  # requests of one body; a third takes the place of the one wanted longest ago
RESUMES: Final = 3  # times that a broken request is taken up again, over a body's life
NOTIFY_BYTES: Final = 64 << 10
NOTIFY_SECONDS: Final = 0.02

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.IGNORECASE)
_serial = itertools.count(1)


@dataclass(slots=True, eq=False)
class _Request:
    """One running request: what it brought up to `position`."""

    position: int
    wanted: int  # a serial, so that the one wanted longest ago is known
    broke: bool = False  # the connection did, so that asking again may help
    task: asyncio.Task[None] | None = field(default=None)


class _Changed(FetchProblem):
    """The server's file isn't the one that was begun; nothing can mend that."""


class Body:
    """What is known of one URL's bytes, shared by everybody who has it open.

    Made from the first answer, whose body it goes on reading. `spawn` runs its requests and owns their tasks,
    `on_end` is called once, when it is complete or has failed. `key` and `fresh_until` are its owner's.
    """

    def __init__(
        self,
        key: str,
        answer: Answer,
        wire: Wire,
        limits: Limits,
        folder: Path,
        spawn: Spawn,
        on_end: Callable[[Body], None],
    ) -> None:
        response = answer.response
        self.key = key
        self.fresh_until = 0.0
        self.size = -1
        self.ranges = RangeSet()
        self.complete = False
        self.error: FetchProblem | None = None
        self.headers = response.headers.copy()
        self.redirected = answer.redirected
        self.identity = f"fetch:{next(_serial)}"
        self.holders = 0
        self._answer = answer
        self._wire = wire
        self._limits = limits
        self._spawn = spawn
        self._on_end = on_end
        self._host = answer.url.host
        self._requests: list[_Request] = []
        self._resumes = RESUMES
        self._wanted = 0
        self._listeners: list[Callable[[], None]] = []
        self._unheard = 0
        self._timer: asyncio.TimerHandle | None = None
        self._takes_ranges = response.status == 206
        self._learn_size(response)
        self._writer = _nameless_file(folder)
        self.descriptor = reopen(self._writer)

    def begin(self) -> None:
        """Start reading the first answer."""
        self._start(0, self._answer.response)

    def want(self, offset: int) -> None:
        """Bring the bytes from `offset` on soon; does nothing where they are there, near or out of reach.

        Out of reach is everything ahead where the server takes no ranges or doesn't know the size.
        """
        if self.complete or self.error or not self._takes_ranges or offset < 0:
            return
        if offset >= self.size or self.ranges.contiguous_from(offset) > offset:
            return
        self._wanted = offset
        for request in self._requests:
            obstacle = self.ranges.next_start(request.position)
            if request.position <= offset <= request.position + NEAR and (
                obstacle is None or obstacle > offset
            ):
                request.wanted = next(_serial)
                return
        if len(self._requests) >= CONCURRENT:
            self._stop(min(self._requests, key=lambda each: each.wanted))
        self._start(offset, None)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` from the loop on growth (each 64 KiB or 20 ms) and on the end."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def dispose(self) -> None:
        """Stop the requests and give the bytes back to the disk."""
        while self._requests:
            self._stop(self._requests[0])
        self._answer.response.close()  # a task that never began can't
        if self._timer is not None:
            self._timer.cancel()
        self._listeners.clear()
        self._close_writer()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _close_writer(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def _start(self, offset: int, response: aiohttp.ClientResponse | None) -> None:
        request = _Request(offset, next(_serial))
        self._requests.append(request)
        request.task = self._spawn(self._run(request, response))

    def _stop(self, request: _Request) -> None:
        self._requests.remove(request)
        if request.task is not None:
            request.task.cancel()

    async def _run(self, request: _Request, response: aiohttp.ClientResponse | None) -> None:
        """Read one answer into the file; a task's top."""
        problem: FetchProblem | None = None
        try:
            if response is None:
                response = await self._ask_from(request.position)
            if response is not None:
                await self._read(request, response)
        except FetchProblem as error:
            problem = error
        except (aiohttp.ClientError, TimeoutError) as error:
            request.broke = not isinstance(error, TimeoutError)
            problem = explain(error, self._host, self._limits)
        except OSError as error:
            problem = FetchProblem("too-large", f"the cache can't take more: {os.strerror(error.errno or 0)}")
        finally:
            if response is not None:
                response.close()
        if request in self._requests:  # otherwise another one took its place meanwhile
            self._requests.remove(request)
            self._go_on(problem, request.broke)

    async def _read(self, request: _Request, response: aiohttp.ClientResponse) -> None:
        """Write the body at its offset until it ends or meets bytes that are there."""
        first = request.position
        async for chunk in response.content.iter_any():
            if request not in self._requests:
                return
            end = request.position + len(chunk)
            if end > self._limits.size_bytes:
                raise self._too_large()
            if 0 <= self.size < end:
                raise _Changed("network", f"{self._host} sent more than the {self.size} bytes it announced")
            _write_all(self._writer, chunk, request.position)
            self.ranges.add(request.position, end)
            self._note_growth(len(chunk))
            request.position = end
            if self.ranges.contiguous_from(end) > end:
                return
        if self.size < 0 and (response.status == 200 or request.position == first):
            self.size = request.position
        elif request.position == first < self.size:
            raise FetchProblem("network", f"{self._host} answered with an empty part")

    async def _ask_from(self, offset: int) -> aiohttp.ClientResponse | None:
        """Send a further request; None when the file turns out to end at `offset`."""
        end = self.ranges.next_start(offset)
        headers = {"Range": f"bytes={offset}-{'' if end is None else end - 1}"}
        tag = self.headers.get("ETag", "")
        if tag and not tag.startswith("W/"):
            headers["If-Range"] = tag
        answer = await self._wire.get(self._answer.url, headers, public_only=self._answer.public_only)
        response = answer.response
        try:
            if response.status == 416 and self.size < 0:
                self.size = offset
                response.close()
                return None
            self._require_same(response, offset)
        except BaseException:
            response.close()
            raise
        return response

    def _require_same(self, response: aiohttp.ClientResponse, offset: int) -> None:
        """Make sure that an answer carries on the file that was begun, from `offset`."""
        changed = _Changed("network", f"the file at {self._host} changed while it was being read")
        if response.status in (200, 416):
            raise changed
        if response.status != 206:
            raise status_problem(response.status, self._host)
        for name in ("ETag", "Last-Modified"):
            if response.headers.get(name) != self.headers.get(name):
                raise changed
        first, total = _content_range(response)
        if first != offset:
            raise FetchProblem("network", f"{self._host} answered another range than was asked for")
        if total is not None and self.size not in (-1, total):
            raise changed

    def _learn_size(self, response: aiohttp.ClientResponse) -> None:
        """Take the size from the first answer, and refuse what can't be kept."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise FetchProblem("network", f"{self._host} sent an encoded body though asked for plain bytes")
        if response.status == 206:
            first, total = _content_range(response)
            if first != 0:
                raise FetchProblem("network", f"{self._host} answered another range than was asked for")
            self.size = -1 if total is None else total
        elif response.status == 200:
            self.size = -1 if response.content_length is None else response.content_length
        elif response.status == 416 and response.headers.get("Content-Range", "").endswith("*/0"):
            self.size = 0  # an empty file has no first byte to ask for
        else:
            raise status_problem(response.status, self._host)
        if self.size > self._limits.size_bytes:
            raise self._too_large()

    def _go_on(self, problem: FetchProblem | None, broke: bool) -> None:
        """After a request has ended: finish, fill the next gap, take a broken one up again, or fail."""
        first_gap = self.ranges.contiguous_from(0)
        if 0 <= self.size <= first_gap:
            self._end(None)
        elif isinstance(problem, _Changed) or (problem is not None and problem.kind != "network"):
            self._end(problem)
        elif self._requests:
            pass  # the other one goes on; what is missing is filled after it
        elif not self._takes_ranges:
            self._end(problem or FetchProblem("network", f"{self._host} ended before the file did"))
        elif problem is not None and not (broke and self._resumes):
            self._end(problem)
        else:
            if problem is not None:
                self._resumes -= 1
            gap = self.ranges.contiguous_from(self._wanted)
            self._start(first_gap if 0 <= self.size <= gap else gap, None)

    def fail(self, problem: FetchProblem) -> None:
        """Fail from outside, unless it has ended already."""
        if not self.complete and self.error is None:
            self._end(problem)

    def _end(self, problem: FetchProblem | None) -> None:
        """Be complete, or fail for good."""
        self.complete, self.error = problem is None, problem
        while self._requests:
            self._stop(self._requests[0])
        self._close_writer()
        self._tell()
        self._on_end(self)

    def _note_growth(self, length: int) -> None:
        self._unheard += length
        if self._unheard >= NOTIFY_BYTES:
            self._tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(NOTIFY_SECONDS, self._tell)

    def _tell(self) -> None:
        self._unheard = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener)  # so that a listener's error can't end the request

    def _too_large(self) -> FetchProblem:
        return FetchProblem(
            "too-large", f"the file at {self._host} has more than {self._limits.size_bytes} bytes"
        )


def _content_range(response: aiohttp.ClientResponse) -> tuple[int, int | None]:
    """Give first byte and total of a 206; the total is None where the server doesn't know it."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None or match[1] is None:
        raise FetchProblem("network", f"{response.url.host} sent a part without saying which")
    return int(match[1]), None if match[3] == "*" else int(match[3])


def _write_all(descriptor: int, chunk: bytes, offset: int) -> None:
    """Write at an offset; into the page cache, so quick."""
    rest = memoryview(chunk)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _nameless_file(folder: Path) -> int:
    """Open a new private file that no name leads to."""
    try:
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError:  # the file system can't
        descriptor, name = tempfile.mkstemp(dir=folder)
        os.unlink(name)
        return descriptor
