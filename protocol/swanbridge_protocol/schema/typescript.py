"""The protocol as TypeScript: `protocol.d.ts`, and `names.js` for what is wanted at run time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from .. import catalogue
from .._base import PROTOCOL_VERSION
from ..errors import BY_NAME
from ._parts import Components, EventHead, Schema, methods, prose, reference_name
from ._words import limits, sentence, without_null

HEADER = "Made by protocol/generate.py from the models; edits will be lost."
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_SCALARS = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}


def typescript() -> str:
    """Return the text of `protocol.d.ts`: an interface per model, the maps `Methods` and `Events`, the errors."""
    components = Components()
    parts = [
        f"/**\n * The wire protocol of swanbridge, version {PROTOCOL_VERSION}.\n * {HEADER}\n */\n",
        *(_model(name, schema) for name, schema in components.schemas.items()),
        _map(
            "Methods",
            "Params and result of each method, by wire name.",
            (
                (
                    method.name,
                    prose(method.summary),
                    f"{{ params: {components.name(method.params, 'validation')};"
                    f" result: {components.name(method.result, 'serialization')} }}",
                )
                for method in methods()
            ),
        ),
        _map(
            "Events",
            "Params of each event, by wire name.",
            (
                (event.name, prose(event.summary), _event_params(event.payload, components))
                for event in catalogue.EVENTS.values()
            ),
        ),
        _map(
            "ErrorCodes",
            "The code of each error, by its stable name (`data.name`).",
            ((name, prose(kind.__doc__), str(kind.code)) for name, kind in BY_NAME.items()),
        ),
        "export type MethodName = keyof Methods;\n"
        "export type EventName = keyof Events;\n"
        "export type ErrorName = keyof ErrorCodes;\n",
    ]
    return "\n".join(parts)


def names() -> str:
    """Return the text of `names.js`: frozen arrays of wire names, and the errors' codes."""
    return "\n".join(
        [
            f"/** Every name of the wire protocol. {HEADER} */\n",
            f"export const PROTOCOL = {PROTOCOL_VERSION};\n",
            _array("METHODS", "MethodName", [method.name for method in methods()]),
            _array("EVENTS", "EventName", list(catalogue.EVENTS)),
            "/** @type {Readonly<import('./protocol.js').ErrorCodes>} */",
            "export const ERRORS = Object.freeze({",
            *(f"    {name}: {kind.code}," for name, kind in BY_NAME.items()),
            "});\n",
        ]
    )


def _array(constant: str, kind: str, values: list[str]) -> str:
    lines = "".join(f"    {_quoted(value)},\n" for value in values)
    return (
        f"/** @type {{readonly import('./protocol.js').{kind}[]}} */\n"
        f"export const {constant} = Object.freeze([\n{lines}]);\n"
    )


def _model(name: str, schema: Schema) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name} is no TypeScript name: give one of the models of that name another")
    comment = _comment(schema.get("description", ""), "")
    required = schema.get("required", ())
    lines = [
        _comment(sentence(without_null(member).get("description", ""), limits(member)), "    ")
        + f"    {_key(key)}{'' if key in required else '?'}: {_type(member)};\n"
        for key, member in schema.get("properties", {}).items()
    ]
    if schema.get("additionalProperties") is True:
        lines.append("    [member: string]: unknown;\n")
    if not lines:
        return f"{comment}export type {name} = Record<string, never>;\n"
    return f"{comment}export interface {name} {{\n{''.join(lines)}}}\n"


def _map(name: str, comment: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = "".join(f"{_comment(summary, '    ')}    {_key(key)}: {kind};\n" for key, summary, kind in rows)
    return f"{_comment(comment, '')}export interface {name} {{\n{lines}}}\n"


def _event_params(payload: Any, components: Components) -> str:
    head = components.name(EventHead, "serialization")
    name = components.name(payload, "serialization")
    return f"{head} & {name}" if components.schemas[name].get("properties") else head


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return reference_name(schema)
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(_literal(value) for value in schema["enum"])
    for word, joint in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if word in schema:
            return joint.join(dict.fromkeys(_type(branch) for branch in schema[word]))
    kind = schema.get("type")
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind == "array":
        item = _type(schema.get("items", {}))
        return f"({item})[]" if re.search(r"[|&]", item) else f"{item}[]"
    if kind == "object":
        value = schema.get("additionalProperties", {})
        return f"Record<string, {_type(value) if isinstance(value, dict) else 'unknown'}>"
    if kind is None:
        return "unknown"
    raise ValueError(f"no TypeScript type for {schema}")


def _literal(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    if not re.fullmatch(r"[^'\\\n]*", text):
        raise ValueError(f"{text!r} does not fit into quotes")
    return f"'{text}'"


def _comment(text: str, indent: str) -> str:
    return f"{indent}/** {text.replace('*/', '* /')} */\n" if text else ""
