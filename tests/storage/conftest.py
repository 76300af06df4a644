"""A web server on loopback whose every answer a test writes, and a fetcher beside it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from swanbridge_daemon.storage import Download, Fetcher, Limits, NetworkPolicy, classify_address
from swanbridge_daemon.storage.addresses import Address, AddressClass

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

PRIVATE = "127.0.0.1"
PUBLIC = "127.0.0.2"  # what the lab's classifier calls public


def classify_for_the_lab(address: Address) -> AddressClass:
    return "public" if address == IPv4Address(PUBLIC) else classify_address(address)


class Names(AbstractResolver):
    """Resolves the lab's names; each look-up of a name takes its next list, the last one again and again."""

    def __init__(self, book: dict[str, list[list[str]]]) -> None:
        self._book = book

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = self._book.get(host)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=port,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for each in addresses
        ]

    async def close(self) -> None:
        pass


class Site:
    """A running server; `requests` is what it was asked, in order."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[web.BaseRequest] = []
        self.host = ""
        self.port = 0

    def url(self, path: str = "/file", host: str = "") -> str:
        return f"http://{host or self.host}:{self.port}{path}"

    def ranges(self) -> list[str]:
        return [each.headers.get("Range", "") for each in self.requests]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        return await self.answer(request)


class Lab:
    """What the network tests are made with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):  # a hang is a failure, not a hang
                await work()

        asyncio.run(bounded())

    @asynccontextmanager
    async def site(self, answer: Answer, host: str = PRIVATE, **options: Any) -> AsyncIterator[Site]:
        site = Site(answer)
        server = web.Server(site.handle, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=0.01)
        await runner.setup()
        listener = web.TCPSite(runner, host, 0, **options)
        await listener.start()
        site.host, site.port = runner.addresses[0][:2]
        try:
            yield site
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def fetcher(
        self,
        policy: NetworkPolicy | None = None,
        limits: Limits | None = None,
        names: dict[str, list[list[str]]] | None = None,
        classify: Callable[[Address], AddressClass] = classify_for_the_lab,
    ) -> AsyncIterator[Fetcher]:
        fetcher = Fetcher(
            self.folder, policy or NetworkPolicy(), limits or Limits(), lambda: Names(names or {}), classify
        )
        try:
            yield fetcher
        finally:
            await fetcher.close()

    @staticmethod
    def content(download: Download) -> bytes:
        descriptor = download.open_reader()
        with open(descriptor, "rb") as file:
            return file.read()

    @staticmethod
    def ranged(data: bytes, **headers: str) -> Answer:
        """Serve bytes with Range and the given headers, as a file server would."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            asked = request.http_range
            if asked.start is None:
                return web.Response(body=data, headers=headers)
            if asked.start >= len(data):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
            end = len(data) if asked.stop is None else min(asked.stop, len(data))
            span = f"bytes {asked.start}-{end - 1}/{len(data)}"
            return web.Response(
                status=206, body=data[asked.start : end], headers={**headers, "Content-Range": span}
            )

        return answer

    @staticmethod
    def held_after(data: bytes, length: int, gate: asyncio.Event) -> Answer:
        """Serve bytes with Range, the answer from 0 stopping after `length` bytes until the gate opens."""
        whole = Lab.ranged(data)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if request.http_range.start != 0:
                return await whole(request)
            response = web.StreamResponse(status=206)
            response.headers["Content-Range"] = f"bytes 0-{len(data) - 1}/{len(data)}"
            response.content_length = len(data)
            await response.prepare(request)
            await response.write(data[:length])
            await gate.wait()
            await response.write(data[length:])
            return response

        return answer


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)
