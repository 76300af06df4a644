"""What the Python client does when sockets are lost, daemons restart, or answers are strange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from swanbridge_client import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotFound,
    Event,
    RemoteError,
    Swan,
    connect,
)
from swanbridge_client.demo.sounds import tone, write_wav
from swanbridge_protocol.errors import InvalidParams
from swanbridge_protocol.inner_audio import AudioError
from swanbridge_testing.daemon import RunningDaemon


@pytest.fixture
def daemon() -> Iterator[RunningDaemon]:
    with RunningDaemon() as running:
        program = running.package_dir / "program"
        program.mkdir()
        write_wav(program / "t.wav", tone(440, 2.0))
        yield running


def program_on(daemon: RunningDaemon, **more: Any) -> connect:
    root = daemon.package_dir / "program"
    return connect(daemon.url, token=daemon.token, app_id="program", package_root=root, **more)


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(40):
            await body()

    asyncio.run(whole())


async def reconnected(swan: Swan) -> None:
    """Wait until calls go through again, by making one."""
    await swan.call("clock.now")


def test_a_lost_socket_loses_and_repeats_no_event(daemon: RunningDaemon) -> None:
    async def body() -> None:
        async with program_on(daemon) as swan, program_on(daemon) as other:
            told: list[Event] = []
            swan.on("*", told.append)
            audio = swan.create_inner_audio_context()
            audio.src = "/t.wav"
            await audio.play()
            for _ in range(4):
                swan._link.drop()
                await other.control.clock.advance(0.6)
                await reconnected(swan)
            await swan.control.clock.advance(0)
            assert [one.seq for one in told] == list(range(1, len(told) + 1))
            assert told[-1].name == "innerAudioContext.onEnded"
            assert swan.session.resumed
            assert not swan.session.truncated
            assert (audio.current_time, audio.paused) == (2.0, True)

    run(body)


def test_calls_under_way_fail_and_calls_made_while_away_wait(daemon: RunningDaemon) -> None:
    async def body() -> None:
        async with program_on(daemon) as swan:
            under_way = asyncio.ensure_future(swan.call("clock.now"))
            await asyncio.sleep(0)
            swan._link.drop()
            assert not swan.connected
            made_while_away = asyncio.ensure_future(swan.call("clock.now"))
            with pytest.raises(ConnectionLost):
                await under_way
            assert (await made_while_away)["mode"] == "virtual"
            assert swan.connected

    run(body)


def test_a_context_and_a_property_lost_on_the_way_are_there_after_the_resume(daemon: RunningDaemon) -> None:
    async def body() -> None:
        async with program_on(daemon) as swan:
            kept = swan.create_inner_audio_context()
            gone = swan.create_inner_audio_context()
            await swan.control.clock.advance(0)
            made = swan.create_inner_audio_context()
            kept.volume = 0.5
            made.src = "/t.wav"
            gone.destroy()
            swan._link.flush()
            swan._link.drop()
            await swan.control.clock.advance(0)
            objects = (await swan.control.session.snapshot()).objects["innerAudioContext"]
            assert objects.keys() == {kept.context_id, made.context_id}
            assert objects[kept.context_id]["volume"] == 0.5
            assert objects[made.context_id]["src"] == "/t.wav"

    run(body)


def test_after_a_restart_contexts_get_10001_and_are_made_anew(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWANBRIDGE_READY_FILE", str(daemon.home / "ready.json"))

    async def body() -> None:
        async with connect(package_root=daemon.package_dir / "program") as swan:
            errors: list[AudioError] = []
            audio = swan.create_inner_audio_context()
            audio.on_error(errors.append)
            audio.autoplay = True
            audio.loop = True
            audio.volume = 0.5
            audio.src = "/t.wav"
            await swan.set_inner_audio_option(mix_with_other=True)
            await swan.control.clock.advance(0.5)
            assert not audio.paused
            first = swan.session.epoch
            await asyncio.to_thread(daemon.stop)
            await asyncio.to_thread(daemon.start)
            await reconnected(swan)
            assert swan.session.epoch != first
            assert not swan.session.resumed
            assert [(one.err_code, one.paused) for one in errors] == [(10001, True)]
            await swan.control.clock.advance(1)
            await swan.control.clock.advance(1)
            snapshot = await swan.control.session.snapshot()
            state = snapshot.objects["innerAudioContext"][audio.context_id]
            assert (state["src"], state["volume"], state["loop"], state["autoplay"]) == (
                *("/t.wav", 0.5),
                *(True, True),
            )
            assert state["paused"]
            assert audio.paused
            assert snapshot.options == {"mixWithOther": True}
            await audio.play()
            await swan.control.clock.advance(0.5)
            assert not audio.paused

    run(body)


def test_nothing_hangs_when_the_daemon_is_gone_for_good(daemon: RunningDaemon) -> None:
    async def body() -> None:
        async with program_on(daemon, patience=0.2) as swan:
            audio = swan.create_inner_audio_context()
            events = audio.events()
            ended = audio.wait_for("ended")
            await swan.control.clock.advance(0)
            await asyncio.to_thread(daemon.stop)
            with pytest.raises(ConnectionLost):
                await swan.call("clock.now")
            with pytest.raises(ConnectionLost):
                await ended
            assert [one async for one in events] == []
            with pytest.raises(ConnectionLost):
                await swan.call("clock.now")

    run(body)


def test_closing_ends_the_session_and_what_waits(daemon: RunningDaemon) -> None:
    async def body() -> None:
        async with program_on(daemon) as watcher:
            swan = await program_on(daemon)
            audio = swan.create_inner_audio_context()
            ended = audio.wait_for("ended")
            await swan.close()
            await swan.close()
            with pytest.raises(ConnectionLost):
                await ended
            with pytest.raises(ConnectionLost):
                await swan.call("clock.now")
            listed = (await watcher.control.session.list()).sessions
            assert [one.session_id for one in listed] == [watcher.session.session_id]

    run(body)


def test_who_is_not_let_in_is_told_why(daemon: RunningDaemon) -> None:
    async def body() -> None:
        with pytest.raises(ConnectionRefused, match="the token is wrong or expired") as refused:
            await connect(daemon.url, token="wrong")
        assert refused.value.status == 401
        with pytest.raises(InvalidParams):
            await connect(daemon.url, token=daemon.token, package_root="/etc")
        with pytest.raises(InvalidParams):
            connect(daemon.url, token=daemon.token, app_id="not an id")
        with pytest.raises(DaemonNotFound, match="swanbridged serve"):
            await connect("http://127.0.0.1:9")

    run(body)


# --- what a real daemon can't be made to do ------------------------------------------------------------------

Answer = Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]]


def opened(**more: Any) -> dict[str, Any]:
    return {
        "sessionId": "s",
        "epoch": "e",
        "protocol": 1,
        "server": {"name": "scripted", "version": "0"},
        "clock": {"mode": "real", "now": 0},
        "resumed": False,
        "truncated": False,
        **more,
    }


def event(seq: int, current_time: float = 0.0, **more: Any) -> dict[str, Any]:
    params = {"seq": seq, "at": 0.0, "contextId": "a1", "currentTime": current_time, "duration": 9, **more}
    return {"jsonrpc": "2.0", "method": "innerAudioContext.onTimeUpdate", "params": params}


async def reply(socket: web.WebSocketResponse, request: dict[str, Any], result: Any) -> None:
    await socket.send_json({"jsonrpc": "2.0", "id": request["id"], "result": result})


@asynccontextmanager
async def scripted(answer: Answer) -> AsyncIterator[str]:
    """A peer that answers each request as the test says."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("swanbridge.v1",))
        await socket.prepare(request)
        async for frame in socket:
            await answer(socket, json.loads(frame.data))
        return socket

    app = web.Application()
    app.router.add_get("/ws", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_an_unknown_error_becomes_a_remote_error() -> None:
    async def answer(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        if request["method"] != "chooseImage":
            await reply(socket, request, opened())
            return
        data = {"name": "outOfFilm", "errMsg": "no film", "detail": {"left": 0}}
        error = {"code": 4711, "message": "no film", "data": data}
        await socket.send_json({"jsonrpc": "2.0", "id": request["id"], "error": error})

    async def body() -> None:
        async with scripted(answer) as url, connect(url) as swan:
            with pytest.raises(RemoteError) as raised:
                await swan.call("chooseImage")
            error = raised.value
            assert (error.code, error.name, error.err_msg) == (4711, "outOfFilm", "no film")
            assert error.detail == {"left": 0}

    run(body)


def test_skipped_numbers_are_no_gap_and_frames_may_hold_several_events() -> None:
    connections = 0

    async def answer(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        nonlocal connections
        if request["method"] == "session.open":
            connections += 1
            await reply(socket, request, opened())
        else:
            await socket.send_json([event(1), event(2), event(2), event(7, skipped=4), event(8)])
            await reply(socket, request, {})

    async def body() -> None:
        async with scripted(answer) as url, connect(url) as swan:
            told: list[Event] = []
            swan.on("*", told.append)
            await swan.call("anything")
            assert [one.seq for one in told] == [1, 2, 7, 8]
            assert connections == 1

    run(body)


def test_a_gap_is_filled_by_a_resume() -> None:
    resumes: list[Any] = []

    async def answer(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        if request["method"] == "session.open":
            resume = request["params"].get("resume")
            await reply(socket, request, opened(resumed=resume is not None))
            resumes.append(resume)
            if resume is not None:
                for seq in (2, 3, 4):
                    await socket.send_json(event(seq))
        elif request["method"] == "session.snapshot":
            await reply(socket, request, snapshot())
        elif request["method"] == "lose":
            await socket.send_json(event(1))
            await socket.send_json(event(4))
        else:
            await reply(socket, request, {})

    async def body() -> None:
        async with scripted(answer) as url, connect(url) as swan:
            told: list[Event] = []
            swan.on("*", told.append)
            with pytest.raises(ConnectionLost):
                await swan.call("lose")
            await reconnected(swan)
            assert [one.seq for one in told] == [1, 2, 3, 4]
            assert resumes == [None, {"sessionId": "s", "epoch": "e", "lastSeq": 1}]

    run(body)


def test_after_a_truncated_resume_the_state_comes_from_the_snapshot() -> None:
    async def answer(socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        if request["method"] == "session.open":
            again = "resume" in request["params"]
            await reply(socket, request, opened(resumed=again, truncated=again))
        elif request["method"] == "session.snapshot":
            state = {"duration": 9.0, "currentTime": 7.5, "paused": False, "buffered": 9.0}
            await reply(socket, request, snapshot(a1={"contextId": "a1", **state}))
            await socket.send_json(event(20_001, 7.75))
        else:
            await reply(socket, request, {})

    async def body() -> None:
        async with scripted(answer) as url, connect(url) as swan:
            audio = swan.create_inner_audio_context()
            await swan.call("anything")
            updated = audio.wait_for("time_update")
            swan._link.drop()
            await updated
            assert (audio.paused, audio.current_time, audio.duration) == (False, 7.75, 9.0)

    run(body)


def snapshot(**contexts: Any) -> dict[str, Any]:
    clock = {"mode": "real", "now": 0}
    objects = {"innerAudioContext": contexts}
    return {"sessionId": "s", "appId": "x", "seq": 20_000, "clock": clock, "options": {}, "objects": objects}
