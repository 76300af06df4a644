"""What a call can fail with: the protocol's errors, and those of the way to the daemon."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from swanbridge_protocol import Dialect, Method, SwanError
from swanbridge_protocol.errors import BY_NAME, ArgumentError, InvalidParams, ParameterError

# Pydantic's kinds of "the right type, but out of range"; swan tells them by 202, the rest by 904 (facts 1.4).
_RANGE = frozenset(
    {
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"),
        *("string_too_short", "string_too_long", "string_pattern_mismatch", "too_long", "too_short"),
        *("literal_error", "enum"),
    }
)
# What swan calls the type that pydantic missed; all else is a number.
_WORDS = {"string": "string", "bool": "boolean", "list": "Array", "dict": "object", "model": "object"}


class ConnectionLost(SwanError):
    """The connection ended before the answer came: whether the call was carried out is unknown."""

    code, name = 1001, "connectionLost"


class DaemonNotFound(SwanError):
    """No daemon was found, or none listens where it was said to."""

    code, name = -32096, "daemonNotFound"


class ConnectionRefused(SwanError):
    """The daemon does not let us in: wrong token, host or origin. `status` is its HTTP answer."""

    code, name = -32095, "connectionRefused"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class RemoteError(SwanError):
    """An error that this client has no class for; `code`, `name` and `err_msg` are the daemon's."""

    code: int  # type: ignore[misc]  # each has its own
    name: str  # type: ignore[misc]

    title: ClassVar[str] = ""

    def __init__(self, code: int, name: str, err_msg: str, *, detail: Any = None) -> None:
        super().__init__(err_msg, detail=detail)
        self.code = code
        self.name = name


def from_wire(error: dict[str, Any]) -> SwanError:
    """Return the exception for a JSON-RPC error object."""
    data = error.get("data")
    if not isinstance(data, dict):
        data = {}
    code = error.get("code")
    code = code if isinstance(code, int) else -1
    name = str(data.get("name", "unknown"))
    message = str(data.get("errMsg") or error.get("message") or "the call failed")
    known = BY_NAME.get(name)
    if known is not None and known.code == code:
        return known(message, detail=data.get("detail"))
    return RemoteError(code, name, message, detail=data.get("detail"))


def from_validation(error: ValidationError, method: Method[Any, Any]) -> SwanError:
    """Return what the daemon would have answered to params that it could not have taken (facts 1.4)."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = first["loc"]
    if method.dialect is Dialect.CONTROL:
        return InvalidParams(f"{'.'.join(str(part) for part in place) or 'params'}: {first['msg']}")
    # Fields given by their Python names are told by their wire names, as the daemon would.
    name = to_camel(str(place[0])) if place else "params"
    kind = first["type"]
    if kind in _RANGE:
        return ParameterError(f"{name} is out of range: {first['msg']}")
    if kind == "missing":
        return ArgumentError(f"[jsNative Argument Error]{name} is required.")
    if len(place) > 1 and isinstance(place[1], int):
        return ArgumentError(f'[jsNative Argument Error]{name} type error, must be arrayOf "string"')
    wanted = _WORDS.get(kind.partition("_")[0], "number")
    return ArgumentError(f'[jsNative Argument Error]{name} type error. must be "{wanted}"')
