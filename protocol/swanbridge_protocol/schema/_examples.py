"""The conversation that PROTOCOL.md shows, made with the models, so that it cannot go stale."""

from __future__ import annotations

import json
from typing import Any

from .. import inner_audio, session
from .._base import PROTOCOL_VERSION, Event, Method, WireModel
from ..errors import ParameterError, SwanError
from ._parts import EventHead

_CONTEXT = "a1"
_EPOCH = "5f0c2f1be0a94d17"
_SESSION = "s1-8d3fd0b1c4a75e62"
_LAST_SEQ = 41


def opening() -> str:
    """Return `session.open` and its answer."""
    return _block(_call(session.OPEN, _open_params(), 1), _answer(_opened(resumed=False), 1))


def calling() -> str:
    """Return two calls in one batch and their answers."""
    create = inner_audio.ContextParams(context_id=_CONTEXT)
    properties = inner_audio.SetParams(context_id=_CONTEXT, src="/t.mp3", autoplay=True)
    return _block(
        [_call(inner_audio.CREATE, create, 2), _call(inner_audio.SET, properties, 3)],
        [_answer(inner_audio.SET.result(), number) for number in (2, 3)],
    )


def failing() -> str:
    """Return a call that is refused, and the error."""
    unknown = inner_audio.ContextParams(context_id="a2")
    error = ParameterError('there is no innerAudioContext "a2": create it first')
    return _block(_call(inner_audio.PLAY, unknown, 4), _refusal(error, 4))


def happening() -> str:
    """Return an event."""
    progress = inner_audio.TimeUpdate(context_id=_CONTEXT, current_time=1.25, duration=10.031)
    return _block(_notification(inner_audio.ON_TIME_UPDATE, progress))


def resuming() -> str:
    """Return `session.open` on a new socket and its answer."""
    resume = session.Resume(session_id=_SESSION, epoch=_EPOCH, last_seq=_LAST_SEQ)
    return _block(_call(session.OPEN, _open_params(resume), 1), _answer(_opened(resumed=True), 1))


def _open_params(resume: session.Resume | None = None) -> session.OpenParams:
    if resume is None:
        return session.OpenParams(app_id="demo", protocol=PROTOCOL_VERSION, package_root="/srv/demo")
    return session.OpenParams(app_id="demo", protocol=PROTOCOL_VERSION, resume=resume)


def _opened(*, resumed: bool) -> session.OpenResult:
    return session.OpenResult(
        session_id=_SESSION,
        epoch=_EPOCH,
        protocol=PROTOCOL_VERSION,
        server=session.ServerInfo(name="swanbridge", version="0.1.0"),
        clock=session.ClockState(mode="real", now=12.5),
        resumed=resumed,
        truncated=False,
    )


def _call(method: Method[Any, Any], params: WireModel, number: int) -> dict[str, Any]:
    given = params.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {"jsonrpc": "2.0", "id": number, "method": method.name, "params": given}


def _answer(result: WireModel, number: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result.to_wire()}


def _refusal(error: SwanError, number: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": error.to_wire()}


def _notification(event: Event[Any], payload: WireModel) -> dict[str, Any]:
    head = EventHead(seq=_LAST_SEQ, at=12.345678)
    return {"jsonrpc": "2.0", "method": event.name, "params": {**head.to_wire(), **payload.to_wire()}}


def _block(*messages: Any) -> str:
    """Return messages as a block: ours first, the daemon's after an arrow; an event comes alone."""
    arrows = ["←"] if len(messages) == 1 else ["→", "←"]
    lines = [
        f"{arrow} {json.dumps(message, ensure_ascii=False)}"
        for arrow, message in zip(arrows, messages, strict=True)
    ]
    return "\n".join(["```", *lines, "```"])
