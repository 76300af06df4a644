"""`swanbridge demo`: a private daemon, a tour of every API family, and a report of what was proved.

A family is one module with one coroutine `tour(tour: Tour)`; its line in `FAMILIES` makes it part of the tour.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ..errors import DaemonNotFound
from ..swan import connect
from . import inner_audio
from .report import write_report
from .tour import StepFailed, Tour

__all__ = ["FAMILIES", "run"]

FAMILIES: dict[str, Callable[[Tour], Awaitable[None]]] = {
    "innerAudioContext": inner_audio.tour,
}
START = 30.0  # seconds for the daemon to be ready
STOP = 10.0  # seconds for it to end


async def run(directory: Path) -> int:
    """Tour everything, leave the made files in `directory`; 1 if a step failed."""
    program = await asyncio.to_thread(_prepare, directory)
    async with _daemon(program) as url, connect(url, app_id="swanbridge-demo", package_root=program) as swan:
        tour = Tour(swan, directory, program)
        for family, visit in FAMILIES.items():
            tour.begin(family)
            try:
                await visit(tour)
            except StepFailed:
                continue  # told already; the other families are still worth a look
    write_report(tour)
    failed = sum(1 for step in tour.steps if not step.passed)
    print(f"{len(tour.steps) - failed} of {len(tour.steps)} steps passed; see {directory / 'report.html'}")
    return 1 if failed else 0


def _prepare(directory: Path) -> Path:
    program = (directory / "program").absolute()
    program.mkdir(parents=True, exist_ok=True)
    return program


@asynccontextmanager
async def _daemon(program: Path) -> AsyncIterator[str]:
    """Run a daemon on virtual devices and the virtual clock; gives its address."""
    with tempfile.TemporaryDirectory(prefix="swanbridge-demo-") as home:
        command = [
            *(sys.executable, "-m", "swanbridge_daemon", "serve", "--port", "0"),
            *("--devices", "virtual", "--clock", "virtual", "--log-level", "warning"),
            *("--state-dir", home, "--package-dir", str(program)),
        ]
        # Its ready file stays in its own home, so that it never stands for the user's own daemon.
        own = {
            "XDG_RUNTIME_DIR": home,
            "RUNTIME_DIRECTORY": "",
            "SWANBRIDGE_READY_FILE": f"{home}/ready.json",
        }
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("SWANBRIDGE_")
        }
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env={**environment, **own},
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START):
                line = (await process.stdout.readline()).decode()
            if not line.startswith("swanbridged ready "):
                raise DaemonNotFound("the daemon did not start: is swanbridge[daemon] installed?")
            yield line.split()[-1]
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                async with asyncio.timeout(STOP):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
