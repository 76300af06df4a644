"""Whatever a program does, in whatever order: what must hold of the events, on both clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.media import Media
from tests.services.program import FAMILY, Lab, Program

IDS = ("a", "b")
ERRORS_ALLOWED = {202, 10003}  # an unknown or taken id; play without src

Operation = tuple[str, str, Any]


def sources(media: Media) -> list[str]:
    return [
        media.tone("wav", 0.4),
        media.tone("mp3", 0.7),
        media.tone("flac", 1.1),
        "/missing.mp3",
        media.raw("none.mp3", b"none"),
        "",
    ]


times = st.one_of(st.sampled_from([-1.0, 0.0, 0.35, 0.4, 99.0]), st.floats(0, 1.2))
operations = st.lists(
    st.tuples(
        st.sampled_from(
            ["create", "play", "play", "pause", "stop", "seek", "destroy", "set", "set", "advance"]
        ),
        st.sampled_from(IDS),
        st.fixed_dictionaries(
            {},
            optional={
                "src": st.integers(0, 5),
                "loop": st.booleans(),
                "autoplay": st.booleans(),
                "volume": st.sampled_from([0, 0.5, 1]),
                "playbackRate": st.sampled_from([0.5, 1, 1.5, 2]),
                "startTime": st.sampled_from([0, 0.3, 5]),
                "position": times,
                "seconds": st.floats(0, 1.5),
            },
        ),
    ),
    min_size=1,
    max_size=25,
)


@dataclass
class Mirror:
    """A context as a client knows it: from its own calls and from what it was told."""

    is_playing: bool = False
    is_waiting: bool = False
    is_stoppable: bool = False
    is_seeking: bool = False
    loop: bool = False
    last_event: str = ""

    def told(self, name: str, params: dict[str, Any]) -> None:
        """Take note of an event; it must be one that can come now."""
        assert self.last_event != name or name in ("onTimeUpdate", "onSeeking", "onCanplay", "onError")
        if "paused" in params:
            assert params["paused"] is (name not in ("onPlay", "onWaiting") and not self._plays_on(name))
        if params["duration"] > 0:
            assert 0 <= params["currentTime"] <= params["duration"] + 1e-6
        for number in (params["currentTime"], params["duration"]):
            assert number == round(number, 6)
        if name == "onPlay":
            assert self.is_waiting or not self.is_playing
            self.is_playing, self.is_waiting, self.is_stoppable = True, False, True
        elif name == "onPause":
            assert self.is_playing
            self.is_playing = self.is_waiting = False
        elif name == "onStop":
            assert self.is_stoppable
            assert params["currentTime"] == 0
            self.is_playing = self.is_waiting = self.is_stoppable = False
        elif name == "onEnded":
            assert self.is_playing
            assert not self.loop
            assert params["currentTime"] == params["duration"]
            self.is_playing = self.is_waiting = False
        elif name == "onWaiting":
            assert self.is_playing
            self.is_waiting = True
        elif name == "onSeeking":
            self.is_seeking = self.is_stoppable = True
        elif name == "onSeeked":
            assert self.is_seeking
            self.is_seeking = self.is_waiting = False
        elif name in ("onError", "onCanplay"):
            assert not self.is_playing or name == "onError"
            self.is_playing = self.is_waiting = self.is_stoppable = self.is_seeking = False
        elif name == "onTimeUpdate":
            assert self.is_playing or self.last_event in ("onSeeking", "onPlay") or self.is_seeking
        self.last_event = name

    def _plays_on(self, name: str) -> bool:
        return name in ("onSeeking", "onSeeked") and self.is_playing


class Play:
    """One example on the virtual clock, every call with its effects at once."""

    def __init__(self, program: Program, names: list[str]) -> None:
        self.program = program
        self.names = names
        self.mirrors: dict[str, Mirror] = {}
        self._seen = 0

    def do(self, operation: Operation) -> None:
        """Make a call, let it have its effects, and look."""
        call, context_id, values = operation
        if call == "advance":
            self.program.advance(values.get("seconds", 0.2))
            self._look()
            return
        params = {"contextId": context_id}
        mirror = self.mirrors.get(context_id)
        if call == "seek":
            params["position"] = values.get("position", 0.1)
        elif call == "set":
            params |= {
                key: value for key, value in values.items() if key not in ("position", "seconds", "src")
            }
            if "src" in values:
                params["src"] = self.names[values["src"]]
                if mirror and self.program.snapshot(context_id)["src"] != params["src"]:
                    mirror = self.mirrors[context_id] = Mirror(loop=mirror.loop)
            if mirror and "loop" in values:
                mirror.loop = values["loop"]
        elif call == "create" and mirror is None:
            self.mirrors[context_id] = Mirror()
        [answer] = self.program.all_answered([self.program.send(f"{FAMILY}.{call}", **params)])
        if "error" in answer:
            assert answer["error"]["code"] in ERRORS_ALLOWED
            assert mirror is None or call in ("create", "play")
        self.program.advance()
        self._look()
        if call == "destroy":
            self.mirrors.pop(context_id, None)

    def _look(self) -> None:
        new = self.program.events[self._seen :]
        self._seen += len(new)
        for method, params in new:
            self.mirrors[params["contextId"]].told(method.partition(".")[2], params)
        objects = self.program.call("session.snapshot")["objects"].get(FAMILY, {})
        for context_id, state in objects.items():
            assert state["paused"] is not self.mirrors[context_id].is_playing
            assert state["currentTime"] >= 0
            assert state["duration"] == 0 or state["currentTime"] <= state["duration"] + 1e-6


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=operations)
def test_whatever_a_program_does_its_events_make_sense(
    virtual_daemon: Lab, media: Media, steps: list[Operation]
) -> None:
    play = Play(virtual_daemon.program(), sources(media))
    for context_id in IDS:
        play.do(("create", context_id, {}))
        play.do(("set", context_id, {"src": 0}))
    for step in steps:
        play.do(step)
    play.do(("advance", "a", {"seconds": 3.0}))
    virtual_daemon.end_programs()


@pytest.mark.realtime
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=operations)
def test_calls_that_overtake_their_effects_are_all_answered_and_leave_sense_behind(
    real_daemon: Lab, media: Media, steps: list[Operation]
) -> None:
    program = real_daemon.program()
    names = sources(media)
    contexts = [program.context(context_id, src=names[0]) for context_id in IDS]
    answers = []
    for call, context_id, values in steps:
        params: dict[str, Any] = {"contextId": context_id, "position": values.get("position", 0.1)}
        if call == "set":
            params |= {**values, "src": names[values.get("src", 0)]}
        if call != "advance":
            answers.append(program.send(f"{FAMILY}.{call}", **params))
    for answer in program.all_answered(answers):
        assert "result" in answer or answer["error"]["code"] in ERRORS_ALLOWED
    # Whatever happened: a context that is given a source and a play plays.
    for context in contexts:
        if context.id not in program.call("session.snapshot")["objects"][FAMILY]:
            context.program.call(f"{FAMILY}.create", contextId=context.id)
        context.set(src="", loop=False, playbackRate=2, startTime=0, autoplay=False)
        before = len(context.events("onEnded"))
        context.set(src=names[0])
        context.do("play")
        program.wait_for("onEnded", context.id, before + 1)
    real_daemon.end_programs()
