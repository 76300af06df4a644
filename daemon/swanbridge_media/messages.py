"""What crosses the process wall: msgpack structs, never pickle.

Every channel is an AF_UNIX SOCK_SEQPACKET pair: one packet is one array of messages, and file descriptors
ride on the packet of the message that needs them, at most one a message. Three kinds of channel exist:

* daemon <-> audio engine and daemon <-> decoder engine (control): the daemon asks, the child answers with the
  same `rid`; a child also reports on its own;
* audio engine <-> decoder engine (a link): the audio engine asks for sound, the decoder writes it into rows of
  a shared slab and says so. Sound never passes through the daemon.

Units: `frame` counts stereo sample frames at `MIX_RATE` since the engine started; positions and times are
seconds; a time is CLOCK_MONOTONIC in real mode and virtual seconds in virtual mode.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MIX_RATE: Final = 48_000
CHANNELS: Final = 2
MAX_PACKET: Final = 128 * 1024

SLAB_ROWS: Final = 64
RING_FRAMES: Final = 48_000  # a second; a row is RING_FRAMES * CHANNELS float32, interleaved


class Message(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """Base of all messages."""


# --- both kinds of child ------------------------------------------------------------------------------------


class Ping(Message, frozen=True):
    """Are you there? Answered with `Done`."""

    rid: int


class Done(Message, frozen=True):
    """A request without a result is done."""

    rid: int


class Failed(Message, frozen=True):
    """A request failed.

    `kind` decides the error that a program sees: file 10003, format 10004, network 10002, system 10001.
    """

    rid: int
    kind: Literal["file", "format", "network", "system", "gone"]
    message: str


class Hello(Message, frozen=True):
    """The first message of a child: its imports are done and it takes requests.

    `notes` say what of the sandbox is not in force and why; `backend` is what an audio engine can open.
    """

    pid: int
    notes: list[str]


# --- daemon -> decoder --------------------------------------------------------------------------------------


class OpenMedia(Message, frozen=True):
    """Open a file whose descriptor rides along.

    `growing` files are still being fetched: `Announce` says which bytes are there, a read beyond them waits
    (in a thread of that medium) and sends `Want`. `size` is -1 while unknown.
    """

    rid: int
    media: int
    name: str
    size: int
    growing: bool


class CloseMedia(Message, frozen=True):
    """Forget a medium."""

    media: int


class Announce(Message, frozen=True):
    """Which byte ranges [start, end) of a growing file are there now, sorted and disjoint."""

    media: int
    size: int
    ranges: list[tuple[int, int]]
    complete: bool
    error: str


class MakeClip(Message, frozen=True):
    """Decode a whole short file once, for sharing; the sound goes to the audio engine as `ClipData`.

    The file's descriptor rides along. Answered with `ClipMade`, or `Failed` kind "format" when it is longer
    than `limit` seconds.
    """

    rid: int
    clip: int
    name: str
    limit: float


class DescribeCapture(Message, frozen=True):
    """Say what a capture's WAV holds; its descriptor rides along. Answered with `Described`."""

    rid: int


class FindClip(Message, frozen=True):
    """Find where a medium (opened with `OpenMedia` before) occurs in the WAV whose descriptor rides along.

    Answered with `Found`. `start`/`end` bound the search, in seconds of the capture; end -1: to its end.
    """

    rid: int
    media: int
    start: float
    end: float


# --- decoder -> daemon --------------------------------------------------------------------------------------


class MediaInfo(msgspec.Struct, array_like=True, frozen=True):
    """What a medium is. `exact` says that `duration` was counted, not estimated from headers."""

    duration: float
    exact: bool
    sample_rate: int
    channels: int
    codec: str
    format: str
    bit_rate: int


class MediaOpened(Message, frozen=True):
    """The medium can be played: its first frame was decoded."""

    rid: int
    info: MediaInfo


class ClipMade(Message, frozen=True):
    """The clip is with the audio engine."""

    rid: int
    info: MediaInfo
    frames: int


class Want(Message, frozen=True):
    """A read of a growing file waits for bytes from `offset` on."""

    media: int
    offset: int


