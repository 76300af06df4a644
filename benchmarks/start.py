"""From the command to the ready line, and the memory then and once the engines are warm."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Figure, Report, daemon, family, median, pss_megabytes

STARTS = 9


def _start_once() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "swanbridge_daemon", "serve", "--port", "0", "--devices", "virtual"]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--state-dir", str(Path(folder) / "state")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"XDG_RUNTIME_DIR": folder, "HOME": folder, "PATH": "/usr/bin:/bin"},
        )
        assert process.stdout is not None
        select.select([process.stdout], [], [], 30)
        took = time.perf_counter() - began
        memory = pss_megabytes([process.pid])
        process.terminate()
        process.wait()
        process.stdout.close()
        return took, memory


async def measure(report: Report) -> None:
    """Measure starts and memory."""
    rows = [await asyncio.to_thread(_start_once) for _ in range(STARTS)]
    took = [row[0] for row in rows]
    report.add(
        Figure(
            "start to ready",
            median(took),
            "s",
            0.45,
            worst=max(took),
            peer="Mopidy (taken earlier)",
            peer_value=0.442,
        )
    )
    report.add(
        Figure(
            "memory at that moment",
            median([row[1] for row in rows]),
            "MB",
            60,
            peer="Mopidy (taken earlier)",
            peer_value=57,
        )
    )
    async with daemon() as running:
        report.add(Figure("memory with the engines warm", pss_megabytes(family(running.pid)), "MB", 160))
