"""`clock.*`, and the promise of the virtual clock: the same calls give the same events, to the byte."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from swanbridge_testing.daemon import RunningDaemon

from ..rpc.peer import Refused, connected, http, in_session, write_tone


def furnished(clock: str) -> RunningDaemon:
    daemon = RunningDaemon(clock=clock)
    write_tone(daemon.package_dir / "tones" / "one.wav", 1.0)
    write_tone(daemon.package_dir / "tones" / "two.wav", 2.0)
    write_tone(daemon.package_dir / "tones" / "odd.wav", 1.234567, rate=11_025, frequency=330.0)
    return daemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with furnished("virtual") as running:
        yield running


def test_a_real_clock_is_not_moved() -> None:
    async def ask(daemon: RunningDaemon) -> None:
        async with in_session(daemon) as peer:
            first = await peer.call("clock.now")
            assert first["mode"] == "real"
            for method, params in (
                ("clock.advance", {"seconds": 1}),
                ("clock.run_until", {"event": "innerAudioContext.onEnded", "limit": 1}),
            ):
                with pytest.raises(Refused) as refused:
                    await peer.call(method, **params)
                assert refused.value.code == -32005
                assert "--clock virtual" in refused.value.error["data"]["errMsg"]
            assert (await peer.call("clock.now"))["now"] > first["now"]

    with furnished("real") as running:
        asyncio.run(ask(running))


def test_a_virtual_clock_begins_at_zero_and_stands_still() -> None:
    async def ask(daemon: RunningDaemon) -> None:
        async with connected(daemon) as peer:
            assert await peer.call("clock.now") == {"mode": "virtual", "now": 0.0}
            opened = await peer.open()
            assert opened["clock"] == {"mode": "virtual", "now": 0.0}
            assert await peer.call("clock.advance", seconds=0) == {"now": 0.0}
            assert await peer.call("clock.advance", seconds=0.1) == {"now": 0.1}
            assert await peer.call("clock.now") == {"mode": "virtual", "now": 0.1}

    with furnished("virtual") as running:
        asyncio.run(ask(running))


def test_the_answer_comes_after_every_event_up_to_then(daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(daemon) as peer:
            begin = (await peer.call("clock.now"))["now"]
            await peer.call("innerAudioContext.create", contextId="a")
            await peer.call("innerAudioContext.set", contextId="a", src="/one.wav", autoplay=True)
            await peer.call("clock.advance", seconds=0.6)
            names = [event["method"].partition(".on")[2] for event in peer.events]
            assert names == ["Canplay", "Play", "TimeUpdate", "TimeUpdate"]
            assert [round(event["at"] - begin, 6) for event in peer.events] == [0, 0, 0.25, 0.5]

    asyncio.run(ask())


def test_calls_sent_without_waiting_are_settled_before_the_clock_moves(daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(daemon) as peer:
            begin = (await peer.call("clock.now"))["now"]
            await peer.begin("innerAudioContext.create", contextId="a")
            await peer.begin("innerAudioContext.set", contextId="a", src="/two.wav")
            await peer.begin("innerAudioContext.play", contextId="a")
            await peer.begin("innerAudioContext.seek", contextId="a", position=1.5)
            assert await peer.call("clock.advance", seconds=3) == {"now": round(begin + 3, 6)}
            assert peer.events[-1]["method"] == "innerAudioContext.onEnded"
            assert round(peer.events[-1]["at"] - begin, 6) == 0.5

    asyncio.run(ask())


def test_moves_of_the_clock_run_in_the_order_they_were_asked_for(daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(daemon) as peer, connected(daemon) as other:
            begin = (await peer.call("clock.now"))["now"]
            await peer.call("innerAudioContext.create", contextId="a")
            await peer.call("innerAudioContext.set", contextId="a", src="/one.wav", autoplay=True)
            first = await peer.begin("clock.advance", seconds=0.25)
            second = await peer.begin("clock.run_until", event="innerAudioContext.onEnded", limit=9)
            third = await peer.begin("clock.advance", seconds=1)
            assert (await peer.end(first))["now"] == round(begin + 0.25, 6)
            assert (await peer.end(second))["now"] == round(begin + 1, 6)
            assert (await peer.end(third))["now"] == round(begin + 2, 6)
            both = await asyncio.gather(
                peer.call("clock.advance", seconds=1), other.call("clock.advance", seconds=1)
            )
            assert {one["now"] for one in both} == {round(begin + 3, 6), round(begin + 4, 6)}

    asyncio.run(ask())


def test_run_until_stops_at_the_event_and_gives_it(daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(daemon) as peer:
            begin = (await peer.call("clock.now"))["now"]
            await peer.call("innerAudioContext.create", contextId="a")
            await peer.call("innerAudioContext.set", contextId="a", src="/one.wav")
            await peer.call("innerAudioContext.play", contextId="a")
            found = await peer.call("clock.run_until", event="innerAudioContext.onEnded", limit=60)
            assert found["now"] == round(begin + 1, 6)
            assert {"method": "innerAudioContext.onEnded", **found["event"]} == peer.events[-1]

    asyncio.run(ask())


def test_run_until_gives_up_at_its_limit(daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(daemon) as peer:
            begin = (await peer.call("clock.now"))["now"]
            found = await peer.call("clock.run_until", event="innerAudioContext.onEnded", limit=2.5)
            assert found == {"now": round(begin + 2.5, 6)}

    asyncio.run(ask())


def test_run_until_waits_for_the_caller_s_own_events(daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with in_session(daemon) as other, in_session(daemon) as peer:
            await other.call("innerAudioContext.create", contextId="a")
            await other.call("innerAudioContext.set", contextId="a", src="/one.wav", autoplay=True)
            found = await peer.call("clock.run_until", event="innerAudioContext.onEnded", limit=3)
            assert "event" not in found
            journal = (await other.call("journal.read"))["entries"]
            assert journal[-1]["method"] == "innerAudioContext.onEnded"

    asyncio.run(ask())


@pytest.mark.parametrize("event", ["onEnded", "innerAudioContext.onNothing", "innerAudioContext.play", ""])
def test_run_until_knows_which_events_there_are(daemon: RunningDaemon, event: str) -> None:
    async def ask() -> None:
        async with in_session(daemon) as peer:
            with pytest.raises(Refused) as refused:
                await peer.call("clock.run_until", event=event, limit=1)
            assert refused.value.code == -32602

    asyncio.run(ask())


def test_the_clock_moves_for_callers_without_a_session_too(daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with http(daemon) as client:
            call = {"jsonrpc": "2.0", "id": 1, "method": "clock.advance", "params": {"seconds": 0.5}}
            async with client.post("/rpc", json=call) as response:
                assert (await response.json())["result"]["now"] > 0

    asyncio.run(ask())


# --- the same calls give the same events ------------------------------------------------------------------

Call = tuple[str, dict[str, Any]]


def audio(name: str, **params: Any) -> Call:
    return f"innerAudioContext.{name}", params


SCENARIO: list[Call] = [
    *(audio("create", contextId=name) for name in "abcd"),
    audio("set", contextId="a", src="/one.wav", loop=True, volume=0.4),
    audio("set", contextId="b", src="/odd.wav", playbackRate=1.5, autoplay=True),
    audio("set", contextId="c", src="/nothing.wav"),
    audio("set", contextId="d", src="/two.wav", startTime=0.75),
    audio("play", contextId="a"),
    audio("play", contextId="c"),
    audio("play", contextId="d"),
    ("clock.advance", {"seconds": 0.3}),
    audio("seek", contextId="a", position=0.9),
    audio("pause", contextId="d"),
    audio("seek", contextId="d", position=0.1),
    audio("seek", contextId="d", position=1.1),
    ("clock.advance", {"seconds": 0.123456}),
    audio("play", contextId="d"),
    audio("stop", contextId="b"),
    audio("set", contextId="c", src="/odd.wav"),
    audio("play", contextId="c"),
    ("clock.run_until", {"event": "innerAudioContext.onEnded", "limit": 10}),
    audio("set", contextId="a", loop=False),
    audio("play", contextId="b"),
    audio("destroy", contextId="c"),
    ("clock.advance", {"seconds": 7}),
]


def dump(*, waiting: bool) -> bytes:
    """Play the scenario on a fresh daemon; returns the journal's bytes as they came over HTTP."""

    async def run(daemon: RunningDaemon) -> bytes:
        async with in_session(daemon) as peer, http(daemon) as client:
            for method, params in SCENARIO:
                call = await peer.begin(method, **params)
                if waiting or method.startswith("clock."):
                    await peer.end(call)
            call_ = {"jsonrpc": "2.0", "id": 1, "method": "journal.read", "params": {"limit": 10_000}}
            async with client.post("/rpc", json=call_, headers={"Swanbridge-Session": "s1"}) as response:
                return await response.read()

    with furnished("virtual") as running:
        return asyncio.run(run(running))


@pytest.mark.parametrize("waiting", [True, False], ids=["one call after the other", "as fast as they go"])
def test_two_runs_of_the_same_calls_give_the_same_bytes(waiting: bool) -> None:
    first, second = dump(waiting=waiting), dump(waiting=waiting)
    assert first == second
    for event in ("Canplay", "Play", "Pause", "Stop", "Seeking", "Seeked", "Ended", "TimeUpdate", "Error"):
        assert f"innerAudioContext.on{event}".encode() in first


def test_it_makes_no_difference_whether_the_program_waits_for_answers() -> None:
    assert dump(waiting=True) == dump(waiting=False)