class SegmentFact(msgspec.Struct, array_like=True, frozen=True):
    """A stretch of sound or silence; levels in dBFS, -inf never: None for digital silence."""

    start: float
    end: float
    sound: bool
    rms: float | None
    peak: float | None
    frequency: float | None


class Described(Message, frozen=True):
    """Segments in order, and holes torn into sound: (at, length) in seconds."""

    rid: int
    duration: float
    segments: list[SegmentFact]
    dropouts: list[tuple[float, float]]


class Found(Message, frozen=True):
    """Places (at, score) in order of time."""

    rid: int
    matches: list[tuple[float, float]]


# --- audio engine -> decoder (link) -------------------------------------------------------------------------


class MapSlab(Message, frozen=True):
    """A slab of SLAB_ROWS rows; the memfd rides along."""

    slab: int


class Fill(Message, frozen=True):
    """Write up to `frames` frames of `media` into a row, from `column` on, wrapping at RING_FRAMES.

    `position` >= 0 asks to go there first (exact to the sample at rate 1); -1 carries on. `loop`: at the end
    begin again at 0 within the same fill. Answered with `Filled` and the same `token`. Each voice has its own
    cursor, kept under (media, voice).
    """

    voice: int
    media: int
    slab: int
    row: int
    column: int
    frames: int
    position: float
    rate: float
    loop: bool
    token: int


class DropVoice(Message, frozen=True):
    """The voice needs its cursor no more."""

    voice: int


# --- decoder -> audio engine (link) -------------------------------------------------------------------------


class Filled(Message, frozen=True):
    """`frames` were written (fewer than asked only at the end, or when a growing file has no more yet).

    `position` is the media time of the first of them. `marks` are (frame offset, media position) where a loop
    wrapped. `ended`: nothing follows; `duration` is then the counted length in seconds, else -1.
    `error` is empty or why decoding broke off, `kind` as in `Failed`.
    """

    voice: int
    token: int
    frames: int
    position: float
    marks: list[tuple[int, float]]
    ended: bool
    duration: float
    kind: str
    error: str


class ClipData(Message, frozen=True):
    """A clip, decoded: a memfd of `frames` * CHANNELS float32 rides along."""

    clip: int
    frames: int


# --- daemon -> audio engine ---------------------------------------------------------------------------------


class AttachDecoder(Message, frozen=True):
    """A decoder (re)started; its end of the link rides along. A former link of that index is dead."""

    decoder: int


class OpenSpeaker(Message, frozen=True):
    """Open the speaker; answered with `SpeakerOpened`, or `Failed` and the virtual one stays."""

    rid: int
    device: str  # "virtual", "default" or a PortAudio device name
    latency: float  # seconds asked of PortAudio


class ListSpeakers(Message, frozen=True):
    """Answered with `Speakers`; does not disturb what plays."""

    rid: int


class LoadVoice(Message, frozen=True):
    """Make a voice, or give it another source; it is silent until `StartVoice`.

    Sound comes from `media` of decoder number `decoder`, or from `clip` if that is >= 0 (then decoder is -1).
    The row is filled from `position` on and `Edge` "ready" follows.
    """

    voice: int
    owner: int  # the session, for its share of captures
    decoder: int
    media: int
    clip: int
    position: float
    rate: float
    loop: bool
    gain: float


class StartVoice(Message, frozen=True):
    """Play from where it stands; `Edge` "started" tells when the first sample sounds."""

    voice: int


class PauseVoice(Message, frozen=True):
    """Stand still (short fade); `Edge` "paused" carries the exact position."""

    voice: int


class SeekVoice(Message, frozen=True):
    """Go elsewhere, playing or not; `Edge` "seeked" with `token` when sound from there is at hand."""

    voice: int
    position: float
    token: int


class TuneVoice(Message, frozen=True):
    """Change gain (ramped), loop, or rate (None: leave). A new rate refills from the present position."""

    voice: int
    gain: float | None
    loop: bool | None
    rate: float | None


class FreeVoice(Message, frozen=True):
    """End the voice (short fade) and free its row."""

    voice: int


class DropClip(Message, frozen=True):
    """Free a clip that no voice uses."""

    clip: int


