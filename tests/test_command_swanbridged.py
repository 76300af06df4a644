"""The command `swanbridged`: settings, the ready line and file, signals, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from swanbridge_daemon import __version__
from swanbridge_testing.daemon import RunningDaemon

from .rpc.peer import connected, http, in_session, write_tone

SWANBRIDGED = (sys.executable, "-m", "swanbridge_daemon")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWANBRIDGE_")}
    return subprocess.run(
        [*SWANBRIDGED, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**kept, **environment},
        check=False,
    )


def settings(*arguments: str, **environment: str) -> dict[str, tuple[Any, str]]:
    """Return the effective settings: name to value and origin."""
    done = run("config", "--json", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return {row["name"]: (row["value"], row["origin"]) for row in json.loads(done.stdout)}


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"swanbridged {__version__}\n")


# --- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--port", "x"), "--port"),
        (("--package-dir", "/nowhere/at/all"), "--package-dir"),
        (("--allow-origin", "null"), "--allow-origin"),
        (("--port", "65536"), "--port"),
        (("--port", "-1"), "--port"),
        (("--clock", "warped"), "--clock"),
        (("--devices", "none"), "--devices"),
        (("--log-level", "loud"), "--log-level"),
        (("--speaker-latency", "nan"), "--speaker-latency"),
        (("--speaker-latency", "9"), "--speaker-latency"),
        (("--host", "256.0.0.1"), "--host"),
        (("--host", "no-such-host.invalid"), "--host"),
        (("--state-dir", "/proc/nowhere"), "--state-dir"),
        (("--ready-file", "/proc/nowhere/ready"), "--ready-file"),
        (("--token-file", "/proc/nowhere/token"), "--token-file"),
        (("--unix", "/proc/nowhere/socket"), "--unix"),
        (("--unix", "/" + "x" * 200), "--unix"),
        (("--config", "/nowhere.toml"), "--config"),
        (("--config", "/proc"), "--config"),
        (("--prot", "1"), "--prot"),
        (("--port",), "--port"),
    ],
)
def test_a_bad_option_is_one_line_that_names_it_and_exit_2(
    arguments: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    defaults = ("--port", "0", "--devices", "virtual", "--state-dir", str(tmp_path))
    done = run("serve", *defaults, *arguments, XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    complaints = [line for line in done.stderr.splitlines() if line.startswith("swanbridged: ")]
    assert len(complaints) == 1
    assert named in complaints[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("port = 'x'", "--port"),
        ("port = 7667.5", "--port"),
        ("port = true", "--port"),
        ("host = 5", "--host"),
        ("host = 2001-01-01", "--host"),
        ("allow_host = 'one'", "--allow-host"),
        ("allow_host = [1]", "--allow-host"),
        ("clock = 'warped'", "--clock"),
        ("speaker_latency = inf", "--speaker-latency"),
        ("colour = 'red'", "colour"),
        ("port = ", "--config"),
    ],
)
def test_a_bad_file_is_one_line_that_names_setting_and_file(content: str, named: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(content)
    done = run("config", "--config", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert named in line
    assert str(file) in line


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"host = '\xff'")
    done = run("config", "--config", str(file))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    done = run("config", SWANBRIDGE_PORT="many")
    assert done.returncode == 2
    assert "SWANBRIDGE_PORT" in done.stderr


def test_options_win_over_variables_and_those_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('host = "127.0.0.3"\nport = 3\nclock = "virtual"\nallow_host = ["a", "b"]')
    environment = {"SWANBRIDGE_HOST": "127.0.0.2", "SWANBRIDGE_PORT": "2", "SWANBRIDGE_ALLOW_ORIGIN": "x:y"}
    found = settings("--config", str(file), "--host", "127.0.0.1", **environment)
    assert found["host"] == ("127.0.0.1", "--host")
    assert found["port"] == (2, "SWANBRIDGE_PORT")
    assert found["clock"] == ("virtual", str(file))
    assert found["allow_host"] == (["a", "b"], str(file))
    assert found["devices"] == ("auto", "default")


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("port = 3")
    assert settings(SWANBRIDGE_CONFIG=str(file))["port"] == (3, str(file))


def test_repeated_options_are_a_list() -> None:
    found = settings("--allow-host", "a", "--allow-host", "b")
    assert found["allow_host"] == (["a", "b"], "--allow-host")


def test_secrets_are_masked(tmp_path: Path) -> None:
    secret = str(tmp_path / "token")
    assert settings("--token-file", secret)["token_file"] == ("***", "--token-file")
    assert secret not in run("config", "--token-file", secret).stdout


# --- serve ------------------------------------------------------------------------------------------------


def test_the_ready_line_is_all_that_stdout_gets_and_its_address_works() -> None:
    daemon = RunningDaemon()
    daemon.start()
    process = daemon.process
    assert process is not None
    assert process.stdout is not None
    log = process.stdout
    asyncio.run(_health(daemon))
    process.send_signal(signal.SIGTERM)
    rest = log.read()
    assert process.wait(10) == 0
    assert rest == b""  # after the line that RunningDaemon read
    daemon.close()


async def _health(daemon: RunningDaemon) -> None:
    async with http(daemon) as client, client.get("/ready") as response:
        assert response.status == 200


def test_the_line_names_the_console_with_its_token(tmp_path: Path) -> None:
    command = [*SWANBRIDGED, "serve", "--port", "0", "--devices", "virtual", "--state-dir", str(tmp_path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith("swanbridged ready http://127.0.0.1:")
        address, token = line.split()[-1].split("?token=")
        request = Request(f"{address}ready", headers={"Authorization": f"Bearer {token}"})
        with urlopen(request) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_ready_file_says_how_to_reach_it_and_goes_with_it() -> None:
    with RunningDaemon() as daemon:
        own, found = daemon.home / "ready.json", daemon.home / "run" / "swanbridge" / "ready.json"
        facts = json.loads(own.read_text())
        assert facts == {
            "url": daemon.url,
            "ws": daemon.url.replace("http", "ws") + "/ws",
            "token": daemon.token,
            "pid": daemon.pid,
            "version": __version__,
            "protocol": 1,
        }
        assert json.loads(found.read_text()) == facts
        for path in (own, found):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert list(path.parent.glob("*.part")) == []
            assert list(path.parent.glob(".*.part")) == []
        assert daemon.stop() == 0
        assert not own.exists()
        assert not found.exists()


def test_another_daemon_s_ready_file_is_left_alone() -> None:
    with RunningDaemon() as daemon:
        ready = daemon.home / "ready.json"
        ready.write_text(json.dumps({"pid": 1}))
        assert daemon.stop() == 0
        assert ready.exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port, "--state-dir", str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = [line for line in done.stderr.splitlines() if line.startswith("swanbridged: ")]
    assert f"--port {port}" in line
    assert "in use" in line


def test_a_missing_token_file_is_made_for_its_owner_alone_and_used_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    tokens = []
    for _ in range(2):
        with RunningDaemon(arguments=["--token-file", str(file)]) as daemon:
            asyncio.run(_health(daemon))
            tokens.append(daemon.token)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tokens == [file.read_text().strip()] * 2


@pytest.mark.parametrize("content", ["", "short", "with a blank in between", "nön-äscii-nön-äscii", "x" * 15])
def test_a_bad_token_file_is_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    done = run("serve", "--port", "0", "--state-dir", str(tmp_path), "--token-file", str(file))
    assert done.returncode == 2
    assert f"--token-file {file}" in done.stderr


# --- the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_tells_the_clients_and_ends_it_within_five_seconds(number: signal.Signals) -> None:
    async def watch(daemon: RunningDaemon) -> None:
        async with in_session(daemon) as peer, http(daemon) as client:
            await peer.call("innerAudioContext.create", contextId="a")
            await peer.call("innerAudioContext.set", contextId="a", src="/two.wav", loop=True)
            await peer.call("innerAudioContext.play", contextId="a")
            session = (await peer.call("session.snapshot"))["sessionId"]
            async with client.get("/events", headers={"Swanbridge-Session": session}) as stream:
                os.kill(daemon.pid, number)
                assert await peer.until_closed() == 1001
                await stream.content.read()

    daemon = RunningDaemon(clock="real")
    write_tone(daemon.package_dir / "tones" / "two.wav", 2.0)
    with daemon:
        asyncio.run(watch(daemon))
        assert daemon.process is not None
        assert daemon.process.wait(5) == 0
        assert "Traceback" not in daemon.log


def test_a_client_that_does_not_read_does_not_hold_it_up() -> None:
    async def clog(daemon: RunningDaemon) -> float:
        async with connected(daemon) as peer:
            await peer.open()
            peer.transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(200):  # more than the kernel holds for us
                await peer.begin("rpc.discover")
            await asyncio.to_thread(lambda: asyncio.run(_health(daemon)))
            begin = time.monotonic()
            os.kill(daemon.pid, signal.SIGTERM)
            assert daemon.process is not None
            assert await asyncio.to_thread(daemon.process.wait, 10) == 0
            took = time.monotonic() - begin
            peer.cut()
            return took

    with RunningDaemon() as daemon:
        assert asyncio.run(clog(daemon)) < 5


def test_the_state_directory_is_left_clean(tmp_path: Path) -> None:
    daemon = RunningDaemon(home=tmp_path)

    async def use() -> None:
        async with connected(daemon) as peer:
            await peer.open()
            await peer.call("speaker.capture.start")

    with daemon:
        asyncio.run(use())
    left = [path for path in (tmp_path / "state").rglob("*") if path.is_file() and path.stat().st_size]
    assert left == []


def test_a_second_daemon_leaves_the_first_one_to_be_found() -> None:
    with RunningDaemon() as first:
        found = first.home / "run" / "swanbridge" / "ready.json"
        environment = {"XDG_RUNTIME_DIR": str(first.home / "run")}
        with RunningDaemon(environment=environment) as second:
            assert json.loads(found.read_text())["pid"] == first.pid
            assert "--url" in second.log
        assert json.loads(found.read_text())["pid"] == first.pid
