"""Routes for programs without a WebSocket: /rpc, /events, and what machines read."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from swanbridge_testing.daemon import RunningDaemon

from .peer import http, in_session, raw_http


def request(method: str, request_id: int | None = 1, **params: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if request_id is None else {**message, "id": request_id}


async def post(
    client: aiohttp.ClientSession, message: Any, session: str | None = None, **headers: str
) -> tuple[int, Any]:
    given = {"Content-Type": "application/json", **headers}
    if session is not None:
        given["Swanbridge-Session"] = session
    body = message if isinstance(message, bytes) else orjson.dumps(message)
    async with client.post("/rpc", data=body, headers=given) as response:
        content = await response.read()
        return response.status, orjson.loads(content) if content[:1] in (b"{", b"[") else content


def test_a_call_gets_a_session_of_its_own_which_ends_with_it(virtual_daemon: RunningDaemon) -> None:
    async def play() -> None:
        async with http(virtual_daemon) as client:
            batch = [
                request("innerAudioContext.create", 1, contextId="a"),
                request("innerAudioContext.set", 2, contextId="a", volume=0.5),
                request("session.snapshot", 3),
            ]
            status, answers = await post(client, batch)
            assert status == 200
            assert [one["id"] for one in answers] == [1, 2, 3]
            mine = answers[2]["result"]
            assert mine["objects"]["innerAudioContext"]["a"]["volume"] == 0.5
            assert (await post(client, request("session.snapshot"), mine["sessionId"]))[0] == 404
            _, listed = await post(client, request("session.list"))
            assert mine["sessionId"] not in [one["sessionId"] for one in listed["result"]["sessions"]]

    asyncio.run(play())


def test_a_session_opened_over_http_is_named_by_the_header(virtual_daemon: RunningDaemon) -> None:
    async def play() -> None:
        async with http(virtual_daemon) as client:
            _, opened = await post(client, request("session.open", appId="plain", protocol=1))
            named = opened["result"]["sessionId"]
            _, created = await post(client, request("innerAudioContext.create", contextId="a"), named)
            assert created == {"jsonrpc": "2.0", "result": {}, "id": 1}
            _, played = await post(client, request("innerAudioContext.play", contextId="a"), named)
            assert played["error"]["code"] == 10003
            _, journal = await post(client, request("journal.read"), named)
            assert [one["method"] for one in journal["result"]["entries"]] == ["innerAudioContext.onError"]
            _, closed = await post(client, request("session.close"), named)
            assert closed["result"] == {}
            assert (await post(client, request("clock.now"), named))[0] == 404

    asyncio.run(play())


def test_errors_of_json_rpc_are_answers_and_not_http_errors(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with http(virtual_daemon) as client:
            for body, code in (
                (b"{", -32700),
                (b"\xff", -32700),
                (b"[]", -32600),
                (b"[" * 100_000, -32700),
                (orjson.dumps(request("nothing")), -32601),
                (orjson.dumps(request("clock.advance", seconds=-1)), -32602),
            ):
                status, answer = await post(client, body)
                assert (status, answer["error"]["code"]) == (200, code)

    asyncio.run(ask())


def test_a_notification_is_answered_with_no_content(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with http(virtual_daemon) as client:
            assert await post(client, request("clock.now", None)) == (204, b"")

    asyncio.run(ask())


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_taken_so_that_no_form_can_call(virtual_daemon: RunningDaemon, kind: str) -> None:
    async def ask() -> None:
        async with http(virtual_daemon) as client:
            status, answer = await post(client, request("clock.now"), **{"Content-Type": kind})
            assert status == 415
            assert b"application/json" in answer

    asyncio.run(ask())


def test_a_charset_may_stand_beside_json(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with http(virtual_daemon) as client:
            kind = {"Content-Type": "application/json; charset=utf-8"}
            assert (await post(client, request("clock.now"), **kind))[0] == 200

    asyncio.run(ask())


def test_a_body_over_the_bound_is_413(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        head = (
            f"POST /rpc HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {virtual_daemon.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {9 << 20}\r\n"
        )
        status, _ = await raw_http(virtual_daemon, head.encode(), b" " * (9 << 20))
        assert status == 413

    asyncio.run(ask())


# --- server-sent events -----------------------------------------------------------------------------------


async def read_events(response: aiohttp.ClientResponse, count: int) -> list[tuple[int, str, dict[str, Any]]]:
    found: list[tuple[int, str, dict[str, Any]]] = []
    current: dict[str, str] = {}
    while len(found) < count:
        line = (await response.content.readline()).decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            current[name] = value
        elif "id" in current:
            found.append((int(current["id"]), current["event"], orjson.loads(current["data"])))
            current = {}
    return found


def test_events_come_over_http_and_go_on_after_the_last_one_seen(virtual_daemon: RunningDaemon) -> None:
    async def listen() -> None:
        async with in_session(virtual_daemon) as peer, http(virtual_daemon) as client:
            named = (await peer.call("session.snapshot"))["sessionId"]
            await peer.call("innerAudioContext.create", contextId="a")
            await peer.call("innerAudioContext.set", contextId="a", src="/one.wav")
            await peer.call("innerAudioContext.play", contextId="a")
            await peer.call("clock.advance", seconds=0.5)
            assert peer.seqs == [1, 2, 3, 4]
            header = {"Swanbridge-Session": named, "Last-Event-ID": "2"}
            async with client.get("/events", headers=header) as stream:
                assert stream.content_type == "text/event-stream"
                await peer.call("clock.advance", seconds=2)
                received = await read_events(stream, len(peer.events) - 2)
                assert [one[0] for one in received] == peer.seqs[2:]
                assert [{"method": name, **params} for _, name, params in received] == peer.events[2:]
                await peer.call("session.close")
                assert await stream.content.read() == b""

    asyncio.run(listen())


def test_without_a_last_event_the_stream_begins_with_the_present(virtual_daemon: RunningDaemon) -> None:
    async def listen() -> None:
        async with in_session(virtual_daemon) as peer, http(virtual_daemon) as client:
            named = (await peer.call("session.snapshot"))["sessionId"]
            await peer.call("innerAudioContext.create", contextId="a")
            await peer.call("innerAudioContext.set", contextId="a", src="/one.wav")
            await peer.call("clock.advance", seconds=0)
            async with client.get(f"/events?session={named}") as stream:
                await peer.call("innerAudioContext.play", contextId="a")
                await peer.call("clock.advance", seconds=0)
                [(seq, name, _)] = await read_events(stream, 1)
                assert (seq, name) == (2, "innerAudioContext.onPlay")

    asyncio.run(listen())


@pytest.mark.parametrize(
    ("session", "last", "expected"),
    [("s999999", "0", 404), ("", "0", 404), (None, "-1", 400), (None, "x", 400), (None, "²", 400)],
)
def test_wrong_requests_for_events_are_refused(
    virtual_daemon: RunningDaemon, session: str | None, last: str, expected: int
) -> None:
    async def listen() -> None:
        async with in_session(virtual_daemon) as peer, http(virtual_daemon) as client:
            named = (await peer.call("session.snapshot"))["sessionId"] if session is None else session
            query = {"session": named, "lastEventId": last}
            async with client.get("/events", params=query) as response:
                assert response.status == expected

    asyncio.run(listen())


# --- what machines read -----------------------------------------------------------------------------------


def test_metrics_are_prometheus_text(virtual_daemon: RunningDaemon) -> None:
    async def scrape(client: aiohttp.ClientSession) -> dict[str, float]:
        async with client.get("/metrics") as response:
            assert response.status == 200
            text = await response.text()
        return {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def compare() -> None:
        async with http(virtual_daemon) as client:
            before = await scrape(client)
            async with in_session(virtual_daemon):
                await post(client, request("nothing"))
                after = await scrape(client)
        assert after["swanbridge_sessions"] == before["swanbridge_sessions"] + 1
        assert after["swanbridge_calls_total"] >= before["swanbridge_calls_total"] + 2
        assert after["swanbridge_errors_total"] == before["swanbridge_errors_total"] + 1
        assert after["process_resident_memory_bytes"] > 1 << 20

    asyncio.run(compare())


def test_ready_tells_about_the_engines(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with http(virtual_daemon) as client, client.get("/ready") as response:
            state = await response.json()
            assert response.status == 200
            assert state["ready"] is True
            assert state["engines"]

    asyncio.run(ask())


def test_the_description_is_the_same_by_http_and_by_call(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with http(virtual_daemon) as client:
            async with client.get("/openrpc.json") as response:
                document = await response.json()
            _, answer = await post(client, request("rpc.discover"))
            assert answer["result"] == document
            assert "innerAudioContext.play" in [method["name"] for method in document["methods"]]
            assert document["x-events"]

    asyncio.run(ask())


# --- the Unix socket --------------------------------------------------------------------------------------


def test_the_unix_socket_speaks_the_same_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "swanbridge.sock"

    async def ask(daemon: RunningDaemon) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            async with session.get("http://localhost/health") as response:
                assert response.status == 200
            async with session.get("http://localhost/ready") as response:
                assert response.status == 401
            async with session.ws_connect(
                "ws://localhost/ws", protocols=("swanbridge.v1", f"bearer.{daemon.token}")
            ) as socket:
                await socket.send_json(request("clock.now"))
                assert (await socket.receive_json())["result"]["mode"] == "virtual"

    with RunningDaemon(arguments=["--unix", str(path)]) as daemon:
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        asyncio.run(ask(daemon))
    assert not path.exists()


def test_a_file_in_the_unix_socket_s_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("keep me")
    with pytest.raises(RuntimeError, match=f"swanbridged: .*--unix {path}.*File exists"):
        RunningDaemon(arguments=["--unix", str(path)], home=tmp_path / "home").start()
    assert path.read_text() == "keep me"


def test_a_daemon_s_unix_socket_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "swanbridge.sock"
    with RunningDaemon(arguments=["--unix", str(path)]):
        with pytest.raises(RuntimeError, match="in use"):
            RunningDaemon(arguments=["--unix", str(path)], home=tmp_path / "home").start()
        assert path.exists()
