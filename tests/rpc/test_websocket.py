"""One WebSocket: how it opens, what it takes, how it ends."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from swanbridge_testing.daemon import RunningDaemon

from .peer import Refused, connected, in_session


@pytest.mark.parametrize(
    ("protocols", "status"),
    [
        (("swanbridge.v2", "bearer.TOKEN"), 400),
        (("bearer.TOKEN",), 400),
        (("swanbridge.v1",), 401),
        (("swanbridge.v1", "bearer.wrong"), 401),
        ((), 401),
    ],
)
def test_a_socket_without_the_subprotocol_or_the_token_does_not_open(
    virtual_daemon: RunningDaemon, protocols: tuple[str, ...], status: int
) -> None:
    async def knock() -> None:
        offered = [one.replace("TOKEN", virtual_daemon.token) for one in protocols]
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(virtual_daemon.ws, protocols=offered)
            assert refused.value.status == status

    asyncio.run(knock())


def test_the_subprotocol_is_confirmed_and_the_token_is_not_echoed(virtual_daemon: RunningDaemon) -> None:
    async def knock() -> None:
        async with connected(virtual_daemon) as peer:
            assert peer.socket.protocol == "swanbridge.v1"
        header = {"Authorization": f"Bearer {virtual_daemon.token}"}
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(virtual_daemon.ws, headers=header) as socket:
                assert socket.protocol is None

    asyncio.run(knock())


# --- session.open -----------------------------------------------------------------------------------------


def test_a_session_opens_with_everything_a_client_needs(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            opened = await peer.open("my.app-1_x", timeUpdateInterval=0)
            assert opened["protocol"] == 1
            assert opened["server"]["name"] == "swanbridge"
            assert opened["clock"]["mode"] == "virtual"
            assert (opened["resumed"], opened["truncated"]) == (False, False)
            assert opened["epoch"]

    asyncio.run(ask())


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"appId": "a"},
        {"protocol": 1},
        {"appId": "", "protocol": 1},
        {"appId": "../x", "protocol": 1},
        {"appId": "a/b", "protocol": 1},
        {"appId": "a\n", "protocol": 1},
        {"appId": "☃", "protocol": 1},
        {"appId": "a" * 129, "protocol": 1},
        {"appId": None, "protocol": 1},
        {"appId": "a", "protocol": 2},
        {"appId": "a", "protocol": 0},
        {"appId": "a", "protocol": "one"},
        {"appId": "a", "protocol": True},
        {"appId": "a", "protocol": 1, "timeUpdateInterval": -1},
        {"appId": "a", "protocol": 1, "timeUpdateInterval": 0.001},
        {"appId": "a", "protocol": 1, "timeUpdateInterval": 1e300},
        {"appId": "a", "protocol": 1, "timeUpdateInterval": "NaN"},
        {"appId": "a", "protocol": 1, "timeUpdateInterval": True},
        {"appId": "a", "protocol": 1, "unknown": 1},
        {"appId": "a", "protocol": 1, "resume": {}},
        {"appId": "a", "protocol": 1, "resume": {"sessionId": "s", "epoch": "e", "lastSeq": -1}},
        {"appId": "a", "protocol": 1, "resume": "s1"},
        ["a", 1],
    ],
    ids=str,
)
def test_a_wrong_session_open_is_refused_and_may_be_mended(
    virtual_daemon: RunningDaemon, params: Any
) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            call = {"jsonrpc": "2.0", "id": "x", "method": "session.open", "params": params}
            answer = await peer.answer(orjson.dumps(call).decode())
            assert (answer["id"], answer["error"]["code"]) == ("x", -32602)
            assert answer["error"]["data"]["name"] == "invalidParams"
            await peer.open()

    asyncio.run(ask())


@pytest.mark.parametrize(
    "root",
    [
        "",
        "relative",
        "/",
        "/etc",
        "{dir}/../",
        "{dir}/tones/../../state",
        "{dir}/nothing",
        "{dir}/tones/one.wav",
        "{dir}/link",
        "{dir}\u0000/etc",
        "{dir}" + "/x" * 2040,
        "file://{dir}",
        "~",
    ],
)
def test_a_package_root_outside_of_the_package_directories_is_refused(
    virtual_daemon: RunningDaemon, root: str
) -> None:
    link = virtual_daemon.package_dir / "link"
    if not link.is_symlink():
        os.symlink("/etc", link)

    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            with pytest.raises(Refused) as refused:
                await peer.open(packageRoot=root.replace("{dir}", str(virtual_daemon.package_dir)))
            assert refused.value.code == -32602
            await peer.open()

    asyncio.run(ask())


def test_without_package_directories_no_root_is_good(tmp_path: Path) -> None:
    async def ask(daemon: RunningDaemon) -> None:
        async with connected(daemon) as peer:
            with pytest.raises(Refused, match="--package-dir"):
                await peer.open(packageRoot=str(tmp_path))

    with RunningDaemon() as daemon:
        asyncio.run(ask(daemon))


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("innerAudioContext.create", {"contextId": "a"}),
        ("innerAudioContext.create", {}),
        ("setInnerAudioOption", {}),
        ("file.url", {"filePath": "bdfile://x"}),
        ("session.snapshot", {}),
        ("session.close", {}),
        ("journal.read", {}),
        ("clock.run_until", {"event": "innerAudioContext.onEnded", "limit": 1}),
    ],
)
def test_a_call_before_session_open_is_refused(
    virtual_daemon: RunningDaemon, method: str, params: dict[str, Any]
) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            with pytest.raises(Refused) as refused:
                await peer.call(method, **params)
            assert refused.value.code == -32001
            assert refused.value.error["data"]["name"] == "sessionRequired"

    asyncio.run(ask())


@pytest.mark.parametrize("method", ["session.snapshot", "session.close", "journal.read"])
def test_an_unknown_session_is_a_wrong_parameter(virtual_daemon: RunningDaemon, method: str) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            with pytest.raises(Refused) as refused:
                await peer.call(method, sessionId="s999999")
            assert refused.value.code == -32602

    asyncio.run(ask())


def test_a_socket_has_one_session_at_a_time(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            first = await peer.open()
            with pytest.raises(Refused) as refused:
                await peer.open()
            assert refused.value.code == -32005
            assert await peer.call("session.close") == {}
            second = await peer.open()
            assert second["sessionId"] != first["sessionId"]

    asyncio.run(ask())


def test_calls_behind_a_session_close_find_no_session(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(virtual_daemon) as peer:
            await peer.call("innerAudioContext.create", contextId="a")
            close = await peer.begin("session.close")
            late = await peer.begin("innerAudioContext.create", contextId="b")
            answers = {answer["id"]: answer for answer in [await peer.answer(), await peer.answer()]}
            assert answers[close]["result"] == {}
            assert answers[late]["error"]["code"] == -32001
            await peer.send(
                {"jsonrpc": "2.0", "method": "session.open", "params": {"appId": "a", "protocol": 1}}
            )
            await peer.call("session.close")
            closing = await peer.begin("session.open", appId="b", protocol=1)
            await peer.end(closing)
            close = await peer.begin("session.close")
            reopen = await peer.begin("session.open", appId="c", protocol=1)
            answers = {answer["id"]: answer for answer in [await peer.answer(), await peer.answer()]}
            assert answers.keys() == {close, reopen}
            assert (await peer.call("session.snapshot"))["appId"] == "c"

    asyncio.run(ask())


# --- order ------------------------------------------------------------------------------------------------


def test_a_frame_behind_a_batch_comes_after_it(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(virtual_daemon) as peer:
            volumes = [0.1, 0.2, 0.3]
            batch: list[dict[str, Any]] = [
                {"jsonrpc": "2.0", "method": "innerAudioContext.create", "params": {"contextId": "a"}}
            ]
            for volume in volumes:
                params = {"contextId": "a", "volume": volume}
                batch.append({"jsonrpc": "2.0", "method": "innerAudioContext.set", "params": params})
            await peer.send(batch)
            await peer.call("innerAudioContext.set", contextId="a", volume=0.9)
            snapshot = await peer.call("session.snapshot")
            assert snapshot["objects"]["innerAudioContext"]["a"]["volume"] == 0.9

    asyncio.run(ask())


def test_a_session_may_be_opened_and_used_in_one_batch(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            calls = [
                ("session.open", {"appId": "a", "protocol": 1}),
                ("innerAudioContext.create", {"contextId": "a"}),
                ("innerAudioContext.play", {"contextId": "a"}),
            ]
            batch = [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, (method, params) in enumerate(calls)
            ]
            opened, created, played = await peer.answer(orjson.dumps(batch).decode())
            assert opened["result"]["sessionId"]
            assert created["result"] == {}
            assert played["error"]["code"] == 10003
            event = await peer.receive()  # what happened in the batch is told after its answer
            assert (event["method"], event["params"]["seq"]) == ("innerAudioContext.onError", 1)

    asyncio.run(ask())


def test_events_flow_after_a_session_open_that_wanted_no_answer(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            params = {"appId": "a", "protocol": 1}
            await peer.send({"jsonrpc": "2.0", "method": "session.open", "params": params})
            for method in ("innerAudioContext.create", "innerAudioContext.play"):
                await peer.send({"jsonrpc": "2.0", "method": method, "params": {"contextId": "a"}})
            event = await peer.receive()
            assert (event["method"], event["params"]["seq"]) == ("innerAudioContext.onError", 1)

    asyncio.run(ask())
