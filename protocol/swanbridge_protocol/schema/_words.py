"""What a JSON schema says about a value, in words."""

from __future__ import annotations

import json
from typing import Any

from ._parts import Schema

_UNITS = {"s": "seconds"}


def without_null(schema: Schema) -> Schema:
    """Return an optional member's schema as it is when the member is there."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) != 1:
        return schema
    outer = {word: value for word, value in schema.items() if word != "anyOf"}
    return {**branches[0], **outer}


def limits(schema: Schema) -> str:
    """Return unit, range, lengths, pattern and default: `seconds, 0 to 3,600, default 0.25`; may be empty."""
    schema = without_null(schema)
    said = [_UNITS.get(schema["unit"], str(schema["unit"]))] if "unit" in schema else []
    said.extend(_range(schema))
    said.extend(_length(schema))
    if "pattern" in schema:
        said.append(f"matches `{schema['pattern']}`")
    if "default" in schema:
        said.append(f"default {json.dumps(schema['default'])}")
    return ", ".join(said)


def _range(schema: Schema) -> list[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return [f"{_number(low)} to {_number(high)}"]
    bounds = (("at least", low), ("more than", above), ("at most", high), ("less than", below))
    return [f"{word} {_number(bound)}" for word, bound in bounds if bound is not None]


def _length(schema: Schema) -> list[str]:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if longest is None:
        return [f"at least {shortest} characters"] if shortest else []
    if shortest:
        return [f"{shortest} to {_number(longest)} characters"]
    return [f"at most {_number(longest)} characters"]


def _number(value: Any) -> str:
    return f"{value:,}"


def sentence(*parts: str) -> str:
    """Join the parts that say something into sentences."""
    said = (part[0].upper() + part[1:] for part in parts if part)
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in said)
