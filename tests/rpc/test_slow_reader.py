"""A client that does not read: it is closed when hopelessly behind, and may resume (interface, JSON-RPC)."""

from __future__ import annotations

import asyncio

import pytest
from swanbridge_testing.daemon import RunningDaemon

from .peer import Peer, connected, http, in_session
from .test_http import read_events

pytestmark = pytest.mark.realtime


async def make_events(daemon: RunningDaemon, session: str, count: int) -> None:
    """Produce failures of one context over HTTP, each an event, until there are `count` more."""
    call = '{"jsonrpc":"2.0","method":"innerAudioContext.play","params":{"contextId":"%s"}}' % ("x" * 120)
    body = "[" + ",".join([call] * 100) + "]"
    headers = {"Swanbridge-Session": session, "Content-Type": "application/json"}
    async with http(daemon) as client:
        for _ in range(count // 100):
            async with client.post("/rpc", data=body, headers=headers) as response:
                assert response.status == 204


async def ready(peer: Peer) -> str:
    await peer.call("innerAudioContext.create", contextId="x" * 120)
    session: str = (await peer.call("session.snapshot"))["sessionId"]
    return session


def test_a_reader_that_stops_is_closed_with_1013_and_resumes_without_loss(real_daemon: RunningDaemon) -> None:
    async def stop_reading() -> None:
        async with connected(real_daemon) as peer, in_session(real_daemon) as other:
            opened = await peer.open()
            session = await ready(peer)
            peer.transport.pause_reading()  # type: ignore[attr-defined]
            made = 0
            while True:  # until the daemon lets go of it
                await make_events(real_daemon, session, 1500)
                made += 1500
                listed = await other.call("session.list")
                [mine] = [one for one in listed["sessions"] if one["sessionId"] == session]
                if not mine["connected"]:
                    break
                assert made < 60_000
            assert mine["seq"] == made
            peer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await peer.until_closed() == 1013
            seen = peer.seqs
            assert seen == list(range(1, len(seen) + 1))
            assert len(seen) < made
            async with connected(real_daemon) as again:
                resumed = await again.open(
                    resume={"sessionId": session, "epoch": opened["epoch"], "lastSeq": seen[-1]}
                )
                assert (resumed["resumed"], resumed["truncated"]) == (True, False)
                while not again.seqs or again.seqs[-1] < made:
                    await again.receive()
                assert again.seqs == list(range(seen[-1] + 1, made + 1))
                assert all("skipped" not in event for event in again.events)

    asyncio.run(stop_reading())


def test_a_reader_that_asks_and_never_reads_is_closed_too(real_daemon: RunningDaemon) -> None:
    async def flood() -> None:
        async with connected(real_daemon) as peer, in_session(real_daemon) as other:
            await peer.open()
            session = await ready(peer)
            await make_events(real_daemon, session, 10_000)
            while len(peer.seqs) < 10_000:
                await peer.receive()
            peer.transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(40):  # of four megabytes each
                await peer.begin("journal.read", limit=10_000)
            while True:
                listed = await other.call("session.list")
                [mine] = [one for one in listed["sessions"] if one["sessionId"] == session]
                if not mine["connected"]:
                    break
            peer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await peer.until_closed() == 1013

    asyncio.run(flood())


def test_a_stuck_reader_of_events_over_http_costs_the_others_nothing(real_daemon: RunningDaemon) -> None:
    async def listen() -> None:
        async with in_session(real_daemon) as peer, http(real_daemon) as stuck, http(real_daemon) as client:
            session = await ready(peer)
            header = {"Swanbridge-Session": session}
            made = 0
            async with stuck.get("/events", headers=header) as idle:
                async with client.get("/events", headers=header) as stream:
                    for _ in range(10):
                        await make_events(real_daemon, session, 1000)
                        made += 1000
                        received = await read_events(stream, 1000)
                        assert [one[0] for one in received] == list(range(made - 999, made + 1))
                    # The idle one got the beginning, then its stream ended or goes on; never a hole.
                    got = [one[0] for one in await read_events(idle, 100)]
                    assert got == list(range(1, 101))

    asyncio.run(listen())
