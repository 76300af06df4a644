"""The command `swanbridge`, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from swanbridge_client import sync
from swanbridge_client.demo.sounds import tone, write_wav
from swanbridge_testing.daemon import RunningDaemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with RunningDaemon() as running:
        program = running.package_dir / "program"
        program.mkdir()
        write_wav(program / "t.wav", tone(440, 1.0))
        yield running


@pytest.fixture
def program(daemon: RunningDaemon) -> Iterator[sync.Swan]:
    root = daemon.package_dir / "program"
    with sync.connect(daemon.url, token=daemon.token, app_id="program", package_root=root) as swan:
        yield swan


def swanbridge(
    *arguments: str, daemon: RunningDaemon | None, given: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    ready = "/nowhere/ready.json" if daemon is None else str(daemon.home / "ready.json")
    return subprocess.run(
        [sys.executable, "-m", "swanbridge_client", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={**os.environ, "SWANBRIDGE_READY_FILE": ready},
    )


def test_a_call_finds_the_daemon_and_prints_its_result(daemon: RunningDaemon) -> None:
    done = swanbridge("call", "clock.now", daemon=daemon)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["mode"] == "virtual"


def test_params_come_from_the_line_a_file_or_standard_input(daemon: RunningDaemon, tmp_path: Path) -> None:
    params = '{"seconds": 0.5}'
    (tmp_path / "params.json").write_text(params)
    nows = [
        json.loads(
            swanbridge("call", "clock.advance", form, daemon=daemon, given=params, folder=tmp_path).stdout
        )
        for form in (params, "@params.json", "-")
    ]
    assert [one["now"] - nows[0]["now"] for one in nows] == [0, 0.5, 1.0]


def test_a_failed_call_tells_the_error_and_exits_with_1(daemon: RunningDaemon) -> None:
    done = swanbridge("call", "innerAudioContext.play", '{"contextId": "x"}', daemon=daemon)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith('swanbridge: parameterError (202): there is no innerAudioContext "x"')


def test_with_json_an_error_is_one_json_object_on_standard_error(daemon: RunningDaemon) -> None:
    for arguments in (("--json", "call", "nope"), ("call", "nope", "--json")):
        done = swanbridge(*arguments, daemon=daemon)
        assert (done.returncode, done.stdout) == (1, "")
        error = json.loads(done.stderr)
        assert error.keys() == {"code", "name", "errMsg"}
        assert (error["code"], error["name"]) == (-32601, "methodNotFound")
        assert error["errMsg"].startswith("there is no such method")
    absent = swanbridge("--json", "devices", daemon=None)
    assert (absent.returncode, json.loads(absent.stderr)["name"]) == (3, "daemonNotFound")


@pytest.mark.parametrize("params", ["{", "[]", "@missing.json"])
def test_params_that_are_none_are_wrong_usage(daemon: RunningDaemon, params: str) -> None:
    done = swanbridge("call", "clock.now", params, daemon=daemon)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_without_a_daemon_it_says_how_to_start_one() -> None:
    done = swanbridge("devices", daemon=None)
    assert done.returncode == 3
    assert "swanbridged serve" in done.stderr
    assert "3 no daemon was found" in swanbridge("--help", daemon=None).stdout


def test_a_wrong_token_is_refused_with_3(daemon: RunningDaemon) -> None:
    done = swanbridge("--token", "wrong", "devices", daemon=daemon)
    assert (done.returncode, "the token is wrong" in done.stderr) == (3, True)


def test_a_call_can_be_made_inside_another_session(daemon: RunningDaemon, program: sync.Swan) -> None:
    audio = program.create_inner_audio_context()
    session_id = program.session.session_id
    params = json.dumps({"contextId": audio.context_id, "volume": 0.5})
    done = swanbridge("call", "innerAudioContext.set", params, "--session", session_id, daemon=daemon)
    assert done.returncode == 0
    state = program.control.session.snapshot().objects["innerAudioContext"][audio.context_id]
    assert state["volume"] == 0.5


def test_devices_and_sessions_are_tables_or_json(daemon: RunningDaemon, program: sync.Swan) -> None:
    table = swanbridge("devices", daemon=daemon).stdout.splitlines()
    assert table[0].split() == ["kind", "id", "name"]
    assert table[1].split() == ["*", "speaker", "virtual", "Virtual", "speaker", "virtual"]
    listed = json.loads(swanbridge("sessions", "--json", daemon=daemon).stdout)["sessions"]
    assert [(one["sessionId"], one["appId"]) for one in listed] == [(program.session.session_id, "program")]
    assert "program" in swanbridge("sessions", daemon=daemon).stdout


def test_events_are_json_lines(daemon: RunningDaemon, program: sync.Swan) -> None:
    program.create_inner_audio_context().src = "/t.wav"
    program.control.clock.advance(0)
    done = swanbridge("events", daemon=daemon)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["sessionId"], one["method"]) for one in lines] == [
        (program.session.session_id, "innerAudioContext.onCanplay")
    ]


def test_events_are_followed_until_the_session_ends(daemon: RunningDaemon, program: sync.Swan) -> None:
    command = [sys.executable, "-m", "swanbridge_client", "events", "--follow"]
    command += ["--session", program.session.session_id, "--url", daemon.url, "--token", daemon.token]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        audio = program.create_inner_audio_context()
        audio.src = "/t.wav"
        assert json.loads(following.stdout.readline())["method"] == "innerAudioContext.onCanplay"
        audio.play()
        assert json.loads(following.stdout.readline())["method"] == "innerAudioContext.onPlay"
        program.close()
        assert following.wait(20) == 0


def test_a_capture_is_held_by_a_session(daemon: RunningDaemon, program: sync.Swan, tmp_path: Path) -> None:
    capture = swanbridge("capture", "start", daemon=daemon).stdout.strip()
    audio = program.create_inner_audio_context()
    audio.src = "/t.wav"
    audio.play()
    program.control.clock.advance(1.5)
    described = json.loads(swanbridge("capture", "describe", capture, "--json", daemon=daemon).stdout)
    assert described["duration"] == 1.5
    assert "440.0 Hz" in swanbridge("capture", "describe", capture, daemon=daemon).stdout
    clip = daemon.package_dir / "program" / "t.wav"
    assert swanbridge("capture", "find", capture, str(clip), daemon=daemon).stdout.startswith("at ")
    done = swanbridge("capture", "stop", capture, "-o", "out.wav", daemon=daemon, folder=tmp_path)
    assert done.returncode == 0
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert file.getnframes() / file.getframerate() == 1.5


def test_recording_needs_no_session(daemon: RunningDaemon, tmp_path: Path) -> None:
    assert swanbridge("capture", "start", daemon=daemon).returncode == 2
    done = swanbridge("capture", "record", "0.5", "--json", daemon=daemon, folder=tmp_path)
    assert json.loads(done.stdout)["duration"] == 0.5
    assert (tmp_path / "capture.wav").stat().st_size == 44 + 24_000 * 4


def test_a_signed_token_lets_in_and_no_further(daemon: RunningDaemon) -> None:
    token = swanbridge("token", "--scope", "app", "--expires", "1h", daemon=daemon).stdout.strip()
    assert swanbridge("call", "clock.now", "--token", token, daemon=daemon).returncode == 0
    done = swanbridge("call", "clock.advance", '{"seconds": 1}', "--token", token, daemon=daemon)
    assert (done.returncode, "forbidden (-32002)" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("form", "holds"),
    [("openrpc", '"openrpc"'), ("typescript", "innerAudioContext"), ("markdown", "innerAudioContext")],
)
def test_the_schema_is_printed_without_a_daemon(form: str, holds: str) -> None:
    done = swanbridge("schema", form, daemon=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert holds in done.stdout


def test_the_demo_proves_every_family_and_leaves_a_report(tmp_path: Path) -> None:
    done = swanbridge("demo", str(tmp_path / "demo"), daemon=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert "✗" not in done.stdout
    assert "8 of 8 steps passed" in done.stdout
    report = (tmp_path / "demo" / "report.html").read_text()
    assert report.count("✓") == 8
    for name in ("play", "volume", "seek", "pause", "loop", "rate", "together"):
        assert f'src="heard-{name}.wav"' in report
        assert (tmp_path / "demo" / f"heard-{name}.wav").stat().st_size > 44
    lines = (tmp_path / "demo" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["params"]["seq"] for line in lines] == list(range(1, len(lines) + 1))
