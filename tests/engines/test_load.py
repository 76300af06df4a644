"""Hundreds of contexts at once, in real time, on the virtual speaker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engines.wreck import Wreck
from tests.services.media import Media
from tests.services.program import Program

pytestmark = [pytest.mark.load, pytest.mark.realtime]

SECONDS = 8.0


def held(wreck: Wreck) -> dict[str, tuple[int, int]]:
    """Count the descriptors and the private memory (MiB) of the daemon and its children."""
    found = {}
    for label, pid in {"daemon": wreck.daemon.pid, **wreck.processes()}.items():
        links = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()]
        descriptors = sum(
            "swanbridge-slab" not in link for link in links
        )  # kept, but given back their memory
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n")
        private = sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))
        found[label] = (descriptors, private // 1024)
    return found


def nothing_kept(wreck: Wreck, before: dict[str, tuple[int, int]]) -> None:
    """Descriptors must be closed again, and memory be about what it was."""
    wreck.until(lambda: all(now[0] <= before[label][0] + 4 for label, now in held(wreck).items()))
    for label, (_, memory) in held(wreck).items():
        if label != "audio":  # it keeps its rings until it has rested
            assert memory < before[label][1] + 100, label


def made(program: Program, count: int, sources: list[str], **properties: object) -> None:
    """Make contexts, all ready to play."""
    answers = []
    for number in range(count):
        context_id = f"c{number}"
        source = sources[number % len(sources)]
        answers.append(program.send("innerAudioContext.create", contextId=context_id))
        answers.append(program.send("innerAudioContext.set", contextId=context_id, src=source, **properties))
    program.all_answered(answers)
    for number in range(count):
        program.wait_for("onCanplay", f"c{number}")


def test_two_hundred_files_at_once_are_all_heard_to_their_end(wreck: Wreck, media: Media) -> None:
    kinds = [media.path(media.tone("mp3", SECONDS, frequency=200.0 + 90 * one)) for one in range(10)]
    sources = [media.raw(f"many{number}.mp3", kinds[number % 10].read_bytes()) for number in range(200)]
    before = held(wreck)
    program = wreck.program(timeUpdateInterval=1)
    made(program, 200, sources, volume=0.005)
    program.all_answered(
        [program.send("innerAudioContext.play", contextId=f"c{number}") for number in range(200)]
    )
    for number in range(200):
        program.wait_for("onPlay", f"c{number}")
    capture = program.capture()
    for number in range(200):
        program.wait_for("onEnded", f"c{number}")
    for number in range(200):
        began, ended = (
            program.of(f"c{number}", "onPlay")[0]["at"],
            program.of(f"c{number}", "onEnded")[0]["at"],
        )
        late = [one for one in program.of(f"c{number}", "onWaiting") if one["at"] > began + 1.0]
        assert late == []
        assert program.of(f"c{number}", "onError") == []
        assert ended - began == pytest.approx(SECONDS, abs=0.2)
    assert program.describe(capture)["dropouts"] == []
    wreck.end_programs()
    nothing_kept(wreck, before)


def test_a_thousand_contexts_share_ten_short_files(wreck: Wreck, media: Media) -> None:
    sources = [media.tone("mp3", 1.0, frequency=200.0 + 50 * number) for number in range(10)]
    before = held(wreck)
    program = wreck.program(timeUpdateInterval=0)
    made(program, 10, sources)  # known from now on, so shared
    program.call("session.close")
    wreck.programs.remove(program)
    wreck.run(program._hang_up())
    program = wreck.program(timeUpdateInterval=0)
    made(program, 1000, sources, volume=0.001, loop=True)
    program.all_answered(
        [program.send("innerAudioContext.play", contextId=f"c{number}") for number in range(1000)]
    )
    for number in range(1000):
        program.wait_for("onPlay", f"c{number}")
    # A thousand starts at once may make the mixer late once; from then on it may not be.
    settled = program.call("clock.now")["now"] + 1.0
    wreck.until(lambda: program.call("clock.now")["now"] > settled)
    capture = program.capture()
    begin = program.call("clock.now")["now"]
    wreck.until(lambda: program.call("clock.now")["now"] > begin + 3.0)
    assert program.describe(capture)["dropouts"] == []
    for number in range(1000):
        assert program.names(f"c{number}") == ["onCanplay", "onPlay"]
    wreck.end_programs()
    nothing_kept(wreck, before)
