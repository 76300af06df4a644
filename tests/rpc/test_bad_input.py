"""Frames and params that nobody should send: each a clear error, the daemon and other sessions untouched."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swanbridge_daemon.rpc.connection import LARGEST_FRAME, UNDER_WAY, Bucket
from swanbridge_testing.daemon import RunningDaemon

from .peer import Closed, Refused, connected, in_session

PARSE, INVALID = -32700, -32600


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", PARSE),
        ("{", PARSE),
        ("[" * 100_000, PARSE),
        ("[" * 100_000 + "]" * 100_000, PARSE),
        ('{"jsonrpc":"2.0","id":1,"method":"x","params":' + '{"a":' * 100_000 + "1" + "}" * 100_001, PARSE),
        ('{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', PARSE),
        ('{"jsonrpc":"2.0","id":1e999,"method":"clock.now"}', PARSE),
        ("null", INVALID),
        ("[]", INVALID),
        ("{}", INVALID),
        ('"clock.now"', INVALID),
        ("[" + ",".join(["1"] * 101) + "]", INVALID),
        ("[" + ",".join(["1"] * 1_000_000) + "]", INVALID),
        (b'{"jsonrpc":"2.0","id":1,"method":"clock.now"}', INVALID),
        (b"\xff\xfe", INVALID),
    ],
    ids=lambda value: repr(value[:32]) if isinstance(value, (str, bytes)) else str(value),
)
def test_a_bad_frame_gets_an_error_and_the_socket_lives_on(
    virtual_daemon: RunningDaemon, frame: str | bytes, code: int
) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            answer = await peer.answer(frame)
            assert (answer["error"]["code"], answer["id"]) == (code, None)
            assert (await peer.call("clock.now"))["mode"] == "virtual"

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("innerAudioContext.set", {"contextId": "a", "volume": 2}, 202),
        ("innerAudioContext.set", {"contextId": "a", "volume": 1e300}, 202),
        ("innerAudioContext.set", {"contextId": "a", "volume": "loud"}, 904),
        ("innerAudioContext.set", {"contextId": "a", "volume": True}, 904),
        ("innerAudioContext.set", {"contextId": "a", "loop": 1}, 904),
        ("innerAudioContext.set", {"contextId": "a", "src": []}, 904),
        ("innerAudioContext.set", {"contextId": "a", "playbackRate": 0}, 202),
        ("innerAudioContext.set", {"contextId": "", "volume": 1}, 202),
        ("innerAudioContext.set", {"contextId": "b", "volume": 1}, 202),
        ("innerAudioContext.set", {}, 904),
        ("innerAudioContext.seek", {"contextId": "a"}, 904),
        ("innerAudioContext.seek", {"contextId": "a", "position": "x"}, 904),
        ("innerAudioContext.seek", {"contextId": "a", "position": {}}, 904),
        ("innerAudioContext.create", {"contextId": "a"}, 202),
        ("innerAudioContext.play", {"contextId": "a"}, 10003),
        ("innerAudioContext.fly", {"contextId": "a"}, -32601),
        ("__class__", {}, -32601),
        ("clock.advance", {"seconds": "x"}, -32602),
        ("clock.advance", {"seconds": -1}, -32602),
        ("clock.advance", {"seconds": 1e30}, -32602),
        ("clock.now", {"more": 1}, -32602),
        ("journal.read", {"limit": 0}, -32602),
        ("journal.read", {"fromSeq": 2**63}, -32602),
    ],
)
def test_bad_params_get_the_error_of_their_kind(
    virtual_daemon: RunningDaemon, method: str, params: dict[str, Any], code: int
) -> None:
    async def ask() -> None:
        async with in_session(virtual_daemon) as peer:
            await peer.call("innerAudioContext.create", contextId="a")
            if (method, params) == ("journal.read", {"fromSeq": 2**63}):
                assert await peer.call(method, **params) == {"entries": [], "truncated": False}
                return
            with pytest.raises(Refused) as refused:
                await peer.call(method, **params)
            assert refused.value.code == code
            assert "Traceback" not in str(refused.value.error)

    asyncio.run(ask())


def test_a_frame_over_the_bound_is_refused_at_its_first_bytes(virtual_daemon: RunningDaemon) -> None:
    async def announce() -> None:
        async with connected(virtual_daemon) as peer:
            length = LARGEST_FRAME + 1
            peer.transport.write(b"\x81\xff" + length.to_bytes(8, "big") + b"mask")
            assert await peer.until_closed() == 1009

    asyncio.run(announce())


def test_a_huge_frame_closes_its_socket_alone(virtual_daemon: RunningDaemon) -> None:
    async def flood() -> None:
        async with in_session(virtual_daemon) as other, in_session(virtual_daemon) as peer:
            await other.call("innerAudioContext.create", contextId="a")
            with pytest.raises(ConnectionError):
                await peer.socket.send_str("x" * (100 << 20))
            assert await peer.until_closed() in (1006, 1009)  # the reset may overtake the reason
            assert "a" in (await other.call("session.snapshot"))["objects"]["innerAudioContext"]

    asyncio.run(flood())


def test_a_frame_just_within_the_bound_is_answered(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(virtual_daemon) as peer:
            await peer.call("innerAudioContext.create", contextId="a")
            source = "data:audio/mpeg;base64," + "A" * (4 * 1024 * 1024)
            with pytest.raises(Refused) as refused:  # longer than a src may be, not than a frame
                await peer.call("innerAudioContext.set", contextId="a", src=source)
            assert refused.value.code == 202

    asyncio.run(ask())


def test_text_that_is_no_utf_8_closes_its_socket(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            writer = peer.socket._writer
            await writer.send_frame(b'{"a":"\xc3\x28"}', aiohttp.WSMsgType.TEXT)
            assert await peer.until_closed() == 1007
        async with connected(virtual_daemon) as peer:
            await peer.call("clock.now")

    asyncio.run(ask())


def test_two_thousand_calls_at_once_are_all_answered(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(virtual_daemon) as peer:
            await peer.call("innerAudioContext.create", contextId="a")
            calls = [
                await peer.begin("innerAudioContext.set", contextId="a", volume=number / 2000)
                for number in range(2000)
            ]
            answers = [(await peer.answer())["id"] for _ in calls]
            assert answers == calls

    asyncio.run(ask())


def test_over_the_bound_of_calls_under_way_each_is_told_so(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(virtual_daemon) as peer:
            calls = [await peer.begin("clock.advance", seconds=0) for _ in range(2000)]
            answers = {}
            for _ in calls:
                answer = await peer.answer()
                answers[answer["id"]] = answer.get("error", {}).get("code")
            assert sorted(answers) == calls  # nobody waits for ever
            assert set(answers.values()) <= {None, -32003}
            assert len([code for code in answers.values() if code != -32003]) >= UNDER_WAY
            assert (await peer.call("clock.now"))["mode"] == "virtual"

    asyncio.run(ask())


def test_a_socket_over_its_rate_is_told_so() -> None:
    async def ask(daemon: RunningDaemon) -> None:
        async with connected(daemon) as peer:
            answers = [await peer.begin("clock.now") for _ in range(8)]
            codes = [(await peer.answer()).get("error", {}).get("code") for _ in answers]
            assert codes == [None] * 5 + [-32003] * 3
        async with connected(daemon) as peer:
            batch = [{"jsonrpc": "2.0", "id": number, "method": "clock.now"} for number in range(100)]
            assert len(await peer.answer(orjson.dumps(batch).decode())) == 100
            call = await peer.begin("clock.now")  # a batch counts as what it holds
            answer = await peer.answer()
            assert (answer["id"], answer["error"]["code"]) == (call, -32003)

    with RunningDaemon(arguments=["--calls-per-second", "5"]) as daemon:
        asyncio.run(ask(daemon))


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(1000.0)
    bucket.charge(1000)
    while not bucket.take():  # within a millisecond
        pass


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.text(max_size=200) | st.binary(max_size=200), min_size=1, max_size=20))
def test_no_frame_whatsoever_costs_more_than_an_answer(
    virtual_daemon: RunningDaemon, frames: list[str | bytes]
) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as peer:
            for frame in frames:
                try:
                    await peer.answer(frame)
                except Closed as closed:
                    pytest.fail(f"closed with {closed.code} by {frame!r}")
            assert (await peer.call("clock.now"))["mode"] == "virtual"

    asyncio.run(ask())
