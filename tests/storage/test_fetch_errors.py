"""Servers that misbehave: each a clear error, and the next open starts afresh."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from swanbridge_daemon.storage import FetchProblem, Limits

if TYPE_CHECKING:
    from tests.storage.conftest import Answer, Lab

BYTES = random.Random(7).randbytes(1 << 20)
KIB = 1024


@pytest.mark.parametrize("status", [404, 403, 500, 304, 204])
def test_a_status_without_bytes_is_an_error_that_names_it_and_no_secret(lab: Lab, status: int) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status)

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            url = site.url("/file?key=SECRET").replace("://", "://user:SECRET@")
            with pytest.raises(FetchProblem, match=str(status)) as caught:
                await fetcher.open(url)
            assert caught.value.kind == "network"
            assert "SECRET" not in caught.value.sentence

    lab.run(work)


def cut_after(length: int) -> Answer:
    """Announce all of `BYTES`, close the connection after `length`."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(BYTES)
        await response.prepare(request)
        await response.write(BYTES[:length])
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def test_a_body_shorter_than_announced_is_an_error(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(cut_after(5000)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                with pytest.raises(FetchProblem, match="closed the connection before the end"):
                    await download.finished()
                assert download.error is not None
                assert not download.complete
            with await fetcher.open(site.url()) as again:
                assert again.error is None
            assert len(site.requests) == 2

    lab.run(work)


@pytest.mark.realtime
def test_a_server_that_falls_silent_is_an_error(lab: Lab) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/never":
            await asyncio.Event().wait()
        return await lab.held_after(BYTES, 1000, asyncio.Event())(request)

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher(limits=Limits(stall_seconds=0.1)) as fetcher:
            with await fetcher.open(site.url()) as download:
                with pytest.raises(FetchProblem, match=r"sent nothing for 0\.1 s"):
                    await download.finished()
                assert download.ranges == ((0, 1000),)
            with pytest.raises(FetchProblem, match=r"sent nothing for 0\.1 s"):
                await fetcher.open(site.url("/never"))

    lab.run(work)


@pytest.mark.parametrize("change", ["tag", "date", "size", "no ranges", "another range", "no span"])
def test_a_file_that_changes_between_two_ranges_is_an_error(lab: Lab, change: str) -> None:
    gate = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        start = request.http_range.start
        headers = {"ETag": '"a"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        total = len(BYTES)
        if start:
            assert request.headers["If-Range"] == '"a"'
            if change == "no ranges":
                return web.Response(body=BYTES, headers=headers)
            if change == "tag":
                headers["ETag"] = '"b"'
            if change == "date":
                headers["Last-Modified"] = "Tue, 02 Jan 2024 00:00:00 GMT"
            total += change == "size"
            start += change == "another range"
        if not (change == "no span" and start):
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        response = web.StreamResponse(status=206, headers=headers)
        await response.prepare(request)
        await response.write(BYTES[:1000])
        await gate.wait()
        return response

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.wait_for(0)
                download.want(500 * KIB)
                if change in ("another range", "no span"):
                    gate.set()  # such an answer is only fatal once no other request runs
                with pytest.raises(FetchProblem) as caught:
                    await download.finished()
                if change not in ("another range", "no span"):
                    assert "changed while it was being read" in caught.value.sentence

    lab.run(work)


def test_an_encoded_body_is_refused(lab: Lab) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b...", headers={"Content-Encoding": "gzip"})

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with pytest.raises(FetchProblem, match="encoded body"):
                await fetcher.open(site.url())

    lab.run(work)


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_beyond_the_bound_is_refused(lab: Lab, announced: bool) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if announced:
            return await lab.ranged(BYTES)(request)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(BYTES)
        return response

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher(limits=Limits(size_bytes=1000)) as fetcher:
            with pytest.raises(FetchProblem, match="more than 1000 bytes") as caught:
                with await fetcher.open(site.url()) as download:
                    await download.finished()
            assert caught.value.kind == "too-large"

    lab.run(work)


def test_stopping_the_fetcher_fails_what_is_open(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(lab.held_after(BYTES, 1000, asyncio.Event())) as site, lab.fetcher() as fetcher:
            download = await fetcher.open(site.url())
            waiting = asyncio.create_task(download.finished())
            await download.wait_for(0)
            await fetcher.close()
            with pytest.raises(FetchProblem, match="stopping"):
                await waiting
            with pytest.raises(FetchProblem, match="stopping"):
                await fetcher.open(site.url())
            download.close()

    lab.run(work)
