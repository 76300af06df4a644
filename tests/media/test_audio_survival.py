"""The audio engine as a process: dead and lying decoders, full disks, and real time without a device."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from swanbridge_media import messages as m

from tests.media.audio_bench import Bench, running, tone


@pytest.fixture
def bench() -> Iterator[Bench]:
    with running("virtual") as bench:
        bench.attach()
        yield bench


@pytest.fixture
def real() -> Iterator[Bench]:
    with running("real") as bench:
        bench.attach()
        yield bench


def test_unknown_voices_and_captures_harm_nobody(bench: Bench) -> None:
    bench.send(m.StartVoice(9), m.PauseVoice(9), m.SeekVoice(9, 1.0, 1), m.TuneVoice(9, 1.0, True, 2.0))
    bench.send(m.FreeVoice(9), m.DropClip(9), m.StopCapture(500, 9))
    assert bench.wait_for(m.Failed).kind == "gone"
    bench.ping()


def test_a_dead_link_fails_its_voices_where_they_are_and_no_others(bench: Bench) -> None:
    second = bench.attach(1)
    bench.load(1, tone(220, 5.0))
    bench.load(2, tone(330, 1.0), decoder=1)
    bench.decoders[0].send_clip(3, tone(440, 1.0))
    bench.load(3, clip=3)
    bench.send(m.StartVoice(1), m.StartVoice(2), m.StartVoice(3))
    bench.render(0.6)
    bench.decoders.pop(0).peer.close()
    failed = bench.edge(1, "failed")
    assert (failed.fault, failed.time) == ("gone", 0.6)
    assert failed.position == pytest.approx(0.6)
    bench.render_through(2.0)
    assert bench.edge(2, "ended").time == 1.0
    assert bench.edge(3, "ended").time == 1.0
    bench.attach(0)
    bench.load(1, tone(220, 5.0), position=0.6)
    bench.send(m.StartVoice(1))
    assert bench.edge(1, "started").position == pytest.approx(0.0)
    assert bench.edge(1, "started", 2).position == pytest.approx(0.6)
    assert second.dropped == []


def test_a_decoder_that_talks_rubbish_is_dropped(bench: Bench) -> None:
    bench.load(1, tone(220, 1.0))
    bench.decoders[0].peer.socket.send(b"\xc1rubbish")
    assert bench.edge(1, "failed").fault == "gone"
    bench.ping()


def test_rubbish_samples_are_silent_and_spoil_no_other_voice(bench: Bench) -> None:
    good, bad = tone(220, 0.5), tone(330, 0.5)
    bad[5000:6000] = np.nan
    bad[7000] = np.inf
    bench.load(1, good, owner=1)
    bench.load(2, bad, owner=2)
    mix, share = bench.capture(1), bench.capture(2, owner=1)
    bench.send(m.StartVoice(1), m.StartVoice(2))
    bench.render_through(0.5)
    heard, _ = bench.stop(mix, 1)
    assert np.abs(heard - good - np.nan_to_num(bad, nan=0.0, posinf=0.0)).max() < 1e-4
    heard, _ = bench.stop(share, 2)
    assert np.array_equal(heard, good)


def test_decoding_that_breaks_off_is_told_after_what_there_was(bench: Bench) -> None:
    decoder = bench.decoders[0]
    decoder.broken_at[1] = 30_000
    bench.load(1, tone(220, 5.0))
    bench.send(m.StartVoice(1))
    assert bench.render(5) == 30_000 / m.MIX_RATE
    failed = bench.edge(1, "failed")
    assert (failed.fault, failed.error, failed.position) == ("format", "broken", 30_000 / m.MIX_RATE)
    decoder.broken_at[2] = 0
    decoder.media[2] = tone(220, 1.0)
    bench.send(m.LoadVoice(2, 1, 0, 2, -1, 0.0, 1.0, False, 1.0))
    assert bench.edge(2, "failed").fault == "format"


def test_the_virtual_clock_waits_for_a_slow_decoder(bench: Bench) -> None:
    sound = tone(220, 1.0)
    bench.load(1, sound)
    decoder = bench.decoders[0]
    decoder.hold()
    capture = bench.capture()
    bench.send(m.StartVoice(1), m.Render(800, m.MIX_RATE))
    bench.wait(lambda: bool(decoder.held))
    bench.ping()
    assert not any(isinstance(one, m.Rendered) for one in bench.seen)
    decoder.release()
    bench.wait_for(m.Rendered)
    heard, facts = bench.stop(capture)
    assert np.array_equal(heard, sound)
    assert facts.dropouts == []


def test_a_capture_on_a_full_disk_ends_with_what_it_has(bench: Bench) -> None:
    bench.load(1, tone(220, 5.0))
    descriptor = os.open("/dev/full", os.O_RDWR)
    bench.control.send(m.StartCapture(700, 4, -1), descriptor)
    os.close(descriptor)
    bench.send(m.StartVoice(1))
    bench.render(3.0)
    bench.send(m.StopCapture(701, 4))
    assert bench.wait_for(m.CaptureStopped, lambda one: one.rid == 701).frames == 0
    bench.ping()


def test_a_running_capture_can_be_read(bench: Bench, tmp_path: Path) -> None:
    sound = tone(220, 1.0)
    bench.load(1, sound)
    descriptor = bench.capture(1, file=tmp_path / "capture.wav")
    bench.send(m.StartVoice(1))
    bench.render(0.4)
    bench.send(m.FlushCapture(702, 1))
    assert bench.wait_for(m.CaptureStopped).frames == round(0.4 * m.MIX_RATE)
    assert (tmp_path / "capture.wav").stat().st_size == 44 + 4 * round(0.4 * m.MIX_RATE)
    bench.render(5.0)
    heard, _ = bench.stop(descriptor)
    assert np.array_equal(heard, sound)


@pytest.mark.realtime
def test_real_time_starts_at_once_and_ends_on_time(real: Bench) -> None:
    sound = tone(220, 0.4)
    real.load(1, sound)
    capture = real.capture()
    asked = time.monotonic()
    real.send(m.StartVoice(1))
    started = real.edge(1, "started")
    told = time.monotonic()
    ended = real.edge(1, "ended")
    assert told - asked < 0.05
    assert abs(started.time - asked) < 0.05
    assert ended.time - started.time == pytest.approx(0.4, abs=1e-6)
    assert abs(time.monotonic() - ended.time) < 0.05
    heard, facts = real.stop(capture)
    first = int(np.flatnonzero(heard[:, 0])[0]) - 1
    assert np.array_equal(heard[first : first + len(sound)], sound)
    assert facts.dropouts == []


@pytest.mark.realtime
def test_starving_is_told_to_the_sample_and_sound_comes_back_whole(real: Bench) -> None:
    sound = tone(220, 2.0)
    real.load(1, sound)
    decoder = real.decoders[0]
    decoder.hold()
    capture = real.capture()
    real.send(m.StartVoice(1))
    starved = real.edge(1, "starved")
    decoder.release()
    fed = real.edge(1, "fed")
    assert fed.position == starved.position
    real.edge(1, "ended")
    heard, facts = real.stop(capture)
    [(at, length)] = facts.dropouts
    hole = slice(round(at * m.MIX_RATE), round((at + length) * m.MIX_RATE))
    assert not heard[hole].any()
    whole = np.concatenate((heard[: hole.start], heard[hole.stop :]))
    first = int(np.flatnonzero(whole[:, 0])[0]) - 1
    assert np.array_equal(whole[first : first + len(sound)], sound)
    assert length == pytest.approx(fed.time - starved.time, abs=1e-6)


@pytest.mark.realtime
def test_a_suspended_engine_does_not_rush_after_the_clock(real: Bench) -> None:
    real.load(1, tone(220, 1.0))
    real.send(m.StartVoice(1))
    real.edge(1, "started")
    real.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, real.process.pid, os.WSTOPPED)
    with pytest.raises(AssertionError, match="in vain"):
        real.wait(lambda: False, 0.5)
    real.process.send_signal(signal.SIGCONT)
    lost = real.wait_for(m.Underflow).frames
    started, ended = real.edge(1, "started"), real.edge(1, "ended")
    assert lost > 0.2 * m.MIX_RATE
    assert ended.time - started.time == pytest.approx(1.0 + lost / m.MIX_RATE, abs=1e-6)
    assert abs(time.monotonic() - ended.time) < 0.05


@pytest.mark.realtime
def test_without_portaudio_the_virtual_speaker_works_and_says_what_to_install(tmp_path: Path) -> None:
    # What the real package does on import where the library is missing.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    with running("real", python_path=tmp_path) as real:
        real.send(m.ListSpeakers(1))
        speakers = real.wait_for(m.Speakers)
        assert [one.device for one in speakers.speakers] == ["virtual"]
        assert "libportaudio2" in speakers.problem
        real.send(m.OpenSpeaker(2, "default", 0.02))
        assert real.wait_for(m.Failed).kind == "system"
        real.send(m.OpenSpeaker(3, "virtual", 0.02))
        assert real.wait_for(m.SpeakerOpened).device == "virtual"
