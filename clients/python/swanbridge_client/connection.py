"""One WebSocket: calls out, answers and notifications in. It knows nothing of sessions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Callable
from typing import Any, Self

import aiohttp
from swanbridge_protocol.errors import TooManyRequests

from .discovery import HOW_TO_START, Address
from .errors import ConnectionLost, ConnectionRefused, DaemonNotFound, from_wire

log = logging.getLogger(__name__)

SUBPROTOCOL = "swanbridge.v1"
UNSENT = 16_384  # calls waiting for the socket; more fail with -32003
LARGEST_FRAME = 64 * 1024 * 1024  # bytes; a snapshot of many objects
HEARTBEAT = 20.0  # seconds between pings; a peer that does not answer within half of it is lost

Notify = Callable[[str, dict[str, Any]], None]
Hook = Callable[[Any], None]


def quiet(future: asyncio.Future[Any]) -> None:
    """Let a future's exception go unnoticed if nobody awaits it."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())


class Connection:
    """Made by `open`. `lost` is done, with the close code, as soon as no more can come; calls fail then."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, notify: Notify) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[int | None] = loop.create_future()
        self._given_up = False
        self._socket = socket
        self._notify = notify
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Any], Hook | None]] = {}
        self._unsent: asyncio.Queue[str] = asyncio.Queue(UNSENT)
        self._reader = loop.create_task(self._read())
        self._writer = loop.create_task(self._write())

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, address: Address, notify: Notify) -> Self:
        """Connect. Raises `DaemonNotFound` or `ConnectionRefused`."""
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        try:
            socket = await http.ws_connect(
                address.ws,
                protocols=(SUBPROTOCOL,),
                headers=headers,
                max_msg_size=LARGEST_FRAME,
                heartbeat=HEARTBEAT,
            )
        except aiohttp.WSServerHandshakeError as error:
            sentence = await _reason(http, address, headers, error)
            raise ConnectionRefused(sentence, status=error.status) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DaemonNotFound(f"nothing answers at {address.base} ({error}): {HOW_TO_START}") from error
        return cls(socket, notify)

    def send(self, method: str, params: dict[str, Any], hook: Hook | None = None) -> asyncio.Future[Any]:
        """Call; the future is the result. Calls go out in the order of `send`.

        `hook` gets the result before the next frame is looked at. A future that nobody awaits fails quietly.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        quiet(future)
        if not self.usable:
            future.set_exception(ConnectionLost(f"{method}: the connection is lost"))
            return future
        number = next(self._ids)
        text = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        try:
            self._unsent.put_nowait(text)
        except asyncio.QueueFull:
            future.set_exception(TooManyRequests(f"{UNSENT} calls are waiting to be sent"))
            return future
        self._waiting[number] = (future, hook)
        return future

    @property
    def usable(self) -> bool:
        """Whether calls can go out."""
        return not self._given_up and not self.lost.done()

    async def close(self) -> None:
        """Close the socket; calls that have no answer fail with `ConnectionLost`."""
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            await self._socket.close()
        for task in (self._writer, self._reader):
            task.cancel()
        await asyncio.wait([self._writer, self._reader])

    def drop(self) -> None:
        """Give the socket up at once, without waiting for anything."""
        self._given_up = True
        self._reader.cancel()

    async def _write(self) -> None:
        try:
            while True:
                await self._socket.send_str(await self._unsent.get())
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            log.debug("writing failed: %s", error)
            self._reader.cancel()

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._take(frame.data)
        except (aiohttp.ClientError, ConnectionError) as error:
            log.debug("reading failed: %s", error)
        finally:
            self._writer.cancel()
            waiting, self._waiting = self._waiting, {}
            self.lost.set_result(self._socket.close_code)
            for future, _ in waiting.values():
                if not future.done():
                    future.set_exception(ConnectionLost("the connection was lost before the answer came"))

    def _take(self, text: str) -> None:
        try:
            content = json.loads(text)
        except ValueError:
            log.warning("the daemon sent what is not JSON")
            return
        for message in content if isinstance(content, list) else [content]:
            if self._given_up:
                return
            if not isinstance(message, dict):
                log.warning("the daemon sent what is no JSON-RPC message")
            elif "method" in message:
                params = message.get("params")
                self._notify(str(message["method"]), params if isinstance(params, dict) else {})
            else:
                self._answered(message)

    def _answered(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        future, hook = self._waiting.pop(number, (None, None)) if isinstance(number, int) else (None, None)
        error = message.get("error")
        if future is None:
            log.warning("the daemon answered what nobody asked: %s", error or number)
            return
        if isinstance(error, dict):
            if not future.done():
                future.set_exception(from_wire(error))
            return
        result = message.get("result")
        if hook is not None:
            hook(result)
        if not future.done():
            future.set_result(result)


async def _reason(
    http: aiohttp.ClientSession,
    address: Address,
    headers: dict[str, str],
    error: aiohttp.WSServerHandshakeError,
) -> str:
    # A refused handshake comes without its body; the same door gives its reason to a plain request.
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with http.get(f"{address.base}/ready", headers=headers) as response:
            if response.status == error.status:
                return (await response.text()).strip()
    return f"{address.base} refused the connection: {error.status} {error.message}"
