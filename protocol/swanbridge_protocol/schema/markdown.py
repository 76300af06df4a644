"""The protocol for people: `PROTOCOL.md`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from .. import catalogue, session
from .._base import PROTOCOL_VERSION, Event, Method, Scope, WireModel
from ..discovery import DISCOVER
from ..errors import BY_NAME
from . import _bounds, _examples
from ._parts import (
    ANY_CALL,
    Chapter,
    Components,
    EventHead,
    Schema,
    chapters,
    expected_errors,
    members_of,
    prose,
    reference_name,
)
from ._words import limits, sentence, without_null


def markdown() -> str:
    """Return the text of PROTOCOL.md."""
    components = Components()
    shared = _shared(components)
    lines = [
        f"# The swanbridge protocol, version {PROTOCOL_VERSION}",
        "",
        "Made by `protocol/generate.py` from the models in `swanbridge_protocol`; edits will be lost.",
        f"The same for machines: `openrpc.json`, `GET /openrpc.json`, or the method `{DISCOVER.name}`.",
        "",
        *_session(components),
        *_errors(),
        *_limits(),
    ]
    for chapter in chapters():
        lines += _chapter(chapter, components)
    lines += ["## Shared objects", ""]
    for name in shared:
        lines += _object(name, components)
    return "\n".join(lines).rstrip() + "\n"


def _session(components: Components) -> list[str]:
    head = components.members(EventHead, "serialization")
    opened = session.OPEN.name
    return [
        "## How a session goes",
        "",
        f"Connect a WebSocket to `/ws` with the subprotocol `{_bounds.SUBPROTOCOL}`. The token goes into the header "
        f"`Authorization: Bearer …`, or, where headers cannot be set, into a second subprotocol "
        f"`{_bounds.BEARER}…`. Frames are text and hold JSON-RPC 2.0. Params are one object, by name.",
        "",
        f"The first call is [`{opened}`](#{_anchor(opened)}). → is the client, ← the daemon:",
        "",
        _examples.opening(),
        "",
        f"From then on call any method. Several calls may go in one array, at most {_bounds.BATCH.most}. Calls of one "
        "object run in order; different objects run side by side, so their answers may come in any order.",
        "",
        _examples.calling(),
        "",
        "A call that fails answers with an error; `data.name` is stable, `data.errMsg` is a sentence, and "
        "`data.detail` may say more. Without `id` a call gets no answer.",
        "",
        _examples.failing(),
        "",
        "What happens comes as notifications. Their params are flat: these, then the event's own payload.",
        "",
        _examples.happening(),
        "",
        *_members(head),
        "",
        "Coalesced events are reports of progress: for a reader that is behind, the newest of each object stays and "
        "the older ones are left out. No other event is ever left out.",
        "",
        "### Resuming",
        "",
        f"A session outlives its socket by {_bounds.GRACE} seconds. Open a new socket and name the session, its epoch "
        "and the last `seq` that came; the daemon then sends every event after it, in order, once.",
        "",
        _examples.resuming(),
        "",
        f"`resumed: false` says that the session is gone and this is a new one. `truncated: true` says that events are "
        f"lost: ask [`{session.SNAPSHOT.name}`](#{_anchor(session.SNAPSHOT.name)}) for the whole state. A socket whose "
        f"session was resumed elsewhere is closed with {_bounds.REPLACED}.",
        "",
        "### Over HTTP",
        "",
        "`POST /rpc` takes the same JSON with `Content-Type: application/json`; the header "
        f"`{_bounds.SESSION_HEADER}` names the session, otherwise the call gets one of its own which ends with it. "
        "JSON-RPC errors are HTTP 200. `GET /events` brings a session's events as Server-Sent Events; `Last-Event-ID` "
        "resumes.",
        "",
        "### Two dialects",
        "",
        "Swan methods take what mini-programs hand over: unknown members are ignored, a number may come as a string "
        "and a string as a number; a boolean is neither. Control methods refuse unknown members. A bad parameter is "
        "answered so:",
        "",
        "| | missing or of the wrong type | out of range |",
        "| --- | --- | --- |",
        f"| swan | {_error_words('argumentError')} | {_error_words('parameterError')} |",
        f"| control | {_error_words('invalidParams')} | {_error_words('invalidParams')} |",
        "",
        "### Scopes",
        "",
        "A token has a scope: "
        + ", ".join(f"`{scope.name.lower()}`" for scope in Scope)
        + "; each includes the "
        f"ones before it. A call beyond it is answered with {_error_words('forbidden')}.",
        "",
    ]


def _errors() -> list[str]:
    common = ", ".join(_error_words(name) for name in ANY_CALL)
    return [
        "## Errors",
        "",
        f"Any call may answer {common}; they are not repeated below.",
        "",
        *_table(
            ("name", "code", "meaning"),
            ((f"`{name}`", str(kind.code), prose(kind.__doc__)) for name, kind in BY_NAME.items()),
        ),
        "",
    ]


def _limits() -> list[str]:
    return [
        "## Limits",
        "",
        *_table(
            ("what", "at most", "beyond"),
            ((bound.what, f"{bound.most:,} {bound.unit}", bound.beyond) for bound in _bounds.BOUNDS),
        ),
        "",
    ]


def _chapter(chapter: Chapter, components: Components) -> Iterator[str]:
    yield from (f"## {chapter.title}", "", chapter.summary, "")
    for method in chapter.methods:
        yield from _method(method, components)
    if chapter.events:
        yield from (f"### {chapter.title} events", "")
        yield from _events(chapter.events, components)


def _method(method: Method[Any, Any], components: Components) -> Iterator[str]:
    yield from (f"### {method.name}", "", prose(method.summary), "")
    facts = [f"Scope `{method.scope.name.lower()}`", f"{method.dialect.value} dialect"]
    facts.append("in a session" if method.needs_session else "with or without a session")
    if method.key is not None:
        facts.append(f"calls of one `{method.key}` run in order")
    yield from ("; ".join(facts) + ".", "")
    yield from _described("Params", method.params, "validation", components)
    yield from _described("Result", method.result, "serialization", components)
    yield from ("Errors: " + ", ".join(_error_words(kind.name) for kind in expected_errors(method)) + ".", "")


def _events(events: tuple[Event[Any], ...], components: Components) -> Iterator[str]:
    """Yield the table of events, and once each payload."""
    yield from (
        *_table(
            ("event", "payload", "coalesced", "when"),
            (
                (
                    f"`{event.name}`",
                    _link(components.name(event.payload, "serialization")),
                    "yes" if event.coalesced else "",
                    prose(event.summary),
                )
                for event in events
            ),
        ),
        "",
    )
    for name in dict.fromkeys(components.name(event.payload, "serialization") for event in events):
        yield from _object(name, components)


def _object(name: str, components: Components) -> list[str]:
    schema = components.schemas[name]
    return [
        f"### {_heading(name)}",
        "",
        schema.get("description", ""),
        "",
        *_members(members_of(schema)),
        "",
    ]


def _described(
    title: str, model: type[WireModel], mode: Literal["validation", "serialization"], components: Components
) -> Iterator[str]:
    members = list(components.members(model, mode))
    if not members:
        yield from (f"{title}: none." if mode == "validation" else f"{title}: `{{}}`.", "")
        return
    yield from (f"{title}: {prose(model.__doc__)}", "", *_members(members), "")


def _members(members: Iterable[tuple[str, Schema, bool]]) -> list[str]:
    return _table(
        ("member", "type", "needed", "unit, range, default", "meaning"),
        (
            (
                f"`{name}`",
                _type(without_null(schema)),
                "yes" if required else "",
                limits(schema),
                sentence(without_null(schema).get("description", "")),
            )
            for name, schema, required in members
        ),
    )


def _shared(components: Components) -> list[str]:
    """Return the components that others refer to; the rest stands with its method or event."""
    payloads = {components.name(event.payload, "serialization") for event in catalogue.EVENTS.values()}
    found = re.findall(r"#/components/schemas/(\w+)", repr(components.schemas))
    return sorted(set(found) - payloads)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _link(reference_name(schema))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(_type(branch) for branch in schema[word])
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    values = schema.get("additionalProperties")
    if schema.get("type") == "object" and isinstance(values, dict):
        return f"object of {_type(values)}"
    return str(schema.get("type", "any"))


def _heading(name: str) -> str:
    return f"Object {name}"  # not the bare name: a chapter may have it, and then its fragment, too


def _link(name: str) -> str:
    return f"[{name}](#{_anchor(_heading(name))})"


def _error_words(name: str) -> str:
    return f"`{name}` ({BY_NAME[name].code})"


def _anchor(title: str) -> str:
    """Return the fragment that a heading gets on the usual forges."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = (re.sub(r"\s+", " ", cell).replace("|", "\\|") for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return lines
