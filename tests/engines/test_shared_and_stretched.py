"""One short file in many contexts, other speeds, and changes of volume: what is heard (virtual clock)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engines.wreck import Wreck, told
from tests.services.media import Media


def test_twenty_contexts_of_one_short_file_each_have_a_place_of_their_own(
    virtual_wreck: Wreck, media: Media
) -> None:
    source = media.noise("mp3", 2.0)
    program = virtual_wreck.program()
    capture = program.capture()
    contexts = []
    for number in range(20):
        context = program.context(f"c{number}", src=source, volume=0.04)
        context.do("play")
        program.advance(0.1)
        contexts.append(context)
    for number, context in enumerate(contexts[1:], 1):
        began = context.events("onPlay")[0]["at"]
        assert context.state["currentTime"] == pytest.approx(2.0 - 0.1 * number, abs=0.002)
        assert began == pytest.approx(0.1 * number, abs=0.002)
    program.advance(3.0)
    for context in contexts:
        start, ended = context.events("onPlay")[0]["at"], context.events("onEnded")[0]["at"]
        assert ended - start == pytest.approx(2.0, abs=0.001)
    assert program.describe(capture)["dropouts"] == []


def test_a_shared_file_loops_without_a_gap_and_can_be_stretched_for_one_alone(
    virtual_wreck: Wreck, media: Media
) -> None:
    source = media.tone("wav", 1.0, frequency=441.0)  # whole periods
    program = virtual_wreck.program()
    contexts = [
        program.context(f"c{number}", src=source, loop=number == 1, volume=0.2) for number in range(3)
    ]
    program.advance()
    contexts[2].set(playbackRate=0.5)
    alone = program.capture()
    contexts[1].do("play")
    program.advance(3.5)
    sound, rate = program.heard(alone)
    heard = sound[np.flatnonzero(np.abs(sound[:, 0]) > 0.01)[0] : round(3.4 * rate), 0]
    frequency = 2 * np.pi * 441.0 / rate
    assert np.abs(np.diff(heard)).max() <= 0.1 * frequency * 1.1  # a gap or a click would be steeper
    assert np.abs(heard).reshape(-1)[: len(heard) // 240 * 240].reshape(-1, 240).max(axis=1).min() > 0.09
    contexts[1].do("stop")
    for context in (contexts[0], contexts[2]):
        context.do("play")
    program.advance(3.0)
    for context, length in ((contexts[0], 1.0), (contexts[2], 2.0)):
        start, ended = context.events("onPlay")[-1]["at"], context.events("onEnded")[-1]["at"]
        assert ended - start == pytest.approx(length, abs=0.05)


@pytest.mark.parametrize("speed", [0.5, 1.5, 2.0])
@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_another_speed_keeps_the_pitch(virtual_wreck: Wreck, media: Media, kind: str, speed: float) -> None:
    program = virtual_wreck.program()
    source = media.tone(kind, 3.0, frequency=660.0)
    for context_id in "ab":  # the first time from the file, then as others use it too
        capture = program.capture()
        context = program.context(context_id, src=source, playbackRate=speed)
        context.do("play")
        program.advance(3.0 / speed + 0.5)
        start, ended = context.events("onPlay")[0]["at"], context.events("onEnded")[0]["at"]
        assert ended - start == pytest.approx(3.0 / speed, abs=0.05)
        assert told(program, context_id) == ["onCanplay", "onPlay", "onEnded"]
        described = program.describe(capture)
        loud = [one for one in described["segments"] if one["kind"] == "sound"]
        assert len(loud) == 1
        assert loud[0]["dominantFrequency"] == pytest.approx(660.0, abs=3.0)
        assert loud[0]["end"] - loud[0]["start"] == pytest.approx(3.0 / speed, abs=0.06)
        assert described["dropouts"] == []


def test_a_change_of_speed_while_playing_keeps_the_place(virtual_wreck: Wreck, media: Media) -> None:
    program = virtual_wreck.program()
    context = program.context("a", src=media.tone("mp3", 4.0))
    context.do("play")
    program.advance(1.0)
    context.set(playbackRate=2.0)
    program.advance(1.0)
    assert context.state["currentTime"] == pytest.approx(3.0, abs=0.1)
    context.set(playbackRate=0.5)
    program.advance(3.0)
    start, ended = context.events("onPlay")[0]["at"], context.events("onEnded")[0]["at"]
    assert ended - start == pytest.approx(4.0, abs=0.15)
    assert context.events("onError") == []


def test_a_change_of_volume_does_not_click(virtual_wreck: Wreck, media: Media) -> None:
    program = virtual_wreck.program()
    context = program.context("a", src=media.tone("wav", 3.0, frequency=100.0))
    context.do("play")
    capture = program.capture()
    for volume in (0.0, 1.0, 0.3, 1.0, 0.0, 0.7):
        program.advance(0.3025)  # at the top of a wave, among others
        context.set(volume=volume)
    program.advance(0.2)
    sound, rate = program.heard(capture)
    steepest = 0.5 * 2 * np.pi * 100.0 / rate
    assert np.abs(np.diff(sound[:, 0])).max() < steepest + 0.5 / (0.004 * rate)  # a ramp of 4 ms at least
    assert np.abs(sound[-round(0.1 * rate) :, 0]).max() == pytest.approx(0.35, abs=0.01)
