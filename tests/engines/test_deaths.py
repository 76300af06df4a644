"""Killed engines: the daemon stays, what they played goes on, the rest plays on (real clock)."""

from __future__ import annotations

import itertools
import os
import signal

import pytest

from tests.engines.wreck import BACK_WITHIN, Wreck, carried_on, told
from tests.services.media import Media
from tests.services.program import Context, Program

pytestmark = pytest.mark.realtime

SHORT, LONG = 2.0, 12.0  # seconds: a file opened again is shared as a clip, or is too long for that
VICTIMS = ("audio", "decoder 0", "decoder 1")
_frequencies = itertools.count(200)


def fresh(media: Media, seconds: float = SHORT, kind: str = "wav") -> str:
    """Make a file that no test has opened."""
    return media.tone(kind, seconds, frequency=float(next(_frequencies)))


def playing(program: Program, context_id: str, source: str, start: float = 0.0) -> Context:
    """Have a context play, well under way."""
    context = program.context(context_id, src=source, startTime=start)
    program.wait_for("onCanplay", context_id)
    context.do("play")
    program.wait_for("onTimeUpdate", context_id, 2)
    return context


def ends_in_time(program: Program, context_id: str, duration: float) -> None:
    """Wait for the end; what came after the last onPlay must have been played whole."""
    ended = program.wait_for("onEnded", context_id)
    last = program.of(context_id, "onPlay")[-1]
    assert ended["at"] - last["at"] == pytest.approx(duration - last["currentTime"], abs=0.05)
    assert program.of(context_id, "onError") == []


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_killed_at_rest_is_there_again_for_the_next(wreck: Wreck, media: Media, victim: str) -> None:
    former = wreck.strike(victim)
    assert wreck.back(victim, former) < BACK_WITHIN
    program = wreck.program()
    for context_id in "ab":
        context = program.context(context_id, src=fresh(media, 0.5, "mp3"))
        context.do("play")
        program.wait_for("onEnded", context_id)
        assert told(program, context_id) == ["onCanplay", "onPlay", "onEnded"]


@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_the_audio_engine_killed_while_playing_costs_a_wait(
    wreck: Wreck, media: Media, seconds: float
) -> None:
    program = wreck.program()
    for context_id, kind in (("a", "wav"), ("b", "mp3")):
        playing(program, context_id, fresh(media, seconds, kind), seconds - SHORT)
    former = wreck.strike("audio")
    assert wreck.back("audio", former) < BACK_WITHIN
    for context_id in "ab":
        waiting, again = carried_on(program, context_id, seconds)
        assert again["at"] - waiting["at"] < BACK_WITHIN
    for context_id in "ab":
        ends_in_time(program, context_id, seconds)
        assert told(program, context_id) == ["onCanplay", "onPlay", "onWaiting", "onPlay", "onEnded"]


