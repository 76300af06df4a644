"""Captures: what sounds, or one owner's share of it, as 16-bit PCM WAV files."""

from __future__ import annotations

import os
import struct
from typing import Final

import numpy as np

from ..messages import CHANNELS, MIX_RATE
from .mixer import Mixer
from .slab import Floats

_HEADER_BYTES: Final = 44
_FRAME_BYTES: Final = 2 * CHANNELS
_MAX_FRAMES: Final = min(4 * 3600 * MIX_RATE, (2**31 - _HEADER_BYTES) // _FRAME_BYTES)
_BUFFER_BYTES: Final = 64 * 1024
_MAX_DROPOUTS: Final = 1_000  # as many as fit a packet well; a capture with more is beyond help


class Capture:
    """One WAV file, continuous from the frame where it began; `owner` -1 is the mix.

    When the file can't be written, or is as long as it may be, the capture is over and keeps what it has.
    """

    def __init__(self, descriptor: int, owner: int, frame: int) -> None:
        self.owner = owner
        self.is_over = False
        self.dropouts: list[tuple[float, float]] = []
        self._descriptor = descriptor
        self._origin = frame  # engine frame of the capture's first sample
        self._written = 0  # frames that are in the file
        self._buffer = bytearray()
        self._patch()

    @property
    def frames(self) -> int:
        """Length so far."""
        return self._written + len(self._buffer) // _FRAME_BYTES

    def write(self, frame: int, sound: Floats) -> None:
        """Add interleaved sound that begins at engine frame `frame`; a gap before it is silence."""
        self.reach(frame)
        if self.is_over:
            return
        # A 16-bit source at full volume comes out with the very same samples.
        scaled = np.rint(sound * np.float32(32768.0))
        np.clip(scaled, -32768, 32767, out=scaled)
        room = (_MAX_FRAMES - self.frames) * _FRAME_BYTES
        self._buffer += memoryview(scaled.astype("<i2")).cast("B")[:room]
        if len(self._buffer) >= _BUFFER_BYTES:
            self._drain()
        if self.frames >= _MAX_FRAMES:
            self._end()

    def reach(self, frame: int) -> None:
        """Fill up with silence to engine frame `frame`."""
        missing = min(frame - self._origin, _MAX_FRAMES) - self.frames
        if missing <= 0 or self.is_over:
            return
        if missing * _FRAME_BYTES <= _BUFFER_BYTES:
            self._buffer += bytes(missing * _FRAME_BYTES)
        else:
            self._drain()
            self._written += missing  # a hole in the file, which reads as zeros
        if self.frames >= _MAX_FRAMES:
            self._end()

    def miss(self, start: int, end: int) -> None:
        """Note that between these engine frames sound should have been there."""
        start = max(start, self._origin)
        if end > start and len(self.dropouts) < _MAX_DROPOUTS and not self.is_over:
            self.dropouts.append(((start - self._origin) / MIX_RATE, (end - start) / MIX_RATE))

    def stand_still(self, frame: int, frames: int) -> None:
        """Time went by, `frames` long, while the engine stood at `frame`: silence, a drop-out."""
        self.reach(frame)
        self.miss(frame, frame + frames)
        self.reach(frame + frames)
        self._origin -= frames

    def flush(self, frame: int) -> None:
        """Make the file complete up to engine frame `frame`."""
        self.reach(frame)
        self._drain()
        self._patch()

    def close(self, frame: int) -> None:
        """Complete the file and let go of it."""
        self.flush(frame)
        self._end()

    def _end(self) -> None:
        self._drain()
        self._patch()
        self.is_over = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _drain(self) -> None:
        if self.is_over or not self._buffer:
            return
        data, self._buffer = bytes(self._buffer), bytearray()
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(
                    self._descriptor, data[done:], _HEADER_BYTES + self._written * _FRAME_BYTES + done
                )
        except OSError:  # disk full, most likely: what got there counts
            self._written += done // _FRAME_BYTES
            self._patch()
            self.is_over = True
            return
        self._written += done // _FRAME_BYTES

    def _patch(self) -> None:
        """Write header and length for what is in the file."""
        if self.is_over:
            return
        data = self._written * _FRAME_BYTES
        form = struct.pack("<4sI4s4sIHHI", b"RIFF", 36 + data, b"WAVE", b"fmt ", 16, 1, CHANNELS, MIX_RATE)
        rest = struct.pack("<IHH4sI", MIX_RATE * _FRAME_BYTES, _FRAME_BYTES, 16, b"data", data)
        try:
            os.pwrite(self._descriptor, form + rest, 0)
            os.ftruncate(self._descriptor, _HEADER_BYTES + data)
        except OSError:
            self.is_over = True


class Captures:
    """All captures that run."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._captures: dict[int, Capture] = {}

    def __bool__(self) -> bool:
        return bool(self._captures)

    def start(self, number: int, owner: int, descriptor: int) -> None:
        """Begin at the mixer's frame; one of that number that runs is completed first."""
        if number in self._captures:
            self._captures.pop(number).close(self._mixer.frame)
        self._captures[number] = Capture(descriptor, owner, self._mixer.frame)

    def find(self, number: int) -> Capture | None:
        """Give a capture that was started and not stopped."""
        return self._captures.get(number)

    def stop(self, number: int) -> Capture | None:
        """Complete a capture and forget it."""
        capture = self._captures.pop(number, None)
        if capture:
            capture.close(self._mixer.frame)
        return capture

    def record(self, sound: Floats | None, frames: int) -> None:
        """Write the block that begins at the mixer's frame; `sound` is the mix, None: silence."""
        frame = self._mixer.frame
        shares: dict[int, Floats] = {}
        for capture in self._captures.values():
            if capture.is_over:
                continue
            if sound is None:
                capture.reach(frame + frames)
            elif capture.owner < 0:
                capture.write(frame, sound)
            else:
                if capture.owner not in shares:
                    shares[capture.owner] = self._mixer.share(frames, capture.owner).copy()
                capture.write(frame, shares[capture.owner])

    def miss(self, owner: int, start: int, end: int) -> None:
        """Note frames in which a voice of `owner` starved."""
        for capture in self._captures.values():
            if capture.owner < 0 or capture.owner == owner:
                capture.miss(start, end)

    def stand_still(self, frames: int) -> None:
        """Note time in which nothing could be played at all."""
        for capture in self._captures.values():
            capture.stand_still(self._mixer.frame, frames)

    def close(self) -> None:
        """Complete all."""
        for number in list(self._captures):
            self.stop(number)
