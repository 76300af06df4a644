"""The client without asyncio."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import pytest
import swanbridge_client
from swanbridge_client import ConnectionLost, control, inner_audio, sync, sync_control
from swanbridge_client.demo.sounds import tone, write_wav
from swanbridge_protocol.errors import AudioFileError, ParameterError
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
