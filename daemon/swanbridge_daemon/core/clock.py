"""The only source of time in the daemon.

What a program can observe runs on a `Clock`; what protects the daemon (grace, token expiry, rates, watchdogs)
runs on the event loop's own time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from swanbridge_protocol.errors import IllegalState

Seconds = float
Mode = Literal["real", "virtual"]


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Forget it; harmless when it has run."""


class Clock(Protocol):
    """Seconds since the daemon started, and timers on them.

    `origin` is what to subtract from an engine's time to get this clock's.
    """

    mode: Mode
    origin: Seconds

    def now(self) -> Seconds:
        """Return the present time."""

    def call_at(self, when: Seconds, callback: Callable[[], None]) -> Timer:
        """Call back at `when`, or as soon as possible if that is past."""


class SystemClock:
    """Time as it goes by."""

    mode: Mode = "real"

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.origin = self._loop.time()

    def now(self) -> Seconds:
        """Return seconds since the start."""
        return self._loop.time() - self.origin

    def call_at(self, when: Seconds, callback: Callable[[], None]) -> Timer:
        """Call back at `when`."""
        return self._loop.call_at(when + self.origin, callback)


class _VirtualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Time that moves only when told to.

    `play_until(when)` lets the audio engine play on; it returns the time reached, which is earlier than `when`
    if a voice ended or looped there. `settle()` waits until all accepted work has had its effects.
    """

    mode: Mode = "virtual"
    origin: Seconds = 0.0

    def __init__(self) -> None:
        self._now: Seconds = 0.0
        self._timers: list[tuple[Seconds, int, _VirtualTimer]] = []
        self._order = itertools.count()
        self._moving = asyncio.Lock()
        self.play_until: Callable[[Seconds], Awaitable[Seconds]] | None = None
        self.settle: Callable[[], Awaitable[None]] | None = None

    def now(self) -> Seconds:
        """Return virtual seconds since the start."""
        return self._now

    def reach(self, when: Seconds) -> None:
        """Move to `when`; never backwards."""
        self._now = max(self._now, when)

    def call_at(self, when: Seconds, callback: Callable[[], None]) -> Timer:
        """Call back when the clock is moved to `when`; what is due at one instant runs in call order."""
        timer = _VirtualTimer(callback)
        heapq.heappush(self._timers, (max(when, self._now), next(self._order), timer))
        return timer

    def _next_due(self) -> Seconds | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def advance(self, seconds: Seconds, *, until: Callable[[], bool] = lambda: False) -> None:
        """Move on by `seconds`, or to the instant at which `until()` holds."""
        if self._moving.locked():
            raise IllegalState("the clock is being advanced already; await that call first")
        async with self._moving:
            await self._settled()
            target = self._now + seconds
            while not until():
                due = self._next_due()
                if due is not None and due <= self._now:
                    timer = heapq.heappop(self._timers)[2]
                    callback, timer.callback = timer.callback, None
                    if callback is not None:
                        callback()
                    await self._settled()
                    continue
                if self._now >= target:
                    return
                stop = target if due is None else min(due, target)
                reached = await self.play_until(stop) if self.play_until is not None else stop
                self.reach(reached)
                await self._settled()

    async def _settled(self) -> None:
        if self.settle is not None:
            await self.settle()
