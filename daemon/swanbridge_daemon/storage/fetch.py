"""Media of the network: one shared download per URL, and a cache of the complete ones."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from .addresses import Address, AddressClass, check_url, classify_address
from .body import Body
from .download import Download
from .problems import FetchProblem
from .wire import Limits, NetworkPolicy, Wire

__all__ = ["Fetcher"]

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NEVER = re.compile(r"(?:^|[,\s])no-store(?:$|[,\s=])", re.IGNORECASE)
_ASK_FIRST = re.compile(r"(?:^|[,\s])no-cache(?:$|[,\s=])", re.IGNORECASE)


class Fetcher:
    """Opens URLs for the whole daemon. Everything runs on the system's clock, since it protects the daemon.

    `cache_dir` must be private to the daemon; the files in it have no names. `resolver` makes the resolver
    of names, `classify` says what an address is; both are real unless a test brings its own. `close` must be
    awaited in the end; it also makes every download fail.
    """

    def __init__(
        self,
        cache_dir: Path,
        policy: NetworkPolicy = NetworkPolicy(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
        classify: Callable[[Address], AddressClass] = classify_address,
    ) -> None:
        self._folder = cache_dir
        self._limits = limits
        self._wire = Wire(policy, limits, resolver, classify)
        self._live: dict[str, Body] = {}
        self._kept: OrderedDict[str, Body] = OrderedDict()
        self._opening: dict[str, _Opening] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_open = True

    async def open(self, url: str) -> Download:
        """Give the download of an http or https URL once its server has answered.

        Whoever opens a URL that is open already shares it; a complete one is taken from the cache after its
        server has said that it is still the same (or within its max-age). Raises `FetchProblem`.
        """
        if not self._is_open:
            raise _stopping()
        checked = check_url(url)
        key = str(checked)
        if key in self._live:
            return Download(self._live[key], self._let_go)
        opening = self._opening.get(key)
        if opening is None:
            opening = self._opening[key] = _Opening(self._spawn(self._begin(key, checked)))
        opening.waiting += 1
        try:
            return Download(await asyncio.shield(opening.task), self._let_go)
        except asyncio.CancelledError:
            if self._is_open:
                raise
            raise _stopping() from None
        finally:
            opening.waiting -= 1
            if opening.waiting == 0:
                self._abandon(key, opening)

    async def close(self) -> None:
        """End every request, forget the cache, close the connections."""
        self._is_open = False
        for body in (*self._live.values(), *self._kept.values()):
            body.fail(_stopping())
            body.dispose()
        self._live.clear()
        self._kept.clear()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._wire.close()

    async def _begin(self, key: str, url: URL) -> Body:
        """Give the body to read from, with a hold for those who wait for it, see `_abandon`."""
        body = await self._ask(key, url)
        body.holders += 1
        return body

    async def _ask(self, key: str, url: URL) -> Body:
        """Ask the server, and make a body of the answer or find that the kept one will do."""
        kept = self._kept.pop(key, None)
        if kept is not None and time.monotonic() < kept.fresh_until:
            self._live[key] = kept
            return kept
        headers = {"Range": "bytes=0-"} | ({} if kept is None else _conditions(kept))
        try:
            answer = await self._wire.get(url, headers)
            try:
                if answer.response.status == 304 and kept is not None:
                    answer.response.close()
                    kept.fresh_until = time.monotonic() + _fresh_seconds(kept)
                    self._live[key] = kept
                    return kept
                body = Body(key, answer, self._wire, self._limits, self._folder, self._spawn, self._ended)
            except BaseException:
                answer.response.close()
                raise
        except BaseException:
            if kept is not None:
                self._keep(kept)
            raise
        if kept is not None:
            kept.dispose()
        body.fresh_until = time.monotonic() + _fresh_seconds(body)
        self._live[key] = body
        body.begin()
        return body

    def _abandon(self, key: str, opening: _Opening) -> None:
        """End an opening that nobody waits for any more: stop it, or give up its own hold on its body."""
        if self._opening.get(key) is opening:
            del self._opening[key]
        task = opening.task
        if not task.done():
            task.cancel()
        elif not task.cancelled() and task.exception() is None:
            task.result().holders -= 1
            self._let_go(task.result())

    def _ended(self, body: Body) -> None:
        """Share a failed download with nobody who comes later."""
        if body.error is not None and self._live.get(body.key) is body:
            del self._live[body.key]

    def _let_go(self, body: Body) -> None:
        """Keep a complete body that nobody holds, where it may be kept; drop any other."""
        if body.holders:
            return
        was_live = self._live.get(body.key) is body
        if was_live:
            del self._live[body.key]
        if not was_live or not body.complete or not _may_keep(body):
            body.dispose()
            return
        self._keep(body)

    def _keep(self, body: Body) -> None:
        """Put a body into the cache as its most recent one, within the cache's bounds."""
        if not self._is_open or body.key in self._live or body.key in self._kept:
            body.dispose()
            return
        self._kept[body.key] = body
        while len(self._kept) > self._limits.cache_files or (
            sum(each.size for each in self._kept.values()) > self._limits.cache_bytes
        ):
            self._kept.popitem(last=False)[1].dispose()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run as a task that `close` ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Opening:
    """A URL being opened, and how many wait for it."""

    def __init__(self, task: asyncio.Task[Body]) -> None:
        self.task = task
        self.waiting = 0


def _stopping() -> FetchProblem:
    return FetchProblem("network", "the daemon is stopping")


def _conditions(body: Body) -> dict[str, str]:
    """Ask for the bytes only if they aren't those we have."""
    pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
    return {ask: body.headers[name] for ask, name in pairs if name in body.headers}


def _may_keep(body: Body) -> bool:
    """Tell whether a body may, and can usefully, be kept."""
    if _NEVER.search(body.headers.get("Cache-Control", "")):
        return False
    return bool(_conditions(body)) or _fresh_seconds(body) > 0


def _fresh_seconds(body: Body) -> float:
    """Give for how long the server needn't be asked again. A redirect could lead elsewhere by then: 0."""
    control = body.headers.get("Cache-Control", "")
    match = _MAX_AGE.search(control)
    if match is None or body.redirected or _ASK_FIRST.search(control):
        return 0.0
    return float(match[1])
