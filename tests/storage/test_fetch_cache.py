"""What is kept of complete downloads, and when the server is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from swanbridge_daemon.storage import FetchProblem, Limits

if TYPE_CHECKING:
    from swanbridge_daemon.storage import Fetcher

    from tests.storage.conftest import Answer, Lab


async def read(fetcher: Fetcher, url: str, lab: Lab) -> bytes:
    with await fetcher.open(url) as download:
        await download.finished()
        return lab.content(download)


def tagged(versions: list[tuple[str, bytes]], **headers: str) -> Answer:
    """Serve the first version there is with its ETag, or 304 to whoever has it."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        tag, data = versions[0]
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=data, headers={"ETag": tag, **headers})

    return answer


def test_a_complete_file_is_taken_from_the_cache_when_the_server_says_it_is_the_same(lab: Lab) -> None:
    versions = [('"1"', b"one")]

    async def work() -> None:
        async with lab.site(tagged(versions)) as site, lab.fetcher() as fetcher:
            with await fetcher.open(site.url()) as first:
                await first.finished()
                identity = first.identity
            with await fetcher.open(site.url()) as second:
                assert second.complete
                assert second.identity == identity
                assert lab.content(second) == b"one"
            versions[0] = ('"2"', b"another")
            assert await read(fetcher, site.url(), lab) == b"another"
            assert [each.headers.get("If-None-Match") for each in site.requests] == [None, '"1"', '"1"']

    lab.run(work)


def test_within_its_max_age_the_server_is_not_asked(lab: Lab) -> None:
    answer = tagged([('"1"', b"one")], **{"Cache-Control": "public, max-age=600"})

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            for _ in range(3):
                assert await read(fetcher, site.url(), lab) == b"one"
            assert len(site.requests) == 1

    lab.run(work)


@pytest.mark.parametrize("control", ["no-store, max-age=600", "private,no-store"])
def test_what_may_not_be_stored_is_not_kept(lab: Lab, control: str) -> None:
    async def work() -> None:
        answer = tagged([('"1"', b"one")], **{"Cache-Control": control})
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            for _ in range(2):
                assert await read(fetcher, site.url(), lab) == b"one"
            assert [each.headers.get("If-None-Match") for each in site.requests] == [None, None]

    lab.run(work)


def test_what_cannot_be_asked_about_is_fetched_anew(lab: Lab) -> None:
    bodies = [b"one", b"two"]

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=bodies.pop(0))

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            assert await read(fetcher, site.url(), lab) == b"one"
            assert await read(fetcher, site.url(), lab) == b"two"

    lab.run(work)


def test_the_cache_drops_its_least_recent_files_beyond_its_bound(lab: Lab) -> None:
    async def work() -> None:
        answer = tagged([('"1"', bytes(1000))])
        async with lab.site(answer) as site, lab.fetcher(limits=Limits(cache_bytes=2500)) as fetcher:
            for path in ("/a", "/b", "/a", "/c", "/a", "/b"):
                await read(fetcher, site.url(path), lab)
            whole = [each.path for each in site.requests if "If-None-Match" not in each.headers]
            assert whole == ["/a", "/b", "/c", "/b"]

    lab.run(work)


def test_a_kept_file_survives_a_server_that_is_down_for_a_moment(lab: Lab) -> None:
    answers = [tagged([('"1"', b"one")])]

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await answers[0](request)

    async def down(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503)

    async def work() -> None:
        async with lab.site(answer) as site, lab.fetcher() as fetcher:
            await read(fetcher, site.url(), lab)
            up, answers[0] = answers[0], down
            with pytest.raises(FetchProblem, match="503"):
                await fetcher.open(site.url())
            answers[0] = up
            assert await read(fetcher, site.url(), lab) == b"one"
            assert site.requests[-1].headers["If-None-Match"] == '"1"'

    lab.run(work)
