"""No speaker, or a PortAudio that crashes: the virtual speaker stands in, and it is said what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from swanbridge_testing.daemon import RunningDaemon

from tests.engines.wreck import Wreck, told
from tests.media.pulse import private_pulse
from tests.services.media import Media

pytestmark = pytest.mark.realtime


@contextmanager
def daemon(media: Media, devices: str, environment: dict[str, str]) -> Iterator[Wreck]:
    """Run a daemon that looks for speakers in a certain environment."""
    packages = ("--package-dir", str(media.folder.parent))
    with RunningDaemon(clock="real", devices=devices, arguments=packages, environment=environment) as daemon:
        wreck = Wreck(daemon, media.folder)
        try:
            yield wreck
            wreck.end_programs()
        finally:
            wreck.close()


def without_server(folder: Path) -> dict[str, str]:
    """Make an environment in which no sound server is found."""
    return {"PULSE_SERVER": f"unix:{folder}/nobody.sock", "PULSE_COOKIE": f"{folder}/cookie"}


@pytest.mark.parametrize("devices", ["auto", "hardware"])
def test_without_a_sound_server_the_virtual_speaker_plays_and_it_is_said(
    media: Media, tmp_path: Path, devices: str
) -> None:
    with daemon(media, devices, without_server(tmp_path)) as wreck:
        wreck.processes()
        wreck.until(lambda: wreck.ready()["speaker"]["problem"])
        assert wreck.ready()["speaker"]["device"] == "virtual"
        assert "the virtual one stands in" in wreck.daemon.log
        assert (" ERROR " in wreck.daemon.log) == (devices == "hardware")
        program = wreck.program()
        program.context("a", src=media.tone("wav", 0.5)).do("play")
        program.wait_for("onEnded", "a")
        assert wreck.ready()["processes"] == wreck.processes()


@pytest.mark.pulse
@pytest.mark.parametrize("devices", ["auto", "virtual"])
def test_a_portaudio_that_crashes_is_asked_once_and_never_again(
    media: Media, tmp_path: Path, devices: str
) -> None:
    with daemon(media, devices, {"ALSA_CONFIG_PATH": str(tmp_path / "nothing.conf")}) as wreck:
        program = wreck.program()
        program.context("a", src=media.tone("wav", 2.0))
        program.wait_for("onCanplay", "a")
        program.call("innerAudioContext.play", contextId="a")
        program.wait_for("onPlay", "a")
        listed = [one["deviceId"] for one in program.call("device.list")["devices"]]
        assert listed == ["virtual"]
        wreck.until(lambda: "SIGABRT" in wreck.ready()["speaker"]["problem"])
        after = wreck.processes()
        for _ in range(3):
            assert [one["deviceId"] for one in program.call("device.list")["devices"]] == ["virtual"]
            assert (
                "PortAudio crashed"
                in program.refusal("device.select", kind="speaker", deviceId="default").text
            )
        assert wreck.processes() == after
        assert wreck.daemon.log.count("the audio engine died (SIGABRT)") == 1
        program.call("device.select", kind="speaker", deviceId="virtual")
        program.wait_for("onEnded", "a")
        assert "onError" not in told(program, "a")


def doctor(home: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `swanbridged doctor`."""
    return subprocess.run(
        [sys.executable, "-m", "swanbridge_daemon", "doctor", "--state-dir", str(home / "state"), *arguments],
        env={**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.pulse
def test_the_doctor_finds_a_sound_server(tmp_path: Path) -> None:
    with private_pulse() as pulse:
        told = doctor(tmp_path, pulse.environment, "--devices", "hardware")
        as_json = doctor(tmp_path, pulse.environment, "--devices", "hardware", "--json")
    assert told.returncode == as_json.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    findings: list[dict[str, Any]] = json.loads(as_json.stdout)
    found = {one["path"]: one for one in findings}
    assert found["PortAudio"]["state"] == found["speaker default"]["state"] == "works"
    assert pulse.sink in found["PortAudio"]["text"]
    assert all(one["path"] in told.stdout for one in findings)


@pytest.mark.parametrize(("devices", "status"), [("hardware", 1), ("auto", 0), ("virtual", 0)])
def test_the_doctor_says_what_to_do_without_a_sound_server(tmp_path: Path, devices: str, status: int) -> None:
    told = doctor(tmp_path, without_server(tmp_path), "--devices", devices)
    assert told.returncode == status, told.stdout + told.stderr
    assert "sound server" in told.stdout
    assert ("1 wanted path(s) do not work" in told.stderr) == (status == 1)


@pytest.mark.pulse
def test_the_doctor_survives_a_portaudio_that_crashes(tmp_path: Path) -> None:
    broken = {"ALSA_CONFIG_PATH": str(tmp_path / "nothing.conf")}
    told = doctor(tmp_path, broken, "--devices", "hardware", "--json")
    assert told.returncode == 1
    found = {one["path"]: one for one in json.loads(told.stdout)}
    assert found["speakers"]["state"] == "fails"
    assert "ALSA configuration" in found["speakers"]["text"]
