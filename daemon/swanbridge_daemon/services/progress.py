"""When a program is told where playing stands."""

from __future__ import annotations

from collections.abc import Callable

from ..core.clock import Clock, Timer

CLOSEST = 0.015  # seconds; time updates never come closer (facts 5.1: 4 to 66 a second)


class Progress:
    """Calls `tell` every `interval` seconds while it runs (0: never), and at edges unless it has just done so.

    `ends_soon()` says that the end itself is about to tell the time, so that two updates do not come too close.
    """

    def __init__(
        self, clock: Clock, interval: float, tell: Callable[[], None], ends_soon: Callable[[], bool]
    ) -> None:
        self._clock = clock
        self._interval = interval
        self._tell = tell
        self._ends_soon = ends_soon
        self._timer: Timer | None = None
        self._due = 0.0
        self._last = -1.0

    def start(self) -> None:
        """Tell from now on, the first time after one interval."""
        self.stop()
        if self._interval > 0:
            self._due = self._clock.now() + self._interval
            self._timer = self._clock.call_at(self._due, self._tick)

    def stop(self) -> None:
        """Tell no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def update(self, *, always: bool = False) -> None:
        """Tell now; unless `always`, not if that was done less than `CLOSEST` ago."""
        now = self._clock.now()
        if self._interval > 0 and (always or now - self._last >= CLOSEST):
            self._last = now
            self._tell()

    def _tick(self) -> None:
        if not self._ends_soon():
            self.update(always=True)
        now = self._clock.now()
        # A late timer does not shift the ones after it, unless it is so late that they would bunch up.
        self._due += self._interval
        if self._due - now < min(CLOSEST, self._interval):
            self._due = now + self._interval
        self._timer = self._clock.call_at(self._due, self._tick)
