"""Packets between processes, seen from a child: one SEQPACKET socket, never blocking.

A packet is a msgpack array of messages. A message with a descriptor travels alone in its packet.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import deque
from typing import Any, Generic, TypeVar

import msgspec

from .messages import MAX_PACKET, Message

T = TypeVar("T")

BATCH = 64  # messages a packet; well under MAX_PACKET for every message that can come in numbers


class PeerGone(Exception):
    """The other end closed or died."""


class Peer(Generic[T]):
    """One end of a channel; `T` is the union of messages that arrive."""

    def __init__(self, sock: socket.socket, incoming: Any) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._decode = msgspec.msgpack.Decoder(list[incoming]).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._batch: list[Message] = []
        # Written out as fast as the other side reads. It is bounded by the protocol: an engine has at most
        # one request in flight for each voice, and reports are few.
        self._queue: deque[tuple[bytes, int | None]] = deque()

    def fileno(self) -> int:
        """Return the socket's descriptor, for selectors."""
        return self.socket.fileno()

    def send(self, message: Message, descriptor: int | None = None) -> None:
        """Send soon; `flush` sends now. A descriptor is duplicated, the caller keeps its own."""
        if descriptor is None:
            self._batch.append(message)
            if len(self._batch) >= BATCH:
                self._pack()
            return
        self._pack()
        self._queue.append((self._encode([message]), os.dup(descriptor)))

    def _pack(self) -> None:
        if self._batch:
            self._queue.append((self._encode(self._batch), None))
            self._batch = []

    def flush(self) -> bool:
        """Write what is waiting; False if the other side has to read first. Raises `PeerGone`."""
        self._pack()
        while self._queue:
            data, descriptor = self._queue[0]
            try:
                if descriptor is None:
                    self.socket.send(data)
                else:
                    socket.send_fds(self.socket, [data], [descriptor])
            except BlockingIOError:
                return False
            except OSError as error:
                raise PeerGone(str(error)) from error
            self._queue.popleft()
            if descriptor is not None:
                os.close(descriptor)
        return True

    def receive(self) -> list[tuple[T, int | None]]:
        """Read all that is there: (message, descriptor or None). Raises `PeerGone`."""
        found: list[tuple[T, int | None]] = []
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.socket, MAX_PACKET, 4)
            except BlockingIOError:
                return found
            except OSError as error:
                raise PeerGone(str(error)) from error
            if not data:
                if found:
                    return found  # the end is met again at the next read
                raise PeerGone("closed")
            messages = self._decode(data)
            if descriptors:
                for extra in descriptors[1:]:
                    os.close(extra)
                found.append((messages[0], descriptors[0]))
            else:
                found.extend((message, None) for message in messages)

    def close(self) -> None:
        """Close the socket and every descriptor that was still to be sent."""
        for _, descriptor in self._queue:
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._queue.clear()
        self.socket.close()
