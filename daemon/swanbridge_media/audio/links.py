"""The audio engine's ends of the links to the decoders, and the clips that come over them."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import selectors
import socket

import msgspec
import numpy as np

from ..messages import CHANNELS, ClipData, Filled, LinkFromDecoder, MapSlab, Message
from ..wire import Peer, PeerGone
from .slab import Floats

_FRAME_BYTES = 4 * CHANNELS
_MAX_CLIP_FRAMES = 1 << 26  # 23 minutes; a decoder that says more is wrong


def read_clip(descriptor: int, frames: int) -> Floats | None:
    """Give the clip in a memfd, interleaved; None if it does not hold that many frames."""
    size = frames * _FRAME_BYTES
    if not 0 <= frames <= _MAX_CLIP_FRAMES or os.fstat(descriptor).st_size < size:
        return None
    if not frames:
        return np.zeros(0, np.float32)
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    try:
        is_sealed = bool(fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:
        is_sealed = False
    if is_sealed:
        memory = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        return np.frombuffer(memory, np.float32, frames * CHANNELS)
    # It could still be cut short, which would kill the reader of a mapping: take a copy.
    sound: Floats = np.zeros(frames * CHANNELS, np.float32)
    view = sound.data.cast("B")
    done = 0
    while done < size:
        count = os.preadv(descriptor, [view[done:]], done)
        if not count:
            return None
        done += count
    return sound


class Links:
    """Decoders by index. Whoever gets `PeerGone` from here has to `drop` that decoder."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._peers: dict[int, Peer[Filled | ClipData]] = {}
        self._slow: set[int] = set()
        self._dirty: set[int] = set()

    def attach(self, decoder: int, descriptor: int, slabs: list[int]) -> None:
        """Take a decoder's link and tell it of all slabs."""
        peer: Peer[Filled | ClipData] = Peer(socket.socket(fileno=descriptor), LinkFromDecoder)
        self._peers[decoder] = peer
        self._selector.register(peer, selectors.EVENT_READ, decoder)
        for number, slab in enumerate(slabs):
            self._announce(decoder, peer, number, slab)

    def announce(self, number: int, descriptor: int) -> None:
        """Tell all decoders of a new slab."""
        for decoder, peer in self._peers.items():
            self._announce(decoder, peer, number, descriptor)

    def _announce(self, decoder: int, peer: Peer[Filled | ClipData], number: int, descriptor: int) -> None:
        peer.send(MapSlab(slab=number), descriptor)
        self._dirty.add(decoder)

    def send(self, decoder: int, message: Message) -> bool:
        """Send at the next flush; False if there is no such decoder."""
        peer = self._peers.get(decoder)
        if peer is None:
            return False
        peer.send(message)
        self._dirty.add(decoder)
        return True

    def flush(self) -> list[int]:
        """Send what waits; gives the decoders that turned out to be dead."""
        dead: list[int] = []
        while self._dirty:
            decoder = self._dirty.pop()
            peer = self._peers.get(decoder)
            if peer is None:
                continue
            try:
                is_through = peer.flush()
            except PeerGone:
                dead.append(decoder)
                continue
            if is_through == (decoder in self._slow):
                self._slow ^= {decoder}
                wanted = selectors.EVENT_READ if is_through else selectors.EVENT_READ | selectors.EVENT_WRITE
                self._selector.modify(peer, wanted, decoder)
        return dead

    def can_write(self, decoder: int) -> None:
        """Try again to send, the decoder has read."""
        self._dirty.add(decoder)

    def receive(self, decoder: int) -> list[Filled | tuple[int, Floats]]:
        """Give answers, and clips as (number, sound). Raises `PeerGone`, also when it talks rubbish."""
        peer = self._peers.get(decoder)
        if peer is None:
            return []
        found: list[Filled | tuple[int, Floats]] = []
        try:
            for message, descriptor in peer.receive():
                try:
                    if isinstance(message, Filled):
                        found.append(message)
                    elif descriptor is not None:
                        sound = read_clip(descriptor, message.frames)
                        if sound is not None:
                            found.append((message.clip, sound))
                finally:
                    if descriptor is not None:
                        os.close(descriptor)
        except (msgspec.MsgspecError, IndexError) as error:
            raise PeerGone(f"talks rubbish: {error}") from error
        return found

    def drop(self, decoder: int) -> bool:
        """Let go of a decoder; False if it was not there."""
        peer = self._peers.pop(decoder, None)
        if peer is None:
            return False
        self._slow.discard(decoder)
        self._selector.unregister(peer)
        peer.close()
        return True
