"""The JavaScript client: its own tests, then against a real daemon from Node and from Chromium."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from swanbridge_testing.daemon import RunningDaemon

CLIENT = Path(__file__).parents[2] / "clients" / "js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 2
RATE = 48_000

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="Node is not installed; scripts/test installs it"
)
needs_packages = pytest.mark.skipif(
    not (CLIENT / "node_modules" / "playwright-core").is_dir(), reason="`npm ci` was not run in clients/js"
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed; scripts/test installs it"
)


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """A daemon on virtual devices and the virtual clock, with one tone in its package directory."""
    with RunningDaemon() as running:
        tone(running.package_dir / "tone.wav")
        yield running


def tone(path: Path) -> None:
    """Write two seconds of 440 Hz."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        samples = (int(12_000 * math.sin(math.tau * 440 * n / RATE)) for n in range(SECONDS * RATE))
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))


def run_node(*arguments: str, daemon: RunningDaemon | None = None, **more: str) -> None:
    """Run Node in the client's directory; what it wrote is the failure's text."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWANBRIDGE_")}
    if daemon is not None:
        environment |= {
            "SWANBRIDGE_URL": daemon.url,
            "SWANBRIDGE_TOKEN": daemon.token,
            "SWANBRIDGE_TEST_ROOT": str(daemon.package_dir),
            "SWANBRIDGE_TEST_CLIP": "/tone.wav",
            "SWANBRIDGE_TEST_DURATION": str(SECONDS),
        }
    done = subprocess.run(
        ["node", *arguments], cwd=CLIENT, env=environment | more, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_node
def test_the_clients_own_tests_pass() -> None:
    names = sorted(path.name for path in (CLIENT / "test").glob("*.test.js"))
    alone = [f"test/{name}" for name in names if name not in {"daemon.test.js", "browser.test.js"}]
    assert len(alone) >= 4
    run_node("--test", "--test-timeout=30000", *alone)


@needs_node
def test_node_plays_a_clip_through_the_daemon(daemon: RunningDaemon) -> None:
    run_node("--test", "--test-timeout=30000", "test/daemon.test.js", daemon=daemon)


@needs_node
def test_the_shipped_files_alone_tell_a_wrong_package_root(daemon: RunningDaemon, tmp_path: Path) -> None:
    """What npm ships is `src` and package.json: it runs without node_modules."""
    shutil.copytree(CLIENT / "src", tmp_path / "src")
    shutil.copy(CLIENT / "package.json", tmp_path)
    program = (
        f"import {{connect}} from '{(tmp_path / 'src' / 'index.js').as_uri()}';"
        "const {SWANBRIDGE_URL: url, SWANBRIDGE_TOKEN: token} = process.env;"
        "const swan = await connect({url, token, packageRoot: '/'}).catch(error => error);"
        "if (swan.errCode !== -32602) throw new Error(`unexpected: ${swan}`);"
    )
    run_node("--input-type=module", "--eval", program, daemon=daemon)


@pytest.mark.browser
@needs_node
@needs_packages
@needs_chromium
def test_chromium_plays_a_clip_with_the_client_that_the_daemon_serves(daemon: RunningDaemon) -> None:
    assert CHROMIUM is not None
    run_node(
        "--test",
        "--test-timeout=60000",
        "test/browser.test.js",
        daemon=daemon,
        SWANBRIDGE_TEST_CHROMIUM=CHROMIUM,
    )
