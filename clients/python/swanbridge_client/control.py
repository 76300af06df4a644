"""The control side: the clock, what the speaker played, sessions, files and devices, for tests and labs.

Every call needs a token with the scope that the protocol names. What the daemon would refuse raises
`InvalidParams`; levels are in dBFS, times in seconds.
"""

from __future__ import annotations

from typing import Literal

from swanbridge_protocol import clock, files, session, speaker

from .reconnect import Link

CaptureName = str | speaker.CaptureStarted


class Clock:
    """The daemon's clock; `advance` and `run_until` need the virtual one (else `IllegalState`)."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def now(self) -> session.ClockState:
        """Return which clock it is and what it shows."""
        return await self._link.request(clock.NOW)

    async def advance(self, seconds: float) -> clock.AdvanceResult:
        """Settle every call made so far and move on; every event up to then has been told when this returns."""
        return await self._link.request(clock.ADVANCE, seconds=seconds)

    async def run_until(self, event: str, limit: float) -> clock.RunUntilResult:
        """Move to the next such event (`innerAudioContext.onEnded`), or by `limit`; then `event` is None."""
        return await self._link.request(clock.RUN_UNTIL, event=event, limit=limit)


class Capture:
    """Recording what the speaker plays."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def start(self, session_id: str | None = None) -> speaker.CaptureStarted:
        """Begin: this session's own share, or that of `session_id`, or the mix with `"all"`."""
        return await self._link.request(speaker.CAPTURE_START, session_id=session_id)

    async def stop(self, capture: CaptureName) -> speaker.CaptureFile:
        """End it; the file is complete then."""
        return await self._link.request(speaker.CAPTURE_STOP, capture_id=capture_id(capture))

    async def describe(self, capture: CaptureName) -> speaker.Description:
        """Tell its stretches of sound and silence, and its drop-outs; it may still run."""
        return await self._link.request(speaker.CAPTURE_DESCRIBE, capture_id=capture_id(capture))

    async def find(
        self, capture: CaptureName, file_path: str, *, from_: float | None = None, to: float | None = None
    ) -> speaker.FindResult:
        """Tell where the clip `file_path` (a path of the session or package) occurs in it."""
        return await self._link.request(
            speaker.CAPTURE_FIND, capture_id=capture_id(capture), file_path=file_path, from_=from_, to=to
        )


class Speaker:
    """What the speaker plays."""

    def __init__(self, link: Link) -> None:
        self.capture = Capture(link)


class Sessions:
    """Sessions of the daemon; without a `session_id` one's own is meant."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def list(self) -> session.SessionList:
        """Return all sessions, oldest first."""
        return await self._link.request(session.LIST)

    async def snapshot(self, session_id: str | None = None) -> session.Snapshot:
        """Return the whole state of a session."""
        return await self._link.request(session.SNAPSHOT, session_id=session_id)

    async def close(self, session_id: str | None = None) -> None:
        """End a session."""
        await self._link.request(session.CLOSE, session_id=session_id)


class Journal:
    """What a session was told."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def read(
        self, session_id: str | None = None, *, from_seq: int = 1, limit: int = 1000
    ) -> session.JournalResult:
        """Return events from number `from_seq` on, as they went out."""
        return await self._link.request(
            session.JOURNAL_READ, session_id=session_id, from_seq=from_seq, limit=limit
        )


class Files:
    """Files of the session over HTTP."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def url(self, file_path: str, *, expires_in: float = 3600) -> str:
        """Return a signed URL of a `bdfile://` path; it needs no token."""
        return (await self._link.request(files.FILE_URL, file_path=file_path, expires_in=expires_in)).url


class Devices:
    """Speakers, microphones, cameras."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def list(self) -> speaker.DeviceList:
        """Return every device the daemon can use."""
        return await self._link.request(speaker.DEVICE_LIST)

    async def select(self, kind: Literal["speaker"], device_id: str) -> None:
        """Use another device from now on."""
        await self._link.request(speaker.DEVICE_SELECT, kind=kind, device_id=device_id)


class Control:
    """`swan.control`."""

    def __init__(self, link: Link) -> None:
        self.clock = Clock(link)
        self.speaker = Speaker(link)
        self.session = Sessions(link)
        self.journal = Journal(link)
        self.file = Files(link)
        self.device = Devices(link)


def capture_id(capture: CaptureName) -> str:
    """Return the id of a capture."""
    return capture if isinstance(capture, str) else capture.capture_id
