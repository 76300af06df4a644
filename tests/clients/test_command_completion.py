"""Tab completion, in the shells that are here."""

from __future__ import annotations

import argparse
import shutil
import subprocess

import pytest
from swanbridge_client.cli import build_parser
from swanbridge_client.completion import script


def bash_offers(parser: argparse.ArgumentParser, line: str) -> set[str]:
    """Return what bash would offer at the end of a line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    name = "_" + parser.prog
    program = (
        f"{script(parser, 'bash')}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        f'{name}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-uc", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("swanbridge s", {"sessions", "schema"}),
        ("swanbridge --u", {"--url"}),
        ("swanbridge capture st", {"start", "stop"}),
        ("swanbridge --json capture rec", {"record"}),
        ("swanbridge token --scope ", {"view", "app", "control"}),
        ("swanbridge token --e", {"--expires"}),
        ("swanbridge schema t", {"typescript"}),
        ("swanbridge call clock.", {"clock.now", "clock.advance", "clock.run_until"}),
        ("swanbridge call --session ", set()),
    ],
)
def test_bash_offers_what_may_come_next(line: str, offers: set[str]) -> None:
    assert bash_offers(build_parser(), line) == offers


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_read_their_script(shell: str) -> None:
    text = script(build_parser(), shell)
    assert "capture/record" in text
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n", "-c", text], check=True)


def test_an_unknown_shell_is_named() -> None:
    with pytest.raises(ValueError, match="tcsh"):
        script(build_parser(), "tcsh")
