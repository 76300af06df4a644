"""What services need of the outside, as they see it; engines and storage give it."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal, Protocol

Fault = Literal["file", "format", "network", "system"]


class PortError(Exception):
    """The outside could not do it; services translate it into a swan error."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault: Fault = fault
        self.message = message


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open regular file: who got it closes the descriptor.

    `key` is equal for the same bytes, so that they are decoded once and a poisoned file is known again.
    """

    descriptor: int
    name: str
    size: int
    key: Hashable

    @property
    def complete(self) -> bool:
        """Whether all of it is here: always."""
        return True

    def close(self) -> None:
        """Close the descriptor; to be called once."""
        os.close(self.descriptor)


class Growing(Protocol):
    """A file that is still being fetched, into a sparse local copy."""

    descriptor: int
    name: str
    key: Hashable

    @property
    def size(self) -> int:
        """Return the whole size in bytes, -1 while unknown."""

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Return the byte ranges [start, end) that are here, sorted and disjoint."""

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""

    @property
    def error(self) -> str:
        """Why nothing more comes; empty if it does."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call back whenever ranges, completeness or error change."""

    def want(self, offset: int) -> None:
        """Fetch from `offset` on, if nothing else is about to."""

    def close(self) -> None:
        """Let go of it."""


class Sources(Protocol):
    """Turns what a program wrote into `src` into bytes."""

    async def open(self, source: str, files: Files) -> OpenFile | Growing:
        """Open a path, http(s):// or data: URL; `PortError` "file" or "network" says why not."""


class Draft(Protocol):
    """A file being made in a session's temp store."""

    @property
    def descriptor(self) -> int:
        """Return the open, writable descriptor."""

    def write(self, data: bytes) -> None:
        """Append; over the quota `PortError` "system"."""

    def commit(self) -> str:
        """Give it its name; returns the `bdfile://` path."""

    def discard(self) -> None:
        """Throw it away; harmless after `commit`."""


class Files(Protocol):
    """A session's files."""

    def open(self, path: str) -> OpenFile:
        """Open a package or `bdfile://` path; `PortError` "file" says why not."""

    def draft(self, suffix: str) -> Draft:
        """Begin a temp file."""

    def close(self) -> None:
        """Delete the temp files."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a loaded source is; `duration` in seconds, an estimate until `exact`."""

    duration: float
    exact: bool


class PlayerListener(Protocol):
    """What a player tells on its own accord, at the instant it is heard."""

    def ended(self, duration: float) -> None:
        """The source has played out; `duration` is its counted length."""

    def looped(self) -> None:
        """It began again at 0."""

    def starved(self) -> None:
        """Nothing sounds for want of data or of a speaker."""

    def fed(self) -> None:
        """It sounds again, from where it was."""

    def failed(self, fault: Fault, message: str) -> None:
        """It cannot go on."""


class Player(Protocol):
    """One voice at the mixer with its source. Positions are seconds of the source."""

    async def load(
        self, source: str, files: Files, *, position: float, rate: float, loop: bool, gain: float
    ) -> Sound:
        """Open a source and have its first sound ready; `PortError` says why not."""

    async def start(self) -> None:
        """Play from where it stands; returns when the first sample is on its way."""

    def pause(self) -> None:
        """Stand still."""

    async def seek(self, position: float) -> bool:
        """Go elsewhere, playing or not; True when sound from there is at hand, False if a newer seek came."""

    def abandon_seek(self) -> None:
        """Make a `seek` that is under way return False."""

    def tune(self, *, gain: float | None = None, loop: bool | None = None, rate: float | None = None) -> None:
        """Change what is heard at once."""

    def position(self) -> float:
        """Return the position that is heard now."""

    def buffered(self) -> float:
        """Return up to where the source is at hand from the position on."""

    def unload(self) -> None:
        """Let go of the source."""


class Mixer(Protocol):
    """Makes players."""

    def player(self, owner: int, listener: PlayerListener) -> Player:
        """Return a new player whose sound counts as `owner`'s share."""


@dataclass(frozen=True, slots=True)
class CaptureFacts:
    """Frames written, and the holes (at, length) in seconds that the mixer knows of."""

    frames: int
    dropouts: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """A stretch of a capture; levels in dBFS."""

    start: float
    end: float
    sound: bool
    rms: float | None
    peak: float | None
    frequency: float | None


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device that can be used."""

    device_id: str
    name: str
    virtual: bool
    selected: bool


class Speaker(Protocol):
    """The speaker and the proof of what it played."""

    sample_rate: int
    channels: int

    async def start_capture(self, capture: int, owner: int | None, descriptor: int) -> None:
        """Write the mix, or one owner's share, as WAV."""

    async def stop_capture(self, capture: int, descriptor: int) -> CaptureFacts:
        """Complete the file. One whose engine died holds what was written until then."""

    def drop_capture(self, capture: int) -> None:
        """End a capture that nobody asks for any more."""

    async def flush_capture(self, capture: int, descriptor: int) -> CaptureFacts:
        """Make the file readable as it is."""

    async def describe(self, descriptor: int) -> tuple[float, list[SegmentFacts], list[tuple[float, float]]]:
        """Return duration, segments and torn holes of a WAV."""

    async def find(
        self, descriptor: int, source: str, files: Files, start: float, end: float | None
    ) -> list[tuple[float, float]]:
        """Return where a source occurs in a WAV: (at, score)."""

    async def devices(self) -> list[DeviceFacts]:
        """Return the speakers."""

    async def select(self, device_id: str) -> None:
        """Use another one."""
