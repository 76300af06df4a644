"""Every example of the JSON-RPC 2.0 specification, section 7, and what else it prescribes."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from swanbridge_daemon.rpc.dispatch import BATCH, Dispatcher, Handler, Params
from swanbridge_protocol.errors import InvalidParams, ParameterError


def handler(function: Callable[..., Any]) -> Handler:
    """Take params by position or by name, as the specification's examples do."""
    signature = inspect.signature(function)

    def handle(caller: Any, params: Params) -> Any:
        try:
            positional, named = (params, {}) if isinstance(params, list) else ([], params or {})
            bound = signature.bind(*positional, **named)
        except TypeError as error:
            raise InvalidParams(str(error)) from None
        return function(*bound.args, **bound.kwargs)

    return handle


def subtract(minuend: float, subtrahend: float) -> float:
    return minuend - subtrahend


def total(*numbers: float) -> float:
    return sum(numbers)


def notify(*anything: Any) -> None:
    return None


async def later(value: Any = None) -> Any:
    await asyncio.sleep(0)
    if value == "refuse":
        raise ParameterError("refused later")
    if value == "break":
        raise ZeroDivisionError
    return value


HANDLERS: dict[str, Handler] = {
    "subtract": handler(subtract),
    "sum": handler(total),
    "update": handler(notify),
    "get_data": handler(lambda: ["hello", 5]),
    "notify_hello": handler(notify),
    "notify_sum": handler(notify),
    "later": handler(later),
    "unsendable": handler(lambda: {"name": "\udcff"}),
    "broken": handler(lambda: 1 / 0),
}


def answer(frame: str | bytes, handlers: dict[str, Handler] | None = None) -> Any:
    """Return the response as JSON, `data` of errors left out; None if there is none."""

    async def ask() -> bytes | None:
        given = Dispatcher(handlers or HANDLERS).answer(frame, None)
        return await given if isinstance(given, Coroutine) else given

    response = asyncio.run(ask())
    if response is None:
        return None
    decoded = json.loads(response)
    for one in decoded if isinstance(decoded, list) else [decoded]:
        if "error" in one:
            data = one["error"].pop("data")
            assert data["errMsg"]
            assert data["name"]
    return decoded


def error(code: int, message: str, request_id: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": request_id}


INVALID = error(-32600, "Invalid Request")

EXAMPLES: dict[str, tuple[str, Any]] = {
    "positional": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
        {"jsonrpc": "2.0", "result": 19, "id": 1},
    ),
    "positional the other way round": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
        {"jsonrpc": "2.0", "result": -19, "id": 2},
    ),
    "named": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        {"jsonrpc": "2.0", "result": 19, "id": 3},
    ),
    "named the other way round": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        {"jsonrpc": "2.0", "result": 19, "id": 4},
    ),
    "notification": ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    "notification of nothing": ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    "non-existent method": (
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        error(-32601, "Method not found", "1"),
    ),
    "invalid JSON": (
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        error(-32700, "Parse error"),
    ),
    "invalid request": ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', INVALID),
    "batch of invalid JSON": (
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]',
        error(-32700, "Parse error"),
    ),
    "empty array": ("[]", INVALID),
    "invalid batch that is not empty": ("[1]", [INVALID]),
    "invalid batch": ("[1,2,3]", [INVALID, INVALID, INVALID]),
    "mixed batch": (
        """[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]""",
        [
            {"jsonrpc": "2.0", "result": 7, "id": "1"},
            {"jsonrpc": "2.0", "result": 19, "id": "2"},
            INVALID,
            error(-32601, "Method not found", "5"),
            {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"},
        ],
    ),
    "batch of notifications": (
        '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},'
        ' {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
        None,
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_specification_s_example_is_answered_exactly(name: str) -> None:
    frame, expected = EXAMPLES[name]
    assert answer(frame) == expected
    assert answer(frame.encode()) == expected


@pytest.mark.parametrize("request_id", ["1", "", 0, -7, 2**63, 1.5, None])
def test_the_id_comes_back_as_it_was(request_id: Any) -> None:
    frame = json.dumps({"jsonrpc": "2.0", "method": "get_data", "id": request_id})
    assert answer(frame) == {"jsonrpc": "2.0", "result": ["hello", 5], "id": request_id}


@pytest.mark.parametrize("request_id", [True, [1], {"a": 1}])
def test_an_id_that_is_neither_text_nor_number_makes_the_request_invalid(request_id: Any) -> None:
    assert answer(json.dumps({"jsonrpc": "2.0", "method": "get_data", "id": request_id})) == INVALID


@pytest.mark.parametrize("version", ["1.0", "2", 2.0, 2, None, ["2.0"], {}])
def test_another_version_makes_the_request_invalid(version: Any) -> None:
    assert answer(json.dumps({"jsonrpc": version, "method": "get_data", "id": 1})) == INVALID


@pytest.mark.parametrize("params", [None, 1, "text", True])
def test_params_that_are_no_structure_make_the_request_invalid(params: Any) -> None:
    assert answer(json.dumps({"jsonrpc": "2.0", "method": "sum", "params": params, "id": 1})) == INVALID


def test_a_batch_in_a_batch_is_one_invalid_request() -> None:
    inner = [{"jsonrpc": "2.0", "method": "get_data", "id": 1}]
    assert answer(json.dumps([inner, *inner])) == [
        INVALID,
        {"jsonrpc": "2.0", "result": ["hello", 5], "id": 1},
    ]


def test_a_batch_over_the_bound_is_refused_whole() -> None:
    call = {"jsonrpc": "2.0", "method": "get_data", "id": 1}
    assert len(answer(json.dumps([call] * BATCH))) == BATCH
    assert answer(json.dumps([call] * (BATCH + 1))) == INVALID


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xfe",
        b'"\xc3\x28"',
        '{"jsonrpc": "2.0", "method": "\\ud800", "id": 1}',
        '{"jsonrpc": "2.0", "method": "sum", "params": [1e999], "id": 1}',
        '{"jsonrpc": "2.0", "method": "sum", "params": [NaN], "id": 1}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "\ufeff{}",
        "",
        "\0",
    ],
    ids=lambda frame: repr(frame[:24]),
)
def test_what_is_no_json_is_a_parse_error(frame: str | bytes) -> None:
    assert answer(frame) == error(-32700, "Parse error")


