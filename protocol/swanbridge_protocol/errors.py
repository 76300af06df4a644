"""Every error that crosses the wire: a class with a code, a name and a sentence (facts 1.5, 2.10)."""

from __future__ import annotations

from typing import Any, ClassVar


class SwanError(Exception):
    """Base of all errors that a caller may see.

    `code` is swan's errCode or JSON-RPC's own, `name` is stable and unique, the message says what to do.
    """

    code: ClassVar[int] = -1
    name: ClassVar[str] = "unknown"
    title: ClassVar[str] = ""  # what JSON-RPC 2.0 itself prescribes as message

    def __init__(self, message: str, *, detail: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def err_code(self) -> int:
        """`errCode` as swan spells it: the same as `code`."""
        return self.code

    @property
    def err_msg(self) -> str:
        """`errMsg` as swan spells it: the message."""
        return self.message

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-RPC error object."""
        data: dict[str, Any] = {"name": self.name, "errMsg": self.message}
        if self.detail is not None:
            data["detail"] = self.detail
        return {"code": self.code, "message": self.title or self.message, "data": data}


class ParseError(SwanError):
    """The frame or body is not JSON."""

    code, name = -32700, "parseError"
    title = "Parse error"


class InvalidRequest(SwanError):
    """The JSON is not a JSON-RPC 2.0 request."""

    code, name = -32600, "invalidRequest"
    title = "Invalid Request"


class MethodNotFound(SwanError):
    """There is no such method."""

    code, name = -32601, "methodNotFound"
    title = "Method not found"


class InvalidParams(SwanError):
    """Params of a control method are missing, mistyped or out of range."""

    code, name = -32602, "invalidParams"
    title = "Invalid params"


class InternalError(SwanError):
    """The daemon failed; the log has the reason, the caller has not."""

    code, name = -32603, "internalError"
    title = "Internal error"


class SessionRequired(SwanError):
    """The call came before `session.open`."""

    code, name = -32001, "sessionRequired"


class Forbidden(SwanError):
    """The token's scope is too narrow for the method."""

    code, name = -32002, "forbidden"


class TooManyRequests(SwanError):
    """The caller is over a bound: rate, batch size, open objects."""

    code, name = -32003, "tooManyRequests"


class ShuttingDown(SwanError):
    """The daemon is stopping and takes no more calls."""

    code, name = -32004, "shuttingDown"


class IllegalState(SwanError):
    """A control call that the present state does not allow, such as advancing a real clock."""

    code, name = -32005, "illegalState"


class ArgumentError(SwanError):
    """A swan parameter is missing or of the wrong type (facts 1.4)."""

    code, name = 904, "argumentError"


class ParameterError(SwanError):
    """A swan parameter is out of range, or names something that does not exist."""

    code, name = 202, "parameterError"


class ExecutionFailed(SwanError):
    """The call was right and could not be done."""

    code, name = 1001, "executionFailed"


class FileNotFound(SwanError):
    """The path names no file that the session may read (facts 1.5)."""

    code, name = 2001, "fileNotFound"


class AudioSystemError(SwanError):
    """innerAudioContext: the audio system failed."""

    code, name = 10001, "audioSystemError"


class AudioNetworkError(SwanError):
    """innerAudioContext: the source could not be fetched."""

    code, name = 10002, "audioNetworkError"


class AudioFileError(SwanError):
    """innerAudioContext: there is no such file, or it may not be read."""

    code, name = 10003, "audioFileError"


class AudioFormatError(SwanError):
    """innerAudioContext: the bytes are not sound that can be decoded."""

    code, name = 10004, "audioFormatError"


class AudioUnknownError(SwanError):
    """innerAudioContext: something else."""

    code, name = -1, "audioUnknownError"


def _registry() -> dict[str, type[SwanError]]:
    found: dict[str, type[SwanError]] = {}
    for kind in SwanError.__subclasses__():
        if kind.name in found:
            raise RuntimeError(f"two errors are called {kind.name}")
        found[kind.name] = kind
    return found


BY_NAME: dict[str, type[SwanError]] = _registry()
