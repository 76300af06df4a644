"""innerAudioContext: sounds inside a program, many at once (facts 1.7, 2.10, 5)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ._base import Boolean, Event, Method, Nothing, Number, Seconds, WireModel

FAMILY = "innerAudioContext"
KEY = "contextId"

ContextId = Annotated[str, Field(min_length=1, max_length=128, description="Chosen by the client.")]


def _position(value: Any) -> Any:
    # Both forms are in use: seek(10) and seek({position: 10}) (facts 6.10).
    return value["position"] if isinstance(value, dict) and "position" in value else value


class ContextParams(WireModel):
    """Names one context of the session."""

    context_id: ContextId


class SetParams(ContextParams):
    """Any of the writable properties; what is absent stays as it is."""

    src: str | None = Field(
        None,
        max_length=4 * 1024 * 1024,
        description="A path of the session or package, http(s):// or data: URL.",
    )
    start_time: Annotated[Seconds, Field(ge=0)] | None = Field(None, description="Where playing begins.")
    autoplay: Boolean | None = Field(None, description="Play as soon as the source can be played.")
    loop: Boolean | None = Field(None, description="Begin again at the end, without a gap.")
    volume: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, description="Heard at once, without a click."
    )
    playback_rate: Annotated[Number, Field(ge=0.5, le=2)] | None = Field(None, description="Pitch is kept.")
    obey_mute_switch: Boolean | None = Field(
        None, description="Kept and reported; this phone has no mute switch."
    )


class SeekParams(ContextParams):
    """Where to go; clamped to what the source has."""

    position: Annotated[Seconds, BeforeValidator(_position)]


class AudioState(WireModel):
    """The read-only properties; they come with every state event."""

    context_id: str
    duration: Seconds = Field(description="0 until known; six decimals.")
    current_time: Seconds = Field(description="Six decimals.")
    paused: bool = Field(description="True while paused or stopped.")
    buffered: Seconds = Field(description="The source is at hand up to here.")


class TimeUpdate(WireModel):
    """Progress."""

    context_id: str
    current_time: Seconds
    duration: Seconds


class AudioError(AudioState):
    """Why playing cannot go on: 10001 system, 10002 network, 10003 file, 10004 format, -1 unknown."""

    err_code: int
    err_msg: str


class AudioOptionParams(WireModel):
    """Options of the whole session."""

    mix_with_other: Boolean | None = None
    obey_mute_switch: Boolean | None = None


class AudioOptionResult(WireModel):
    """`errMsg` as the mini-game documents want it (facts 1.3)."""

    err_msg: str


def _method(name: str, params: type[WireModel], summary: str, *errors: str) -> Method[Any, Nothing]:
    return Method(
        f"{FAMILY}.{name}",
        params,
        Nothing,
        summary,
        key=KEY,
        errors=("argumentError", "parameterError", *errors),
    )


def _event(name: str, payload: type[WireModel], summary: str, *, coalesced: bool = False) -> Event[Any]:
    return Event(f"{FAMILY}.{name}", payload, summary, key=KEY, coalesced=coalesced)


CREATE = _method(
    "create", ContextParams, "Make a context under an id that the client chose.", "executionFailed"
)
SET = _method("set", SetParams, "Set properties; a new src is opened at once and autoplay honoured.")
PLAY = _method("play", ContextParams, "Play, or go on; without src the answer is 10003.", "audioFileError")
PAUSE = _method("pause", ContextParams, "Pause.")
STOP = _method("stop", ContextParams, "Stop and go back to the beginning.")
SEEK = _method("seek", SeekParams, "Go to a position; a number or {position}.")
DESTROY = _method("destroy", ContextParams, "End the context; its id is unknown from then on.")
SET_OPTION: Method[AudioOptionParams, AudioOptionResult] = Method(
    "setInnerAudioOption",
    AudioOptionParams,
    AudioOptionResult,
    "Set options for all contexts of the session.",
    errors=("argumentError",),
)

ON_CANPLAY = _event("onCanplay", AudioState, "The source is open and can be played.")
ON_PLAY = _event("onPlay", AudioState, "Playing begins or goes on.")
ON_PAUSE = _event("onPause", AudioState, "Playing paused.")
ON_STOP = _event("onStop", AudioState, "Playing stopped; the position is 0.")
ON_ENDED = _event("onEnded", AudioState, "The natural end; never while `loop` is set.")
ON_TIME_UPDATE = _event("onTimeUpdate", TimeUpdate, "The position moved.", coalesced=True)
ON_ERROR = _event("onError", AudioError, "Playing cannot go on.")
ON_WAITING = _event("onWaiting", AudioState, "Playing stands still for want of data or of a speaker.")
ON_SEEKING = _event("onSeeking", AudioState, "A seek began.")
ON_SEEKED = _event("onSeeked", AudioState, "A seek is done.")
