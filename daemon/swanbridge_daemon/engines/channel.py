"""Messages to and from one child, on the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from swanbridge_media.messages import MAX_PACKET, Failed, Message

from ..core.ports import PortError

log = logging.getLogger(__name__)

BATCH = 64  # messages a packet; well under MAX_PACKET for every message that can come in numbers


class EngineGone(PortError):
    """The child died or is not there; what was asked of it has no answer."""

    def __init__(self, message: str = "the engine was restarted") -> None:
        super().__init__("system", message)


class Channel:
    """One end of a SEQPACKET pair. Messages of one loop turn leave in one packet.

    `on_message` gets what is no answer to a request, `on_closed` is called once when the child hangs up.
    """

    def __init__(
        self,
        sock: socket.socket,
        incoming: Any,
        on_message: Callable[[Any], None],
        on_closed: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._decode = msgspec.msgpack.Decoder(list[incoming]).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._on_message = on_message
        self._on_closed = on_closed
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._rid = 0
        self._batch: list[Message] = []
        # A child that does not read is killed by its supervisor's ping, which bounds this queue.
        self._queue: deque[tuple[bytes, int | None]] = deque()
        self._flushing = False
        self._writing = False
        self.closed = False
        self._loop.add_reader(sock, self._readable)

    def send(self, message: Message, descriptor: int | None = None) -> None:
        """Send at the end of this loop turn; the caller keeps the descriptor."""
        if self.closed:
            return
        if descriptor is None:
            self._batch.append(message)
            if len(self._batch) >= BATCH:
                self._pack()
        else:
            self._pack()
            self._queue.append((self._encode([message]), os.dup(descriptor)))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def request(self, make: Callable[[int], Message], descriptor: int | None = None) -> asyncio.Future[Any]:
        """Send what `make(rid)` returns; the future is the answer, or `PortError`."""
        self._rid += 1
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.closed:
            future.set_exception(EngineGone())
            return future
        rid = self._rid
        self._answers[rid] = future
        future.add_done_callback(lambda _: self._answers.pop(rid, None))
        self.send(make(rid), descriptor)
        return future

    def close(self) -> None:
        """Hang up; open requests fail with `EngineGone`."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for _, descriptor in self._queue:
            if descriptor is not None:
                os.close(descriptor)
        self._queue.clear()
        answers, self._answers = self._answers, {}
        for future in answers.values():
            if not future.done():
                future.set_exception(EngineGone())
        self._on_closed()

    def _pack(self) -> None:
        if self._batch:
            self._queue.append((self._encode(self._batch), None))
            self._batch = []

    def _flush(self) -> None:
        self._flushing = False
        if self.closed:
            return
        self._pack()
        while self._queue:
            data, descriptor = self._queue[0]
            try:
                if descriptor is None:
                    self._socket.send(data)
                else:
                    socket.send_fds(self._socket, [data], [descriptor])
            except BlockingIOError:
                if not self._writing:
                    self._writing = True
                    self._loop.add_writer(self._socket, self._flush)
                return
            except OSError:
                self.close()
                return
            self._queue.popleft()
            if descriptor is not None:
                os.close(descriptor)
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        for _ in range(64):  # then let others have the loop
            if self.closed:
                return
            try:
                data = self._socket.recv(MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            try:
                messages = self._decode(data)
            except msgspec.MsgspecError:
                # A child that was taken over may write anything; hanging up makes its supervisor replace it.
                log.exception("a child sent what is not a message; hanging up on it")
                self.close()
                return
            for message in messages:
                self._take(message)

    def _take(self, message: Any) -> None:
        future = self._answers.get(getattr(message, "rid", 0))
        if future is None:
            if not isinstance(message, Failed):  # nobody waits for that answer any more
                self._on_message(message)
        elif future.done():
            pass
        elif isinstance(message, Failed):
            fault = "system" if message.kind == "gone" else message.kind
            future.set_exception(PortError(fault, message.message))
        else:
            future.set_result(message)
