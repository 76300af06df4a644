"""How params that cannot be taken are refused, in the same words by the daemon and by clients (facts 1.4)."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from ._base import Dialect
from .errors import ArgumentError, InvalidParams, ParameterError, SwanError

MISTAKES = 5  # told of one control call

# Pydantic's kinds of "the right type, but out of range"; swan tells them by 202, the rest by 904.
_RANGE = frozenset(
    {
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"),
        *("string_too_short", "string_too_long", "string_pattern_mismatch", "too_long", "too_short"),
        *("literal_error", "enum"),
    }
)
# What swan calls the type that pydantic missed; all else is a number.
_WORDS = {"string": "string", "bool": "boolean", "list": "Array", "dict": "object", "model": "object"}


def refusal(error: ValidationError, dialect: Dialect) -> SwanError:
    """Return the error for params that a model refused: -32602 for control methods, else 904 or 202."""
    return _of_swan(error) if dialect is Dialect.SWAN else _of_control(error)


def _of_swan(error: ValidationError) -> SwanError:
    """Word the first mistake as Baidu's own layer does."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = first["loc"]
    # Fields given by their Python names are told by their wire names.
    name = to_camel(str(place[0])) if place else "params"
    kind = first["type"]
    if kind in _RANGE:
        return ParameterError(f"{name} is out of range: {first['msg']}")
    if kind == "missing":
        return ArgumentError(f"[jsNative Argument Error]{name} is required.")
    if len(place) > 1 and isinstance(place[1], int):
        return ArgumentError(f'[jsNative Argument Error]{name} type error, must be arrayOf "string"')
    word = _WORDS.get(kind.partition("_")[0], "number")
    return ArgumentError(f'[jsNative Argument Error]{name} type error. must be "{word}"')


def _of_control(error: ValidationError) -> SwanError:
    mistakes = [
        f"{'.'.join(str(part) for part in one['loc']) or 'params'}: {one['msg']}"
        for one in error.errors(include_url=False, include_input=False)
    ]
    return InvalidParams("; ".join(mistakes[:MISTAKES]))
