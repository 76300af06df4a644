"""A raw JSON-RPC peer for the tests: it sends what it is told and hides nothing that comes back."""

from __future__ import annotations

import asyncio
import math
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from swanbridge_testing.daemon import RunningDaemon

PATIENCE = 20.0  # seconds that an answer may take before a test fails


class Refused(Exception):
    """The answer was an error; `error` is its JSON-RPC object."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']} {error['data']['errMsg']}")
        self.error = error
        self.code: int = error["code"]


class Closed(Exception):
    """The daemon closed the socket; `code` says why."""

    def __init__(self, code: int | None) -> None:
        super().__init__(str(code))
        self.code = code


class Peer:
    """One WebSocket. `events` are the params of all notifications so far, `method` added."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self._count = 0

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    async def send(self, message: Any) -> None:
        await self.socket.send_str(orjson.dumps(message).decode())

    async def receive(self) -> Any:
        """Return the next frame; events are noted down, too."""
        frame = await asyncio.wait_for(self.socket.receive(), PATIENCE)
        if frame.type is not aiohttp.WSMsgType.TEXT:
            # The frame's own word: whoever answers it may find the connection gone already.
            closing = frame.type is aiohttp.WSMsgType.CLOSE
            raise Closed(frame.data if closing else self.socket.close_code)
        message = orjson.loads(frame.data)
        if isinstance(message, dict) and "method" in message:
            self.events.append({"method": message["method"], **message["params"]})
        return message

    async def answer(self, frame: str | bytes | None = None) -> Any:
        """Send a frame as it is, and return the next that is no event."""
        if isinstance(frame, bytes):
            await self.socket.send_bytes(frame)
        elif frame is not None:
            await self.socket.send_str(frame)
        while True:
            message = await self.receive()
            if not (isinstance(message, dict) and "method" in message):
                return message

    async def begin(self, method: str, **params: Any) -> int:
        """Send a call and return its id."""
        self._count += 1
        await self.send({"jsonrpc": "2.0", "id": self._count, "method": method, "params": params})
        return self._count

    async def end(self, call: int) -> Any:
        """Return the result of the call; answers to others are passed over."""
        while True:
            message = await self.answer()
            if message["id"] == call:
                if "error" in message:
                    raise Refused(message["error"])
                return message["result"]

    async def call(self, method: str, **params: Any) -> Any:
        return await self.end(await self.begin(method, **params))

    async def open(self, app_id: str = "app", **more: Any) -> dict[str, Any]:
        opened: dict[str, Any] = await self.call("session.open", appId=app_id, protocol=1, **more)
        return opened

    async def until_closed(self) -> int | None:
        """Read to the end; returns the close code."""
        try:
            while True:
                await self.receive()
        except Closed as closed:
            return closed.code

    @property
    def transport(self) -> asyncio.WriteTransport:
        connection = self.socket._response.connection
        assert connection is not None
        assert isinstance(connection.transport, asyncio.WriteTransport)
        return connection.transport

    def cut(self) -> None:
        """Lose the connection, as a radio link does: no goodbye."""
        self.transport.abort()


@asynccontextmanager
async def connected(daemon: RunningDaemon, token: str | None = None) -> AsyncIterator[Peer]:
    """Connect without opening a session."""
    protocols = ("swanbridge.v1", f"bearer.{token or daemon.token}")
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(daemon.ws, protocols=protocols, max_msg_size=0) as socket:
            yield Peer(socket)


@asynccontextmanager
async def in_session(daemon: RunningDaemon, app_id: str = "app", **more: Any) -> AsyncIterator[Peer]:
    """Connect and open a session with the package of tones."""
    async with connected(daemon) as peer:
        await peer.open(app_id, packageRoot=str(daemon.package_dir / "tones"), **more)
        yield peer


@asynccontextmanager
async def http(daemon: RunningDaemon, token: str | None = "") -> AsyncIterator[aiohttp.ClientSession]:
    """Give an HTTP client with a token: the daemon's own by default, none with None."""
    headers = {} if token is None else {"Authorization": f"Bearer {token or daemon.token}"}
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(daemon.url, headers=headers, timeout=timeout) as session:
        yield session


async def raw_http(daemon: RunningDaemon, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request byte by byte as given, `HOST` in it replaced; returns status and body."""
    host = daemon.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        writer.write(head.replace(b"HOST", host.encode()) + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
        await writer.wait_closed()
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), rest


def write_tone(path: Path, seconds: float, rate: int = 8000, frequency: float = 440.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = round(seconds * rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(
            b"".join(
                struct.pack("<h", round(16000 * math.sin(2 * math.pi * frequency * index / rate)))
                for index in range(frames)
            )
        )
