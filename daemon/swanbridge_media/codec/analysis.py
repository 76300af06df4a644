"""What a capture holds: stretches of sound and silence, torn holes, and where a known clip occurs.

Works on the 16-bit stereo WAV that the audio engine writes, mapped and not copied, in blocks: ten minutes are
115 MB.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from bisect import bisect
from collections.abc import Iterator
from itertools import pairwise
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt

from ..messages import CHANNELS, MIX_RATE, SegmentFact
from .resample import Sound
from .source import Trouble

__all__ = ["CLIP_SECONDS", "Capture", "dropouts", "find", "segments"]

FULL_SCALE: Final = 32_768
WINDOW: Final = MIX_RATE // 100
SILENCE: Final = FULL_SCALE * 10 ** (-60 / 20)  # a window whose peak stays below is silent
LEAST_PART: Final = 0.01  # of the clip's mean energy; a quieter quarter proves nothing
SHORTEST_SILENCE: Final = MIX_RATE // 20
WAVE_START: Final = MIX_RATE // 1000  # a wave begins at zero: so little before or after it is no silence

SHORTEST_HOLE: Final = MIX_RATE // 1000
LONGEST_HOLE: Final = MIX_RATE // 4  # longer ones are pauses between two sounds
HARD: Final = FULL_SCALE * 10 ** (-40 / 20)
BESIDE: Final = 2  # samples at an edge that tell whether it is hard: one may be a zero crossing

CLIP_SECONDS: Final = 10.0
LEAST_SCORE: Final = 0.5
BLOCK: Final = 1 << 20

Samples = npt.NDArray[np.int16]  # (frames, CHANNELS)


class Capture:
    """A WAV by its descriptor, which it owns. `samples` are (frames, CHANNELS) int16."""

    def __init__(self, descriptor: int) -> None:
        self.samples: Samples
        try:
            size = os.fstat(descriptor).st_size
            start, length = _find_data(descriptor, size)
            frames = length // (2 * CHANNELS)
            if frames:
                memory = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
                flat = np.frombuffer(memory, "<i2", frames * CHANNELS, start)
            else:
                flat = np.zeros(0, np.int16)
            self.samples = flat.reshape(-1, CHANNELS)
        except (OSError, ValueError) as error:
            raise Trouble("file", f"the capture can't be read: {error}") from error
        finally:
            os.close(descriptor)

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.samples = np.zeros((0, CHANNELS), np.int16)  # the last reference to the mapping

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / MIX_RATE


def _find_data(descriptor: int, size: int) -> tuple[int, int]:
    """Give offset and length of the samples; a length that isn't final yet reaches to the end of the file."""
    head = os.pread(descriptor, 12, 0)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise Trouble("format", "the capture is not a WAV file")
    offset = 12
    known = False
    while len(chunk := os.pread(descriptor, 8, offset)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        offset += 8
        if name == b"fmt ":
            form = os.pread(descriptor, 16, offset)
            if len(form) < 16:
                break
            _, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form)
            if (channels, rate, bits) != (CHANNELS, MIX_RATE, 16):
                raise Trouble("format", f"a capture of {channels} channels, {rate} Hz, {bits} bits")
            known = True
        elif name == b"data" and known:
            return offset, min(length, size - offset) if length else size - offset
        offset += length + (length & 1)
    raise Trouble("format", "the capture has no samples")


def _blocks(start: int, stop: int, size: int = BLOCK) -> Iterator[tuple[int, int]]:
    for at in range(start, stop, size):
        yield at, min(at + size, stop)


# --- sound and silence --------------------------------------------------------------------------------------


def _peaks(samples: Samples) -> npt.NDArray[np.int32]:
    """Give the largest amplitude of every window; the last may be shorter."""
    whole = len(samples) // WINDOW
    flat = samples[: whole * WINDOW].reshape(whole, WINDOW * CHANNELS)
    peaks = np.maximum(flat.max(1, initial=0).astype(np.int32), -flat.min(1, initial=0).astype(np.int32))
    rest = samples[whole * WINDOW :]
    return np.append(peaks, _peak(rest)) if len(rest) else peaks


def _peak(samples: Samples) -> int:
    return max(int(samples.max(initial=0)), -int(samples.min(initial=0)))


