"""JSON-RPC 2.0. jsonrpcserver is the dispatcher of record; this file is the only one that knows it.

One shape makes up nearly all traffic: a single well-formed request object with params by name. It is answered
straight from the method table, at a tenth of the cost; `tests/rpc/test_dispatch_differential.py` proves that both
ways answer the same to everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
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
        self._of_record: Callable[[Any, Any], Coroutine[Any, Any, Any]] | None = None
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
        return _succeeded(result, message["id"]) if wanted else None

    async def _finish(self, work: Coroutine[Any, Any, Any], request_id: Any, wanted: bool) -> bytes | None:
        try:
            result = await work
        except SwanError as error:
            return self._failed(error, request_id) if wanted else None
        except Exception:
            log.exception("a call failed")
            return self._failed(_internal(), request_id) if wanted else None
        return _succeeded(result, request_id) if wanted else None

    def _failed(self, error: SwanError, request_id: Any) -> bytes:
        self.errors += 1
        return orjson.dumps({"jsonrpc": "2.0", "error": error.to_wire(), "id": request_id})

    # --- the dispatcher of record -------------------------------------------------------------------------

    async def answer_of_record(self, message: Any, caller: Any) -> bytes | None:
        """Answer anything that was JSON."""
        if not isinstance(message, list):
            response = await self._record(message, caller)
            return None if response is None else orjson.dumps(response)
        if not message or len(message) > BATCH:
            sentence = f"a batch holds 1 to {BATCH} requests"
            return self._failed(InvalidRequest(sentence), None)
        # Each by itself: the library refuses a whole batch for one bad element, the specification does not.
        # The tasks begin in order, and calls of one object keep it.
        responses = await asyncio.gather(*(self._record(element, caller) for element in message))
        wanted = [response for response in responses if response is not None]
        return orjson.dumps(wanted) if wanted else None

    async def _record(self, message: Any, caller: Any) -> Any:
        self.calls += 1
        if isinstance(message, list):  # the library would take it for a batch of its own
            self.errors += 1
            return {
                "jsonrpc": "2.0",
                "error": _SENTENCES[InvalidRequest.code][0](_SENTENCES[InvalidRequest.code][1]).to_wire(),
                "id": None,
            }
        if self._of_record is None:
            self._of_record = self._load()
        response = await self._of_record(message, caller)
        if isinstance(response, dict) and "error" in response:
            self.errors += 1
            data = response["error"].get("data")
            if not (isinstance(data, dict) and "errMsg" in data):
                kind, sentence = _SENTENCES.get(response["error"]["code"], _SENTENCES[InternalError.code])
                response["error"] = kind(sentence).to_wire()
        return response

    def _load(self) -> Callable[[Any, Any], Coroutine[Any, Any, Any]]:
        # Not at start: importing it and its schema validator costs a quarter of the time to readiness.
        from jsonrpcserver import Error, Success
        from jsonrpcserver.async_main import dispatch_to_serializable

        def wrapped(handler: Handler) -> Callable[..., Coroutine[Any, Any, Any]]:
            async def call(caller: Any, /, *arguments: Any, **named: Any) -> Any:
                try:
                    # An empty array and absent params look the same from here, as they do to the library.
                    result = handler(caller, list(arguments) if arguments else named)
                    if isinstance(result, Coroutine):
                        result = await result
                except SwanError as error:
                    wire = error.to_wire()
                    return Error(wire["code"], wire["message"], wire["data"])
                except Exception:
                    log.exception("a call failed")
                    wire = _internal().to_wire()
                    return Error(wire["code"], wire["message"], wire["data"])
                return Success(result)

            return call

        methods = {name: wrapped(handler) for name, handler in self._handlers.items()}

        async def dispatch(message: Any, caller: Any) -> Any:
            return await dispatch_to_serializable(
                message, methods=methods, context=caller, deserializer=lambda already: already
            )

        return dispatch


def _is_common(message: dict[str, Any]) -> bool:
    if message.keys() not in SHAPES or message["jsonrpc"] != "2.0" or type(message["method"]) is not str:
        return False
    if "params" in message and type(message["params"]) is not dict:
        return False
    return "id" not in message or type(message["id"]) in (int, str)


def _internal() -> SwanError:
    return InternalError(_SENTENCES[InternalError.code][1])


def _succeeded(result: Any, request_id: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "result": result, "id": request_id})
