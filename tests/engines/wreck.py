"""A daemon whose children are killed, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.services.program import Lab

CHILDREN = frozenset({"audio", "decoder 0", "decoder 1"})
TURN = 0.005  # seconds between two looks at what tells nobody of its changes
BACK_WITHIN = 1.0  # seconds


class Wreck(Lab):
    """A lab that expects deaths among the daemon's children. Times are those of the machine's monotonic clock."""

    def ready(self) -> dict[str, Any]:
        """What the daemon says of itself."""
        answer: dict[str, Any] = json.loads(self.fetch(f"{self.daemon.url}/ready"))
        return answer

    def processes(self) -> dict[str, int]:
        """Wait until every engine is up; returns their process ids."""
        self.until(lambda: self.ready()["processes"].keys() == CHILDREN, 20.0)
        found: dict[str, int] = self.ready()["processes"]
        return found

    def until(self, holds: Callable[[], bool], patience: float) -> float:
        """Wait for what nobody tells of; returns the seconds it took. Sockets are read meanwhile."""
        begin = time.monotonic()
        while not holds():
            assert time.monotonic() - begin < patience, (
                f"not so after {patience} s\n{self.daemon.log[-3000:]}"
            )
            self.run(self._turn())
        return time.monotonic() - begin

    async def _turn(self) -> None:
        await asyncio.wait_for(
            asyncio.shield(asyncio.get_running_loop().create_future()), TURN
        ) if False else None

    def children(self) -> dict[int, str]:
        """Process ids and states of the daemon's children, dead ones that nobody took leave of included."""
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