@pytest.mark.parametrize("victim", ["decoder 0", "decoder 1"])
@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_a_decoder_killed_while_playing_is_noticed_by_nobody_else(
    wreck: Wreck, media: Media, victim: str, seconds: float
) -> None:
    wreck.processes()
    program = wreck.program()
    for context_id, kind in (("a", "wav"), ("b", "mp3")):
        playing(program, context_id, fresh(media, seconds, kind), seconds - SHORT)
    former = wreck.strike(victim)
    assert wreck.back(victim, former) < BACK_WITHIN
    for context_id in "ab":
        program.wait_for("onEnded", context_id)
    hit = [context_id for context_id in "ab" if program.of(context_id, "onWaiting")]
    assert len(hit) == 1
    carried_on(program, hit[0], seconds)
    for context_id in "ab":
        ends_in_time(program, context_id, seconds)
        waited = ["onWaiting", "onPlay"] if context_id in hit else []
        assert told(program, context_id) == ["onCanplay", "onPlay", *waited, "onEnded"]


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_being_opened_opens_all_the_same(wreck: Wreck, media: Media, victim: str) -> None:
    sources = [fresh(media, seconds, "mp3") for seconds in (0.5, LONG) for _ in range(8)]
    pid = wreck.processes()[victim]
    program = wreck.program()
    for number in range(len(sources)):
        program.call("innerAudioContext.create", contextId=f"c{number}")
    for number, source in enumerate(sources):
        program.send("innerAudioContext.set", contextId=f"c{number}", src=source, startTime=0.2)
        program.send("innerAudioContext.play", contextId=f"c{number}")
    wreck.strike(victim)
    wreck.back(victim, pid)
    for number in range(len(sources)):
        program.wait_for("onPlay", f"c{number}")
        names = told(program, f"c{number}")
        assert names.count("onCanplay") == 1
        assert "onError" not in names


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_seeks_arrives(wreck: Wreck, media: Media, victim: str) -> None:
    wreck.processes()
    program = wreck.program()
    contexts = {name: playing(program, name, fresh(media, LONG, "mp3")) for name in "abcd"}
    for context in contexts.values():
        program.send("innerAudioContext.seek", contextId=context.id, position=LONG - 1)
    former = wreck.strike(victim)
    assert wreck.back(victim, former) < BACK_WITHIN
    for context in contexts.values():
        seeked = program.wait_for("onSeeked", context.id)
        assert seeked["currentTime"] == pytest.approx(LONG - 1, abs=0.3)
    for context in contexts.values():
        program.wait_for("onEnded", context.id)
        names = told(program, context.id)
        assert names.count("onSeeking") == names.count("onSeeked") == 1
        assert "onError" not in names


@pytest.mark.parametrize("victim", ["audio", "decoder 0"])
def test_what_is_paused_stays_there_and_hears_nothing(wreck: Wreck, media: Media, victim: str) -> None:
    wreck.processes()
    program = wreck.program()
    context = playing(program, "a", fresh(media, SHORT))
    context.do("pause")
    place = program.wait_for("onPause", "a")["currentTime"]
    before = told(program, "a")
    former = wreck.strike(victim)
    wreck.back(victim, former)
    assert context.state["currentTime"] == pytest.approx(place, abs=0.001)
    assert told(program, "a") == before
    context.do("play")
    assert program.wait_for("onPlay", "a", 2)["currentTime"] == pytest.approx(place, abs=0.05)
    ends_in_time(program, "a", SHORT)


@pytest.mark.parametrize("victim", ["audio", "decoder 0"])
def test_a_second_death_in_a_row_is_survived_too(wreck: Wreck, media: Media, victim: str) -> None:
    wreck.processes()
    program = wreck.program()
    playing(program, "a", fresh(media, LONG), LONG - SHORT)
    for number in (1, 2):
        former = wreck.strike(victim)
        assert wreck.back(victim, former) < BACK_WITHIN
        if victim == "audio":
            carried_on(program, "a", LONG, number)
    ends_in_time(program, "a", LONG)
    assert told(program, "a").count("onWaiting") == told(program, "a").count("onPlay") - 1


def test_all_children_killed_at_once_come_back(wreck: Wreck, media: Media) -> None:
    program = wreck.program()
    playing(program, "a", fresh(media, LONG, "mp3"), LONG - SHORT)
    former = wreck.processes()
    for label in VICTIMS:
        os.kill(former[label], signal.SIGKILL)
    for label in VICTIMS:
        assert wreck.back(label, former[label]) < 2 * BACK_WITHIN
    carried_on(program, "a", LONG)
    ends_in_time(program, "a", LONG)


def test_a_frozen_decoder_is_replaced(wreck: Wreck, media: Media) -> None:
    former = wreck.processes()["decoder 0"]
    program = wreck.program()
    contexts = {name: playing(program, name, fresh(media, 10.5, "mp3")) for name in "ab"}
    os.kill(former, signal.SIGSTOP)
    assert wreck.back("decoder 0", former, 12.0) < 8.5
    for context in contexts.values():
        ends_in_time(program, context.id, 10.5)
    assert sum(bool(program.of(name, "onWaiting")) for name in "ab") == 1
