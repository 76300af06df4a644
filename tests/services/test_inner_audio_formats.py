"""Every format of facts 2.10 that can be made here: it ends when it should, and its sound was really heard."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.services.media import KINDS, Media
from tests.services.program import Heard, Program

SAMPLE = 1 / 48_000
ROUNDED = 1e-6  # the wire has six decimals
TEN_SECONDS = ["mp3", "aac", "wav", "flac", "ogg"]
OTHERS = [kind for kind in KINDS if kind not in TEN_SECONDS]
EDGE = 0.08  # seconds at both ends where a coder may fade


def check_tone(sound: Heard, rate: int, start: float, end: float, *, frequency: float, level: float) -> None:
    """Check that a steady tone, and nothing else, is there between two times without the smallest hole."""
    part = sound[round((start + EDGE) * rate) : round((end - EDGE) * rate), 0]
    windows = part[: len(part) // 240 * 240].reshape(-1, 240)  # 5 ms: two periods of 440 Hz
    levels = np.sqrt((windows**2).mean(axis=1))
    assert levels.min() > 0.6 * level / np.sqrt(2)
    assert levels.max() < 1.4 * level / np.sqrt(2)
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    assert spectrum.argmax() * rate / len(part) == pytest.approx(frequency, abs=1)
    # A torn or repeated stretch bends the phase: compare each 50 ms with one ideal tone.
    time = np.arange(len(part)) / rate
    mixed = part * np.exp(-2j * np.pi * frequency * time)
    phases = np.angle(mixed[: len(mixed) // 2400 * 2400].reshape(-1, 2400).mean(axis=1))
    assert np.abs(np.angle(np.exp(1j * (phases - phases[0])))).max() < 0.2


def play_and_check(program: Program, media: Media, source: str, *, exact: bool) -> None:
    duration = media.true_duration(source)
    context = program.context(src=source)
    now = program.advance()
    program.advance(math.ceil(now) - now)  # to where a sample begins
    capture = program.capture()
    program.advance(0.5)
    context.do("play")
    program.advance(duration + 1)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    start, ended = context.events("onPlay")[0]["at"], context.events("onEnded")[0]
    # Not a sample more or less than the file has; a file at another rate may round up to one of ours.
    tolerance = SAMPLE + ROUNDED if exact else 0.05
    assert ended["at"] - start == pytest.approx(duration, abs=tolerance)
    assert (
        ended["currentTime"] == ended["duration"] == pytest.approx(ended["at"] - start, abs=SAMPLE + ROUNDED)
    )
    description = program.describe(capture)
    assert description["dropouts"] == []
    sounds = [one for one in description["segments"] if one["kind"] == "sound"]
    assert len(sounds) == 1
    assert sounds[0]["dominantFrequency"] == pytest.approx(440, abs=2)
    assert sounds[0]["start"] == pytest.approx(0.5, abs=EDGE)
    # A steady tone resembles itself where half of it is, too; the best match is the true one.
    best = max(program.find(capture, source), key=lambda match: match["score"])
    assert best["at"] == pytest.approx(0.5, abs=0.003)
    assert best["score"] > 0.99
    sound, rate = program.heard(capture)
    assert rate == 48_000
    assert sound.shape[1] == 2
    check_tone(sound, rate, 0.5, 0.5 + duration, frequency=440, level=0.5)
    assert np.abs(sound[: round(0.499 * rate)]).max() == 0
    assert np.abs(sound[round((0.5 + duration + 0.05) * rate) :]).max() == 0


@pytest.mark.parametrize("kind", TEN_SECONDS)
def test_ten_seconds_are_heard_from_the_first_to_the_last_sample(
    program: Program, media: Media, kind: str
) -> None:
    play_and_check(program, media, media.tone(kind, 10.0), exact=True)


@pytest.mark.parametrize("kind", OTHERS)
def test_every_kind_of_file_is_heard(program: Program, media: Media, kind: str) -> None:
    play_and_check(program, media, media.tone(kind, 1.5), exact=KINDS[kind].exact)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 48_000, 96_000])
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_every_rate_is_heard_at_its_pitch(program: Program, media: Media, kind: str, rate: int) -> None:
    play_and_check(program, media, media.tone(kind, 1.0, rate=rate), exact=True)


@pytest.mark.parametrize("kind", ["mp3", "m4a"])
@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_coded_rates_are_heard_at_their_pitch(program: Program, media: Media, kind: str, rate: int) -> None:
    play_and_check(program, media, media.tone(kind, 1.0, rate=rate), exact=True)


@pytest.mark.parametrize(("kind", "layout"), [("wav", "mono"), ("mp3", "mono"), ("flac", "mono")])
def test_one_channel_is_heard_on_both_sides(program: Program, media: Media, kind: str, layout: str) -> None:
    play_and_check(program, media, media.tone(kind, 1.0, layout=layout), exact=True)


@pytest.mark.parametrize("kind", ["wav", "flac", "m4a"])
def test_six_channels_are_folded_to_two(program: Program, media: Media, kind: str) -> None:
    source = media.tone(kind, 1.0, layout="5.1")
    context = program.context(src=source, volume=0.2)
    capture = program.capture()
    context.do("play")
    program.advance(2.0)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    sound, _ = program.heard(capture)
    left, right = np.sqrt((sound[4_800:43_200] ** 2).mean(axis=0))
    assert left == pytest.approx(right, rel=0.01)
    assert left > 0.05


@pytest.mark.parametrize("kind", ["wav", "mp3", "mp3-vbr", "m4a", "flac", "ogg-opus"])
def test_a_seek_is_heard_from_the_exact_place(program: Program, media: Media, kind: str) -> None:
    source = media.noise(kind, 6.0)
    context = program.context(src=source)
    first = program.capture()
    context.do("play")
    program.advance(6.5)
    full, rate = program.heard(first)
    second = program.capture()
    context.seek(2.5)
    context.do("play")
    program.advance(1.0)
    after, _ = program.heard(second)
    # Some 10 ms for the fade-in and for coders that need a run-up.
    expected = full[round(2.52 * rate) : round(3.4 * rate), 0]
    got = after[round(0.02 * rate) : round(0.9 * rate), 0]
    assert len(expected) == len(got)
    similarity = float(np.dot(expected, got) / np.sqrt(np.dot(expected, expected) * np.dot(got, got)))
    assert similarity > 0.999


def test_ten_minutes_pass_with_every_event(program: Program, media: Media) -> None:
    source = media.tone("mp3", 600.0, rate=16_000, layout="mono")
    context = program.context(src=source)
    context.do("play")
    program.advance(601.0)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    updates = context.events("onTimeUpdate")
    assert len(updates) == 2400
    times = [one["currentTime"] for one in updates]
    assert times == sorted(times)
    assert [round(time * 4) for time in times] == list(range(1, 2401))
    assert context.events("onEnded")[0]["currentTime"] == pytest.approx(600.0, abs=SAMPLE)
    took = context.events("onEnded")[0]["at"] - context.events("onPlay")[0]["at"]
    assert took == pytest.approx(600.0, abs=SAMPLE + ROUNDED)
