"""Audio engine and decoder engine, both real, over a real link."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from swanbridge_media import messages as m

from tests.media.audio_bench import Bench, running

if TYPE_CHECKING:
    from tests.media.conftest import DecoderChild, Tones

KINDS = ("wav", "mp3", "flac", "m4a", "ogg", "aac")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with running("virtual") as bench:
        yield bench


def attach(bench: Bench, child: DecoderChild) -> None:
    bench.control.send(m.AttachDecoder(0), child.link.fileno())
    bench.control.flush()
    bench.ping()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_heard_as_it_was_decoded_and_ends_at_its_last_sample(
    bench: Bench, decoder_child: DecoderChild, tones: Tones, kind: str
) -> None:
    path = tones.tone(kind, 1.0)
    decoder_child.open(path, 1)
    decoder_child.open(path, 2)
    expected, last = decoder_child.play(2, 99)
    attach(bench, decoder_child)
    bench.load(1)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    assert bench.render(5) == pytest.approx(len(expected) / m.MIX_RATE)
    ended = bench.edge(1, "ended")
    assert ended.duration == pytest.approx(last.duration)
    assert ended.time == pytest.approx(last.duration, abs=1e-3)
    heard, facts = bench.stop(capture)
    assert np.abs(heard - np.clip(expected, -1, 1)).max() <= 1 / 32768
    assert facts.dropouts == []


def test_loop_seek_and_rate_work_with_a_real_file(
    bench: Bench, decoder_child: DecoderChild, tones: Tones
) -> None:
    path = tones.noise("flac", 3.0, rate=48_000)
    decoder_child.open(path, 1)
    decoder_child.open(path, 2)
    expected, _ = decoder_child.play(2, 99)
    attach(bench, decoder_child)
    bench.load(1, loop=True)
    capture = bench.capture()
    bench.send(m.StartVoice(1))
    assert bench.render(10) == pytest.approx(3.0)
    assert bench.render(3.5) == 3.5
    bench.send(m.SeekVoice(1, 2.0, 5))
    assert bench.edge(1, "seeked").position == pytest.approx(2.0)
    assert bench.render(10) == pytest.approx(4.5)
    bench.send(m.TuneVoice(1, None, False, None))
    assert bench.render(5.0) == 5.0
    heard, _ = bench.stop(capture)
    pieces = (expected, expected[: m.MIX_RATE // 2], expected[2 * m.MIX_RATE :], expected[: m.MIX_RATE // 2])
    wanted = np.clip(np.concatenate(pieces), -1, 1)
    fade = slice(round(3.5 * m.MIX_RATE), round(3.5 * m.MIX_RATE) + 240)
    wanted[fade] = heard[fade]
    assert np.abs(heard - wanted).max() <= 1 / 32768
    bench.send(m.TuneVoice(1, None, None, 2.0))
    assert bench.render(20) == pytest.approx(5.02 + 2.48 / 2, abs=0.01)
    assert bench.edge(1, "ended").position == pytest.approx(3.0, abs=1e-6)


def test_a_killed_decoder_fails_its_voice(bench: Bench, decoder_child: DecoderChild, tones: Tones) -> None:
    decoder_child.open(tones.tone("mp3", 5.0), 1)
    attach(bench, decoder_child)
    bench.load(1)
    bench.send(m.StartVoice(1))
    bench.render(0.5)
    decoder_child.control.close()  # it goes, and with it its end of the link
    failed = bench.edge(1, "failed")
    assert (failed.fault, failed.time) == ("gone", 0.5)
