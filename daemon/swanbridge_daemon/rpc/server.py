"""The HTTP server: routes, and the checks that every request passes."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from swanbridge_protocol import Scope

from ..core.session import Caller, Session
from ..core.tasks import Tasks
from ..services.sessions import SessionService
from .auth import Door, Grant, TokenRefused, Tokens
from .connection import LARGEST_FRAME, SUBPROTOCOL, Connection
from .dispatch import Dispatcher
from .files import FileRoutes
from .metrics import Metrics
from .sse import EventStream

log = logging.getLogger(__name__)

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]
GRANT: web.RequestKey[Grant] = web.RequestKey("grant", Grant)

OPEN_TO_ALL = ("/health", "/client/", "/files/")  # /files/{id} is checked by its signature


class Server:
    """Serves the protocol. `ready` tells whether engines are warm; `discover` gives the OpenRPC document."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        sessions: SessionService,
        tokens: Tokens,
        door: Door,
        files: FileRoutes,
        metrics: Metrics,
        *,
        discover: Callable[[], dict[str, Any]],
        ready: Callable[[], dict[str, Any]],
        console: Path,
        client: Path,
        keep_all: bool,
        calls_per_second: float,
    ) -> None:
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._tokens = tokens
        self._door = door
        self._files = files
        self._metrics = metrics
        self._discover = discover
        self._ready = ready
        self._console = console
        self._client = client
        self._keep_all = keep_all
        self._calls_per_second = calls_per_second
        self._runner: web.AppRunner | None = None
        self._connections: set[Connection] = set()
        self.calls = Tasks()
        self._unix: Path | None = None
        self.port = 0

    async def start(self, host: str, port: int, unix: Path | None) -> None:
        """Listen; `port` 0 takes a free one. Raises `OSError` if the address is taken."""
        app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_FRAME)
        app.router.add_get("/ws", self._ws)
        app.router.add_post("/rpc", self._rpc)
        app.router.add_get("/events", self._events)
        app.router.add_post("/files", self._upload)
        app.router.add_get("/files/{name}", self._files.download)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._readiness)
        app.router.add_get("/metrics", self._scrape)
        app.router.add_get("/openrpc.json", self._openrpc)
        app.router.add_get("/client/{path:.+}", self._client_file)
        app.router.add_get("/", self._index)
        app.router.add_get("/console/{name}", self._console_file)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=512)
        await site.start()
        self.port = self._runner.addresses[0][1]
        if unix is not None:
            _require_free(unix)
            previous = os.umask(0o177)
            try:
                await web.UnixSite(self._runner, str(unix)).start()
            finally:
                os.umask(previous)
            self._unix = unix

    async def close(self) -> None:
        """Tell every client that the daemon stops, and stop."""
        await asyncio.gather(*(connection.shut() for connection in list(self._connections)))
        await self.calls.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._unix is not None:
            self._unix.unlink(missing_ok=True)

    # --- the checks ---------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Next) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        listed = origin is not None and self._door.origin_listed(origin)
        try:
            response = await self._admitted(request, handler, origin)
        except web.HTTPException as refused:
            if listed and origin is not None:
                _allow_origin(refused, origin)
            raise
        if listed and origin is not None and not response.prepared:
            _allow_origin(response, origin)
        return response

    async def _admitted(self, request: web.Request, handler: Next, origin: str | None) -> web.StreamResponse:
        host = request.headers.get("Host")
        if (why := self._door.host_refused(host)) is not None:
            raise _forbidden(why)
        public = request.path.startswith("/client/") or (request.path.startswith("/files/"))
        if not public and (why := self._door.origin_refused(origin, host)) is not None:
            raise _forbidden(why)
        if request.method == "OPTIONS" and origin is not None:
            return web.Response(
                status=204,
                headers={
                    "Access-Control-Allow-Methods": "GET, POST",
                    "Access-Control-Allow-Headers": "Authorization, Content-Type, Swanbridge-Session, Last-Event-ID",
                    "Access-Control-Allow-Private-Network": "true",
                    "Access-Control-Max-Age": "600",
                },
            )
        if not request.path.startswith(OPEN_TO_ALL):
            try:
                request[GRANT] = self._tokens.check(self._token(request))
            except TokenRefused as refused:
                kind = web.HTTPTooManyRequests if refused.status == 429 else web.HTTPUnauthorized
                raise kind(text=f"{refused.sentence}\n") from None
        return await handler(request)

    def _token(self, request: web.Request) -> str | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and token:
            return token.strip()
        for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
            if offered.strip().startswith("bearer."):
                return offered.strip().removeprefix("bearer.")
        if request.path == "/" and "token" in request.query:
            return request.query["token"]
        return request.cookies.get(self._cookie)

    @property
    def _cookie(self) -> str:
        return f"swanbridge_{self.port}"  # cookies do not tell ports apart

    # --- routes -------------------------------------------------------------------------------------------

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        offered = [one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        if SUBPROTOCOL not in offered and any(offered):
            raise web.HTTPBadRequest(text=f"the WebSocket subprotocol is {SUBPROTOCOL}\n")
        connection = Connection(
            self._dispatcher,
            self._sessions,
            request[GRANT],
            self.calls,
            keep_all=self._keep_all,
            calls_per_second=self._calls_per_second,
        )
        self._connections.add(connection)
        try:
            return await connection.serve(request)
        finally:
            self._connections.discard(connection)

    async def _rpc(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="the body must be application/json\n")
        grant = request[GRANT]
        caller = Caller(grant.scope, app_id=grant.app_id)
        named = request.headers.get("Swanbridge-Session")
        if named is not None:
            caller.session = self._session(named, grant)
        else:
            caller.lend = lambda: self._sessions.make(grant.app_id or "rpc")
        body = await request.read()
        try:
            answer = self._dispatcher.answer(body, caller)
            response = await answer if isinstance(answer, Coroutine) else answer
        finally:
            if named is None and caller.session is not None:
                await self._sessions.end(caller.session)
        if response is None:
            return web.Response(status=204)
        return web.Response(body=response, content_type="application/json")

    def _session(self, session_id: str, grant: Grant) -> Session:
        found = self._sessions.find(session_id)
        if found is None or grant.app_id not in (None, found.app_id):
            raise web.HTTPNotFound(text="there is no such session, or not with this token\n")
        self._sessions.used(found)
        return found

    async def _events(self, request: web.Request) -> web.StreamResponse:
        named = (
            request.headers.get("Swanbridge-Session")
            or request.query.get("sessionId")
            or request.query.get("session", "")
        )
        session = self._session(named, request[GRANT])
        last = request.headers.get("Last-Event-ID") or request.query.get("lastEventId")
        if last is not None and not (last.isascii() and last.isdecimal() and len(last) < 20):
            raise web.HTTPBadRequest(text="Last-Event-ID is a sequence number\n")
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        if (origin := request.headers.get("Origin")) is not None and self._door.origin_listed(origin):
            _allow_origin(response, origin)
        stream = EventStream(session, None if last is None else int(last))
        try:
            await response.prepare(request)
            await response.write(b": open\n\n")  # so that the reader knows before the first event
            await stream.send(response)
        except ConnectionError:
            log.debug("a reader of /events went away")
        finally:
            self._sessions.used(session)
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        named = request.headers.get("Swanbridge-Session")
        if named is None:
            raise web.HTTPBadRequest(text="the header Swanbridge-Session must name an open session\n")
        if request[GRANT].scope < Scope.APP:
            raise web.HTTPForbidden(text="an upload needs a token with the app scope\n")
        return await self._files.upload(request, self._session(named, request[GRANT]))

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"}, headers={"Access-Control-Allow-Origin": "*"})

    async def _readiness(self, request: web.Request) -> web.Response:
        state = self._ready()
        return web.json_response(state, status=200 if state["ready"] else 503)

    async def _scrape(self, request: web.Request) -> web.Response:
        text, content_type = self._metrics.text()
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def _openrpc(self, request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self._discover()), content_type="application/json")

    async def _index(self, request: web.Request) -> web.StreamResponse:
        if "token" in request.query:
            # Out of the address bar and the history, into a cookie no script can read.
            answer = web.HTTPSeeOther("/")
            answer.set_cookie(
                self._cookie, request.query["token"], httponly=True, samesite="Strict", path="/"
            )
            raise answer
        return self._page(self._console / "index.html")

    async def _console_file(self, request: web.Request) -> web.StreamResponse:
        return self._page(_inside(self._console, request.match_info["name"]))

    def _page(self, path: Path) -> web.FileResponse:
        return web.FileResponse(
            path,
            headers={
                "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-cache",
            },
        )

    async def _client_file(self, request: web.Request) -> web.StreamResponse:
        path = _inside(self._client, request.match_info["path"])
        return web.FileResponse(
            path,
            headers={
                "Access-Control-Allow-Origin": "*",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-cache",
            },
        )


def _inside(folder: Path, name: str) -> Path:
    """Return one of our own files by its name in the folder's listing; nothing else can be named."""
    for path in folder.rglob("*"):
        if (
            path.is_file()
            and path.relative_to(folder).as_posix() == name
            and path.suffix in (".js", ".css", ".html", ".svg")
        ):
            return path
    raise web.HTTPNotFound(text="there is no such file\n")


def _forbidden(why: str) -> web.HTTPForbidden:
    # What a header held may be no text.
    return web.HTTPForbidden(text=why.encode("utf-8", "replace").decode() + "\n")


def _require_free(path: Path) -> None:
    """Raise `OSError` if a daemon listens at the socket, or if the path is something else than a socket.

    A socket that nobody listens at is left over; asyncio replaces it.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            if path.exists() and not path.is_socket():
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _allow_origin(response: web.StreamResponse, origin: str) -> None:
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Vary"] = "Origin"
