"""The daemon on a real device path: PortAudio, ALSA's pulse plugin, PulseAudio, a null sink."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from swanbridge_testing.daemon import RunningDaemon

from tests.engines.wreck import Wreck, told
from tests.media.pulse import Pulse, private_pulse
from tests.services.media import Media
from tests.services.program import Program

pytestmark = [pytest.mark.pulse, pytest.mark.realtime]

RATE = 48_000
LATENCY = 0.1  # seconds from mixing to hearing; an end is told when it is heard
KINDS = {"mp3": 440.0, "aac": 550.0, "wav": 660.0, "flac": 770.0, "ogg": 880.0}


class Recording:
    """What the sink plays, kept while it is recorded: `sound` (frames, 2), full scale 1."""

    def __init__(self, pulse: Pulse) -> None:
        self._process = pulse.record()
        self._pieces: list[bytes] = []
        assert self._process.stdout is not None
        self._pieces.append(self._process.stdout.read(4 * 480))  # it records
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := self._process.stdout.read(4 * 480):
            self._pieces.append(piece)

    def stop(self) -> np.ndarray:
        """End it."""
        self._process.terminate()
        self._thread.join()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        data = b"".join(self._pieces)
        return np.frombuffer(data[: len(data) // 4 * 4], "<i2").reshape(-1, 2) / 32768


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    with private_pulse() as pulse:
        yield pulse


@pytest.fixture
def wreck(media: Media, pulse: Pulse) -> Iterator[Wreck]:
    """A daemon that must play through the server's sink."""
    packages = ("--package-dir", str(media.folder.parent))
    with RunningDaemon(
        clock="real", devices="hardware", arguments=packages, environment=pulse.environment
    ) as daemon:
        (daemon.home / ".asoundrc").write_text((pulse.folder / ".asoundrc").read_text())
        wreck = Wreck(daemon, media.folder)
        try:
            wreck.until(lambda: wreck.ready()["speaker"]["device"] == "default")
            yield wreck
            wreck.end_programs()
        finally:
            wreck.close()


def playing(program: Program, source: str) -> None:
    """Have context "a" play, well under way."""
    context = program.context("a", src=source)
    context.do("play")
    program.wait_for("onTimeUpdate", "a", 3)


