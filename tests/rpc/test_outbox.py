"""What waits for one reader: order, coalescing, bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from swanbridge_daemon.core.journal import Entry, Journal
from swanbridge_daemon.core.tasks import Tasks
from swanbridge_daemon.rpc.outbox import BACKLOG, OUTBOX, Outbox
from swanbridge_protocol import inner_audio


class Wire:
    """A socket whose reader reads when the test says so."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.lost = False

    async def send(self, text: str) -> None:
        if self.lost:
            raise ConnectionResetError
        self.sent.append(orjson.loads(text))
        await self.open.wait()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [one["params"] for one in self.sent if "params" in one]


def entry(journal: Journal, name: str) -> Entry:
    if name.isupper():
        return journal.append(inner_audio.ON_PLAY, 0.0, {"contextId": name})
    return journal.append(inner_audio.ON_TIME_UPDATE, 0.0, {"contextId": name, "currentTime": 1.0})


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(st.sampled_from(["a", "b", "A", "B", "answer", "open", "shut", "turn"]), max_size=60))
def test_only_progress_is_dropped_and_the_gap_is_counted(steps: list[str]) -> None:
    async def run() -> None:
        wire, journal, overruns = Wire(), Journal(), []
        outbox = Outbox(wire.send, lambda: overruns.append(1), Tasks(), keep_all=False)
        written: list[Entry] = []
        answers = 0
        for step in steps:
            if step == "open":
                wire.open.set()
            elif step == "shut":
                wire.open.clear()
            elif step == "turn":
                await asyncio.sleep(0)
            elif step == "answer":
                answers += 1
                outbox.respond(orjson.dumps({"id": answers}))
            else:
                written.append(entry(journal, step))
                outbox.deliver(written[-1])
        wire.open.set()
        await outbox.drained()
        assert not overruns
        assert [one["id"] for one in wire.sent if "id" in one] == list(range(1, answers + 1))
        seen = 0
        for params in wire.events:  # `skipped` accounts for every missing number
            assert params["seq"] == seen + 1 + params.get("skipped", 0)
            seen = params["seq"]
        assert seen == len(written)
        arrived = {params["seq"] for params in wire.events}
        for number, one in enumerate(written):
            if one.seq not in arrived:
                assert one.group is not None
                assert any(later.group == one.group for later in written[number + 1 :])

    asyncio.run(run())


def test_nothing_is_dropped_on_the_virtual_clock() -> None:
    async def run() -> None:
        wire, journal = Wire(), Journal()
        outbox = Outbox(wire.send, lambda: None, Tasks(), keep_all=True)
        wire.open.clear()
        for _ in range(OUTBOX * 3):
            outbox.deliver(entry(journal, "a"))
        wire.open.set()
        await outbox.drained()
        assert [params["seq"] for params in wire.events] == list(range(1, OUTBOX * 3 + 1))

    asyncio.run(run())


def test_a_reader_too_far_behind_is_told_of_once_and_gets_no_more() -> None:
    async def run() -> None:
        wire, journal, overruns = Wire(), Journal(), []
        outbox = Outbox(wire.send, lambda: overruns.append(1), Tasks(), keep_all=False)
        wire.open.clear()
        for _ in range(OUTBOX + 1):  # the first is on its way
            outbox.deliver(entry(journal, "A"))
        assert not overruns
        for _ in range(10):
            outbox.deliver(entry(journal, "A"))
        assert overruns == [1]
        wire.open.set()
        await outbox.drained()
        assert [params["seq"] for params in wire.events] == [1]

    asyncio.run(run())


def test_progress_of_few_objects_never_overruns() -> None:
    async def run() -> None:
        wire, journal, overruns = Wire(), Journal(), []
        outbox = Outbox(wire.send, lambda: overruns.append(1), Tasks(), keep_all=False)
        wire.open.clear()
        for _ in range(OUTBOX * 4):
            outbox.deliver(entry(journal, "a"))
        wire.open.set()
        await outbox.drained()
        assert not overruns
        assert wire.events[-1]["seq"] == OUTBOX * 4
        assert wire.events[-1]["skipped"] == OUTBOX * 4 - 2

    asyncio.run(run())


def test_answers_that_nobody_reads_have_a_bound() -> None:
    async def run() -> None:
        wire, overruns = Wire(), []
        outbox = Outbox(wire.send, lambda: overruns.append(1), Tasks(), keep_all=True)
        wire.open.clear()
        answer = orjson.dumps({"id": 1, "result": "x" * (1 << 20)})
        for _ in range(BACKLOG // len(answer) + 1):
            outbox.respond(answer)
        assert not overruns
        outbox.respond(answer)
        outbox.respond(answer)
        assert overruns == [1]
        wire.open.set()
        await outbox.drained()
        assert len(wire.sent) == 1

    asyncio.run(run())


def test_a_lost_socket_ends_it_quietly() -> None:
    async def run() -> None:
        wire, journal = Wire(), Journal()
        outbox = Outbox(wire.send, lambda: None, Tasks(), keep_all=False)
        wire.lost = True
        for _ in range(3):
            outbox.deliver(entry(journal, "A"))
            outbox.respond(b"{}")
        await outbox.drained()
        assert wire.sent == []

    asyncio.run(run())
