"""A session outlives its socket: resume without loss or repetition."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swanbridge_daemon.core.journal import JOURNAL
from swanbridge_testing.daemon import RunningDaemon

from .peer import Peer, Refused, connected, in_session


async def play(peer: Peer, source: str = "/two.wav", **more: Any) -> None:
    await peer.call("innerAudioContext.create", contextId="a")
    await peer.call("innerAudioContext.set", contextId="a", src=source, **more)
    await peer.call("innerAudioContext.play", contextId="a")


async def resume(peer: Peer, opened: dict[str, Any], last_seq: int, app_id: str = "app") -> dict[str, Any]:
    given_ = {"sessionId": opened["sessionId"], "epoch": opened["epoch"], "lastSeq": last_seq}
    return await peer.open(app_id, resume=given_)


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 12), min_size=1, max_size=3))
def test_no_cut_loses_or_repeats_an_event(virtual_daemon: RunningDaemon, cuts: list[int]) -> None:
    async def live() -> None:
        async with connected(virtual_daemon) as control:
            heard: list[dict[str, Any]] = []
            async with connected(virtual_daemon) as peer:
                root = str(virtual_daemon.package_dir / "tones")
                opened = await peer.open(packageRoot=root, timeUpdateInterval=0.1)
                await play(peer)
                heard += peer.events
                peer.cut()
            for cut in cuts:
                moving = asyncio.create_task(control.call("clock.advance", seconds=0.7))
                async with connected(virtual_daemon) as peer:
                    last = heard[-1]["seq"] if heard else 0
                    resumed = await resume(peer, opened, last)
                    assert (resumed["resumed"], resumed["truncated"]) == (True, False)
                    # Whatever of it arrives before the socket is cut in the middle of the stream.
                    while len(peer.events) < cut and not moving.done():
                        receiving = asyncio.create_task(peer.receive())
                        await asyncio.wait([receiving, moving], return_when=asyncio.FIRST_COMPLETED)
                        receiving.cancel()
                        await asyncio.wait([receiving])
                    heard += peer.events
                    peer.cut()
                await moving
            async with connected(virtual_daemon) as peer:
                await resume(peer, opened, heard[-1]["seq"] if heard else 0)
                await peer.call("clock.run_until", event="innerAudioContext.onEnded", limit=10)
                heard += peer.events
                journal = (await peer.call("journal.read"))["entries"]
                await peer.call("session.close")
        assert [event["seq"] for event in heard] == list(range(1, len(journal) + 1))
        assert heard == [{"method": one["method"], **one["params"]} for one in journal]
        assert [event["at"] for event in heard] == sorted(event["at"] for event in heard)
        assert heard[-1]["method"] == "innerAudioContext.onEnded"

    asyncio.run(live())


def test_events_of_the_silence_come_after_the_answer_and_in_order(virtual_daemon: RunningDaemon) -> None:
    async def live() -> None:
        async with connected(virtual_daemon) as peer, connected(virtual_daemon) as control:
            opened = await peer.open(packageRoot=str(virtual_daemon.package_dir / "tones"))
            await play(peer)
            await control.call("clock.advance", seconds=0)
            seen = len(peer.events)
            peer.cut()
            await control.call("clock.advance", seconds=5)
            async with connected(virtual_daemon) as again:
                call = await again.begin(
                    "session.open",
                    appId="app",
                    protocol=1,
                    resume={"sessionId": opened["sessionId"], "epoch": opened["epoch"], "lastSeq": seen},
                )
                first = await again.receive()
                assert first["id"] == call
                assert first["result"]["sessionId"] == opened["sessionId"]
                while not again.events or again.events[-1]["method"] != "innerAudioContext.onEnded":
                    await again.receive()
                assert again.seqs == list(range(seen + 1, seen + 1 + len(again.seqs)))
                # It keeps what it was opened with.
                await again.call("innerAudioContext.set", contextId="a", src="/one.wav")
                await again.call("innerAudioContext.play", contextId="a")
                await again.call("clock.run_until", event="innerAudioContext.onEnded", limit=5)
                assert again.events[-1]["duration"] == 1.0

    asyncio.run(live())


def test_the_later_of_two_sockets_has_the_session(virtual_daemon: RunningDaemon) -> None:
    async def fight() -> None:
        async with connected(virtual_daemon) as first, connected(virtual_daemon) as second:
            opened = await first.open()
            assert (await resume(second, opened, 0))["resumed"] is True
            assert await first.until_closed() == 4001
            await second.call("innerAudioContext.create", contextId="a")
            with pytest.raises(Refused):
                await second.call("innerAudioContext.play", contextId="a")
            assert second.seqs == [1]
            async with connected(virtual_daemon) as third:
                await resume(third, opened, 0)
                assert await second.until_closed() == 4001
                snapshot = await third.call("session.snapshot")
                assert snapshot["seq"] == 1
                listed = await third.call("session.list")
                [mine] = [one for one in listed["sessions"] if one["sessionId"] == opened["sessionId"]]
                assert mine["connected"] is True

    asyncio.run(fight())


def test_a_future_last_seq_is_refused(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as first, connected(virtual_daemon) as second:
            opened = await first.open()
            with pytest.raises(Refused) as refused:
                await resume(second, opened, 1)
            assert refused.value.code == -32602
            await first.call("clock.now")  # it has its session still

    asyncio.run(ask())


@pytest.mark.parametrize("wrong", ["sessionId", "epoch", "appId"])
def test_who_cannot_resume_gets_a_new_session_and_is_told(virtual_daemon: RunningDaemon, wrong: str) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as first, connected(virtual_daemon) as second:
            opened = await first.open()
            named = {**opened, wrong: "other"}
            again = await resume(second, named, 0, app_id="other" if wrong == "appId" else "app")
            assert (again["resumed"], again["truncated"]) == (False, True)
            assert again["sessionId"] != opened["sessionId"]
            await first.call("session.snapshot")

    asyncio.run(ask())


def test_a_closed_session_is_not_resumed(virtual_daemon: RunningDaemon) -> None:
    async def ask() -> None:
        async with connected(virtual_daemon) as first, connected(virtual_daemon) as second:
            opened = await first.open()
            await first.call("session.close")
            again = await resume(second, opened, 0)
            assert (again["resumed"], again["truncated"]) == (False, True)

    asyncio.run(ask())


def test_another_daemon_has_another_epoch(tmp_path: Any) -> None:
    async def open_in(daemon: RunningDaemon, before: dict[str, Any] | None) -> dict[str, Any]:
        async with connected(daemon) as peer:
            return await (peer.open() if before is None else resume(peer, before, 0))

    daemon = RunningDaemon(home=tmp_path)
    daemon.start()
    first = asyncio.run(open_in(daemon, None))
    assert daemon.stop() == 0
    daemon.start()
    second = asyncio.run(open_in(daemon, first))
    assert daemon.stop() == 0
    assert second["epoch"] != first["epoch"]
    assert (second["resumed"], second["truncated"]) == (False, True)


def test_a_journal_that_no_longer_reaches_back_says_so(virtual_daemon: RunningDaemon) -> None:
    async def live() -> None:
        async with in_session(virtual_daemon, "app", timeUpdateInterval=0.015) as peer:
            await play(peer, loop=True)
            named = await peer.call("session.snapshot")
            while peer.events[-1]["seq"] <= JOURNAL + 10 if peer.events else True:
                await peer.call("clock.advance", seconds=100)
            assert peer.seqs == list(range(1, len(peer.seqs) + 1))  # virtual: nothing is left out
            assert all("skipped" not in event for event in peer.events)
            early = await peer.call("journal.read", fromSeq=1, limit=5)
            assert early["truncated"] is True
            assert early["entries"][0]["params"]["seq"] == peer.seqs[-1] - JOURNAL + 1
            kept = await peer.call("journal.read", fromSeq=peer.seqs[-1] - JOURNAL + 1, limit=10_000)
            assert kept["truncated"] is False
            assert len(kept["entries"]) == 10_000
            async with connected(virtual_daemon) as again:
                epoch = (await again.open())["epoch"]
            async with connected(virtual_daemon) as again:
                resumed = await resume(again, {"sessionId": named["sessionId"], "epoch": epoch}, 1)
                assert (resumed["resumed"], resumed["truncated"]) == (True, True)
                snapshot = await again.call("session.snapshot")
                assert snapshot["seq"] == peer.seqs[-1]
                assert snapshot["objects"]["innerAudioContext"]["a"]["state"] == "playing"
                await again.call("clock.advance", seconds=0.1)
                assert again.seqs[0] == peer.seqs[-1] + 1

    asyncio.run(live())


def test_reading_the_journal_gives_what_was_sent(virtual_daemon: RunningDaemon) -> None:
    async def live() -> None:
        async with in_session(virtual_daemon) as peer:
            await play(peer)
            await peer.call("clock.advance", seconds=3)
            sent = [{"method": one["method"], **one["params"]} for one in await entries(peer)]
            assert sent == peer.events
            assert peer.seqs == list(range(1, len(sent) + 1))
            middle = await peer.call("journal.read", fromSeq=3, limit=2)
            assert [one["params"]["seq"] for one in middle["entries"]] == [3, 4]
            assert (await peer.call("journal.read", fromSeq=10_000)) == {"entries": [], "truncated": False}

    asyncio.run(live())


async def entries(peer: Peer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await peer.call("journal.read"))["entries"]
    return found
