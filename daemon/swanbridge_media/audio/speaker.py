"""What the loop needs of a speaker in real time: `VirtualSpeaker` and `PortAudioSpeaker` have it."""

from __future__ import annotations

from typing import Protocol

from .slab import Floats


class Speaker(Protocol):
    """See `VirtualSpeaker` for what each is. `latency` is in seconds from mixing to hearing."""

    @property
    def device(self) -> str: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def latency(self) -> float: ...  # noqa: D102

    def time_of(self, frame: int) -> float: ...  # noqa: D102

    def present(self, frame: int, now: float) -> int: ...  # noqa: D102

    def wake(self, frame: int, now: float) -> None: ...  # noqa: D102

    def rest(self, frame: int, now: float) -> None: ...  # noqa: D102

    def late(self, frame: int, now: float) -> int: ...  # noqa: D102

    def wants(self, frame: int, now: float) -> bool: ...  # noqa: D102

    def play(self, sound: Floats) -> None: ...  # noqa: D102

    def next_wake(self, frame: int, now: float) -> float: ...  # noqa: D102
