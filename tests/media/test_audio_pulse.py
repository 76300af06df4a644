"""The audio engine on a real device path: PortAudio, ALSA's pulse plugin, PulseAudio, a null sink."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest
from swanbridge_media import messages as m

from tests.media.audio_bench import Bench, running, tone
from tests.media.pulse import Pulse, private_pulse

pytestmark = [pytest.mark.pulse, pytest.mark.realtime]


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    with private_pulse() as pulse:
        yield pulse


@pytest.fixture
def bench(pulse: Pulse) -> Iterator[Bench]:
    with running("real", pulse.environment) as bench:
        bench.attach()
        bench.send(m.OpenSpeaker(900, pulse.sink, 0.02))
        opened = bench.wait_for(m.SpeakerOpened)
        assert (opened.device, opened.name) == (pulse.sink, pulse.sink)
        assert 0 < opened.latency < 0.3
        yield bench


def play(bench: Bench, seconds: float = 30.0) -> m.Edge:
    bench.load(1, tone(440, seconds))
    bench.send(m.StartVoice(1))
    return bench.edge(1, "started")


def positions(bench: Bench) -> list[m.Positions]:
    return [one for one in bench.seen if isinstance(one, m.Positions)]


def wait_for_positions(bench: Bench, more: int) -> m.Positions:
    count = len(positions(bench)) + more
    bench.wait(lambda: len(positions(bench)) >= count)
    return positions(bench)[-1]


def test_a_tone_comes_out_of_the_sound_server_whole(bench: Bench, pulse: Pulse) -> None:
    sound = tone(440, 1.0)
    bench.load(1, sound)
    recorder = pulse.record()
    assert recorder.stdout
    recorder.stdout.read(4 * 480)  # it records
    bench.send(m.StartVoice(1))
    bench.edge(1, "ended")
    heard = np.frombuffer(recorder.stdout.read(4 * 2 * m.MIX_RATE), "<i2").reshape(-1, 2) / 32768
    recorder.kill()
    recorder.wait()
    recorder.stdout.close()
    first = int(np.flatnonzero(np.abs(heard[:, 0]) > 1e-4)[0]) - 1
    assert np.abs(heard[first : first + len(sound)] - sound).max() < 2e-4
    assert not any(isinstance(one, m.Underflow) for one in bench.seen)


def test_lists_name_the_sink_and_do_not_disturb_what_plays(bench: Bench, pulse: Pulse) -> None:
    play(bench)
    wait_for_positions(bench, 1)
    bench.send(m.ListSpeakers(901))
    speakers = bench.wait_for(m.Speakers)
    assert {"virtual", "default", pulse.sink} <= {one.device for one in speakers.speakers}
    assert speakers.problem == ""
    wait_for_positions(bench, 1)
    assert not any(isinstance(one, m.SpeakerLost | m.Underflow) for one in bench.seen)


def test_a_killed_sound_server_is_noticed_and_playing_goes_on_with_the_next(
    bench: Bench, pulse: Pulse
) -> None:
    started = play(bench)
    wait_for_positions(bench, 2)
    killed = time.monotonic()
    pulse.signal(signal.SIGKILL)
    lost = bench.wait_for(m.SpeakerLost)
    assert time.monotonic() - killed < 0.5
    bench.ping()
    pulse.start()
    back = bench.wait_for(m.SpeakerBack)
    after = wait_for_positions(bench, 2)
    silent = back.time - lost.time
    [(_, position)] = after.voices
    assert position == pytest.approx(after.time - started.time - silent, abs=0.03)


def test_a_frozen_sound_server_is_noticed_and_playing_goes_on_when_it_thaws(
    bench: Bench, pulse: Pulse
) -> None:
    started = play(bench)
    wait_for_positions(bench, 1)
    frozen = time.monotonic()
    pulse.signal(signal.SIGSTOP)
    lost = bench.wait_for(m.SpeakerLost)
    assert time.monotonic() - frozen < 0.5
    bench.ping()
    bench.send(m.PauseVoice(1), m.StartVoice(1))  # nothing sounds: "started" has to wait
    bench.edge(1, "paused")
    bench.ping()
    assert len(bench.edges(1, "started")) == 1
    pulse.signal(signal.SIGCONT)
    back = bench.wait_for(m.SpeakerBack)
    bench.edge(1, "started", 2)
    after = wait_for_positions(bench, 2)
    [(_, position)] = after.voices
    silent = back.time - lost.time
    assert position == pytest.approx(after.time - started.time - silent, abs=0.06)


def test_changing_the_speaker_goes_on_where_it_was(bench: Bench, pulse: Pulse) -> None:
    started = play(bench)
    wait_for_positions(bench, 1)
    for rid, device in enumerate(("virtual", "default", pulse.sink), 910):
        bench.send(m.OpenSpeaker(rid, device, 0.02))
        assert bench.wait_for(m.SpeakerOpened, lambda one, rid=rid: one.rid == rid).device == device  # type: ignore[misc]
        after = wait_for_positions(bench, 1)
        [(_, position)] = after.voices
        assert position == pytest.approx(after.time - started.time, abs=0.15)
    bench.send(m.OpenSpeaker(920, "no such thing", 0.02))
    assert "no such thing" in bench.wait_for(m.Failed).message
    wait_for_positions(bench, 1)
