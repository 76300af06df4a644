"""The README tells the truth: its examples run, its tables agree with the project, its links lead somewhere."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from swanbridge_client.demo.sounds import tone, write_wav
from swanbridge_daemon.config import Settings
from swanbridge_protocol import catalogue
from swanbridge_testing.daemon import RunningDaemon

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SEED = ROOT / "tests" / "seed"
NEWER_THAN_THE_SEED = {"setInnerAudioOption"}
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "clients/js/README.md"]


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """Return a chapter's text."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, f"the README has no chapter {title}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """Return a chapter's table without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run a program as a reader would; returns what it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SWANBRIDGE_")}
    done = subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """A daemon on the real clock, as `scripts/run --package-dir DIR` starts it, with a sound in DIR."""
    with RunningDaemon(clock="real") as running:
        write_wav(running.package_dir / "hello.wav", tone(440, 0.6))
        yield running


# --- the examples -----------------------------------------------------------------------------------------


@pytest.mark.realtime
@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed; scripts/test installs it")
def test_the_javascript_example_plays_to_the_end(daemon: RunningDaemon, tmp_path: Path) -> None:
    [program] = examples("js")
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "swanbridge").symlink_to(ROOT / "clients" / "js")  # what npm does with a directory
    (tmp_path / "example.mjs").write_text(program)
    printed = run(
        "node",
        str(tmp_path / "example.mjs"),
        cwd=daemon.package_dir,
        SWANBRIDGE_URL=f"{daemon.url}/?token={daemon.token}",
    )
    assert printed.splitlines()[-1] == "0.6 of 0.6 s"


@pytest.mark.realtime
def test_the_python_example_prints_what_was_heard(daemon: RunningDaemon) -> None:
    [program] = [one for one in examples("python") if "asyncio.run" in one]
    ready = str(daemon.home / "ready.json")
    printed = run(sys.executable, "-c", program, cwd=daemon.package_dir, SWANBRIDGE_READY_FILE=ready)
    [heard] = [line.split() for line in printed.splitlines() if line.startswith("sound")]
    assert float(heard[2]) - float(heard[1]) == pytest.approx(0.6, abs=0.05)
    assert float(heard[3]) == pytest.approx(440, abs=2)


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    [program] = [one for one in examples("python") if "def test_" in one]
    write_wav(tmp_path / "hello.wav", tone(440, 0.6))
    (tmp_path / "test_example.py").write_text(program)
    printed = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "1 passed" in printed


# --- the tables -------------------------------------------------------------------------------------------


def missing_from(api: str, seed: dict[str, Any], missing: set[str]) -> set[str]:
    """Return what is missing of a function, or of a factory and all that its object has."""
    owners = {name for name, thing in seed["objects"].items() if thing["factory"] == api}
    return {name for name in missing if name == api or name.partition(".")[0] in owners}


def test_the_table_of_apis_says_what_works_and_nothing_more() -> None:
    seed = json.loads((SEED / "api.json").read_text(encoding="utf-8"))
    missing = set(json.loads((SEED / "missing.json").read_text(encoding="utf-8")))
    apis = {*seed["functions"], *(thing["factory"] for thing in seed["objects"].values())}
    expected = {api: "not yet" if missing_from(api, seed, missing) else "works" for api in apis}
    expected |= {api: "works" if api in catalogue.METHODS else "not yet" for api in NEWER_THAN_THE_SEED}
    assert {name.strip("`"): now for name, _, now in rows("What works")} == expected


def test_every_setting_is_in_the_table_and_no_other() -> None:
    told = re.findall(r"--[a-z-]+", " ".join(row[0] for row in rows("Settings")))
    settings = [f"--{setting.name.replace('_', '-')}" for setting in dataclasses.fields(Settings)]
    assert sorted(told) == sorted(settings)


@pytest.mark.parametrize("program", ["swanbridged", "swanbridge"])
def test_every_command_is_in_the_table_and_no_other(program: str) -> None:
    module = {"swanbridged": "swanbridge_daemon", "swanbridge": "swanbridge_client"}[program]
    usage = run(sys.executable, "-m", module, "--help", cwd=ROOT)
    commands = re.findall(r"^    ([a-z]+)(?:  |$)", usage, re.MULTILINE)
    told = [re.findall(rf"`{program} ([a-z]+)", row[0]) for row in rows("Commands")]
    assert sorted(commands) == sorted(name for [name] in filter(None, told))


def test_every_method_that_is_named_exists() -> None:
    families = {name.partition(".")[0] for name in catalogue.METHODS if "." in name}
    named = [
        name for name in re.findall(r"`(\w+\.[a-zA-Z_.]+)", README) if name.partition(".")[0] in families
    ]
    assert named
    assert [name for name in named if name not in catalogue.METHODS] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_or_a_chapter(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        name, _, chapter = target.partition("#")
        linked = (ROOT / page).parent / name if name else ROOT / page
        assert linked.exists(), target
        assert not chapter or chapter in chapters(linked), target


def chapters(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
