"""One program's life on the daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from swanbridge_protocol import Scope

from .journal import Entry, Journal
from .pending import Pending
from .ports import Files
from .tasks import Tasks


class Outlet(Protocol):
    """Where a session's events go: its socket."""

    def deliver(self, entry: Entry) -> None:
        """Send or queue one event."""

    def replaced(self) -> None:
        """Another socket took the session over."""

    async def drained(self) -> None:
        """Wait until everything delivered so far is with the socket."""

    def give_up(self) -> None:
        """Close: its program does not read."""


class Family(Protocol):
    """A service's share of a session: the objects of one family."""

    name: str

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return every object's whole state by id."""

    def close(self) -> None:
        """End every object; the session is closing and hears no more events."""


@dataclass(eq=False)
class Session:
    """What the daemon knows of one program.

    `outlet` is its socket while connected; `listeners` are further readers (server-sent events).
    `families` holds the objects that services keep for it, by family name.
    """

    session_id: str
    app_id: str
    owner_number: int
    opened_at: float
    time_update_interval: float
    files: Files
    journal: Journal = field(default_factory=Journal)
    options: dict[str, Any] = field(default_factory=dict)
    families: dict[str, Family] = field(default_factory=dict)
    outlet: Outlet | None = None
    listeners: list[Callable[[Entry], None]] = field(default_factory=list)
    pending: Pending = field(default_factory=Pending)
    tasks: Tasks = field(default_factory=Tasks)
    on_close: list[Callable[[], None]] = field(default_factory=list)
    closed: bool = False


@dataclass(eq=False)
class Caller:
    """Who makes a call: the session it is bound to, if any, and what its token allows.

    `app_id` is set when the token is bound to one program. `bind` is called by `session.open`. `lend`
    makes a session for this request alone, at the first call that needs one (`POST /rpc`).
    """

    scope: Scope
    session: Session | None = None
    app_id: str | None = None
    bind: Callable[[Session, int | None], None] | None = None
    lend: Callable[[], Session] | None = None
