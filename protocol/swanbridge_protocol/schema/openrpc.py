"""The OpenRPC document: what `rpc.discover` answers and `openrpc.json` holds."""

from __future__ import annotations

from typing import Any

from .. import catalogue
from .._base import PROTOCOL_VERSION, Event, Method
from ..errors import BY_NAME, SwanError
from ._parts import (
    ANY_CALL,
    PLAIN_FUNCTIONS,
    Components,
    EventHead,
    chapters,
    expected_errors,
    family,
    methods,
    prose,
)

OPENRPC = "1.3.2"


def openrpc(version: str) -> dict[str, Any]:
    """Return the OpenRPC 1.3 document of a daemon of this version, JSON-ready and in a stable order.

    Beyond the standard: `x-events` (OpenRPC knows no notifications), `x-scope`, `x-object-key` and
    `x-params` on methods, `x-common-errors` for what any call may answer.
    """
    components = Components()
    families = {name: chapter.summary for chapter in chapters() for name in chapter.families}
    if PLAIN_FUNCTIONS in families:
        families[PLAIN_FUNCTIONS] = "Functions that belong to no object."
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "swanbridge",
            "version": version,
            "description": "JSON-RPC 2.0 over WebSocket or HTTP; params are one object, by name.",
            "x-protocol": PROTOCOL_VERSION,
        },
        "methods": [_method(method, components) for method in methods()],
        "components": {
            "schemas": components.schemas,
            "errors": {name: _error(kind) for name, kind in sorted(BY_NAME.items())},
            "tags": {name: {"name": name, "summary": summary} for name, summary in families.items()},
        },
        "x-common-errors": list(ANY_CALL),
        "x-event-head": components.reference(EventHead, "serialization"),
        "x-events": [_event(event, components) for event in catalogue.EVENTS.values()],
    }


def _method(method: Method[Any, Any], components: Components) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": method.name,
        "summary": prose(method.summary),
        "tags": [{"$ref": f"#/components/tags/{family(method)}"}],
        "paramStructure": "by-name",
        "params": [
            _content(name, schema, is_required)
            for name, schema, is_required in components.members(method.params, "validation")
        ],
        "result": {
            "name": components.name(method.result, "serialization"),
            "summary": prose(method.result.__doc__),
            "schema": components.reference(method.result, "serialization"),
        },
        "errors": [_error(kind) for kind in expected_errors(method)],
        "x-scope": method.scope.name.lower(),
        "x-needs-session": method.needs_session,
        "x-params": components.reference(method.params, "validation"),
    }
    if method.key is not None:
        described["x-object-key"] = method.key
    return described


def _content(name: str, schema: dict[str, Any], is_required: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"name": name}
    if "description" in schema:
        content["summary"] = schema["description"]
    return {**content, "required": is_required, "schema": schema}


def _error(kind: type[SwanError]) -> dict[str, Any]:
    return {"code": kind.code, "message": kind.title or prose(kind.__doc__), "data": {"name": kind.name}}


def _event(event: Event[Any], components: Components) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": event.name,
        "summary": prose(event.summary),
        "tags": [{"$ref": f"#/components/tags/{family(event)}"}],
        "payload": components.reference(event.payload, "serialization"),
        "coalesced": event.coalesced,
    }
    if event.key is not None:
        described["key"] = event.key
    return described
