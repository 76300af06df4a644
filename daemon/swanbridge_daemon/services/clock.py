"""`clock.*`: reading the clock, and moving the virtual one."""

from __future__ import annotations

import asyncio

from swanbridge_protocol import clock
from swanbridge_protocol.catalogue import EVENTS
from swanbridge_protocol.errors import IllegalState, InvalidParams
from swanbridge_protocol.session import ClockState

from ..core.api import answers
from ..core.clock import Clock, VirtualClock
from ..core.journal import Entry
from ..core.session import Caller, Session


def clock_state(of: Clock) -> ClockState:
    """Return what programs see of a clock."""
    return ClockState(mode=of.mode, now=round(of.now(), 6))


class ClockService:
    """Answers `clock.*`."""

    def __init__(self, of: Clock) -> None:
        self._clock = of
        self._turn = asyncio.Lock()  # moves of the clock run in the order in which they were asked for

    def _virtual(self) -> VirtualClock:
        if not isinstance(self._clock, VirtualClock):
            raise IllegalState(
                "this daemon runs on the real clock: start it with --clock virtual to move time"
            )
        return self._clock

    @answers(clock.NOW)
    def now(self, caller: Caller, params: object) -> ClockState:
        """Tell the time."""
        return clock_state(self._clock)

    @answers(clock.ADVANCE)
    async def advance(self, caller: Caller, params: clock.AdvanceParams) -> clock.AdvanceResult:
        """Move on; every event up to then is on the caller's socket before the answer."""
        virtual = self._virtual()
        async with self._turn:
            await virtual.advance(params.seconds)
            await _drained(caller.session)
            return clock.AdvanceResult(now=round(virtual.now(), 6))

    @answers(clock.RUN_UNTIL)
    async def run_until(self, session: Session, params: clock.RunUntilParams) -> clock.RunUntilResult:
        """Move on to the next such event."""
        virtual = self._virtual()
        if params.event not in EVENTS:
            raise InvalidParams(
                f'there is no event "{params.event}"; a wire name looks like innerAudioContext.onEnded'
            )
        found: list[Entry] = []

        def watch(entry: Entry) -> None:
            if entry.method == params.event and not found:
                found.append(entry)

        async with self._turn:
            session.listeners.append(watch)
            try:
                await virtual.advance(params.limit, until=lambda: bool(found))
            finally:
                session.listeners.remove(watch)
            await _drained(session)
            return clock.RunUntilResult(now=round(virtual.now(), 6), event=found[0].params if found else None)


async def _drained(session: Session | None) -> None:
    if session is not None and session.outlet is not None:
        await session.outlet.drained()
