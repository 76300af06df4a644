"""What a tour is made of: steps that are told as they pass, and captures that prove them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from swanbridge_protocol.speaker import Description, Match, Segment

from ..discovery import find
from ..events import Event
from ..rpc import Rpc
from ..swan import Swan

EXACT = 0.001  # seconds


class StepFailed(Exception):
    """What was heard is not what was to be heard."""


@dataclass
class Step:
    """One claim and whether it held; `capture` is what proves it."""

    family: str
    claim: str
    passed: bool
    why: str = ""
    capture: Captured | None = None


@dataclass
class Captured:
    """A stretch of what the speaker played. Complete after its `captured` block."""

    name: str
    capture_id: str
    description: Description | None = None
    file: Path | None = None

    @property
    def sounds(self) -> list[Segment]:
        """The stretches of sound in it."""
        assert self.description is not None
        return [one for one in self.description.segments if one.kind == "sound"]


class Tour:
    """Hands families a session and takes down what they prove. Events go to `events.jsonl`."""

    def __init__(self, swan: Swan, directory: Path, program: Path) -> None:
        self.swan = swan
        self.directory = directory
        self.program = program
        self.steps: list[Step] = []
        self._family = ""
        self._events = directory / "events.jsonl"
        self._events.write_text("")
        swan.on("*", self._write)

    def begin(self, family: str) -> None:
        """Enter a family."""
        self._family = family
        print(family)

    @asynccontextmanager
    async def step(self, claim: str, *, capture: Captured | None = None) -> AsyncIterator[None]:
        """Tick the claim off if the block goes through; anything it raises fails it, and ends its family."""
        step = Step(self._family, claim, passed=True, capture=capture)
        self.steps.append(step)
        try:
            yield
        except Exception as error:
            step.passed, step.why = False, f"{type(error).__name__}: {error}"
            raise StepFailed(claim) from error
        finally:
            print(f"  {'✓' if step.passed else '✗'} {claim}" + (f": {step.why}" if step.why else ""))

    @asynccontextmanager
    async def captured(self, name: str) -> AsyncIterator[Captured]:
        """Capture what the block plays, and leave it as `heard-NAME.wav`."""
        control = self.swan.control
        capture = Captured(name, (await control.speaker.capture.start()).capture_id)
        yield capture
        ended = await control.speaker.capture.stop(capture.capture_id)
        capture.description = await control.speaker.capture.describe(capture.capture_id)
        capture.file = self.directory / f"heard-{name}.wav"
        async with Rpc(find(self.swan.base_url)) as rpc:
            await rpc.download(await control.file.url(ended.file_path), capture.file)

    async def found(self, capture: Captured, src: str) -> list[Match]:
        """Return where a clip occurs in a capture."""
        return (await self.swan.control.speaker.capture.find(capture.capture_id, src)).matches

    def _write(self, event: Event) -> None:
        with open(self._events, "a") as file:
            file.write(json.dumps({"method": event.name, "params": event.params}) + "\n")


def expect(holds: bool, otherwise: str) -> None:
    """Raise `StepFailed` with the sentence unless it holds."""
    if not holds:
        raise StepFailed(otherwise)


def near(value: float | None, wanted: float, within: float = EXACT) -> bool:
    """Tell whether a value is what was wanted."""
    return value is not None and abs(value - wanted) <= within
