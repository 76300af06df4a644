"""Decoding in this process: every sample is where its time says it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from swanbridge_media.codec.cursor import Cursor, Filling
from swanbridge_media.codec.decoder import Decoder
from swanbridge_media.codec.source import LocalFile
from swanbridge_media.messages import MIX_RATE, RING_FRAMES

if TYPE_CHECKING:
    from tests.media.conftest import Tones

Sound = npt.NDArray[np.float32]

SAMPLE_EXACT = ["wav", "flac", "aiff", "caf", "alac"]
LOSSY = ["mp3", "mp3-vbr", "mp3-plain", "mp3-plain-vbr", "aac", "m4a", "ogg", "opus", "wma"]
# Kinds that say how long the original was; the others end with the last frame of their encoder.
TRIMMED = ["mp3", "mp3-vbr", "m4a", "opus"]


def cursor_on(path: Path) -> Cursor:
    return Cursor(Decoder(LocalFile(os.open(path, os.O_RDONLY))))


def read(
    cursor: Cursor,
    frames: int = 1 << 40,
    *,
    position: float = -1.0,
    rate: float = 1.0,
    loop: bool = False,
    chunk: int = 4800,
) -> tuple[Sound, list[tuple[int, float]]]:
    """Read on until there are `frames` or it ends: the sound, and the marks counted from its start."""
    row = np.zeros((RING_FRAMES, 2), np.float32)
    parts: list[Sound] = []
    marks: list[tuple[int, float]] = []
    got = 0
    while got < frames and (position >= 0 or not cursor.ended):
        filling = Filling(row, 0, min(chunk, frames - got))
        cursor.fill(filling, position, rate, loop)
        position = -1.0
        marks += [(got + offset, place) for offset, place in filling.marks]
        parts.append(row[: filling.written].copy())
        got += filling.written
    return np.concatenate(parts) if parts else row[:0], marks


@pytest.mark.parametrize("kind", SAMPLE_EXACT + LOSSY)
def test_after_a_seek_the_samples_are_those_of_a_straight_run(tones: Tones, kind: str) -> None:
    path = tones.noise(kind)
    straight, _ = read(cursor_on(path))
    cursor = cursor_on(path)
    for position in (0.0, 0.01, 0.5, 1.777123, 2.9, 1.0, 0.123456, 0.0):
        sound, _ = read(cursor, 2400, position=position)
        at = round(position * MIX_RATE)
        assert len(sound) == 2400
        assert np.abs(sound - straight[at : at + 2400]).max() < 1e-3, position


@pytest.mark.parametrize("kind", ["mp3", "mp3-plain-vbr", "aac", "ogg"])
def test_a_seek_into_a_long_file_is_exact_too(tones: Tones, kind: str) -> None:
    path = tones.noise(kind, 30.0)
    straight, _ = read(cursor_on(path))
    cursor = cursor_on(path)
    for position in (29.0, 17.654321):
        sound, _ = read(cursor, 2400, position=position)
        at = round(position * MIX_RATE)
        assert np.abs(sound - straight[at : at + 2400]).max() < 1e-3, position


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 44_101])
def test_every_sample_rate_gives_as_many_frames_as_it_lasts(tones: Tones, rate: int) -> None:
    cursor = cursor_on(tones.tone("wav", 0.7, rate=rate))
    sound, _ = read(cursor)
    assert abs(len(sound) - round(round(0.7 * rate) * MIX_RATE / rate)) <= 1
    assert cursor.duration == pytest.approx(0.7, abs=1 / rate)
    seconds = np.arange(len(sound)) / MIX_RATE
    wanted = 0.5 * np.sin(2 * np.pi * 440 * seconds)
    assert np.abs(sound[480:-480, 0] - wanted[480:-480]).max() < 2e-3


@pytest.mark.parametrize("kind", SAMPLE_EXACT + TRIMMED)
def test_a_second_is_a_second(tones: Tones, kind: str) -> None:
    cursor = cursor_on(tones.tone(kind, 1.0))
    info = cursor.decoder.info()
    sound, _ = read(cursor)
    assert len(sound) == MIX_RATE
    assert cursor.duration == 1.0
    assert info.duration == pytest.approx(1.0, abs=1e-6)
    assert info.exact


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_tones_begin_where_the_original_did(tones: Tones, kind: str) -> None:
    straight, _ = read(cursor_on(tones.noise(kind)))
    original, _ = read(cursor_on(tones.noise("wav", rate=48_000 if kind == "opus" else 44_100)))
    part = original[48_000 : 48_000 + 8192, 0]
    around = straight[48_000 - 4096 : 48_000 + 8192 + 4096, 0]
    shift = int(np.correlate(around, part, "valid").argmax()) - 4096
    declared = {"mp3": 0, "mp3-vbr": 0, "m4a": 0, "opus": 0, "ogg": 0}
    if kind in declared:
        assert shift == declared[kind]
    else:  # ADTS, plain MP3 and WMA don't say how late their encoder was
        assert abs(shift) < 3000


def test_mono_keeps_its_level_on_both_sides(tones: Tones) -> None:
    sound, _ = read(cursor_on(tones.tone("wav", 0.5, layout="mono")))
    assert np.array_equal(sound[:, 0], sound[:, 1])
    assert sound.max() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("layout", ["3.0", "quad", "5.1", "7.1"])
def test_many_channels_fold_to_stereo_without_clipping(tones: Tones, layout: str) -> None:
    sound, _ = read(cursor_on(tones.tone("wav", 0.3, layout=layout, amplitude=1.0)))
    assert len(sound) == round(0.3 * MIX_RATE)
    assert 0.5 < np.abs(sound).max() <= 1.01


@pytest.mark.parametrize("kind", ["aac", "flac"])
def test_eight_planes_are_cut_where_they_are_to_be_cut(tones: Tones, kind: str) -> None:
    path = tones.noise(kind, 1.0, layout="7.1")
    straight, _ = read(cursor_on(path))
    sound, _ = read(cursor_on(path), 2400, position=0.5)
    assert np.abs(straight).max() > 0.1
    assert np.abs(sound - straight[24_000:26_400]).max() < 1e-3


@pytest.mark.parametrize("kind", ["wav", "mp3", "m4a", "flac"])
def test_a_tone_that_fits_loops_without_a_seam(tones: Tones, kind: str) -> None:
    cursor = cursor_on(tones.tone(kind, 0.5))
    sound, marks = read(cursor, 3 * MIX_RATE, loop=True)
    assert len(sound) == 3 * MIX_RATE
    assert marks == [(24_000 * wrap, 0.0) for wrap in range(1, 6)]
    # A seam would be a jump; the steepest step of the tone itself is 0.029.
    seams = np.abs(np.diff(sound[:, 0]))
    tolerance = 0.031 if kind in ("wav", "flac") else 0.06
    assert seams.max() < tolerance


def test_a_loop_of_an_odd_length_keeps_time(tones: Tones) -> None:
    path = tones.tone("wav", 0.1234)
    seconds = round(0.1234 * 44_100) / 44_100
    _, marks = read(cursor_on(path), MIX_RATE, loop=True)
    assert len(marks) == int(1 / seconds)
    for wrap, (frame, position) in enumerate(marks, 1):
        assert frame / MIX_RATE - position == pytest.approx(wrap * seconds, abs=1e-9)
        assert 0 <= position < 1 / MIX_RATE


def test_beyond_the_end_there_is_nothing(tones: Tones) -> None:
    cursor = cursor_on(tones.tone("mp3", 1.0))
    sound, _ = read(cursor, 100, position=7.0)
    assert len(sound) == 0
    assert cursor.ended
    assert cursor.duration == 1.0
    again, _ = read(cursor, position=0.5)
    assert len(again) == 24_000


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.5, 2.0])
def test_another_rate_keeps_the_pitch_and_the_position(tones: Tones, rate: float) -> None:
    cursor = cursor_on(tones.tone("wav", 4.0))
    sound, _ = read(cursor, position=1.0, rate=rate)
    assert len(sound) == pytest.approx(3 * MIX_RATE / rate, rel=0.01)
    spectrum = np.abs(np.fft.rfft(sound[:32_768, 0] * np.hanning(32_768)))
    assert spectrum.argmax() * MIX_RATE / 32_768 == pytest.approx(440, abs=2)
    read(cursor, MIX_RATE // 2, position=1.0, rate=rate)
    filling = Filling(np.zeros((RING_FRAMES, 2), np.float32), 0, 10)
    cursor.fill(filling, -1.0, rate, False)
    assert filling.position == pytest.approx(1.0 + rate / 2)


def test_chunks_make_no_difference(tones: Tones) -> None:
    path = tones.noise("mp3")
    whole, _ = read(cursor_on(path))
    for chunk in (1, 777, 24_000):
        frames = 2000 if chunk == 1 else 1 << 40
        pieces, _ = read(cursor_on(path), frames, chunk=chunk)
        assert np.array_equal(pieces, whole[: len(pieces)])
