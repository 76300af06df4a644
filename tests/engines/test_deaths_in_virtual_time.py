"""Deaths on the virtual clock: time stands while a child comes back, so nothing is late."""

from __future__ import annotations

import signal

import pytest

from tests.engines.wreck import Wreck, told
from tests.services.media import Media


@pytest.mark.parametrize("victim", ["audio", "decoder 0", "decoder 1"])
@pytest.mark.parametrize(("kind", "seconds"), [("wav", 2.0), ("mp3", 12.0)])
def test_a_death_between_two_advances_moves_no_end(
    virtual_wreck: Wreck, media: Media, victim: str, kind: str, seconds: float
) -> None:
    virtual_wreck.processes()
    program = virtual_wreck.program()
    for context_id, frequency in (("a", 440.0), ("b", 550.0)):
        context = program.context(context_id, src=media.tone(kind, seconds, frequency=frequency))
        context.do("play")
    program.advance(0.7)
    virtual_wreck.strike(victim)
    program.advance(seconds + 1.0)
    for context_id in "ab":
        names = told(program, context_id)
        assert names.count("onWaiting") == names.count("onPlay") - 1
        assert [one for one in names if one != "onWaiting"][-1] == "onEnded"
        start, ended = program.of(context_id, "onPlay")[0]["at"], program.of(context_id, "onEnded")[0]["at"]
        assert ended - start == pytest.approx(seconds, abs=0.001)
        assert program.of(context_id, "onError") == []


def test_a_death_while_time_runs_moves_no_end(virtual_wreck: Wreck, media: Media) -> None:
    virtual_wreck.processes()
    program = virtual_wreck.program()
    program.context("a", src=media.tone("mp3", 60.0)).do("play")
    answer = program.send("clock.advance", seconds=70.0)
    virtual_wreck.strike("audio")
    assert virtual_wreck.run(program.answered(answer))["now"] == pytest.approx(70.0, abs=0.01)
    start, ended = program.of("a", "onPlay")[0]["at"], program.of("a", "onEnded")[0]["at"]
    assert ended - start == pytest.approx(60.0, abs=0.001)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_file_that_crashes_the_decoder_is_not_tried_again(
    virtual_wreck: Wreck, media: Media, number: signal.Signals
) -> None:
    program, source = virtual_wreck.program(), media.tone("flac", 120.0)
    context = program.context("a", src=source)
    program.advance()
    seeks = [program.send("innerAudioContext.seek", contextId="a", position=place) for place in range(100)]
    label = virtual_wreck.strike_at_work(number)
    program.all_answered(seeks)
    program.advance(0.1)
    assert [one["errCode"] for one in context.events("onError")] == [10004]
    before = virtual_wreck.processes()
    again = program.context("b", src=source)
    other = program.context("c", src=media.tone("flac", 1.0))
    for one in (again, other):
        one.do("play")
    program.advance(2.0)
    assert [one["errCode"] for one in again.events("onError")] == [10004]
    assert told(program, "c") == ["onCanplay", "onPlay", "onEnded"]
    assert virtual_wreck.processes() == before
    assert f"{label} died of" in virtual_wreck.daemon.log


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_decoder_killed_from_outside_was_not_killed_by_its_file(
    virtual_wreck: Wreck, media: Media, number: signal.Signals
) -> None:
    program = virtual_wreck.program()
    context = program.context("a", src=media.tone("flac", 120.0))
    program.advance()
    seeks = [program.send("innerAudioContext.seek", contextId="a", position=place) for place in range(100)]
    virtual_wreck.strike_at_work(number)
    program.all_answered(seeks)
    context.do("play")
    program.advance(121.0)
    assert told(program, "a")[-1] == "onEnded"
    assert context.events("onError") == []
    assert "died of" not in virtual_wreck.daemon.log
