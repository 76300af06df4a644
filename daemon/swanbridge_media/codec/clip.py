"""A short file decoded once and whole, to be shared by all voices that play it."""

from __future__ import annotations

import os

import numpy as np

from ..messages import MIX_RATE, RING_FRAMES, MediaInfo
from .cursor import Cursor, Filling
from .decoder import Decoder
from .resample import Sound
from .source import Bytes, Trouble

__all__ = ["decode_whole", "make_clip"]


def decode_whole(source: Bytes, limit: float) -> tuple[Sound, MediaInfo, bool]:
    """Decode the first `limit` seconds: the sound, the facts, and whether that is all of it."""
    decoder = Decoder(source)
    cursor = Cursor(decoder)
    try:
        info = decoder.info()
        parts: list[Sound] = []
        frames, most = 0, round(limit * MIX_RATE)
        while not cursor.ended and frames <= most:
            part = np.empty((RING_FRAMES, 2), np.float32)
            filling = Filling(part, 0, RING_FRAMES)
            cursor.fill(filling, -1.0, 1.0, loop=False)
            filling.close()
            frames += filling.written
            parts.append(part[: filling.written])
        sound = np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
        whole = cursor.ended and frames <= most
        if cursor.duration >= 0:
            info = MediaInfo(
                duration=cursor.duration,
                exact=True,
                sample_rate=info.sample_rate,
                channels=info.channels,
                codec=info.codec,
                format=info.format,
                bit_rate=info.bit_rate,
            )
        return sound[:most], info, whole
    finally:
        cursor.close()


def make_clip(source: Bytes, limit: float) -> tuple[int, int, MediaInfo]:
    """Decode a file into a memfd: (descriptor, frames, facts). `Trouble` if longer than `limit`."""
    sound, info, whole = decode_whole(source, limit)
    if not whole:
        raise Trouble("format", f"longer than {limit:g} s")
    descriptor = os.memfd_create("clip", os.MFD_CLOEXEC)
    try:
        data = memoryview(sound.tobytes())
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        os.close(descriptor)
        raise Trouble("system", f"no memory for a clip: {error.strerror}") from error
    return descriptor, len(sound), info
