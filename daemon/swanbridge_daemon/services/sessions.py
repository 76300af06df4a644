"""`session.*` and `journal.read`: who is there, and what each was told."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from swanbridge_protocol import PROTOCOL_VERSION, Scope, session
from swanbridge_protocol._base import Nothing
from swanbridge_protocol.errors import (
    Forbidden,
    IllegalState,
    InvalidParams,
    SessionRequired,
    TooManyRequests,
)

from ..core.api import answers
from ..core.clock import Clock
from ..core.ports import Files
from ..core.session import Caller, Session
from .clock import clock_state

log = logging.getLogger(__name__)

GRACE = 120.0  # seconds that a session outlives its socket, on the system's clock
SESSIONS = 1024  # open at once
SHORTEST_INTERVAL = 0.015  # seconds between time updates (facts 5.1)

MakeFiles = Callable[[str, str | None], Files]


class SessionService:
    """Answers `session.*` and `journal.read`, and ends sessions whose programs do not come back.

    `make_files(session_id, package_root)` gives a session its store; a refused root raises `InvalidParams`.
    """

    def __init__(
        self, clock: Clock, make_files: MakeFiles, *, name: str, version: str, grace: float = GRACE
    ) -> None:
        self._clock = clock
        self._make_files = make_files
        self._server = session.ServerInfo(name=name, version=version)
        self._grace = grace
        self._epoch = secrets.token_hex(8)
        self._count = 0
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self.sessions: dict[str, Session] = {}

    # --- calls --------------------------------------------------------------------------------------------

    @answers(session.OPEN)
    def open(self, caller: Caller, params: session.OpenParams) -> session.OpenResult:
        """Open or resume a session and bind the caller's socket to it."""
        if caller.session is not None and not caller.session.closed:
            raise IllegalState("this socket has a session already: close it first, or open another socket")
        if params.protocol != PROTOCOL_VERSION:
            raise InvalidParams(f"protocol {params.protocol} is not spoken here; use {PROTOCOL_VERSION}")
        if caller.app_id is not None and caller.app_id != params.app_id:
            raise Forbidden(f'this token is for appId "{caller.app_id}" only')
        if 0 < params.time_update_interval < SHORTEST_INTERVAL:
            raise InvalidParams(f"timeUpdateInterval is 0 or at least {SHORTEST_INTERVAL}")
        resumed = self._resumable(params)
        if resumed is not None and params.resume is not None:
            truncated = not resumed.journal.reaches(params.resume.last_seq)
            self._bind(caller, resumed, None if truncated else params.resume.last_seq)
            return self._opened(resumed, resumed_=True, truncated=truncated)
        made = self.make(params.app_id, params.package_root, params.time_update_interval)
        if params.persona is not None:
            made.options["persona"] = params.persona
        self._bind(caller, made, None)
        # Whoever wanted to resume and could not has lost events.
        return self._opened(made, resumed_=False, truncated=params.resume is not None)

    @answers(session.CLOSE)
    def close(self, caller: Caller, params: session.SessionRef) -> Coroutine[Any, Any, Nothing]:
        """End a session; calls that come behind find it closed already."""
        ending = self._named(caller, params.session_id)
        if ending.closed:
            raise SessionRequired("the session has ended already")
        self._leave(ending)

        async def rest() -> Nothing:
            await self._release(ending)
            return Nothing()

        return rest()

    @answers(session.SNAPSHOT)
    def snapshot(self, caller: Caller, params: session.SessionRef) -> session.Snapshot:
        """Return a session's whole state."""
        found = self._named(caller, params.session_id)
        return session.Snapshot(
            session_id=found.session_id,
            app_id=found.app_id,
            seq=found.journal.seq,
            clock=clock_state(self._clock),
            options=found.options,
            objects={name: family.snapshot() for name, family in found.families.items()},
        )

    @answers(session.LIST)
    def list(self, caller: Caller, params: object) -> session.SessionList:
        """Return a line for each session that the caller may see."""
        return session.SessionList(
            sessions=[
                session.SessionInfo(
                    session_id=one.session_id,
                    app_id=one.app_id,
                    connected=one.outlet is not None,
                    opened_at=round(one.opened_at, 6),
                    seq=one.journal.seq,
                )
                for one in self.sessions.values()
                if self._may_see(caller, one)
            ]
        )

    @answers(session.JOURNAL_READ)
    def read_journal(self, caller: Caller, params: session.JournalParams) -> session.JournalResult:
        """Return a stretch of a journal."""
        journal = self._named(caller, params.session_id).journal
        entries = journal.after(params.from_seq - 1, params.limit)
        return session.JournalResult(
            entries=[{"method": entry.method, "params": entry.params} for entry in entries],
            truncated=not journal.reaches(min(params.from_seq - 1, journal.seq)),
        )

    # --- life ---------------------------------------------------------------------------------------------

    def make(self, app_id: str, package_root: str | None = None, interval: float = 0.25) -> Session:
        """Make a session that nobody is bound to yet."""
        if len(self.sessions) >= SESSIONS:
            raise TooManyRequests(f"{SESSIONS} sessions are open: close some, or wait for lost ones to end")
        self._count += 1
        virtual = self._clock.mode == "virtual"
        session_id = f"s{self._count}" if virtual else f"s{self._count}-{secrets.token_hex(8)}"
        made = Session(
            session_id=session_id,
            app_id=app_id,
            owner_number=self._count,
            opened_at=self._clock.now(),
            time_update_interval=interval,
            files=self._make_files(session_id, package_root),
        )
        self.sessions[session_id] = made
        log.info("session %s opened for %s", session_id, app_id)
        return made

    def disconnected(self, lost: Session) -> None:
        """Start a session's grace; it ends unless somebody resumes it."""
        if lost.closed or lost.session_id in self._leaving:
            return
        loop = asyncio.get_running_loop()
        self._leaving[lost.session_id] = loop.call_later(self._grace, self._expire, lost)

    def used(self, session: Session) -> None:
        """Take note of a request over plain HTTP: the grace of a session without a socket begins anew."""
        if (handle := self._leaving.pop(session.session_id, None)) is not None:
            handle.cancel()
            self.disconnected(session)

    async def end(self, ending: Session) -> None:
        """End a session and all that it holds."""
        if not ending.closed:
            self._leave(ending)
            await self._release(ending)

    def _leave(self, ending: Session) -> None:
        """Take no more calls for it, and stop what it does."""
        ending.closed = True
        self.sessions.pop(ending.session_id, None)
        if (handle := self._leaving.pop(ending.session_id, None)) is not None:
            handle.cancel()
        for family in ending.families.values():
            family.close()

    async def _release(self, ending: Session) -> None:
        """Give back what it held."""
        await ending.tasks.close()
        for release in reversed(ending.on_close):
            release()
        ending.files.close()
        log.info("session %s ended", ending.session_id)

    async def end_all(self) -> None:
        """End every session."""
        for one in list(self.sessions.values()):
            await self.end(one)

    async def settled(self) -> None:
        """Wait until all accepted work of all sessions has had its effects."""
        while busy := [one for one in self.sessions.values() if one.pending.busy]:
            for one in busy:
                await one.pending.settled()

    def find(self, session_id: str) -> Session | None:
        """Return an open session by its id."""
        return self.sessions.get(session_id)

    # --- small parts ----------------------------------------------------------------------------------------

    def _expire(self, lost: Session) -> None:
        self._leaving.pop(lost.session_id, None)
        if lost.listeners:  # somebody still reads its events over HTTP
            self.disconnected(lost)
            return
        lost.tasks.spawn(self.end(lost), "end of a lost session")

    def _resumable(self, params: session.OpenParams) -> Session | None:
        resume = params.resume
        if resume is None or resume.epoch != self._epoch:
            return None
        found = self.sessions.get(resume.session_id)
        if found is None or found.app_id != params.app_id:
            return None
        if resume.last_seq > found.journal.seq:
            raise InvalidParams(
                f"lastSeq {resume.last_seq} has not happened: the session is at {found.journal.seq}"
            )
        return found

    def _bind(self, caller: Caller, to: Session, after: int | None) -> None:
        if (handle := self._leaving.pop(to.session_id, None)) is not None:
            handle.cancel()
        if caller.bind is not None:
            caller.bind(to, after)
        else:
            self.disconnected(to)  # opened over plain HTTP: it lives as long as it is used

    def _may_see(self, caller: Caller, one: Session) -> bool:
        """Tell whether a session's id may be told: a program that knows another's could take it over."""
        if caller.app_id is not None:
            return caller.app_id == one.app_id
        return caller.scope is not Scope.APP or caller.session is one

    def _opened(self, one: Session, *, resumed_: bool, truncated: bool) -> session.OpenResult:
        return session.OpenResult(
            session_id=one.session_id,
            epoch=self._epoch,
            protocol=PROTOCOL_VERSION,
            server=self._server,
            clock=clock_state(self._clock),
            resumed=resumed_,
            truncated=truncated,
        )

    def _named(self, caller: Caller, session_id: str | None) -> Session:
        if session_id is None:
            if caller.session is None:
                raise SessionRequired("name a sessionId, or open a session first")
            return caller.session
        if caller.session is not None and caller.session.session_id == session_id:
            return caller.session
        found = self.sessions.get(session_id)
        if found is None or caller.app_id not in (None, found.app_id):
            raise InvalidParams(f'there is no session "{session_id}"')
        if caller.scope is Scope.APP:  # a viewer may look at all, a program only at itself
            raise Forbidden("another program's session needs a token with the control scope")
        return found
