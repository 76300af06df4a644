"""The bounds that a stranger meets. The daemon keeps them; a test compares both sides."""

from __future__ import annotations

from dataclasses import dataclass

SUBPROTOCOL = "swanbridge.v1"
BEARER = "bearer."  # begins the subprotocol that carries a token
SESSION_HEADER = "Swanbridge-Session"
GRACE = 120  # seconds that a session outlives its socket
REPLACED = 4001  # close code: another socket took the session over


@dataclass(frozen=True, slots=True)
class Bound:
    """How much of something there may be, and what happens beyond."""

    what: str
    most: int
    unit: str
    beyond: str


FRAME = Bound("one frame or HTTP body", 8 * 1024 * 1024, "bytes", "the socket is closed with 1009; HTTP 413")
BATCH = Bound("one batch", 100, "requests", "one error for the whole batch: `invalidRequest`")
UNDER_WAY = Bound("calls of a socket without an answer yet", 1024, "calls", "`tooManyRequests`")
RATE = Bound("frames of a socket", 100_000, "a second, unless set otherwise", "`tooManyRequests`")
BEHIND = Bound(
    "a reader that is behind", 1024, "events", "the socket is closed with 1013; the session may be resumed"
)
JOURNAL = Bound("events kept for resuming", 16_384, "a session", "`truncated` is true")
SESSIONS = Bound("open sessions", 1024, "a daemon", "`tooManyRequests`")

BOUNDS = (FRAME, BATCH, UNDER_WAY, RATE, BEHIND, JOURNAL, SESSIONS)
