"""The short cut for the common request and the dispatcher of record answer the same to everything."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from swanbridge_daemon.core.api import collect
from swanbridge_daemon.core.clock import SystemClock
from swanbridge_daemon.core.ports import Files, PortError
from swanbridge_daemon.core.session import Caller
from swanbridge_daemon.rpc.calls import Calls
from swanbridge_daemon.rpc.dispatch import Dispatcher, Params
from swanbridge_daemon.services.clock import ClockService
from swanbridge_daemon.services.sessions import SessionService
from swanbridge_protocol import Scope
from swanbridge_protocol.errors import ParameterError

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
ids = st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20) | scalars
names = st.sampled_from(["echo", "later", "refuse", "refuse later", "break", "break later", "self", "caller"])
params = (
    st.dictionaries(
        st.sampled_from(["a", "caller", "self", "turn", "message", "request", "context", "", "a b", "\u0000"])
        | st.text(max_size=8),
        values,
        max_size=4,
    )
    | values
)


@st.composite
def near_requests(draw: st.DrawFn, methods: st.SearchStrategy[str]) -> Any:
    """Draw a request, rarely a wrong one."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": draw(methods)}
    for name, drawn in (("params", params), ("id", ids)):
        if draw(st.booleans()):
            message[name] = draw(drawn)
    if draw(st.integers(0, 4)) == 0:
        message[draw(st.sampled_from(["jsonrpc", "method", "id", "params"]) | st.text(max_size=5))] = draw(
            values
        )
    if draw(st.integers(0, 8)) == 0:
        message.pop(draw(st.sampled_from(sorted(message))))
    return message


def echo(caller: Any, given_: Params) -> Any:
    return [caller, given_ or {}]


def refuse(caller: Any, given_: Params) -> Any:
    raise ParameterError("no", detail=given_ or None)


def fail(caller: Any, given_: Params) -> Any:
    raise ZeroDivisionError


async def _later(function: Any, caller: Any, given_: Params) -> Any:
    await asyncio.sleep(0)
    return function(caller, given_)


HANDLERS = {
    "echo": echo,
    "self": echo,
    "caller": echo,
    "refuse": refuse,
    "break": fail,
    "later": lambda caller, given_: _later(echo, caller, given_),
    "refuse later": lambda caller, given_: _later(refuse, caller, given_),
    "break later": lambda caller, given_: _later(fail, caller, given_),
}


async def _waited(answer: bytes | Coroutine[Any, Any, bytes | None] | None) -> bytes | None:
    return await answer if isinstance(answer, Coroutine) else answer


async def _both(dispatcher: Dispatcher, frame: bytes, caller: Any) -> tuple[bytes | None, bytes | None]:
    before = dispatcher.calls, dispatcher.errors
    fast = await _waited(dispatcher.answer(frame, caller))
    between = dispatcher.calls, dispatcher.errors
    of_record = await _waited(dispatcher.answer_of_record(orjson.loads(frame), caller))
    after = dispatcher.calls, dispatcher.errors
    # A notification's errors are nobody's answers, however it went.
    assert between[0] - before[0] == after[0] - between[0]
    return fast, of_record


def _is_an_answer(answer: bytes | None) -> bool:
    if answer is None:
        return True
    found = orjson.loads(answer)
    return all(
        one.keys() in ({"jsonrpc", "result", "id"}, {"jsonrpc", "error", "id"})
        for one in (found if isinstance(found, list) else [found])
    )


@settings(max_examples=400, deadline=None)
@given(near_requests(names | st.text(max_size=6)))
def test_a_request_is_answered_the_same_both_ways(message: Any) -> None:
    frame = _frame(message)
    fast, of_record = asyncio.run(_both(Dispatcher(HANDLERS), frame, "me"))
    assert fast == of_record
    assert _is_an_answer(fast)


@settings(max_examples=150, deadline=None)
@given(values | st.lists(near_requests(names) | values, max_size=5))
def test_any_json_is_answered_the_same_both_ways_and_never_breaks(message: Any) -> None:
    frame = _frame(message)
    fast, of_record = asyncio.run(_both(Dispatcher(HANDLERS), frame, "me"))
    assert fast == of_record
    assert _is_an_answer(fast)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60) | near_requests(names).map(lambda m: _frame(m)[:-3]))
def test_any_frame_gets_an_answer_or_none(frame: str | bytes) -> None:
    assert _is_an_answer(asyncio.run(_waited(Dispatcher(HANDLERS).answer(frame, "me"))))


class NoFiles:
    """A store of a session without files."""

    def open(self, path: str) -> Any:
        raise PortError("file", "there is none")

    def draft(self, suffix: str) -> Any:
        raise PortError("system", "there is none")

    def close(self) -> None:
        """Delete nothing."""


def _no_files(session_id: str, package_root: str | None) -> Files:
    return NoFiles()


@settings(max_examples=200, deadline=None)
@given(
    near_requests(
        st.sampled_from(["clock.now", "clock.advance", "session.list", "session.snapshot", "journal.read"])
    ),
    st.sampled_from(list(Scope)),
)
def test_the_real_method_table_answers_the_same_both_ways(message: Any, scope: Scope) -> None:
    async def ask() -> tuple[bytes | None, bytes | None]:
        clock = FrozenClock()
        sessions = SessionService(clock, _no_files, name="test", version="0")
        calls = Calls(collect([sessions, ClockService(clock)]), settle=False)
        caller = Caller(scope, session=sessions.make("app"))
        return await _both(Dispatcher(calls.handlers()), _frame(message), caller)

    fast, of_record = asyncio.run(ask())
    assert fast == of_record
    assert _is_an_answer(fast)


class FrozenClock(SystemClock):
    """The system's clock at one instant, so that two calls see the same time."""

    def now(self) -> float:
        return 1.0


def _frame(message: Any) -> bytes:
    import json

    # As other languages write it: any size of integer, every character escaped.
    return json.dumps(message).encode()
