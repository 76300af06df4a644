"""What a capture is found to hold."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from swanbridge_media import messages as m

if TYPE_CHECKING:
    from tests.media.conftest import DecoderChild, Tones

Wave = npt.NDArray[np.float64]


def write_capture(path: Path, wave: Wave, *, declared: int = -1) -> Path:
    """Write mono sound as the audio engine does: 16 bits, stereo, at the mix rate."""
    data = np.repeat(np.round(wave * 32_767).astype("<i2"), 2).tobytes()
    form = struct.pack("<HHIIHH", 1, 2, 48_000, 192_000, 4, 16)
    length = len(data) if declared < 0 else declared
    head = b"RIFF" + struct.pack("<I", (36 + length) & 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16)
    path.write_bytes(head + form + b"data" + struct.pack("<I", length) + data)
    return path


def tone(frames: int, frequency: float, amplitude: float = 0.5, phase: float = 0.5) -> Wave:
    wave: Wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(frames) / 48_000 + phase)
    return wave


def describe(child: DecoderChild, path: Path) -> m.Described:
    answer = child.ask(m.DescribeCapture(child.rid()), path)
    assert isinstance(answer, m.Described), answer
    return answer


def find(
    child: DecoderChild, path: Path, media: int, start: float = 0.0, end: float = -1.0
) -> list[tuple[float, float]]:
    answer = child.ask(m.FindClip(child.rid(), media, start, end), path)
    assert isinstance(answer, m.Found), answer
    return answer.matches


def test_sound_and_silence_are_told_apart_to_the_sample(busy_child: DecoderChild, tmp_path: Path) -> None:
    wave = np.zeros(48_000 * 4)
    wave[10_007:70_011] = tone(60_004, 440.3)
    wave[100_000:150_001] = tone(50_001, 1234.56, 0.1)
    described = describe(busy_child, write_capture(tmp_path / "a.wav", wave))
    assert described.duration == 4.0
    assert described.dropouts == []
    edges = [
        (round(fact.start * 48_000), round(fact.end * 48_000), fact.sound) for fact in described.segments
    ]
    assert edges == [
        (0, 10_007, False),
        (10_007, 70_011, True),
        (70_011, 100_000, False),
        (100_000, 150_001, True),
        (150_001, 192_000, False),
    ]
    silence, first, _, second, _ = described.segments
    assert (silence.rms, silence.peak, silence.frequency) == (None, None, None)
    assert first.frequency == pytest.approx(440.3, abs=0.1)
    assert second.frequency == pytest.approx(1234.56, abs=0.1)
    assert first.peak == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert first.rms == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.02)


def test_a_whisper_below_sixty_decibels_is_silence_with_a_level(
    busy_child: DecoderChild, tmp_path: Path
) -> None:
    described = describe(busy_child, write_capture(tmp_path / "a.wav", tone(48_000, 440, 0.0005)))
    assert [fact.sound for fact in described.segments] == [False]
    assert described.segments[0].peak == pytest.approx(20 * np.log10(0.0005), abs=0.6)


def test_short_silences_belong_to_the_sound(busy_child: DecoderChild, tmp_path: Path) -> None:
    wave = tone(48_000, 440)
    wave[20_000:22_000] = 0
    described = describe(busy_child, write_capture(tmp_path / "a.wav", wave))
    assert [fact.sound for fact in described.segments] == [True]


def test_a_torn_hole_is_a_dropout_and_a_faded_pause_is_none(busy_child: DecoderChild, tmp_path: Path) -> None:
    wave = tone(48_000 * 2, 440)
    wave[20_005:20_485] = 0
    fade = np.linspace(1, 0, 240)
    wave[50_000:50_240] *= fade
    wave[50_240:52_000] = 0
    wave[52_000:52_240] *= fade[::-1]
    wave[70_000:70_020] = 0  # too short
    described = describe(busy_child, write_capture(tmp_path / "a.wav", wave))
    assert [(round(at * 48_000), round(length * 48_000)) for at, length in described.dropouts] == [
        (20_005, 480)
    ]


def test_a_running_capture_is_read_as_far_as_it_goes(busy_child: DecoderChild, tmp_path: Path) -> None:
    for declared in (0, 0xFFFFFFFF):
        path = write_capture(tmp_path / "a.wav", tone(24_000, 440), declared=declared)
        assert describe(busy_child, path).duration == 0.5


def test_a_capture_without_a_sample_has_no_segments(busy_child: DecoderChild, tmp_path: Path) -> None:
    described = describe(busy_child, write_capture(tmp_path / "a.wav", np.zeros(0)))
    assert (described.duration, described.segments, described.dropouts) == (0.0, [], [])


def test_what_is_no_capture_is_refused(busy_child: DecoderChild, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"no capture")
    answer = busy_child.ask(m.DescribeCapture(busy_child.rid()), path)
    assert isinstance(answer, m.Failed)
    assert answer.kind == "format"


def test_a_clip_is_found_to_the_sample_at_any_volume(
    busy_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    path = tones.noise("mp3", 1.0)
    assert isinstance(busy_child.open(path, 1), m.MediaOpened)
    sound, _ = busy_child.play(1, 1)
    wave = tone(48_000 * 6, 333, 0.02)
    clip = sound[:, 0].astype(np.float64)
    wave[12_345 : 12_345 + len(clip)] += clip
    wave[144_001 : 144_001 + len(clip)] += 0.2 * clip
    capture = write_capture(tmp_path / "a.wav", np.clip(wave, -1, 1))
    matches = find(busy_child, capture, 1)
    assert [round(at * 48_000) for at, _ in matches] == [12_345, 144_001]
    assert matches[0][1] > 0.95
    assert 0.5 < matches[1][1] <= 1
    within = find(busy_child, capture, 1, 2.0, 5.0)
    assert [round(at * 48_000) for at, _ in within] == [144_001]
    assert find(busy_child, capture, 1, 3.5, 6.0) == []


def test_a_clip_is_found_across_blocks_of_a_long_capture(
    busy_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    path = tones.noise("wav", 0.3, rate=48_000)
    assert isinstance(busy_child.open(path, 1), m.MediaOpened)
    sound, _ = busy_child.play(1, 1)
    clip = sound[:, 0].astype(np.float64)
    places = [0, 51_133, 65_536, 102_270, 300_000, 960_000 - len(clip)]
    wave = np.zeros(960_000)
    for place in places:
        wave[place : place + len(clip)] += clip
    matches = find(busy_child, write_capture(tmp_path / "a.wav", np.clip(wave, -1, 1)), 1)
    assert [round(at * 48_000) for at, _ in matches] == places


def test_half_a_tone_beside_silence_is_no_match(
    busy_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    assert isinstance(busy_child.open(tones.tone("wav", 1.0, rate=48_000), 1), m.MediaOpened)
    sound, _ = busy_child.play(1, 1)
    wave = np.zeros(48_000 * 4)
    wave[48_000 : 48_000 + len(sound)] = sound[:, 0]
    matches = find(busy_child, write_capture(tmp_path / "a.wav", wave), 1)
    assert [round(at, 3) for at, _ in matches] == [1.0]


def test_a_clip_that_is_not_open_cannot_be_found(busy_child: DecoderChild, tmp_path: Path) -> None:
    path = write_capture(tmp_path / "a.wav", np.zeros(4800))
    answer = busy_child.ask(m.FindClip(busy_child.rid(), 4711, 0.0, -1.0), path)
    assert isinstance(answer, m.Failed)
    assert answer.kind == "gone"
