"""What a call can fail with: the protocol's errors, and those of the way to the daemon."""

from __future__ import annotations

from typing import Any, ClassVar

from swanbridge_protocol import SwanError
from swanbridge_protocol.errors import BY_NAME


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
