"""The client without asyncio."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path
from typing import Any

import pytest
import swanbridge_client
from swanbridge_client import ConnectionLost, control, inner_audio, sync, sync_control
from swanbridge_client.demo.sounds import tone, write_wav
from swanbridge_protocol.errors import ArgumentError, AudioFileError, ParameterError, SwanError
from swanbridge_testing.daemon import RunningDaemon


def test_a_sound_is_played_and_examined_without_asyncio(swan: sync.Swan, package_root: Path) -> None:
    write_wav(package_root / "t.wav", tone(440, 1.0))
    capture = swan.control.speaker.capture.start()
    audio = swan.create_inner_audio_context()
    events = audio.events()
    threads: set[str] = set()
    audio.on_play(lambda _: threads.add(threading.current_thread().name))
    audio.volume = 0.5
    audio.src = "/t.wav"
    audio.play()
    assert swan.control.clock.run_until("innerAudioContext.onEnded", 5).now == 1.0
    assert (audio.paused, audio.duration, audio.volume) == (True, 1.0, 0.5)
    assert swan.control.speaker.capture.find(capture, "/t.wav").matches[0].at == 0
    assert swan.control.speaker.capture.stop(capture).duration == 1.0
    audio.destroy()
    assert [name for name, _ in events] == ["canplay", "play", *["time_update"] * 4, "ended"]
    assert threads == {"swanbridge"}


def test_errors_are_raised_by_the_call_itself(swan: sync.Swan) -> None:
    audio = swan.create_inner_audio_context()
    with pytest.raises(AudioFileError):
        audio.play()
    with pytest.raises(ParameterError):
        audio.volume = 2


def test_bad_arguments_and_misspelt_properties_are_told_as_without_a_thread(
    swan: sync.Swan, caplog: pytest.LogCaptureFixture
) -> None:
    audio: Any = swan.create_inner_audio_context()
    with pytest.raises(ArgumentError, match=r'^\[jsNative Argument Error\]volume .* "number"$'):
        audio.volume = "x"
    with pytest.raises(ArgumentError, match=r'^\[jsNative Argument Error\]position .* "number"$'):
        audio.seek("x")
    with pytest.raises(AttributeError, match="foo"):
        audio.foo = 5
    audio.src = 5
    assert audio.src == ""
    assert [one.levelname for one in caplog.records] == ["ERROR"]


def test_an_error_has_swans_own_names_too_and_they_are_read_only(swan: sync.Swan) -> None:
    error: Any
    for method, code in (("innerAudioContext.play", 904), ("nope", -32601)):
        with pytest.raises(SwanError) as raised:
            swan.call(method)
        error = raised.value
        assert (error.err_code, error.err_msg) == (code, str(error))
        assert error.code == code
        with pytest.raises(AttributeError):
            error.err_code = 1
    unknown = swanbridge_client.RemoteError(4711, "strange", "of tomorrow")
    assert (unknown.err_code, unknown.err_msg) == (4711, "of tomorrow")


def test_a_callback_may_act_but_not_wait(swan: sync.Swan, package_root: Path) -> None:
    write_wav(package_root / "t.wav", tone(440, 1.0))
    audio = swan.create_inner_audio_context()
    problems: list[str] = []

    @audio.on_canplay
    def at_once(_: object) -> None:
        audio.loop = True
        audio.play()
        try:
            swan.control.clock.now()
        except RuntimeError as error:
            problems.append(str(error))

    audio.src = "/t.wav"
    swan.control.clock.advance(0)
    swan.control.clock.advance(2.5)
    assert not audio.paused
    assert problems == ["a callback can't wait for the daemon: do this from your own thread"]


def test_a_closed_session_says_so_and_leaves_no_thread(swanbridge_daemon: RunningDaemon) -> None:
    before = threading.active_count()
    swan = sync.connect(swanbridge_daemon.url, token=swanbridge_daemon.token)
    with swan:
        assert swan.call("clock.now")["now"] == 0
    swan.close()
    with pytest.raises(ConnectionLost):
        swan.call("clock.now")
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("original", "mirror"),
    [
        (inner_audio.InnerAudioContext, sync.InnerAudioContext),
        (swanbridge_client.Swan, sync.Swan),
        (control.Control, sync_control.Control),
        (control.Clock, sync_control.Clock),
        (control.Capture, sync_control.Capture),
        (control.Sessions, sync_control.Sessions),
        (control.Journal, sync_control.Journal),
        (control.Files, sync_control.Files),
        (control.Devices, sync_control.Devices),
    ],
)
def test_the_mirror_has_all_that_the_original_has(original: type, mirror: type) -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        return {
            name: [] if isinstance(value, property) else list(inspect.signature(value).parameters)
            for name, value in inspect.getmembers(kind)
            if not name.startswith("_") and (callable(value) or isinstance(value, property))
        }

    there = surface(mirror)
    assert [name for name, parameters in surface(original).items() if there.get(name) != parameters] == []
