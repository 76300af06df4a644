"""Sessions: one program's life on the daemon; and the journal of what happened in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ._base import ControlModel, Dialect, Integer, Method, NoParams, Nothing, Scope, Seconds, WireModel


class Resume(ControlModel):
    """Take up a session again after its socket was lost."""

    session_id: str = Field(max_length=128)
    epoch: str = Field(
        max_length=128, description="As `session.open` gave it; another one means another daemon."
    )
    last_seq: Annotated[Integer, Field(ge=0, description="The last event that was received.")]


class OpenParams(ControlModel):
    """Who the program is and what it wants."""

    app_id: str = Field(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Who the program is; what is remembered is remembered for it.",
    )
    protocol: Integer = Field(description="The version that the client speaks: 1.")
    package_root: str | None = Field(None, max_length=4096, description="The program's own files.")
    time_update_interval: Annotated[Seconds, Field(ge=0, le=3600)] = Field(
        0.25, description="Period of onTimeUpdate; 0 for none, else at least 0.015."
    )
    persona: Literal["seed"] | None = Field(None, description="Which phone's habits to follow.")
    resume: Resume | None = None


class ClockState(WireModel):
    """Which clock the daemon runs on and what it shows."""

    mode: Literal["real", "virtual"]
    now: Seconds


class ServerInfo(WireModel):
    """What answered."""

    name: str
    version: str


class OpenResult(WireModel):
    """The session; `truncated` says that events after `lastSeq` are lost and a snapshot is due."""

    session_id: str
    epoch: str
    protocol: int
    server: ServerInfo
    clock: ClockState
    resumed: bool
    truncated: bool


class SessionRef(ControlModel):
    """A session; the caller's own when absent."""

    session_id: str | None = Field(None, max_length=128)


class Snapshot(WireModel):
    """The whole state of a session as of `seq`.

    `objects` maps a family to its objects by id: `objects.innerAudioContext.a1.currentTime`.
    """

    session_id: str
    app_id: str
    seq: int
    clock: ClockState
    options: dict[str, Any]
    objects: dict[str, dict[str, dict[str, Any]]]


class SessionInfo(WireModel):
    """One line of `session.list`."""

    session_id: str
    app_id: str
    connected: bool
    opened_at: Seconds
    seq: int


class SessionList(WireModel):
    """All sessions, oldest first."""

    sessions: list[SessionInfo]


class JournalParams(ControlModel):
    """A stretch of a session's journal."""

    session_id: str | None = Field(None, max_length=128)
    from_seq: Annotated[Integer, Field(ge=1)] = 1
    limit: Annotated[Integer, Field(ge=1, le=10_000)] = 1000


class JournalResult(WireModel):
    """Entries as they went out: `{method, params}`; `truncated` when `fromSeq` is no longer kept."""

    entries: list[dict[str, Any]]
    truncated: bool


OPEN: Method[OpenParams, OpenResult] = Method(
    "session.open",
    OpenParams,
    OpenResult,
    "Open a session, or resume one. The first call on a socket.",
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "illegalState", "forbidden", "tooManyRequests"),
    needs_session=False,
)
CLOSE: Method[SessionRef, Nothing] = Method(
    "session.close",
    SessionRef,
    Nothing,
    "End a session and all that it holds. Another's needs the control scope.",
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "sessionRequired", "forbidden"),
    needs_session=False,
    ordered=True,
)
SNAPSHOT: Method[SessionRef, Snapshot] = Method(
    "session.snapshot",
    SessionRef,
    Snapshot,
    "Every object of a session with its whole state. Another's needs the control scope.",
    scope=Scope.VIEW,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "sessionRequired", "forbidden"),
    needs_session=False,
    ordered=True,
)
LIST: Method[NoParams, SessionList] = Method(
    "session.list",
    NoParams,
    SessionList,
    "All sessions of the daemon.",
    scope=Scope.VIEW,
    dialect=Dialect.CONTROL,
    needs_session=False,
)
JOURNAL_READ: Method[JournalParams, JournalResult] = Method(
    "journal.read",
    JournalParams,
    JournalResult,
    "Read back what a session was told. Another's needs the control scope.",
    scope=Scope.VIEW,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "sessionRequired", "forbidden"),
    needs_session=False,
    ordered=True,
)
