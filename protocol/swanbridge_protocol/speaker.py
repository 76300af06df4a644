"""Proof of what was heard: captures of the mix or of one session's share, and the devices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ._base import ControlModel, Dialect, Method, NoParams, Nothing, Scope, Seconds, WireModel


class CaptureStartParams(ControlModel):
    """The caller's own share; `"all"` for the mix, a session's id for another's."""

    session_id: str | None = Field(None, max_length=128)


class CaptureRef(ControlModel):
    """A capture of the caller's session."""

    capture_id: str = Field(min_length=1, max_length=128)


class CaptureStarted(WireModel):
    """The capture runs."""

    capture_id: str


class CaptureFile(WireModel):
    """A 16-bit WAV in the caller's temp store."""

    file_path: str
    duration: Seconds
    sample_rate: int
    number_of_channels: int


class Segment(WireModel):
    """A stretch of sound or of silence; levels in dBFS, frequency in Hz."""

    start: Seconds
    end: Seconds
    kind: Literal["sound", "silence"]
    rms: float = Field(description="dBFS; -120 for digital silence.")
    peak: float = Field(description="dBFS; -120 for digital silence.")
    dominant_frequency: float = Field(description="Hz; 0 for silence.")


class Dropout(WireModel):
    """Sound was due and was not there."""

    at: Seconds
    length: Seconds


class Description(WireModel):
    """What a capture holds."""

    duration: Seconds
    segments: list[Segment]
    dropouts: list[Dropout]


class FindParams(CaptureRef):
    """Which clip to look for, and where."""

    file_path: str = Field(min_length=1, max_length=4096)
    from_: Annotated[Seconds, Field(ge=0)] | None = Field(None, alias="from")
    to: Annotated[Seconds, Field(ge=0)] | None = None


class Match(WireModel):
    """The clip begins here; `score` is the normalised correlation, 1 for the very same samples."""

    at: Seconds
    score: float


class FindResult(WireModel):
    """Where the clip occurs, in order of time."""

    matches: list[Match]


class Device(WireModel):
    """One device, real or virtual."""

    kind: Literal["speaker", "microphone", "camera"]
    device_id: str
    name: str
    virtual: bool
    present: bool
    selected: bool


class DeviceList(WireModel):
    """All devices."""

    devices: list[Device]


class DeviceSelectParams(ControlModel):
    """Which device to use from now on."""

    kind: Literal["speaker"]
    device_id: str = Field(min_length=1, max_length=256)


CAPTURE_START: Method[CaptureStartParams, CaptureStarted] = Method(
    "speaker.capture.start",
    CaptureStartParams,
    CaptureStarted,
    "Record what the speaker plays, from this instant.",
    scope=Scope.CONTROL,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "illegalState"),
    ordered=True,
)
CAPTURE_STOP: Method[CaptureRef, CaptureFile] = Method(
    "speaker.capture.stop",
    CaptureRef,
    CaptureFile,
    "End a capture; its file is complete when the answer comes.",
    scope=Scope.CONTROL,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "illegalState"),
    ordered=True,
)
CAPTURE_DESCRIBE: Method[CaptureRef, Description] = Method(
    "speaker.capture.describe",
    CaptureRef,
    Description,
    "Segments of sound and silence, levels, dominant frequency, drop-outs. Works while it runs, too.",
    scope=Scope.CONTROL,
    dialect=Dialect.CONTROL,
    errors=("invalidParams",),
    ordered=True,
)
CAPTURE_FIND: Method[FindParams, FindResult] = Method(
    "speaker.capture.find",
    FindParams,
    FindResult,
    "Where a clip occurs in a capture.",
    scope=Scope.CONTROL,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "fileNotFound"),
    ordered=True,
)
DEVICE_LIST: Method[NoParams, DeviceList] = Method(
    "device.list",
    NoParams,
    DeviceList,
    "Every device the daemon can use.",
    scope=Scope.VIEW,
    dialect=Dialect.CONTROL,
    needs_session=False,
)
DEVICE_SELECT: Method[DeviceSelectParams, Nothing] = Method(
    "device.select",
    DeviceSelectParams,
    Nothing,
    "Use another device; what plays goes on there.",
    scope=Scope.CONTROL,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "illegalState"),
    needs_session=False,
)