def test_the_last_of_two_equal_names_counts() -> None:
    frame = '{"jsonrpc": "2.0", "method": "nothing", "method": "get_data", "id": 1, "id": 2}'
    assert answer(frame) == {"jsonrpc": "2.0", "result": ["hello", 5], "id": 2}


def test_asynchronous_answers_stand_in_the_batch_s_order() -> None:
    batch = [
        {"jsonrpc": "2.0", "method": "later", "params": ["first"], "id": 1},
        {"jsonrpc": "2.0", "method": "get_data", "id": 2},
        {"jsonrpc": "2.0", "method": "later", "params": {"value": "refuse"}, "id": 3},
        {"jsonrpc": "2.0", "method": "later", "params": ["break"], "id": 4},
        {"jsonrpc": "2.0", "method": "later", "params": ["refuse"]},
    ]
    assert answer(json.dumps(batch)) == [
        {"jsonrpc": "2.0", "result": "first", "id": 1},
        {"jsonrpc": "2.0", "result": ["hello", 5], "id": 2},
        error(202, "refused later", 3),
        error(-32603, "Internal error", 4),
    ]


def test_a_batch_s_calls_have_all_begun_before_the_next_frame_is_read() -> None:
    begun: list[str] = []

    async def wait() -> None:
        await asyncio.sleep(0)

    def note(caller: Any, params: Params) -> Any:
        assert isinstance(params, dict)
        begun.append(params["name"])
        return wait()

    async def ask() -> None:
        dispatcher = Dispatcher({"note": note})
        names = ("one", "two", "three")
        batch = [{"jsonrpc": "2.0", "method": "note", "params": {"name": name}} for name in names]
        answers = [
            dispatcher.answer(json.dumps(batch), None),
            dispatcher.answer('{"jsonrpc":"2.0","method":"note","params":{"name":"odd"},"id":1.5}', None),
            dispatcher.answer('{"jsonrpc":"2.0","method":"note","params":{"name":"plain"},"id":1}', None),
        ]
        assert begun == ["one", "two", "three", "odd", "plain"]
        await asyncio.gather(*(one for one in answers if isinstance(one, Coroutine)))

    asyncio.run(ask())


@pytest.mark.parametrize("request_id", [1, 1.5], ids=["fast path", "path of record"])
@pytest.mark.parametrize("method", ["unsendable", "broken"])
def test_a_call_that_fails_inside_is_answered_all_the_same(method: str, request_id: float) -> None:
    frame = json.dumps({"jsonrpc": "2.0", "method": method, "id": request_id})
    assert answer(frame) == error(-32603, "Internal error", request_id)
    assert answer(f"[{frame}]") == [error(-32603, "Internal error", request_id)]


def test_calls_and_errors_are_counted() -> None:
    dispatcher = Dispatcher(HANDLERS)
    dispatcher.answer('{"jsonrpc": "2.0", "method": "get_data", "id": 1}', None)
    dispatcher.answer('{"jsonrpc": "2.0", "method": "nothing", "id": 1}', None)
    dispatcher.answer('[1, {"jsonrpc": "2.0", "method": "get_data", "id": 1}]', None)
    assert (dispatcher.calls, dispatcher.errors) == (4, 2)
