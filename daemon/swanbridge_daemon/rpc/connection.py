"""One WebSocket: frames in, responses and events out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web
from swanbridge_protocol.errors import InvalidRequest, TooManyRequests

from ..core.journal import Entry
from ..core.session import Caller, Session
from ..core.tasks import Tasks
from ..services.sessions import SessionService
from .auth import Grant
from .dispatch import Dispatcher
from .outbox import Outbox

log = logging.getLogger(__name__)

SUBPROTOCOL = "swanbridge.v1"
LARGEST_FRAME = 8 * 1024 * 1024  # bytes; a data: URL of 4 MiB fits, more closes with 1009
HEARTBEAT = 30.0  # seconds between pings of a silent socket
UNDER_WAY = 1024  # calls of one socket that have no answer yet; more get -32003
LINGER = 30.0  # seconds that a reader which is too far behind has to fetch the reason
REPLACED = 4001  # another socket took the session over
STOPPING = WSCloseCode.GOING_AWAY


class Bucket:
    """A rate bound: `rate` a second, with a second's worth of burst."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._since = time.monotonic()

    def take(self) -> bool:
        """Take one; False if there is none."""
        if self._tokens < 1:
            now = time.monotonic()
            self._tokens = min(self._rate, self._tokens + (now - self._since) * self._rate)
            self._since = now
            if self._tokens < 1:
                return False
        self._tokens -= 1
        return True

    def charge(self, more: int) -> None:
        """Count `more` that were let through with the one taken."""
        self._tokens -= more


class Connection:
    """A socket and the session bound to it. Implements `core.session.Outlet`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        sessions: SessionService,
        grant: Grant,
        calls: Tasks,
        *,
        keep_all: bool,
        calls_per_second: float,
    ) -> None:
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._calls = calls  # calls outlive the socket: their effects are the session's
        self._bucket = Bucket(calls_per_second)
        self._under_way = 0
        self._socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=LARGEST_FRAME, heartbeat=HEARTBEAT, compress=False
        )
        self._tasks = Tasks()
        self._outbox = Outbox(self._socket.send_str, self._overrun, self._tasks, keep_all=keep_all)
        self.caller = Caller(grant.scope, app_id=grant.app_id, bind=self._bind)
        self._resume_after: int | None = None
        self._transport: asyncio.Transport | None = None
        self._ending: asyncio.Task[None] | None = None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Speak until the socket closes."""
        socket = self._socket
        await socket.prepare(request)
        self._transport = request.transport
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._take(frame.data)
                elif frame.type is WSMsgType.BINARY:
                    self._refuse(InvalidRequest("frames are text").to_wire())
        finally:
            self._outbox.close()
            self._let_go()
            if self._ending is not None:
                await asyncio.wait([self._ending])  # the client's goodbye, or its reason would be lost
            await self._tasks.close()
        return socket

    def _take(self, text: str) -> None:
        if not self._bucket.take() or self._under_way >= UNDER_WAY:
            self._refuse(TooManyRequests("too many calls; wait for answers").to_wire(), _id_of(text))
            return
        before = self._dispatcher.calls
        answer = self._dispatcher.answer(text, self.caller)
        calls = max(1, self._dispatcher.calls - before)
        self._bucket.charge(calls - 1)  # a batch is as many calls as it holds
        if isinstance(answer, Coroutine):
            self._under_way += calls
            self._calls.spawn(self._finish(answer, calls), "call")
            return
        if answer is not None:
            self._outbox.respond(answer)
        if self._resume_after is not None:
            self._replay()

    async def _finish(self, answer: Coroutine[Any, Any, bytes | None], calls: int) -> None:
        try:
            response = await answer
        finally:
            self._under_way -= calls
        if response is not None:
            self._outbox.respond(response)
        if self._resume_after is not None:
            self._replay()

    def _refuse(self, error: dict[str, Any], request_id: Any = None) -> None:
        self._outbox.respond(orjson.dumps({"jsonrpc": "2.0", "error": error, "id": request_id}))

    # --- the session's outlet -----------------------------------------------------------------------------

    def deliver(self, entry: Entry) -> None:
        """Send one event."""
        if self._resume_after is None:  # else the replay brings it
            self._outbox.deliver(entry)

    async def drained(self) -> None:
        """Wait until all events are with the socket."""
        await self._outbox.drained()

    def replaced(self) -> None:
        """Close: the session is another socket's now."""
        if self.caller.session is not None:
            self.caller.session.on_close.remove(self._session_ended)
        self.caller.session = None
        self._outbox.close()
        self._ending = self._tasks.spawn(self._close(REPLACED, b"the session was resumed elsewhere"), "close")

    def _bind(self, session: Session, after: int | None) -> None:
        if (before := self.caller.session) is not None:  # closed, and not quite gone
            before.outlet = None
            before.on_close.remove(self._session_ended)
        if session.outlet is not None:
            session.outlet.replaced()
        session.outlet = self
        session.on_close.append(self._session_ended)
        self.caller.session = session
        # Events from here on wait until the response of session.open is out.
        self._resume_after = session.journal.seq if after is None else after

    def _replay(self) -> None:
        after, self._resume_after = self._resume_after, None
        session = self.caller.session
        if session is not None and after is not None:
            for entry in session.journal.after(after):
                self._outbox.deliver(entry)

    def _let_go(self) -> None:
        session = self.caller.session
        if session is not None and session.outlet is self:
            session.outlet = None
            session.on_close.remove(self._session_ended)
            self.caller.session = None
            self._sessions.disconnected(session)

    def _session_ended(self) -> None:
        self.caller.session = None

    # --- the end ------------------------------------------------------------------------------------------

    def _overrun(self) -> None:
        log.warning("a reader is too far behind; closing it, it may resume")
        self._let_go()
        self._ending = self._tasks.spawn(
            self._close(WSCloseCode.TRY_AGAIN_LATER, b"too far behind; resume", LINGER), "close"
        )

    def give_up(self) -> None:
        """Close: the client does not read, and others wait for it."""
        self._outbox.close()
        self._overrun()

    async def shut(self) -> None:
        """Tell the client that the daemon stops."""
        await self._close(STOPPING, b"the daemon is stopping")

    async def _close(self, code: int, reason: bytes, patience: float = 2.0) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._socket.close(code=code, message=reason)
        except (TimeoutError, ConnectionError, RuntimeError):
            log.debug("a socket did not close in time")
            if self._transport is not None:
                self._transport.abort()  # or what is written to it would wait for its reader for ever


def _id_of(text: str) -> Any:
    """Return the id of a request that is refused unread, so that its caller need not wait for ever."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    found = message.get("id") if isinstance(message, dict) else None
    return found if isinstance(found, (str, int)) else None
