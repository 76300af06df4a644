"""The files around the code agree with the code and with each other."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import swanbridge_daemon

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "constraints").glob("*.txt"))
UNITS = [ROOT / "systemd/swanbridged.service", ROOT / "systemd/user/swanbridged.service"]
SCRIPTS = ["scripts/run", "scripts/test", "scripts/check", "scripts/bench", "scripts/lock", ".ci/run"]

# One locked package: its name, its version, an optional marker, and then its hashes on lines of their own.
LOCKED = re.compile(
    r"^([a-z0-9-]+)==(\S+)( ; [^\\\n]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", re.M
)


def locked(path: Path) -> dict[str, str]:
    """Names and versions of the packages that a lock file pins with hashes."""
    return {match[1]: match[2] for match in LOCKED.finditer(path.read_text())}


def test_every_part_carries_the_version_of_the_project() -> None:
    package = json.loads((ROOT / "clients/js/package.json").read_text())

    assert swanbridge_daemon.__version__ == PROJECT["project"]["version"]
    assert package["version"] == PROJECT["project"]["version"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_file_holds_nothing_but_pinned_and_hashed_packages(path: Path) -> None:
    rest = LOCKED.sub("", path.read_text())

    assert locked(path)
    assert [line for line in rest.splitlines() if line and not line.startswith("    #")] == []
    assert "//" not in path.read_text(), "an address has no place here"


def test_all_lock_files_pin_the_same_versions() -> None:
    pins = [pin for path in LOCKS for pin in locked(path).items()]

    assert len(dict(pins)) == len(set(pins))
    assert (
        locked(ROOT / "constraints/runtime.txt").items()
        <= locked(ROOT / "constraints/development.txt").items()
    )


def test_every_dependency_of_the_project_is_locked() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    names = {
        re.sub(r"[._]", "-", re.split(r"[^A-Za-z0-9._-]", requirement)[0]).lower()
        for requirement in [*PROJECT["project"]["dependencies"], *extras["daemon"], *extras["dev"]]
    }

    assert names - {"swanbridge"} <= locked(ROOT / "constraints/development.txt").keys()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_can_be_run_and_is_sound_bash(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_the_readme_names_the_two_commands_that_start_everything() -> None:
    readme = (ROOT / "README.md").read_text()

    assert "scripts/run" in readme
    assert "scripts/test" in readme


@pytest.fixture(scope="module")
def serve_help() -> str:
    command = [sys.executable, "-m", "swanbridge_daemon", "serve", "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.parent.name)
def test_a_unit_starts_the_daemon_with_options_that_it_has(unit: Path, serve_help: str) -> None:
    start = re.search(r"^ExecStart=\S+/swanbridged serve(.*)$", unit.read_text().replace("\\\n", ""), re.M)

    assert start is not None
    for option in re.findall(r"--[a-z-]+", start[1]):
        assert re.search(rf"{option}\b", serve_help), option


def test_the_image_speaks_of_settings_that_serve_has(serve_help: str) -> None:
    settings = set(re.findall(r"SWANBRIDGE_([A-Z_]+)=", (ROOT / "Dockerfile").read_text()))

    assert settings
    for setting in settings:
        option = "--" + setting.lower().replace("_", "-")
        assert re.search(rf"{option}\b", serve_help), option


def test_the_image_is_built_without_pip_asking_for_anything_unlocked() -> None:
    steps = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").replace("&&", "\n").splitlines()
    installing = [step for step in steps if re.search(r"\bpip\b.* (install|wheel) ", step)]

    assert installing
    assert all("--no-deps" in step for step in installing)
    assert all("--require-hashes" in step for step in installing if " -r " in step)


def test_the_protocol_imports_pydantic_and_nothing_else() -> None:
    roots: set[str] = set()
    for path in (ROOT / "protocol/swanbridge_protocol").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                roots |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots.add(str(node.module).split(".")[0])

    assert roots - sys.stdlib_module_names <= {"pydantic", "pydantic_core", "swanbridge_protocol"}
