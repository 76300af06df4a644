"""From a service to a program: publish an event, journal it, hand it to whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from swanbridge_protocol import Event, WireModel

from .clock import Clock
from .journal import Entry

if TYPE_CHECKING:
    from .session import Session


class Bus:
    """Publishes events. Watchers see every entry of every session (metrics, `clock.run_until`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.published = 0
        self.watchers: list[Callable[[Session, Entry], None]] = []

    def publish(self, event: Event[Any], payload: WireModel, owner: Session) -> None:
        """Tell `owner`'s program."""
        entry = owner.journal.append(event, self._clock.now(), payload.to_wire())
        self.published += 1
        if owner.outlet is not None:
            owner.outlet.deliver(entry)
        for listener in owner.listeners:
            listener(entry)
        for watcher in self.watchers:
            watcher(owner, entry)
