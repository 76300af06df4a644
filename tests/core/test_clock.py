"""The virtual clock: time that moves only when told to."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swanbridge_daemon.core.clock import VirtualClock
from swanbridge_protocol.errors import IllegalState


@given(st.lists(st.floats(0, 10), max_size=20), st.lists(st.floats(0, 3), min_size=1, max_size=6))
def test_timers_run_in_order_of_time_and_then_of_setting(whens: list[float], steps: list[float]) -> None:
    async def run() -> None:
        clock, ran = VirtualClock(), []
        for number, when in enumerate(whens):
            clock.call_at(when, lambda number=number: ran.append((clock.now(), number)))  # type: ignore[misc]
        for step in steps:
            before = clock.now()
            await clock.advance(step)
            assert clock.now() == before + step
        due = sorted((when, number) for number, when in enumerate(whens) if when <= clock.now())
        assert ran == due

    asyncio.run(run())


def test_a_timer_set_by_a_timer_runs_in_the_same_advance() -> None:
    async def run() -> None:
        clock, ran = VirtualClock(), []

        def tick() -> None:
            ran.append(clock.now())
            clock.call_at(clock.now() + 0.25, tick)

        clock.call_at(0.25, tick)
        await clock.advance(1)
        assert ran == [0.25, 0.5, 0.75, 1.0]

    asyncio.run(run())


def test_a_cancelled_timer_does_not_run_and_a_past_one_runs_at_once() -> None:
    async def run() -> None:
        clock, ran = VirtualClock(), []
        clock.call_at(1, lambda: ran.append("cancelled")).cancel()
        await clock.advance(2)
        clock.call_at(0.5, lambda: ran.append(str(clock.now())))
        await clock.advance(0)
        assert ran == ["2.0"]

    asyncio.run(run())


def test_it_stops_at_the_instant_that_was_waited_for() -> None:
    async def run() -> None:
        clock, ran = VirtualClock(), []
        for when in (1.0, 2.0, 3.0):
            clock.call_at(when, lambda when=when: ran.append(when))  # type: ignore[misc]
        await clock.advance(10, until=lambda: 2.0 in ran)
        assert (clock.now(), ran) == (2.0, [1.0, 2.0])

    asyncio.run(run())


def test_two_cannot_move_it_at_once() -> None:
    async def run() -> None:
        clock = VirtualClock()
        gate = asyncio.Event()

        async def settle() -> None:
            await gate.wait()

        clock.settle = settle
        moving = asyncio.create_task(clock.advance(1))
        await asyncio.sleep(0)
        with pytest.raises(IllegalState):
            await clock.advance(1)
        gate.set()
        await moving
        assert clock.now() == 1

    asyncio.run(run())
