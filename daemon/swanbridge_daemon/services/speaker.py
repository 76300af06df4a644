"""`speaker.capture.*` and `device.*`: proof of what was heard, and what it was heard through."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from swanbridge_protocol import speaker
from swanbridge_protocol._base import Nothing
from swanbridge_protocol.errors import FileNotFound, IllegalState, InternalError, InvalidParams, SwanError

from ..core.api import answers
from ..core.ports import CaptureFacts, Draft, PortError, Speaker
from ..core.session import Caller, Session

CAPTURES = 16  # of a session at once
FLOOR = -120.0  # dBFS of digital silence: JSON has no minus infinity


@dataclass(eq=False)
class Capture:
    """One capture; `file_path` and `facts` are known once it has stopped."""

    number: int
    draft: Draft
    file_path: str | None = None
    facts: CaptureFacts | None = None


def _level(decibels: float | None) -> float:
    return FLOOR if decibels is None else max(FLOOR, round(decibels, 3))


def _translated(error: PortError) -> SwanError:
    if error.fault == "file":
        return FileNotFound(error.message)
    if error.fault in ("format", "network"):
        return InvalidParams(error.message)
    return InternalError(error.message)


class SpeakerService:
    """Answers `speaker.capture.*` and `device.*`."""

    def __init__(self, port: Speaker, find_session: Callable[[str], Session | None]) -> None:
        self._speaker = port
        self._find_session = find_session
        self._count = 0
        self._captures: dict[Session, dict[str, Capture]] = {}

    @answers(speaker.CAPTURE_START)
    async def start(self, session: Session, params: speaker.CaptureStartParams) -> speaker.CaptureStarted:
        """Begin to write what is heard."""
        captures = self._captures.get(session)
        if captures is None:
            captures = self._captures[session] = {}
            session.on_close.append(lambda: self._release(session))
        if sum(1 for one in captures.values() if one.file_path is None) >= CAPTURES:
            raise IllegalState(f"{CAPTURES} captures are running: stop some")
        owner = self._owner(session, params.session_id)
        self._count += 1
        try:
            capture = Capture(self._count, session.files.draft(".wav"))
            await self._speaker.start_capture(capture.number, owner, capture.draft.descriptor)
        except PortError as error:
            raise _translated(error) from error
        captures[f"c{capture.number}"] = capture
        return speaker.CaptureStarted(capture_id=f"c{capture.number}")

    @answers(speaker.CAPTURE_STOP)
    async def stop(self, session: Session, params: speaker.CaptureRef) -> speaker.CaptureFile:
        """Complete the file."""
        capture = self._capture(session, params.capture_id)
        if capture.file_path is None:
            try:
                if capture.facts is None:
                    capture.facts = await self._speaker.stop_capture(capture.number, capture.draft.descriptor)
                capture.file_path = capture.draft.commit()
            except PortError as error:
                raise _translated(error) from error
        frames = capture.facts.frames if capture.facts is not None else 0
        return speaker.CaptureFile(
            file_path=capture.file_path,
            duration=round(frames / self._speaker.sample_rate, 6),
            sample_rate=self._speaker.sample_rate,
            number_of_channels=self._speaker.channels,
        )

    @answers(speaker.CAPTURE_DESCRIBE)
    async def describe(self, session: Session, params: speaker.CaptureRef) -> speaker.Description:
        """Say what it holds."""
        capture = self._capture(session, params.capture_id)
        try:
            facts = await self._facts(capture)
            descriptor = self._reopened(session, capture)
            try:
                duration, segments, torn = await self._speaker.describe(descriptor)
            finally:
                os.close(descriptor)
        except PortError as error:
            raise _translated(error) from error
        holes = sorted({(round(at, 6), round(length, 6)) for at, length in [*facts.dropouts, *torn]})
        return speaker.Description(
            duration=round(duration, 6),
            segments=[
                speaker.Segment(
                    start=round(one.start, 6),
                    end=round(one.end, 6),
                    kind="sound" if one.sound else "silence",
                    rms=_level(one.rms),
                    peak=_level(one.peak),
                    dominant_frequency=round(one.frequency or 0.0, 3),
                )
                for one in segments
            ],
            dropouts=[speaker.Dropout(at=at, length=length) for at, length in holes],
        )

    @answers(speaker.CAPTURE_FIND)
    async def find(self, session: Session, params: speaker.FindParams) -> speaker.FindResult:
        """Say where a clip occurs."""
        if params.to is not None and params.from_ is not None and params.to <= params.from_:
            raise InvalidParams("to must be later than from")
        capture = self._capture(session, params.capture_id)
        try:
            await self._facts(capture)
            descriptor = self._reopened(session, capture)
            try:
                matches = await self._speaker.find(
                    descriptor, params.file_path, session.files, params.from_ or 0.0, params.to
                )
            finally:
                os.close(descriptor)
        except PortError as error:
            raise _translated(error) from error
        return speaker.FindResult(
            matches=[speaker.Match(at=round(at, 6), score=round(score, 6)) for at, score in matches]
        )

    @answers(speaker.DEVICE_LIST)
    async def devices(self, caller: Caller, params: object) -> speaker.DeviceList:
        """List the speakers."""
        try:
            found = await self._speaker.devices()
        except PortError as error:
            raise _translated(error) from error
        return speaker.DeviceList(
            devices=[
                speaker.Device(
                    kind="speaker",
                    device_id=one.device_id,
                    name=one.name,
                    virtual=one.virtual,
                    present=True,
                    selected=one.selected,
                )
                for one in found
            ]
        )

    @answers(speaker.DEVICE_SELECT)
    async def select(self, caller: Caller, params: speaker.DeviceSelectParams) -> Nothing:
        """Use another speaker."""
        try:
            await self._speaker.select(params.device_id)
        except PortError as error:
            raise IllegalState(error.message) from error
        return Nothing()

    # --- small parts ----------------------------------------------------------------------------------------

    async def _facts(self, capture: Capture) -> CaptureFacts:
        if capture.facts is not None:
            return capture.facts
        return await self._speaker.flush_capture(capture.number, capture.draft.descriptor)

    def _reopened(self, session: Session, capture: Capture) -> int:
        if capture.file_path is not None:
            return session.files.open(capture.file_path).descriptor
        return os.open(f"/proc/self/fd/{capture.draft.descriptor}", os.O_RDONLY | os.O_CLOEXEC)

    def _capture(self, session: Session, capture_id: str) -> Capture:
        capture = self._captures.get(session, {}).get(capture_id)
        if capture is None:
            raise InvalidParams(f'this session has no capture "{capture_id}"')
        return capture

    def _owner(self, session: Session, session_id: str | None) -> int | None:
        if session_id is None:
            return session.owner_number
        if session_id == "all":
            return None
        found = self._find_session(session_id)
        if found is None:
            raise InvalidParams(f'there is no session "{session_id}"; "all" captures the mix')
        return found.owner_number

    def _release(self, session: Session) -> None:
        for capture in self._captures.pop(session, {}).values():
            if capture.file_path is None:
                self._speaker.drop_capture(capture.number)
                capture.draft.discard()
