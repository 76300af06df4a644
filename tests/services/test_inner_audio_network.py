"""Sources on the network: a small server on this machine that behaves, and misbehaves, as the web does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

from tests.services.conftest import running
from tests.services.media import Media
from tests.services.program import Lab, Program

NETWORK = 10002


class Site:
    """A web server in a thread of its own. `open_gate` lets the rest of a stalled answer through."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._gate: asyncio.Event
        self._end: asyncio.Event
        self._address: tuple[str, int]
        self.asked: list[str] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(20)

    def url(self, path: str) -> str:
        """Return an address of this server."""
        return f"http://{self._address[0]}:{self._address[1]}{path}"

    def open_gate(self) -> None:
        """Let what is stalled go on."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def close(self) -> None:
        """End it."""
        self.open_gate()
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._gate, self._end = asyncio.Event(), asyncio.Event()
        runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._address = runner.addresses[0][:2]
        self._started.set()
        await self._end.wait()
        await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        self.asked.append(path)
        if path.startswith("/range"):
            return self._part(request)
        if path.startswith("/redirect"):
            raise web.HTTPFound("/plain.wav")
        if path.startswith("/astray"):
            raise web.HTTPFound("http://169.254.169.254/a.wav")
        if path.startswith("/round"):
            raise web.HTTPFound("/round.wav")
        if path.startswith("/missing"):
            raise web.HTTPNotFound
        if path.startswith("/broken"):
            raise web.HTTPInternalServerError
        if path.startswith("/page"):
            return web.Response(text="<html>Log in first</html>", content_type="text/html")
        if path.startswith(("/stall", "/cut")):
            return await self._in_two(request, cut=path.startswith("/cut"))
        return web.Response(body=self._content, content_type="audio/wav")

    def _part(self, request: web.BaseRequest) -> web.Response:
        wanted = request.http_range
        start, stop = wanted.start or 0, wanted.stop or len(self._content)
        return web.Response(
            status=206,
            body=self._content[start:stop],
            headers={"Content-Range": f"bytes {start}-{stop - 1}/{len(self._content)}", "ETag": '"1"'},
        )

    async def _in_two(self, request: web.BaseRequest, *, cut: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "audio/wav"})
        response.content_length = len(self._content)
        await response.prepare(request)
        half = len(self._content) // 2
        await response.write(self._content[:half])
        await self._gate.wait()
        if cut:
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(self._content[half:])
        return response


@pytest.fixture
def site(media: Media) -> Iterator[Site]:
    """A server of a tone of one second."""
    server = Site(media.path(media.tone("wav", 1.0)).read_bytes())
    yield server
    server.close()


def only_error(program: Program, url: str) -> int:
    """Play a URL that can't be played; returns the code of the only event."""
    program.context(src=url)
    code: int = program.wait_for("onError", "a")["errCode"]
    assert program.names("a") == ["onError"]
    return code


@pytest.mark.parametrize("path", ["/plain.wav", "/range.wav", "/redirect.wav", "/plain.wav?token=1#here"])
def test_a_source_on_the_network_is_heard_to_its_end(lab: Lab, site: Site, path: str) -> None:
    program = lab.program()
    context = program.context(src=site.url(path))
    capture = program.capture()
    context.do("play")
    program.advance(1.5)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    took = context.events("onEnded")[0]["at"] - context.events("onPlay")[0]["at"]
    assert took == pytest.approx(1.0, abs=3e-5)
    assert program.describe(capture)["dropouts"] == []
    assert context.state["buffered"] == pytest.approx(1.0)


def test_two_contexts_share_one_download(lab: Lab, site: Site) -> None:
    program = lab.program()
    contexts = [program.context(name, src=site.url("/range.wav")) for name in ("one", "two")]
    for context in contexts:
        context.do("play")
    program.advance(1.5)
    for context in contexts:
        assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    assert site.asked == ["/range.wav"]


@pytest.mark.parametrize("path", ["/missing.wav", "/broken.wav", "/astray.wav", "/round.wav"])
def test_what_the_network_does_not_give_is_10002(lab: Lab, site: Site, path: str) -> None:
    assert only_error(lab.program(), site.url(path)) == NETWORK


def test_a_page_instead_of_a_file_is_10004(lab: Lab, site: Site) -> None:
    assert only_error(lab.program(), site.url("/page.mp3")) == 10004


def test_link_local_addresses_are_always_refused(lab: Lab) -> None:
    program = lab.program()
    assert only_error(program, "http://169.254.169.254/latest/meta-data") == NETWORK
    assert "169.254" in program.of("a", "onError")[0]["errMsg"]


def test_private_addresses_are_refused_without_being_asked_where_that_is_the_rule(
    media: Media, site: Site
) -> None:
    for lab in running(media, "virtual", "--private-network", "deny"):
        assert only_error(lab.program(), site.url("/plain.wav")) == NETWORK
        lab.end_programs()
    assert site.asked == []


@pytest.mark.realtime
def test_a_stall_is_a_waiting_and_what_comes_later_is_heard(real_lab: Lab, site: Site) -> None:
    program = real_lab.program()
    context = program.context(src=site.url("/stall.wav"))
    context.do("play")
    canplay = program.wait_for("onCanplay", "a")
    assert canplay["duration"] == pytest.approx(1.0)
    assert canplay["buffered"] < 0.6
    waiting = program.wait_for("onWaiting", "a")
    # It is decoded a tenth of a second at a time.
    assert waiting["currentTime"] == pytest.approx(0.5, abs=0.15)
    assert waiting["paused"] is False
    assert waiting["buffered"] == pytest.approx(0.5, abs=0.05)
    site.open_gate()
    again = program.wait_for("onPlay", "a", 2)
    # It sounds on while the news travels.
    assert again["currentTime"] == pytest.approx(waiting["currentTime"], abs=0.05)
    ended = program.wait_for("onEnded", "a")
    assert ended["buffered"] == pytest.approx(1.0)
    names = [name for name in program.names("a") if name != "onTimeUpdate"]
    assert names == ["onCanplay", "onPlay", "onWaiting", "onPlay", "onEnded"]


@pytest.mark.realtime
def test_a_pause_while_waiting_is_told_and_kept(real_lab: Lab, site: Site) -> None:
    program = real_lab.program()
    context = program.context(src=site.url("/stall.wav"))
    context.do("play")
    program.wait_for("onWaiting", "a")
    context.do("pause")
    program.wait_for("onPause", "a")
    site.open_gate()
    context.seek(0.2)
    program.wait_for("onSeeked", "a")
    assert program.names("a")[-4:] == ["onPause", "onSeeking", "onTimeUpdate", "onSeeked"]
    context.do("play")
    program.wait_for("onEnded", "a")
    assert program.of("a", "onPlay")[1]["currentTime"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.realtime
def test_a_connection_that_breaks_for_good_is_an_error_where_the_sound_ends(
    real_lab: Lab, site: Site
) -> None:
    program = real_lab.program()
    context = program.context(src=site.url("/cut.wav"))
    context.do("play")
    program.wait_for("onPlay", "a")
    site.open_gate()
    error = program.wait_for("onError", "a")
    assert error["errCode"] == NETWORK
    assert error["paused"] is True
    assert error["currentTime"] == pytest.approx(0.5, abs=0.15)
    assert program.names("a").count("onError") == 1
