"""Sounds to play, made with the standard library."""

from __future__ import annotations

import array
import math
import sys
import wave
from collections.abc import Iterable
from pathlib import Path

RATE = 48_000
LEVEL = 0.4  # of full scale


def write_wav(path: Path, samples: Iterable[float]) -> None:
    """Write mono samples in [-1, 1] as 16-bit WAV."""
    data = array.array("h", (round(sample * 32_767) for sample in samples))
    if sys.byteorder == "big":
        data.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())


def tone(frequency: float, seconds: float) -> list[float]:
    """Return a sine."""
    return [LEVEL * math.cos(2 * math.pi * frequency * at / RATE) for at in range(round(seconds * RATE))]


def sweep(seconds: float, low: float = 300, high: float = 3000) -> list[float]:
    """Return a sine that rises from `low` to `high`: no two stretches of it are alike."""
    rise = (high - low) / seconds / 2
    return [
        LEVEL * math.cos(2 * math.pi * (low + rise * at / RATE) * at / RATE)
        for at in range(round(seconds * RATE))
    ]
