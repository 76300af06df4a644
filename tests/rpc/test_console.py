"""The console: who gets it, that it is whole, and that it shows what is going on."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest
import swanbridge_daemon
from swanbridge_client import sync
from swanbridge_testing.daemon import RunningDaemon

from .peer import http

PAGE = Path(swanbridge_daemon.__file__).parent / "console"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FILES = ["/", "/console/console.js", "/console/console.css"]


async def fetched(daemon: RunningDaemon, path: str, token: str | None) -> aiohttp.ClientResponse:
    """Get a path as a browser with the console's cookie does; the body is read."""
    cookies = {} if token is None else {f"swanbridge_{daemon.url.rpartition(':')[2]}": token}
    async with http(daemon, None) as client, client.get(path, cookies=cookies) as response:
        await response.read()
        return response


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("token", [None, "wrong"])
def test_nobody_gets_the_console_without_the_token(
    virtual_daemon: RunningDaemon, path: str, token: str | None
) -> None:
    assert asyncio.run(fetched(virtual_daemon, path, token)).status == 401


@pytest.mark.parametrize("path", FILES)
def test_the_console_comes_with_a_policy_that_lets_no_stranger_s_script_run(
    virtual_daemon: RunningDaemon, path: str
) -> None:
    response = asyncio.run(fetched(virtual_daemon, path, virtual_daemon.token))
    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_opening_the_printed_address_leads_to_the_console(virtual_daemon: RunningDaemon) -> None:
    async def visit() -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as browser:
            async with browser.get(f"{virtual_daemon.url}/?token={virtual_daemon.token}") as response:
                assert response.status == 200
                assert "token" not in str(response.url)
                assert "<title>swanbridge</title>" in await response.text()

    asyncio.run(visit())


def test_every_file_that_the_console_names_is_served(virtual_daemon: RunningDaemon) -> None:
    page = (PAGE / "index.html").read_text()
    named = re.findall(r'(?:href|src)="([^"]+)"', page)
    named += re.findall(r"from '([^']+)'", (PAGE / "console.js").read_text())
    assert len(named) == 4
    for path in named:
        assert asyncio.run(fetched(virtual_daemon, path, virtual_daemon.token)).status == 200, path


def test_the_console_has_nothing_inline_and_writes_text_only() -> None:
    page = (PAGE / "index.html").read_text()
    assert re.findall(r"<style|style=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page) == []
    script = (PAGE / "console.js").read_text()
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script) == []


def test_every_part_that_the_script_fills_is_in_the_page() -> None:
    script = (PAGE / "console.js").read_text()
    wanted = set(re.findall(r"(?:part|show)\('([a-z-]+)'", script))
    assert len(wanted) > 5
    assert wanted <= set(re.findall(r'id="([a-z-]+)"', (PAGE / "index.html").read_text()))


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; scripts/test installs it")
def test_a_browser_shows_the_daemon_and_its_sessions(virtual_daemon: RunningDaemon, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    with sync.connect(virtual_daemon.url, token=virtual_daemon.token, app_id="seen.in-the-console") as swan:
        done = subprocess.run(
            [
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", f"--user-data-dir={tmp_path}"),
                *("--virtual-time-budget=5000", "--dump-dom"),
                f"{virtual_daemon.url}/?token={virtual_daemon.token}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        page = done.stdout
        sessions = re.findall(r'<tbody id="sessions">(.*?)</tbody>', page, re.DOTALL)
        assert sessions, done.stderr
        assert "seen.in-the-console" in sessions[0]
        assert swan.session.session_id in sessions[0]
        assert ">rpc<" not in sessions[0]  # its own polling
        assert "takes calls" in page
        assert re.search(r"<dt>Clock</dt><dd>virtual, [\d.]+ s</dd>", page)
        assert "<td>speaker</td>" in page
