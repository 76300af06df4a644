"""JSON-RPC 2.0. jsonrpcserver is the dispatcher of record; this file is the only one that knows it.

One shape makes up nearly all traffic: a single well-formed request object with params by name. It is answered
straight from the method table, at a tenth of the cost; `tests/rpc/test_dispatch_differential.py` proves that both
ways answer the same to everything.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from swanbridge_protocol.errors import (
    InternalError,
    InvalidRequest,
    MethodNotFound,
    ParseError,
    SwanError,
)

log = logging.getLogger(__name__)

BATCH = 100  # requests in one array; more is an invalid request
SHAPES = (
    {"jsonrpc", "method", "params", "id"},
    {"jsonrpc", "method", "id"},
    {"jsonrpc", "method", "params"},
    {"jsonrpc", "method"},
)

Params = dict[str, Any] | list[Any] | None
# Answers one call: the result, or a coroutine of it; raises SwanError.
Handler = Callable[[Any, Params], Any]
_SENTENCES = {
    ParseError.code: (ParseError, "the frame is not JSON"),
    InvalidRequest.code: (InvalidRequest, "this is not a JSON-RPC 2.0 request object"),
    MethodNotFound.code: (MethodNotFound, "there is no such method; rpc.discover lists them"),
    InternalError.code: (InternalError, "the daemon failed at this call; its log says why"),
}


class Dispatcher:
    """Answers frames from a table of handlers; a handler gets the caller and the params as they came."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._of_record: Callable[[Any, _Turn], Any] | None = None
        self.calls = 0
        self.errors = 0

    def answer(self, frame: str | bytes, caller: Any) -> bytes | Coroutine[Any, Any, bytes | None] | None:
        """Return the response, None if there is none to give, or a coroutine of either."""
        try:
            message = orjson.loads(frame)
        except orjson.JSONDecodeError as error:
            return self._failed(ParseError(f"the frame is not JSON: {error.msg}"), None)
        if type(message) is dict and _is_common(message):
            return self._answer_common(message, caller)
        return self.answer_of_record(message, caller)

    # --- the common shape ---------------------------------------------------------------------------------

    def _answer_common(
        self, message: dict[str, Any], caller: Any
    ) -> bytes | Coroutine[Any, Any, bytes | None] | None:
        self.calls += 1
        wanted = "id" in message
        try:
            handler = self._handlers.get(message["method"])
            if handler is None:
                raise MethodNotFound(_SENTENCES[MethodNotFound.code][1])
            result = handler(caller, message.get("params"))
            if isinstance(result, Coroutine):
                return self._finish(result, message.get("id"), wanted)
        except SwanError as error:
            return self._failed(error, message.get("id")) if wanted else None
        except Exception:
            log.exception("%s failed", message["method"])
            return self._failed(_internal(), message.get("id")) if wanted else None
        return self._succeeded(result, message["id"]) if wanted else None

    async def _finish(self, work: Coroutine[Any, Any, Any], request_id: Any, wanted: bool) -> bytes | None:
        try:
            result = await work
        except SwanError as error:
            return self._failed(error, request_id) if wanted else None
        except Exception:
            log.exception("a call failed")
            return self._failed(_internal(), request_id) if wanted else None
        return self._succeeded(result, request_id) if wanted else None

    def _succeeded(self, result: Any, request_id: Any) -> bytes:
        return self._encoded({"jsonrpc": "2.0", "result": result, "id": request_id})

    def _failed(self, error: SwanError, request_id: Any) -> bytes:
        self.errors += 1
        return self._encoded({"jsonrpc": "2.0", "error": error.to_wire(), "id": request_id})

    def _encoded(self, response: dict[str, Any]) -> bytes:
        try:
            return orjson.dumps(response)
        except TypeError:  # a lone surrogate of a file's name, say: the caller must not wait for ever
            log.exception("an answer can't be put into JSON")
            self.errors += "error" not in response
            return orjson.dumps({"jsonrpc": "2.0", "error": _internal().to_wire(), "id": response["id"]})

    # --- the dispatcher of record -------------------------------------------------------------------------

    def answer_of_record(self, message: Any, caller: Any) -> bytes | Coroutine[Any, Any, bytes | None] | None:
        """Answer anything that was JSON. Every call in it has begun, in order, when this returns."""
        if not isinstance(message, list):
            return self._record(message, caller)
        if not message or len(message) > BATCH:
            sentence = f"a batch holds 1 to {BATCH} requests"
            return self._failed(InvalidRequest(sentence), None)
        # Each by itself: the library refuses a whole batch for one bad element, the specification does not.
        answers = [self._record(element, caller) for element in message]
        if any(isinstance(answer, Coroutine) for answer in answers):
            return _all_of(answers)
        return _joined(answers)

    def _record(self, message: Any, caller: Any) -> bytes | Coroutine[Any, Any, bytes | None] | None:
        self.calls += 1
        if isinstance(message, list):  # the library would take it for a batch of its own
            return self._failed(_worded(InvalidRequest.code), None)
        if self._of_record is None:
            self._of_record = self._load()
        turn = _Turn(caller)
        response = self._of_record(message, turn)
        if turn.work is not None:
            wanted = response is not None
            return self._finish(turn.work, response["id"] if wanted else None, wanted)
        if response is None:
            return None
        if "error" in response:
            self.errors += 1
            data = response["error"].get("data")
            if not (isinstance(data, dict) and "errMsg" in data):
                response["error"] = _worded(response["error"]["code"]).to_wire()
        return self._encoded(response)

    def _load(self) -> Callable[[Any, _Turn], Any]:
        # Not at start: importing it and its schema validator costs a quarter of the time to readiness.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it reads its schema in the old way
            from jsonrpcserver import Error, Success
            from jsonrpcserver.main import dispatch_to_serializable

        def wrapped(handler: Handler) -> Callable[..., Any]:
            def call(turn: _Turn, /, *arguments: Any, **named: Any) -> Any:
                try:
                    # An empty array and absent params look the same from here, as they do to the library.
                    result = handler(turn.caller, list(arguments) if arguments else named)
                except SwanError as error:
                    wire = error.to_wire()
                    return Error(wire["code"], wire["message"], wire["data"])
                except Exception:
                    log.exception("a call failed")
                    wire = _internal().to_wire()
                    return Error(wire["code"], wire["message"], wire["data"])
                if isinstance(result, Coroutine):
                    turn.work = result
                    return Success(None)  # replaced when the work is done
                return Success(result)

            return call

        methods = {name: wrapped(handler) for name, handler in self._handlers.items()}

        def dispatch(message: Any, turn: _Turn) -> Any:
            return dispatch_to_serializable(
                message, methods=methods, context=turn, deserializer=lambda already: already
            )

        return dispatch