def test_five_files_of_ten_seconds_come_out_of_the_sound_server_whole(
    wreck: Wreck, media: Media, pulse: Pulse
) -> None:
    program = wreck.program()
    for kind, frequency in KINDS.items():
        program.context(kind, src=media.tone(kind, 10.0, frequency=frequency), volume=0.19)
    for kind in KINDS:
        program.wait_for("onCanplay", kind)
    recording = Recording(pulse)
    for kind in KINDS:
        program.call("innerAudioContext.play", contextId=kind)
    for kind in KINDS:
        program.wait_for("onEnded", kind)
    sound = recording.stop()[:, 0]
    starts = {}
    for kind, frequency in KINDS.items():
        duration = media.true_duration(media.tone(kind, 10.0, frequency=frequency))
        assert told(program, kind) == ["onCanplay", "onPlay", "onEnded"]
        start, ended = program.of(kind, "onPlay")[0]["at"], program.of(kind, "onEnded")[0]
        starts[kind] = start
        assert abs(ended["at"] - start - duration) < 0.05
        updates = program.of(kind, "onTimeUpdate")
        early = updates[4]  # its place is what was heard
        assert ended["at"] - early["at"] == pytest.approx(duration - early["currentTime"], abs=0.05)
        assert 38 <= len(updates) <= 42
        for earlier, later in pairwise(updates):
            assert later["at"] - earlier["at"] >= 0.015
            assert later["currentTime"] > earlier["currentTime"]
        assert np.median(np.diff([one["at"] for one in updates[:-1]])) == pytest.approx(0.25, abs=0.01)
    first = int(np.flatnonzero(np.abs(sound) > 0.01)[0])
    time_ = np.arange(len(sound)) / RATE
    onsets = {}
    for kind, frequency in KINDS.items():
        mixed = sound * np.exp(-2j * np.pi * frequency * time_)
        parts = mixed[: len(mixed) // 4800 * 4800].reshape(-1, 4800).mean(axis=1)  # 100 ms, whole beats
        inside = parts[first // 4800 + 3 : first // 4800 + 96]
        assert np.abs(inside).min() == pytest.approx(0.19 * 0.5 / 2, rel=0.1)
        # A drop-out or a repeated block would turn the phase for good.
        assert np.abs(np.angle(inside / inside[0])).max() < 0.15
        level = np.abs(np.convolve(mixed[: first + RATE], np.ones(480) / 480, "same"))
        onsets[kind] = int(np.flatnonzero(level > 0.19 * 0.5 / 4)[0]) / RATE
    for kind in KINDS:
        apart = (onsets[kind] - onsets["mp3"]) - (starts[kind] - starts["mp3"])
        assert abs(apart) < 0.05


def test_devices_are_listed_and_changed_while_something_plays(
    wreck: Wreck, media: Media, pulse: Pulse
) -> None:
    program = wreck.program()
    devices = {one["deviceId"]: one for one in program.call("device.list")["devices"]}
    assert {"virtual", "default", pulse.sink} <= devices.keys()
    assert [one["deviceId"] for one in devices.values() if one["selected"]] == ["default"]
    assert devices["virtual"]["virtual"]
    assert not devices[pulse.sink]["virtual"]
    playing(program, media.tone("mp3", 4.0))
    for device in ("virtual", pulse.sink, "default"):
        program.call("device.select", kind="speaker", deviceId=device)
        assert wreck.ready()["speaker"]["device"] == device
        selected = [one["deviceId"] for one in program.call("device.list")["devices"] if one["selected"]]
        assert selected == [device]
    assert program.refusal("device.select", kind="speaker", deviceId="nowhere").text
    recording = Recording(pulse)
    program.wait_for("onEnded", "a")
    assert np.abs(recording.stop()).max() > 0.4
    assert told(program, "a") == ["onCanplay", "onPlay", "onEnded"]


def test_a_killed_sound_server_costs_a_wait_and_no_sound(wreck: Wreck, media: Media, pulse: Pulse) -> None:
    program = wreck.program()
    playing(program, media.tone("mp3", 4.0))
    killed = _daemon_time(program)
    pulse.signal(signal.SIGKILL)
    waiting = program.wait_for("onWaiting", "a")
    assert waiting["at"] - killed < 0.5
    pulse.start()
    again = program.wait_for("onPlay", "a", 2)
    _went_on(program, media, waiting["currentTime"], again)


def test_a_frozen_sound_server_is_noticed_within_half_a_second(
    wreck: Wreck, media: Media, pulse: Pulse
) -> None:
    program = wreck.program()
    playing(program, media.tone("flac", 4.0))
    frozen = _daemon_time(program)
    pulse.signal(signal.SIGSTOP)
    waiting = program.wait_for("onWaiting", "a")
    assert waiting["at"] - frozen < 0.5
    pulse.signal(signal.SIGCONT)
    again = program.wait_for("onPlay", "a", 2)
    _went_on(program, media, waiting["currentTime"], again)


def _daemon_time(program: Program) -> float:
    now: float = program.call("clock.now")["now"]
    return now


def _went_on(program: Program, media: Media, place: float, again: dict[str, float]) -> None:
    assert again["currentTime"] == pytest.approx(place, abs=0.3)
    ended = program.wait_for("onEnded", "a")
    assert ended["at"] - again["at"] == pytest.approx(4.0 - again["currentTime"], abs=0.05 + LATENCY)
    assert told(program, "a") == ["onCanplay", "onPlay", "onWaiting", "onPlay", "onEnded"]


def test_the_audio_engine_killed_opens_the_same_speaker_again(
    wreck: Wreck, media: Media, pulse: Pulse
) -> None:
    program = wreck.program()
    program.call("device.select", kind="speaker", deviceId=pulse.sink)
    playing(program, media.tone("wav", 4.0))
    former = wreck.strike("audio")
    wreck.back("audio", former)
    again = program.wait_for("onPlay", "a", 2)
    wreck.until(lambda: wreck.ready()["speaker"]["device"] == pulse.sink)
    recording = Recording(pulse)
    ended = program.wait_for("onEnded", "a")
    assert np.abs(recording.stop()).max() > 0.4
    assert ended["at"] - again["at"] == pytest.approx(4.0 - again["currentTime"], abs=0.2)
