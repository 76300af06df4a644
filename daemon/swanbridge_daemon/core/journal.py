"""What a session was told, in order, and kept for a while so that a lost socket loses nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from swanbridge_protocol import Event

JOURNAL = 16_384  # events kept a session; a client that resumes from before that is told `truncated`


@dataclass(slots=True, frozen=True)
class Entry:
    """One event as it goes out. `params` begins with `seq` and `at`; `group` is (event, object) if coalesced."""

    seq: int
    method: str
    params: dict[str, Any]
    group: tuple[str, str] | None

    def notification(self) -> dict[str, Any]:
        """Return the JSON-RPC notification."""
        return {"jsonrpc": "2.0", "method": self.method, "params": self.params}


class Journal:
    """A session's events with gapless numbers from 1 on."""

    def __init__(self, size: int = JOURNAL) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self.seq = 0

    def append(self, event: Event[Any], at: float, payload: dict[str, Any]) -> Entry:
        """Number an event and keep it."""
        self.seq += 1
        group = (event.name, str(payload.get(event.key or "", ""))) if event.coalesced else None
        entry = Entry(self.seq, event.name, {"seq": self.seq, "at": round(at, 6), **payload}, group)
        self._entries.append(entry)
        return entry

    def reaches(self, seq: int) -> bool:
        """Tell whether every event after `seq` is still here."""
        return seq <= self.seq and self.seq - seq <= len(self._entries)

    def after(self, seq: int, limit: int | None = None) -> list[Entry]:
        """Return the kept events with numbers above `seq`, oldest first."""
        first = self.seq - len(self._entries) + 1
        start = max(0, seq + 1 - first)
        stop = len(self._entries) if limit is None else min(len(self._entries), start + limit)
        return [self._entries[index] for index in range(start, stop)]
