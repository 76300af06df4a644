"""Where the client finds a daemon, what it may import, and what it signs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from swanbridge_client import ConnectionRefused, DaemonNotFound, Swan, connect
from swanbridge_client.discovery import Address, find
from swanbridge_client.tokens import seconds, sign
from swanbridge_protocol import Scope
from swanbridge_protocol.errors import Forbidden
from swanbridge_testing.daemon import RunningDaemon


@pytest.mark.parametrize(
    "url",
    ["http://h:1/?token=abc", "ws://h:1/ws?token=abc", "http://h:1/#x?token=no"],
)
def test_an_address_may_bring_its_token(url: str) -> None:
    assert find(url, "mine") == Address("http://h:1", "mine")
    assert find(url).token == ("" if "#" in url else "abc")


def test_an_address_that_is_none_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="localhost"):
        find("localhost:7667")


def test_the_ready_file_is_looked_for_in_the_users_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SWANBRIDGE_READY_FILE", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(DaemonNotFound, match="swanbridged serve"):
        find()
    ready = tmp_path / "swanbridge" / "ready.json"
    ready.parent.mkdir()
    ready.write_text(json.dumps({"url": "http://127.0.0.1:5/", "token": "t"}))
    assert find() == Address("http://127.0.0.1:5", "t")
    ready.write_text("{")
    with pytest.raises(DaemonNotFound, match="can't be read"):
        find()


def test_a_daemon_is_found_where_it_wrote_its_ready_file(
    swanbridge_daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWANBRIDGE_READY_FILE", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(swanbridge_daemon.home / "run"))
    assert find() == find(swanbridge_daemon.url, swanbridge_daemon.token)


def test_the_daemon_takes_signed_tokens_for_what_they_allow(swanbridge_daemon: RunningDaemon) -> None:
    def opened(token: str, app_id: str = "mine") -> connect:
        return connect(swanbridge_daemon.url, token=token, app_id=app_id)

    async def refused(swan: Swan) -> None:
        with pytest.raises(Forbidden):
            await swan.control.clock.advance(1)

    async def body() -> None:
        master = swanbridge_daemon.token
        async with opened(sign(master, Scope.CONTROL)) as swan:
            await swan.control.clock.advance(1)
        async with opened(sign(master, Scope.APP, expires_in=60)) as swan:
            await swan.create_inner_audio_context().destroy()
            await refused(swan)
        async with opened(sign(master, Scope.APP, app_id="mine")) as swan:
            await refused(swan)
        with pytest.raises(Forbidden, match="mine"):
            await opened(sign(master, Scope.APP, app_id="mine"), app_id="other")
        for wrong in (sign(master, Scope.APP, expires_in=-5), sign("guessed", Scope.APP)):
            with pytest.raises(ConnectionRefused):
                await opened(wrong)

    asyncio.run(body())


def test_only_the_start_up_token_signs() -> None:
    with pytest.raises(ValueError, match="start-up token"):
        sign(sign("master", Scope.CONTROL), Scope.VIEW)


@pytest.mark.parametrize(
    ("text", "wanted"), [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600), ("2d", 172_800)]
)
def test_a_length_of_time_is_read(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "h", "-1s", "1 week"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1h"):
        seconds(text)


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("swanbridge_client.cli", ("swanbridge_daemon", "swanbridge_media", "numpy", "av", "pytest")),
        ("swanbridge_client.sync", ("swanbridge_daemon", "swanbridge_media", "numpy", "av", "pytest")),
        (
            "swanbridge_testing.plugin",
            ("swanbridge_daemon", "swanbridge_client", "aiohttp", "pydantic", "numpy"),
        ),
    ],
)
def test_a_module_imports_nothing_heavier_than_it_needs(module: str, strangers: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert set(loaded.split()).isdisjoint(strangers)
