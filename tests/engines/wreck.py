"""A daemon whose children are killed, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swanbridge_media.messages import FD_STATUS

from tests.services.program import Lab, Params, Program

CHILDREN = frozenset({"audio", "decoder 0", "decoder 1"})
BACK_WITHIN = 1.0  # seconds
TURN = 0.01  # seconds


class Wreck(Lab):
    """A lab that expects deaths among the daemon's children."""

    def ready(self) -> dict[str, Any]:
        """Fetch what the daemon says of itself."""
        return self.run(self._asked("/ready"))

    @staticmethod
    async def _turn() -> None:
        """Let events be read, and the children have the processor, before what tells nobody is asked again."""
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=TURN)

    async def _asked(self, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.daemon.token}"}
        async with self._http.get(self.daemon.url + path, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    def until(self, holds: Callable[[], object], patience: float = 20.0) -> float:
        """Ask again and again; returns the seconds until it was so. Events are read meanwhile."""
        begin = time.monotonic()
        while not holds():
            assert time.monotonic() - begin < patience, (
                f"not so after {patience} s\n{self.daemon.log[-3000:]}"
            )
            self.run(self._turn())
        return time.monotonic() - begin

    def processes(self) -> dict[str, int]:
        """Wait until every engine takes requests; returns their process ids."""
        self.until(lambda: self.ready()["processes"].keys() == CHILDREN)
        found: dict[str, int] = self.ready()["processes"]
        return found

    def strike(self, label: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send an engine a deadly signal and wait for its death; returns the process id that it had."""
        pid = self.processes()[label]
        end(pid, number)
        return pid

    def strike_at_work(self, number: signal.Signals) -> str:
        """Kill a decoder while it decodes; returns which."""
        for _ in range(2000):
            for label, pid in self.processes().items():
                if label == "audio":
                    continue
                os.kill(pid, signal.SIGSTOP)  # it stays where it is while we look
                status = Path(f"/proc/{pid}/fd/{FD_STATUS}").read_bytes()
                if any(status):
                    signal_and_continue(pid, number)
                    return label
                os.kill(pid, signal.SIGCONT)
            self.run(self._turn())
        raise AssertionError("no decoder was ever found at work")

    def back(self, label: str, former: int, patience: float = 10.0) -> float:
        """Wait until another process has the engine's place; returns the seconds that took."""
        return self.until(lambda: self.ready()["processes"].get(label, former) != former, patience)

    def children(self) -> dict[int, str]:
        """Return the process ids and states of the daemon's children, those dead but not reaped included."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(fields[1]) == self.daemon.pid:
                    found[int(folder.name)] = fields[0]
        return found

    def end_programs(self) -> None:
        """Close every session; the daemon must be alive, whole, and have had no failure of its own."""
        programs, self.programs = self.programs, []
        for program in programs:
            program.close()
        assert self.daemon.process is not None
        assert self.daemon.process.poll() is None
        assert "Traceback" not in self.daemon.log, self.daemon.log[-4000:]
        assert "never retrieved" not in self.daemon.log, self.daemon.log[-4000:]
        pids = set(self.processes().values())
        self.until(lambda: self.children().keys() == pids, 5.0)
        assert "Z" not in self.children().values()


def signal_and_continue(pid: int, number: signal.Signals) -> None:
    """Have a stopped process die of a signal before anything else, and wait for that."""
    os.kill(pid, number)
    descriptor = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGCONT)
        readable, _, _ = select.select([descriptor], [], [], 10.0)
        assert readable, f"process {pid} survived {number.name}"
    finally:
        os.close(descriptor)


def end(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a process a deadly signal and wait until it is dead."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, number)
        readable, _, _ = select.select([descriptor], [], [], 10.0)
        assert readable, f"process {pid} survived {number.name}"
    finally:
        os.close(descriptor)


def told(program: Program, context_id: str) -> list[str]:
    """Return the short names of a context's events but for time updates."""
    return [name for name in program.names(context_id) if name != "onTimeUpdate"]


def carried_on(program: Program, context_id: str, duration: float, number: int = 1) -> tuple[Params, Params]:
    """Wait for the so-manieth onWaiting and the onPlay after it; they must be at the same place."""
    waiting = program.wait_for("onWaiting", context_id, number)
    again = program.wait_for("onPlay", context_id, number + 1)
    began = program.of(context_id, "onPlay")[number - 1]
    assert again["at"] > waiting["at"] > began["at"]
    played = waiting["at"] - began["at"]
    assert abs(waiting["currentTime"] - began["currentTime"] - played) < 0.3
    assert abs(again["currentTime"] - waiting["currentTime"]) < 0.3
    assert again["currentTime"] < duration
    return waiting, again
