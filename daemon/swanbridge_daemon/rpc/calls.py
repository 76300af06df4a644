"""From the method table to handlers: scope, session, parameters, order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError
from swanbridge_protocol import Dialect, WireModel
from swanbridge_protocol.errors import (
    Forbidden,
    InvalidParams,
    SessionRequired,
    ShuttingDown,
)
from swanbridge_protocol.refusal import refusal

from ..core.api import Answer
from ..core.session import Caller, Session
from .dispatch import Handler, Params


class Calls:
    """Makes handlers. On the virtual clock (`settle`) a session's swan calls run one after another.

    `lanes` hold the asynchronous calls under way, by object: a later call of the same object waits for them.
    """

    def __init__(self, answers: dict[str, Answer], *, settle: bool) -> None:
        self._answers = answers
        self._settle = settle
        self._lanes: dict[Any, asyncio.Future[Any]] = {}
        self.closing = False

    def handlers(self) -> dict[str, Handler]:
        """Return a handler for each method."""
        return {name: self._handler(answer) for name, answer in self._answers.items()}

    def _handler(self, answer: Answer) -> Handler:
        method = answer.method
        function = answer.function
        params_model = method.params
        key = method.key
        is_swan = method.dialect is Dialect.SWAN
        in_turn = self._settle and (is_swan or method.ordered)

        def handle(caller: Caller, raw: Params) -> Any:
            if self.closing:
                raise ShuttingDown("the daemon is stopping")
            if caller.scope < method.scope:
                raise Forbidden(
                    f"{method.name} needs a token with the {method.scope.name.lower()} scope, "
                    f"this one has {caller.scope.name.lower()}"
                )
            session = caller.session
            if session is not None and session.closed:
                session = None
            if session is None and method.needs_session:
                if caller.lend is None:
                    raise SessionRequired("call session.open first")
                session = caller.session = caller.lend()
            if type(raw) is list and raw:
                raise InvalidParams("params are one object, by name")
            try:
                params = params_model.model_validate(raw or {})
            except ValidationError as error:
                raise refusal(error, method.dialect) from None
            target = session if method.needs_session else caller
            lane: Any = None
            if in_turn:
                lane = session
            elif key is not None and session is not None:
                lane = (session, getattr(params, _attribute(key)))
            if lane is not None and (lane in self._lanes or (in_turn and session and session.pending.busy)):
                return self._later(lane, function, target, params)
            if answer.is_async:
                if lane is None:
                    return _wired(function(target, params))
                return self._later(lane, function, target, params)
            result = function(target, params)
            return _wired(result) if isinstance(result, Coroutine) else _wire(result)

        return handle

    def _later(self, lane: Any, function: Any, target: Any, params: WireModel) -> Coroutine[Any, Any, Any]:
        """Return a call that runs when the ones before it in its lane are done."""
        before = self._lanes.get(lane)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes[lane] = done
        return self._in_turn(lane, before, done, function, target, params)

    async def _in_turn(
        self,
        lane: Any,
        before: asyncio.Future[Any] | None,
        done: asyncio.Future[None],
        function: Any,
        target: Any,
        params: WireModel,
    ) -> Any:
        try:
            if before is not None:
                await asyncio.wait([before])
            if self._settle and isinstance(lane, Session):
                await lane.pending.settled()
            if isinstance(target, Session) and target.closed:
                raise SessionRequired("the session ended before it was this call's turn")
            result = function(target, params)
            if isinstance(result, Coroutine):
                result = await result
            return _wire(result)
        finally:
            done.set_result(None)
            if self._lanes.get(lane) is done:
                del self._lanes[lane]

    async def quiet(self, session: Any) -> None:
        """Wait until the calls of a session that are under way are done."""
        while (future := self._lanes.get(session)) is not None:
            await asyncio.wait([future])


def _attribute(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)


def _wire(result: Any) -> Any:
    return result.to_wire() if isinstance(result, WireModel) else result


async def _wired(work: Coroutine[Any, Any, Any]) -> Any:
    return _wire(await work)