class Render(Message, frozen=True):
    """Virtual clock: play on to frame `until`, but stop at the first frame with an edge. -> `Rendered`."""

    rid: int
    until: int


class StartCapture(Message, frozen=True):
    """Write what sounds from now on into the WAV file whose descriptor rides along.

    `owner` -1: the mix. Answered with `Done`.
    """

    rid: int
    capture: int
    owner: int


class StopCapture(Message, frozen=True):
    """Complete the file; answered with `CaptureStopped`."""

    rid: int
    capture: int


class FlushCapture(Message, frozen=True):
    """Make the file of a running capture readable as it is; answered with `CaptureStopped` though it goes on."""

    rid: int
    capture: int


# --- audio engine -> daemon ---------------------------------------------------------------------------------


class SpeakerOpened(Message, frozen=True):
    """What was opened; `latency` in seconds from mixing to hearing."""

    rid: int
    device: str
    name: str
    latency: float


class SpeakerFact(msgspec.Struct, array_like=True, frozen=True):
    """A speaker that could be opened."""

    device: str
    name: str
    virtual: bool


class Speakers(Message, frozen=True):
    """All speakers; `problem` says why PortAudio gave none, empty if it is fine."""

    rid: int
    speakers: list[SpeakerFact]
    problem: str


class Edge(Message, frozen=True):
    """Something happened to a voice at `time`; `position` is the media time there.

    kind: ready, started, paused, ended, starved, fed, seeked, looped, failed.
    In real mode the time may lie some milliseconds ahead: it is when the listener hears it.
    For "ended", `duration` is the counted length; else -1. For "failed", `error` and `fault` as in `Filled`.
    """

    voice: int
    kind: str
    time: float
    position: float
    token: int
    duration: float
    fault: str
    error: str


class Positions(Message, frozen=True):
    """Once a second, for every voice that plays: (voice, position) as heard at `time`."""

    time: float
    voices: list[tuple[int, float]]


class Rendered(Message, frozen=True):
    """The engine stands at `frame`; the edges that happened exactly there came before this message."""

    rid: int
    frame: int


class SpeakerLost(Message, frozen=True):
    """No sound comes out any more; voices stand where they were at `time`. The engine tries to re-open."""

    time: float
    reason: str


class SpeakerBack(Message, frozen=True):
    """Sound comes out again from `time` on."""

    time: float
    name: str


class CaptureStopped(Message, frozen=True):
    """Facts of a capture; `dropouts` are holes the mixer knows of: (at, length) in seconds of the capture."""

    rid: int
    frames: int
    dropouts: list[tuple[float, float]]


class Underflow(Message, frozen=True):
    """The device ran dry: `frames` were not there when it asked."""

    time: float
    frames: int


ToDecoder = Ping | OpenMedia | CloseMedia | Announce | MakeClip | DescribeCapture | FindClip
FromDecoder = Hello | Done | Failed | MediaOpened | ClipMade | Want | Described | Found
ToAudio = (
    Ping
    | AttachDecoder
    | OpenSpeaker
    | ListSpeakers
    | LoadVoice
    | StartVoice
    | PauseVoice
    | SeekVoice
    | TuneVoice
    | FreeVoice
    | DropClip
    | Render
    | StartCapture
    | StopCapture
    | FlushCapture
)
FromAudio = (
    Hello
    | Done
    | Failed
    | SpeakerOpened
    | Speakers
    | Edge
    | Positions
    | Rendered
    | SpeakerLost
    | SpeakerBack
    | CaptureStopped
    | Underflow
)
LinkToDecoder = MapSlab | Fill | DropVoice
LinkFromDecoder = Filled | ClipData

# Messages whose packet carries one file descriptor.
WITH_DESCRIPTOR = (
    OpenMedia,
    MakeClip,
    DescribeCapture,
    FindClip,
    MapSlab,
    ClipData,
    AttachDecoder,
    StartCapture,
)

FD_CONTROL: Final = 3  # where a child finds its control socket
FD_LINK: Final = 4  # where a decoder finds its end of the link
FD_STATUS: Final = 5  # a decoder writes the media number it works on here, 8 bytes, 0 when idle (memfd)
