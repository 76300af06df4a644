"""Events as they come, and who listens to them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from swanbridge_protocol import WireModel
from swanbridge_protocol.catalogue import EVENTS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `name` on the wire, its number in the session, when it was on the daemon's clock, in seconds.

    `params` are as they came; `payload` is their model, None for an event that this client does not know.
    """

    name: str
    seq: int
    at: float
    params: dict[str, Any]
    payload: WireModel | None

    @property
    def family(self) -> str:
        """The object's name."""
        return self.name.rpartition(".")[0]


def read_event(name: str, params: dict[str, Any]) -> Event:
    """Return an event from its notification; `ValidationError` if it is not what its model says."""
    known = EVENTS.get(name)
    payload = known.payload.model_validate(params) if known is not None else None
    return Event(name, int(params.get("seq", 0)), float(params.get("at", 0.0)), params, payload)


class Notifier:
    """Calls listeners so that none can harm another. Coroutines that they return are run as tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, listeners: list[Callable[[Any], object]], payload: object) -> None:
        """Call every listener; what one raises is logged."""
        for listener in tuple(listeners):
            try:
                result = listener(payload)
                if isinstance(result, Coroutine):
                    task = asyncio.get_running_loop().create_task(_logged(result, listener))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            except Exception:
                log.exception("the listener %r failed", listener)

    async def close(self) -> None:
        """End the listeners' tasks."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _logged(work: Coroutine[Any, Any, object], listener: object) -> None:
    try:
        await work
    except Exception:
        log.exception("the listener %r failed", listener)
