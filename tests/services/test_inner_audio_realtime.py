"""Real time: five files of ten seconds at once, as a listener would hear them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.services.media import Media
from tests.services.program import Lab

KINDS = {"mp3": 440.0, "aac": 550.0, "wav": 660.0, "flac": 770.0, "ogg": 880.0}


@pytest.mark.realtime
def test_five_files_of_ten_seconds_are_heard_whole_and_told_in_time(real_lab: Lab, media: Media) -> None:
    program = real_lab.program()
    sources = {kind: media.tone(kind, 10.0, frequency=frequency) for kind, frequency in KINDS.items()}
    capture = program.capture()
    contexts = {kind: program.context(kind, src=source, volume=0.19) for kind, source in sources.items()}
    for kind in KINDS:
        program.wait_for("onCanplay", kind)
    for context in contexts.values():
        context.do("play")
    for kind in KINDS:
        program.wait_for("onEnded", kind)
    for kind, context in contexts.items():
        duration = media.true_duration(sources[kind])
        names = [name for name in program.names(context.id) if name != "onTimeUpdate"]
        assert names == ["onCanplay", "onPlay", "onEnded"]
        start, ended = context.events("onPlay")[0]["at"], context.events("onEnded")[0]
        assert ended["at"] - start == pytest.approx(duration, abs=0.05)
        assert ended["currentTime"] == ended["duration"] == pytest.approx(duration, abs=0.001)
        updates = context.events("onTimeUpdate")
        assert 38 <= len(updates) <= 42
        for earlier, later in pairwise(updates):
            assert later["at"] - earlier["at"] >= 0.015
            assert later["currentTime"] > earlier["currentTime"]
        spacing = np.diff([one["at"] for one in updates[:-1]])
        assert np.median(spacing) == pytest.approx(0.25, abs=0.01)
        assert spacing.max() < 0.4
        for update in updates:
            assert update["currentTime"] == round(update["currentTime"], 6)
            # Where it says it is, is where it is heard.
            assert update["currentTime"] == pytest.approx(update["at"] - start, abs=0.05)
    assert program.describe(capture)["dropouts"] == []
    sound, rate = program.heard(capture)
    first = np.flatnonzero(np.abs(sound[:, 0]) > 0.02)[0]
    part = sound[first + rate // 2 : first + round(9.4 * rate), 0]
    time = np.arange(len(part)) / rate
    for frequency in KINDS.values():
        mixed = part * np.exp(-2j * np.pi * frequency * time)
        parts = mixed[: len(mixed) // 4800 * 4800].reshape(-1, 4800).mean(axis=1)  # 100 ms, whole beats
        assert np.abs(parts).min() == pytest.approx(0.19 * 0.5 / 2, rel=0.1)
        phases = np.angle(parts / parts[0])
        assert np.abs(phases).max() < 0.1


@pytest.mark.realtime
def test_a_pause_holds_the_place_in_real_time(real_lab: Lab, media: Media) -> None:
    program = real_lab.program()
    context = program.context(src=media.tone("wav", 1.0))
    context.do("play")
    program.wait_for("onTimeUpdate", "a", 2)
    context.do("pause")
    paused = program.wait_for("onPause", "a")
    assert paused["currentTime"] == pytest.approx(0.5, abs=0.1)
    context.seek(0.9)
    program.wait_for("onSeeked", "a")
    assert context.state["currentTime"] == pytest.approx(0.9)
    context.do("play")
    ended = program.wait_for("onEnded", "a")
    assert ended["at"] - program.of("a", "onPlay")[1]["at"] == pytest.approx(0.1, abs=0.03)
    names = [name for name in program.names("a") if name != "onTimeUpdate"]
    assert names == ["onCanplay", "onPlay", "onPause", "onSeeking", "onSeeked", "onPlay", "onEnded"]


@pytest.mark.realtime
def test_autoplay_set_right_after_the_source_plays(real_lab: Lab, media: Media) -> None:
    program = real_lab.program()
    program.context()
    source = media.tone("wav", 1.0)
    for change in ({"src": source}, {"autoplay": True}):
        program.send("innerAudioContext.set", contextId="a", **change)
    program.wait_for("onPlay", "a")


@pytest.mark.realtime
def test_programs_that_leave_while_they_open_leave_nothing_behind(real_lab: Lab, media: Media) -> None:
    # A file that is opened again is decoded once for all: who asks first may not take that along.
    content = media.path(media.tone("mp3", 9.0)).read_bytes()
    sources = {f"c{number}": media.raw(f"copy-{number}.mp3", content) for number in range(10)}
    stays = real_lab.program()
    for context_id, source in sources.items():
        stays.context(context_id, src=source)
        stays.wait_for("onCanplay", context_id)
    for source in sources.values():
        leaves = real_lab.program()
        leaves.send("innerAudioContext.create", contextId="a")
        leaves.send("innerAudioContext.set", contextId="a", src=source, autoplay=True)
        real_lab.programs.remove(leaves)
        leaves.close()
    comes = real_lab.program()
    for context_id, source in sources.items():
        comes.context(context_id, src=source, startTime=8.9, autoplay=True)
    for context_id in sources:
        comes.wait_for("onEnded", context_id)
        assert comes.of(context_id, "onError") == []
