"""The audio engine as a process, on the virtual clock: what is heard, to the sample, and when it is told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from swanbridge_media import messages as m

from tests.media.audio_bench import Bench, Floats, running, tone

FADE = 240
CLOSE = 1 / 32768  # captures are 16-bit


@pytest.fixture
def bench() -> Iterator[Bench]:
    with running("virtual") as bench:
        bench.attach()
        yield bench


def steepest(sound: Floats) -> float:
    return float(np.abs(np.diff(sound[:, 0])).max())


def test_a_voice_is_heard_to_the_sample_and_ends_at_the_exact_frame(bench: Bench) -> None:
    sound = tone(440, 1.0001)
    bench.load(1, sound)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    assert bench.render(5) == pytest.approx(len(sound) / m.MIX_RATE, abs=1e-9)
    assert bench.render(5) == 5
    heard, facts = bench.stop(capture)
    assert np.array_equal(heard[: len(sound)], sound)
    assert not heard[len(sound) :].any()
    assert facts.frames == 5 * m.MIX_RATE
    assert facts.dropouts == []
    assert bench.edge(1, "started").time == 0
    ended = bench.edge(1, "ended")
    assert (ended.time, ended.position, ended.duration) == pytest.approx(
        (len(sound) / m.MIX_RATE,) * 3, abs=1e-9
    )


def test_two_voices_add_up_to_the_sample(bench: Bench) -> None:
    low, high = tone(200, 1.0), tone(900, 0.7)
    bench.load(1, low)
    bench.load(2, high, gain=0.5)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    bench.render(0.123)
    bench.send(m.StartVoice(2))
    bench.render_through(1.0)
    heard, _ = bench.stop(capture)
    expected = low.copy()
    at = round(0.123 * m.MIX_RATE)
    expected[at : at + len(high)] += high * 0.5
    assert np.abs(heard - expected).max() <= CLOSE
    assert bench.edge(2, "ended").time == pytest.approx(0.823)


def test_a_share_holds_only_its_owners_voices(bench: Bench) -> None:
    mine, theirs = tone(200, 0.5), tone(900, 0.5)
    bench.load(1, mine, owner=7)
    bench.load(2, theirs, owner=8)
    share, mix = bench.capture(1, owner=7), bench.capture(2)
    bench.send(m.StartVoice(1), m.StartVoice(2))
    bench.render_through(0.2)
    bench.send(m.FreeVoice(1))  # its tail still is its owner's
    bench.render_through(0.5)
    heard, _ = bench.stop(share, 1)
    both, _ = bench.stop(mix, 2)
    cut = round(0.2 * m.MIX_RATE)
    assert np.array_equal(heard[:cut], mine[:cut])
    assert heard[cut : cut + FADE].any()
    assert not heard[cut + FADE :].any()
    assert np.abs(both - heard - theirs).max() <= 2 * CLOSE


def test_gain_changes_do_not_click(bench: Bench) -> None:
    sound = tone(100, 2.0, level=0.5)
    bench.load(1, sound)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    now = 0.0
    for gain in (0.0, 1.0, 0.3, 0.9, 0.1):
        now += 0.1025
        bench.render_through(now)
        bench.send(m.TuneVoice(1, gain, None, None))
        now += 0.002  # within the ramp
        bench.render_through(now)
        bench.send(m.TuneVoice(1, gain / 2, None, None))
    bench.render_through(now + 0.1)
    heard, _ = bench.stop(capture)
    assert steepest(heard) <= steepest(sound) + 0.5 / FADE + CLOSE
    at = round((now + 0.05) * m.MIX_RATE)
    assert np.abs(heard[at:] - sound[at : len(heard)] * np.float32(0.05)).max() <= CLOSE


def test_a_loop_has_no_seam_and_tells_every_round(bench: Bench) -> None:
    sound = tone(250, 0.3)
    bench.load(1, sound, loop=True)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    rounds = [bench.render(10) for _ in range(4)]
    assert rounds == pytest.approx([0.3, 0.6, 0.9, 1.2], abs=1e-9)
    assert [one.position for one in bench.edges(1, "looped")] == [0, 0, 0, 0]
    bench.send(m.TuneVoice(1, None, False, None))  # wrapped data is in the row already
    assert bench.render(10) == pytest.approx(1.5)
    assert bench.edge(1, "ended").duration == pytest.approx(0.3)
    heard, _ = bench.stop(capture)
    assert np.array_equal(heard, np.tile(sound, (5, 1)))


def test_loop_set_after_the_decoder_came_to_the_end_still_goes_on_without_a_seam(bench: Bench) -> None:
    sound = tone(250, 0.4)
    bench.load(1, sound)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    bench.render(0.3)  # all of it is in the row by now
    bench.send(m.TuneVoice(1, None, True, None))
    assert bench.render(10) == pytest.approx(0.4)
    assert bench.render(0.5) == 0.5
    heard, _ = bench.stop(capture)
    assert [one.kind for one in bench.seen if isinstance(one, m.Edge)][-1] == "looped"
    assert np.array_equal(heard, np.tile(sound, (2, 1))[: len(heard)])


def test_pause_and_resume_lose_nothing_but_a_short_fade(bench: Bench) -> None:
    sound = tone(220, 2.0)
    bench.load(1, sound)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    bench.render(0.51)
    bench.send(m.PauseVoice(1))
    cut = round(0.51 * m.MIX_RATE)
    assert bench.edge(1, "paused").position == pytest.approx(0.51)
    bench.render(0.93)
    bench.send(m.StartVoice(1))
    again = bench.edge(1, "started", 2)
    assert (again.time, again.position) == pytest.approx((0.93, 0.51))
    assert bench.render(10) == pytest.approx(2.42)
    heard, _ = bench.stop(capture)
    back = round(0.93 * m.MIX_RATE)
    assert np.array_equal(heard[:cut], sound[:cut])
    assert not heard[cut + FADE : back].any()
    assert np.array_equal(heard[back + FADE :], sound[cut + FADE :])
    assert steepest(heard) <= steepest(sound) + 0.25 / FADE + CLOSE


def test_seek_goes_on_from_the_very_sample(bench: Bench) -> None:
    sound = tone(220, 5.0)
    bench.load(1, sound)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    bench.render(0.5)
    bench.send(m.SeekVoice(1, 3.0, 77))
    seeked = bench.edge(1, "seeked")
    assert (seeked.token, seeked.position, seeked.time) == (77, 3.0, 0.5)
    assert bench.render(10) == pytest.approx(2.5)
    heard, _ = bench.stop(capture)
    cut = m.MIX_RATE // 2
    assert np.array_equal(heard[:cut], sound[:cut])
    assert np.array_equal(heard[cut + FADE :], sound[3 * m.MIX_RATE + FADE :])
    assert steepest(heard) <= steepest(sound) + 0.5 / FADE + CLOSE


def test_only_the_newest_of_several_seeks_is_told(bench: Bench) -> None:
    bench.load(1, tone(220, 5.0))
    decoder = bench.decoders[0]
    decoder.hold()
    for token in (1, 2, 3):
        bench.send(m.SeekVoice(1, float(token), token))
    bench.wait(lambda: len(decoder.held or []) == 3)
    decoder.release()
    assert bench.edge(1, "seeked").token == 3
    bench.ping()
    assert len(bench.edges(1, "seeked")) == 1


def test_a_new_rate_counts_media_time_faster(bench: Bench) -> None:
    bench.load(1, tone(220, 4.0))
    bench.send(m.StartVoice(1))
    bench.render(1.0)
    bench.send(m.TuneVoice(1, None, None, 2.0))
    end = bench.render(10)
    assert end == pytest.approx(1.02 + 2.98 / 2, abs=1e-3)  # 20 ms still go by at the old rate
    assert bench.edge(1, "ended").position == pytest.approx(4.0)


def test_clips_are_heard_and_looped_to_the_sample(bench: Bench) -> None:
    sound = tone(330, 0.7)
    for clip, seal in ((5, True), (6, False)):
        bench.decoders[0].send_clip(clip, sound, seal=seal)
    bench.load(1, clip=5, loop=True)
    bench.load(2, clip=6, position=0.2, owner=2)
    capture, share = bench.capture(1, owner=1), bench.capture(2, owner=2)
    bench.send(m.StartVoice(1), m.StartVoice(2))
    bench.render_through(3.0)
    heard, _ = bench.stop(capture, 1)
    assert np.array_equal(heard, np.tile(sound, (5, 1))[: 3 * m.MIX_RATE])
    heard, _ = bench.stop(share, 2)
    assert np.array_equal(heard[: m.MIX_RATE // 2], sound[round(0.2 * m.MIX_RATE) :])
    assert bench.edge(2, "ended").time == pytest.approx(0.5)
    assert len(bench.edges(1, "looped")) == 4


def test_ten_minutes_pass_in_quarter_seconds(bench: Bench) -> None:
    sound = np.zeros((600 * m.MIX_RATE, 2), np.float32)
    bench.load(1, sound)
    bench.send(m.StartVoice(1))
    for step in range(2400):
        assert bench.render((step + 1) / 4) == (step + 1) / 4
    assert bench.edge(1, "ended").time == 600.0


def test_a_thousand_voices_play_at_once(bench: Bench) -> None:
    sound = tone(440, 0.5, level=0.0009)
    bench.decoders[0].send_clip(1, sound)
    for voice in range(1000):
        bench.send(m.LoadVoice(voice, 1, -1, 0, 1, 0.0, 1.0, False, 1.0))
    bench.wait(lambda: sum(isinstance(one, m.Edge) for one in bench.seen) == 1000)
    capture = bench.capture()
    bench.send(*(m.StartVoice(voice) for voice in range(1000)))
    assert bench.render(2) == 0.5
    heard, _ = bench.stop(capture)
    assert np.abs(heard - sound * 1000).max() < 2 * CLOSE
    assert len([one for one in bench.seen if isinstance(one, m.Edge) and one.kind == "ended"]) == 1000