def _sounds(samples: Samples) -> list[tuple[int, int]]:
    """Find the stretches [start, stop) of sound, to the sample, with silences of 50 ms or more between."""
    loud = _peaks(samples) >= SILENCE
    edges = np.flatnonzero(np.diff(loud, prepend=False, append=False))
    found: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        begin = first * WINDOW
        opening = np.abs(samples[begin : begin + WINDOW].astype(np.int32)).max(1) >= SILENCE
        end = (last - 1) * WINDOW
        closing = np.abs(samples[end : end + WINDOW].astype(np.int32)).max(1) >= SILENCE
        start, stop = begin + int(opening.argmax()), end + int(np.flatnonzero(closing)[-1]) + 1
        if found and start - found[-1][1] < SHORTEST_SILENCE:
            start = found.pop()[0]
        if start < WAVE_START:
            start = 0
        found.append((start, len(samples) if len(samples) - stop < WAVE_START else stop))
    return found


def segments(capture: Capture) -> list[SegmentFact]:
    """Describe a capture from its start to its end; neighbours differ in `sound`."""
    samples = capture.samples
    facts: list[SegmentFact] = []
    at = 0
    for start, stop in _sounds(samples):
        if start > at:
            facts.append(_fact(samples, at, start, sound=False))
        facts.append(_fact(samples, start, stop, sound=True))
        at = stop
    if at < len(samples):
        facts.append(_fact(samples, at, len(samples), sound=False))
    return facts


def _fact(samples: Samples, start: int, stop: int, *, sound: bool) -> SegmentFact:
    part = samples[start:stop]
    energy = 0.0
    for begin, end in _blocks(0, len(part)):
        block = part[begin:end].astype(np.float64).ravel()
        energy += float(block @ block)
    return SegmentFact(
        start=start / MIX_RATE,
        end=stop / MIX_RATE,
        sound=sound,
        rms=_decibels(math.sqrt(energy / part.size)),
        peak=_decibels(_peak(part)),
        frequency=_frequency(part) if sound else None,
    )


def _decibels(amplitude: float) -> float | None:
    return 20 * math.log10(amplitude / FULL_SCALE) if amplitude > 0 else None


def _frequency(samples: Samples) -> float | None:
    """Give the strongest frequency in Hz, from the middle of a stretch; within 0.1 Hz for 1 s of a tone."""
    most = 1 << 17
    if len(samples) < WINDOW:
        return None
    skip = max(0, (len(samples) - most) // 2)
    part = samples[skip : skip + most].astype(np.float64)
    mono = part.sum(1)
    if not mono.any():  # the channels cancel each other
        mono = part[:, 0]
    size = 1 << (2 * len(mono) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), size))
    spectrum[0] = 0.0
    top = int(spectrum[:-1].argmax())
    if top == 0 or spectrum[top] == 0:
        return None
    # The peak of a Hann window is nearly a parabola in decibels.
    left, middle, right = np.log(np.maximum(spectrum[top - 1 : top + 2], 1e-12)).tolist()
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend else 0.0
    return (top + shift) * MIX_RATE / size


# --- holes --------------------------------------------------------------------------------------------------


def dropouts(capture: Capture) -> list[tuple[float, float]]:
    """Find holes torn into sound, (at, length) in seconds: at least 1 ms of zeros between two hard edges.

    A pause that was faded out and in is none, nor is one that is longer than a quarter of a second.
    """
    samples = capture.samples
    found: list[tuple[float, float]] = []
    last = -1  # the last sample that isn't zero
    for begin, end in _blocks(0, len(samples)):
        sounding = np.flatnonzero(samples[begin:end].any(1)) + begin
        if not len(sounding):
            continue
        line = np.concatenate(([last], sounding)) if last >= 0 else sounding
        for index in np.flatnonzero(np.diff(line) > SHORTEST_HOLE).tolist():
            start, stop = int(line[index]) + 1, int(line[index + 1])
            if stop - start <= LONGEST_HOLE and _is_hard(samples, start, stop):
                found.append((start / MIX_RATE, (stop - start) / MIX_RATE))
        last = int(sounding[-1])
    return found


