"""The mirror of `control` without asyncio; every call waits for its answer."""

from __future__ import annotations

from typing import Literal

from swanbridge_protocol import clock, session, speaker

from . import control
from .control import CaptureName
from .portal import Portal


class Clock:
    """The daemon's clock; `advance` and `run_until` need the virtual one."""

    def __init__(self, portal: Portal, inner: control.Clock) -> None:
        self._portal = portal
        self._inner = inner

    def now(self) -> session.ClockState:
        """Return which clock it is and what it shows."""
        return self._portal.wait(self._inner.now)

    def advance(self, seconds: float) -> clock.AdvanceResult:
        """Move on; every event up to then has been told when this returns."""
        return self._portal.wait(lambda: self._inner.advance(seconds))

    def run_until(self, event: str, limit: float) -> clock.RunUntilResult:
        """Move to the next such event, or by `limit`; then `event` is None."""
        return self._portal.wait(lambda: self._inner.run_until(event, limit))


class Capture:
    """Recording what the speaker plays."""

    def __init__(self, portal: Portal, inner: control.Capture) -> None:
        self._portal = portal
        self._inner = inner

    def start(self, session_id: str | None = None) -> speaker.CaptureStarted:
        """Begin: this session's own share, or that of `session_id`, or the mix with `"all"`."""
        return self._portal.wait(lambda: self._inner.start(session_id))

    def stop(self, capture: CaptureName) -> speaker.CaptureFile:
        """End it; the file is complete then."""
        return self._portal.wait(lambda: self._inner.stop(capture))

    def describe(self, capture: CaptureName) -> speaker.Description:
        """Tell its stretches of sound and silence, and its drop-outs; it may still run."""
        return self._portal.wait(lambda: self._inner.describe(capture))

    def find(
        self, capture: CaptureName, file_path: str, *, from_: float | None = None, to: float | None = None
    ) -> speaker.FindResult:
        """Tell where the clip `file_path` occurs in it."""
        return self._portal.wait(lambda: self._inner.find(capture, file_path, from_=from_, to=to))


class Speaker:
    """What the speaker plays."""

    def __init__(self, portal: Portal, inner: control.Speaker) -> None:
        self.capture = Capture(portal, inner.capture)


class Sessions:
    """Sessions of the daemon; without a `session_id` one's own is meant."""

    def __init__(self, portal: Portal, inner: control.Sessions) -> None:
        self._portal = portal
        self._inner = inner

    def list(self) -> session.SessionList:
        """Return all sessions, oldest first."""
        return self._portal.wait(self._inner.list)

    def snapshot(self, session_id: str | None = None) -> session.Snapshot:
        """Return the whole state of a session."""
        return self._portal.wait(lambda: self._inner.snapshot(session_id))

    def close(self, session_id: str | None = None) -> None:
        """End a session."""
        self._portal.wait(lambda: self._inner.close(session_id))


class Journal:
    """What a session was told."""

    def __init__(self, portal: Portal, inner: control.Journal) -> None:
        self._portal = portal
        self._inner = inner

    def read(
        self, session_id: str | None = None, *, from_seq: int = 1, limit: int = 1000
    ) -> session.JournalResult:
        """Return events from number `from_seq` on, as they went out."""
        return self._portal.wait(lambda: self._inner.read(session_id, from_seq=from_seq, limit=limit))


class Files:
    """Files of the session over HTTP."""

    def __init__(self, portal: Portal, inner: control.Files) -> None:
        self._portal = portal
        self._inner = inner

    def url(self, file_path: str, *, expires_in: float = 3600) -> str:
        """Return a signed URL of a `bdfile://` path; it needs no token."""
        return self._portal.wait(lambda: self._inner.url(file_path, expires_in=expires_in))


class Devices:
    """Speakers, microphones, cameras."""

    def __init__(self, portal: Portal, inner: control.Devices) -> None:
        self._portal = portal
        self._inner = inner

    def list(self) -> speaker.DeviceList:
        """Return every device the daemon can use."""
        return self._portal.wait(self._inner.list)

    def select(self, kind: Literal["speaker"], device_id: str) -> None:
        """Use another device from now on."""
        self._portal.wait(lambda: self._inner.select(kind, device_id))


class Control:
    """`swan.control`."""

    def __init__(self, portal: Portal, inner: control.Control) -> None:
        self.clock = Clock(portal, inner.clock)
        self.speaker = Speaker(portal, inner.speaker)
        self.session = Sessions(portal, inner.session)
        self.journal = Journal(portal, inner.journal)
        self.file = Files(portal, inner.file)
        self.device = Devices(portal, inner.device)
