"""The pytest plugin, used as its users use it: from a test file of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

TONE = '''
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
'''


@pytest.fixture
def run(pytester: pytest.Pytester) -> object:
    def run_tests(source: str) -> pytest.RunResult:
        pytester.makepyfile(TONE + source)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers")

    return run_tests