@dataclass(slots=True)
class _Turn:
    """One request on its way through the library, which is not told of asynchronous work.

    Its asynchronous dispatcher would begin a batch's calls some turns of the loop later, after the frames that
    came behind it.
    """

    caller: Any
    work: Coroutine[Any, Any, Any] | None = None


async def _all_of(answers: list[bytes | Coroutine[Any, Any, bytes | None] | None]) -> bytes | None:
    """Run what is asynchronous side by side."""
    works = [answer for answer in answers if isinstance(answer, Coroutine)]
    done = iter(await asyncio.gather(*works))
    return _joined([next(done) if isinstance(answer, Coroutine) else answer for answer in answers])


def _joined(answers: Sequence[Any]) -> bytes | None:
    wanted = [answer for answer in answers if answer is not None]
    return b"[" + b",".join(wanted) + b"]" if wanted else None


def _is_common(message: dict[str, Any]) -> bool:
    if message.keys() not in SHAPES or message["jsonrpc"] != "2.0" or type(message["method"]) is not str:
        return False
    if "params" in message and type(message["params"]) is not dict:
        return False
    return "id" not in message or type(message["id"]) in (int, str)


def _internal() -> SwanError:
    return InternalError(_SENTENCES[InternalError.code][1])


def _worded(code: int) -> SwanError:
    kind, sentence = _SENTENCES.get(code, _SENTENCES[InternalError.code])
    return kind(sentence)