def _is_hard(samples: Samples, start: int, stop: int) -> bool:
    before, after = samples[max(0, start - BESIDE) : start], samples[stop : stop + BESIDE]
    return _peak(before) > HARD and _peak(after) > HARD


# --- a clip in it -------------------------------------------------------------------------------------------


def find(capture: Capture, clip: Sound, start: float, end: float) -> list[tuple[float, float]]:
    """Find where a clip occurs between two times (end -1: to the end): (at, score), in order of time.

    The score is the normalised cross-correlation, 1 for the clip itself at any volume; places with less than
    0.5 or nearer than half a clip to a better one are left out.
    """
    pattern = clip[: round(CLIP_SECONDS * MIX_RATE)].mean(1, dtype=np.float32)
    length = len(pattern)
    norm = math.sqrt(float(pattern.astype(np.float64) @ pattern))
    first = max(0, round(start * MIX_RATE))
    last = len(capture.samples) if end < 0 else min(len(capture.samples), round(end * MIX_RATE))
    if not length or norm == 0 or last - first < length:
        return []
    size = 1 << (max(4 * length, 1 << 16) - 1).bit_length()
    turned = np.conj(np.fft.rfft(pattern, size))
    candidates: list[tuple[float, int]] = []
    # Each block gives the scores of `size - length - 1` places, and one more on either side to compare with.
    for begin, stop in _blocks(first, last - length + 1, size - length - 1):
        reach = max(first, begin - 1), min(last - length + 1, stop + 1)
        scores = _scores(capture.samples[reach[0] : reach[1] + length - 1], turned, size, length, norm)
        padded = np.concatenate(([-1.0], scores, [-1.0]))
        tops = (scores >= LEAST_SCORE) & (scores >= padded[:-2]) & (scores > padded[2:])
        for index in np.flatnonzero(tops).tolist():
            place = reach[0] + index
            if begin <= place < stop:
                candidates.append((float(scores[index]), place))
    whole = [found for found in candidates if _is_whole(capture.samples, pattern, found[1])]
    return [(place / MIX_RATE, score) for place, score in _apart(whole, length / 2)]


def _is_whole(samples: Samples, pattern: npt.NDArray[np.float32], place: int) -> bool:
    """Tell whether every quarter of a clip is there: half a tone beside silence correlates well enough else."""
    for start, stop in pairwise(range(0, len(pattern) + 1, max(1, len(pattern) // 4))):
        part = pattern[start:stop].astype(np.float64)
        mono = samples[place + start : place + stop].astype(np.float64).mean(1)
        energy = float(part @ part)
        if energy < LEAST_PART * float(pattern @ pattern) * len(part) / len(pattern):
            continue  # the clip itself is silent there
        level = math.sqrt(energy * float(mono @ mono))
        if level == 0 or float(part @ mono) / level < LEAST_SCORE / 2:
            return False
    return True


def _scores(
    samples: Samples, turned: npt.NDArray[np.complexfloating], size: int, length: int, norm: float
) -> npt.NDArray[np.float64]:
    """Give the score of every place at which the whole clip fits."""
    mono = samples.astype(np.float64).mean(1) / FULL_SCALE
    count = len(mono) - length + 1
    product = np.fft.irfft(np.fft.rfft(mono, size) * turned, size)[:count]
    energy = np.concatenate(([0.0], np.cumsum(mono * mono)))
    level = np.sqrt(np.maximum(energy[length:] - energy[:-length], 0.0))
    floor = math.sqrt(length) / FULL_SCALE  # below one step of 16 bits there is only rounding
    scores: npt.NDArray[np.float64] = np.where(
        level > floor, product / (np.maximum(level, floor) * norm), 0.0
    )
    return scores


def _apart(candidates: list[tuple[float, int]], distance: float) -> list[tuple[int, float]]:
    """Keep the best candidates that lie far enough from each other, in order of place."""
    kept: list[tuple[int, float]] = []
    for score, place in sorted(candidates, key=lambda found: (-found[0], found[1])):
        at = bisect(kept, (place, 0.0))
        near = kept[max(0, at - 1) : at + 1]
        if all(abs(place - other) >= distance for other, _ in near):
            kept.insert(at, (place, min(1.0, score)))
    return kept
