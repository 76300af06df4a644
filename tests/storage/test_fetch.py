"""Fetching: ranges, readers that jump, sharing."""

from __future__ import annotations

import asyncio
import os
import random
import stat
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.storage.conftest import Lab

BYTES = random.Random(7).randbytes(1 << 20)
KIB = 1024


def test_a_file_is_fetched_whole_where_the_server_takes_ranges(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(lab.ranged(BYTES)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                assert download.size == len(BYTES)
                await download.finished()
                assert download.ranges == ((0, len(BYTES)),)
                assert lab.content(download) == BYTES
                assert site.ranges() == ["bytes=0-"]
                assert site.requests[0].headers["Accept-Encoding"] == "identity"

    lab.run(work)


def test_a_file_is_fetched_whole_where_the_server_takes_none(lab: Lab) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=BYTES)

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                download.want(len(BYTES) - 10)
                await download.finished()
                assert lab.content(download) == BYTES
                assert len(site.requests) == 1

    lab.run(work)


def test_the_size_of_a_chunked_body_is_known_at_its_end(lab: Lab) -> None:
    gate = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(BYTES[:1000])
        await gate.wait()
        await response.write(BYTES[1000:3000])
        await response.write_eof()
        return response

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                assert await download.wait_for(0) == 1000
                assert (download.size, download.complete) == (-1, False)
                gate.set()
                await download.finished()
                assert download.size == 3000
                assert await download.wait_for(3000) == 3000
                assert lab.content(download) == BYTES[:3000]

    lab.run(work)


def test_a_reader_that_moves_gets_its_bytes_before_those_it_skipped(lab: Lab) -> None:
    gate = asyncio.Event()

    async def work() -> None:
        async with lab.site(lab.held_after(BYTES, 1000, gate)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.wait_for(0)
                tail = len(BYTES) - 5000
                download.want(tail)
                assert await download.wait_for(len(BYTES) - 1) == len(BYTES)
                assert download.ranges == ((0, 1000), (tail, len(BYTES)))
                assert os.pread(download.descriptor, 5000, tail) == BYTES[tail:]
                assert download.contiguous_from(2000) == 2000
                gate.set()
                await download.finished()
                assert lab.content(download) == BYTES
                assert site.ranges() == ["bytes=0-", f"bytes={tail}-"]

    lab.run(work)


def test_what_is_there_or_near_is_not_asked_for_again(lab: Lab) -> None:
    gate = asyncio.Event()

    async def work() -> None:
        async with lab.site(lab.held_after(BYTES, 1000, gate)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.wait_for(0)
                for offset in (-1, 0, 999, 1000, 200 * KIB, len(BYTES), 1 << 60):
                    download.want(offset)
                gate.set()
                await download.finished()
                assert site.ranges() == ["bytes=0-"]

    lab.run(work)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    offsets=st.lists(st.integers(0, len(BYTES) - 1), max_size=6), held=st.sampled_from([1, 100, 300 * KIB])
)
def test_however_a_reader_jumps_the_file_ends_up_whole(lab: Lab, offsets: list[int], held: int) -> None:
    gate = asyncio.Event()

    async def work() -> None:
        async with lab.site(lab.held_after(BYTES, held, gate)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                for offset in offsets:
                    download.want(offset)
                    if offset >= held + 256 * KIB:
                        await download.wait_for(offset)
                        assert os.pread(download.descriptor, 1, offset) == BYTES[offset : offset + 1]
                gate.set()
                await download.finished()
                assert lab.content(download) == BYTES

    lab.run(work)


def test_two_readers_share_one_download_until_the_last_lets_go(lab: Lab) -> None:
    gate, gone = asyncio.Event(), asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(BYTES[:1000])
        try:
            await gate.wait()
        except asyncio.CancelledError:
            gone.set()
            raise
        return response

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            one, other = await asyncio.gather(fetcher.open(site.url()), fetcher.open(site.url()))
            third = await fetcher.open(site.url("/file#part"))
            assert one.identity == other.identity == third.identity
            one.close()
            one.close()
            third.close()
            assert await other.wait_for(0) == 1000
            assert not gone.is_set()
            other.close()
            await gone.wait()
            assert len(site.requests) == 1

    lab.run(work)


def test_a_reader_that_closes_at_once_takes_nothing_from_one_that_opened_with_it(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(lab.ranged(BYTES)) as site, lab.fetcher() as fetcher:

            async def glance() -> None:
                (await fetcher.open(site.url())).close()

            async def read() -> bytes:
                with await fetcher.open(site.url()) as download:
                    await download.finished()
                    return lab.content(download)

            _, content, _ = await asyncio.gather(glance(), read(), glance())
            assert content == BYTES
            assert len(site.requests) == 1

    lab.run(work)


def test_an_open_that_is_cancelled_stops_asking(lab: Lab) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return web.Response()

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            opening = asyncio.create_task(fetcher.open(site.url()))
            await asked.wait()
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            await gone.wait()

    lab.run(work)


def test_an_open_that_is_cancelled_before_it_began_spoils_no_later_one(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(lab.ranged(BYTES)) as site, lab.fetcher() as fetcher:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await fetcher.open(site.url())
            with await fetcher.open(site.url()) as download:
                await download.finished()

    lab.run(work)


def test_the_file_in_the_cache_is_private_and_has_no_name(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(lab.ranged(BYTES)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.finished()
                facts = os.fstat(download.descriptor)
                assert (stat.S_IMODE(facts.st_mode), facts.st_nlink) == (0o600, 0)
                assert list(lab.folder.iterdir()) == []
                with pytest.raises(OSError, match="Bad file descriptor"):
                    os.write(download.descriptor, b"x")

    lab.run(work)


def test_growth_and_the_end_are_told_to_a_listener(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(lab.ranged(BYTES)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                seen: list[int] = []
                ended = asyncio.Event()

                def note() -> None:
                    seen.append(download.contiguous_from(0))
                    if download.complete:
                        ended.set()

                download.on_progress(note)
                await ended.wait()
                assert seen == sorted(seen)
                assert 1 <= len(seen) <= len(BYTES) // (64 * KIB) + 2

    lab.run(work)


@pytest.mark.parametrize("status", [200, 206])
def test_an_empty_file_is_complete_at_once(lab: Lab, status: int) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response() if status == 200 else await lab.ranged(b"")(request)

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.finished()
                assert (download.size, download.ranges) == (0, ())

    lab.run(work)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(lab: Lab) -> None:
    broken: list[int] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        start = request.http_range.start
        if len(broken) == 3:
            return await lab.ranged(BYTES)(request)
        broken.append(start)
        response = web.StreamResponse(status=206)
        response.headers["Content-Range"] = f"bytes {start}-{len(BYTES) - 1}/{len(BYTES)}"
        response.content_length = len(BYTES) - start
        await response.prepare(request)
        await response.write(BYTES[start : start + 1000])
        assert request.transport is not None
        request.transport.close()
        return response

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.finished()
                assert lab.content(download) == BYTES
                assert broken == [0, 1000, 2000]

    lab.run(work)


def test_parts_smaller_than_asked_for_are_put_together(lab: Lab) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        start = request.http_range.start
        part = BYTES[start : start + 300 * KIB]
        span = f"bytes {start}-{start + len(part) - 1}/{len(BYTES)}"
        return web.Response(status=206, body=part, headers={"Content-Range": span})

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.finished()
                assert lab.content(download) == BYTES
                assert len(site.requests) == 4

    lab.run(work)


def test_parts_of_a_file_of_unknown_size_are_read_until_there_are_no_more(lab: Lab) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        start = request.http_range.start
        part = BYTES[start : min(start + 600, 1000)]
        if not part:
            return web.Response(status=416)
        span = f"bytes {start}-{start + len(part) - 1}/*"
        return web.Response(status=206, body=part, headers={"Content-Range": span})

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as download:
                await download.finished()
                assert (download.size, lab.content(download)) == (1000, BYTES[:1000])

    lab.run(work)
