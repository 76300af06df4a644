"""The pytest plugin, used as its users use it: from a test file of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest_plugins = ["pytester"]

TONE = """
import math, struct, wave

def write_tone(path, frequency=440, seconds=1.0):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1); file.setsampwidth(2); file.setframerate(48000)
        file.writeframes(b"".join(
            struct.pack("<h", int(12000 * math.sin(2 * math.pi * frequency * i / 48000)))
            for i in range(int(seconds * 48000))))

def play(swan, src, **properties):
    audio = swan.create_inner_audio_context()
    audio.src = src
    for name, value in properties.items():
        setattr(audio, name, value)
    audio.play()
    return audio
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[[str], pytest.RunResult]:
    def run_tests(source: str) -> pytest.RunResult:
        pytester.makepyfile(TONE + source)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers")

    return run_tests


Run = Callable[[str], pytest.RunResult]


def test_the_fixtures_and_assertions_of_the_promise_work(run: Run) -> None:
    result = run(
        """
def test_it(swan, package_root, heard, heard_clip, silent, tmp_path):
    silent()
    write_tone(package_root / "t.wav", 440, 2.0)
    swan.control.clock.advance(1.0)
    play(swan, "/t.wav")
    swan.control.clock.advance(3.0)
    silent(between=(0, 1))
    heard(tone=440, between=(1, 3))
    heard(tone=440)
    heard()
    silent(between=(3, 4))
    heard_clip("/t.wav", at=1.0)
    write_tone(tmp_path / "elsewhere.wav", 440, 2.0)
    heard_clip(tmp_path / "elsewhere.wav", at=1.0)
"""
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("assertion", "sentence"),
    [
        ("heard(tone=880)", "*a tone of 880 Hz was not heard*"),
        ("heard(tone=440, between=(0.5, 2))", "*a tone of 440 Hz was not heard all through 0.5 s to 2 s*"),
        ("heard(between=(0, 5))", "*only 2.000 s were played*"),
        ("silent()", "*there was sound between 0 s and 2 s*"),
        ("heard_clip('/t.wav', at=0.5)", "*/t.wav was not heard at 0.5 s*"),
        ("heard_clip('/u.wav')", "*found nowhere*"),
    ],
)
def test_a_failure_shows_what_was_played(run: Run, assertion: str, sentence: str) -> None:
    result = run(
        f"""
def test_it(swan, package_root, heard, heard_clip, silent):
    write_tone(package_root / "t.wav", 440, 1.0)
    write_tone(package_root / "u.wav", 300, 0.5)
    play(swan, "/t.wav")
    swan.control.clock.advance(2.0)
    {assertion}
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([sentence, "*1.000 to    2.000 s  silence*"])


def test_each_test_has_a_fresh_daemon_and_the_marker_shapes_it(run: Run) -> None:
    result = run(
        """
import pytest
seen = []

@pytest.mark.parametrize("turn", [1, 2])
def test_fresh(swan, swanbridge_daemon, turn):
    assert swan.control.clock.now().now == 0
    swan.control.clock.advance(5)
    seen.append(swanbridge_daemon.pid)
    assert len(set(seen)) == turn

@pytest.mark.swanbridge(clock="real", arguments=["--log-level", "debug"], time_update_interval=0)
def test_marked(swan, swanbridge_daemon):
    assert swan.session.clock.mode == "real"

@pytest.mark.swanbridge(color="red")
def test_wrong(swan):
    pass
"""
    )
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*test_wrong*: the marker is swanbridge(*"])


def test_a_run_that_does_not_use_it_starts_nothing(run: Run) -> None:
    result = run(
        """
import sys
def test_it():
    assert "swanbridge_testing.plugin" in sys.modules
    assert "swanbridge_client" not in sys.modules
"""
    )
    result.assert_outcomes(passed=1)
