"""The wire models, the catalogue and the errors keep what interface.md and facts promise."""

import inspect
import math
import re
from typing import Any

import pytest
import swanbridge_protocol
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from swanbridge_protocol import Dialect, Event, Method, SwanError, WireModel, catalogue, errors
from swanbridge_protocol.catalogue import EVENTS, METHODS
from swanbridge_protocol.clock import AdvanceParams, RunUntilResult
from swanbridge_protocol.files import UrlParams
from swanbridge_protocol.inner_audio import (
    AudioOptionParams,
    AudioState,
    ContextParams,
    SeekParams,
    SetParams,
)
from swanbridge_protocol.session import JournalParams, OpenParams
from swanbridge_protocol.speaker import FindParams

# Typed by hand from interface.md, not taken from the code.
INNER_AUDIO_CALLS = {"create", "set", "play", "pause", "stop", "seek", "destroy"}
INNER_AUDIO_EVENTS = {
    "onCanplay", "onPlay", "onPause", "onStop", "onEnded", "onTimeUpdate", "onError", "onWaiting", "onSeeking",
    "onSeeked",
}  # fmt: skip
PROMISED_CONTROL = {
    "session.open", "session.list", "session.snapshot", "session.close", "journal.read", "file.url",
    "device.list", "device.select", "speaker.capture.start", "speaker.capture.stop", "speaker.capture.describe",
    "speaker.capture.find", "clock.now", "clock.advance", "clock.run_until",
}  # fmt: skip

PARAMS = list(dict.fromkeys(method.params for method in METHODS.values()))
WIRED = list(
    dict.fromkeys(
        [
            *PARAMS,
            *(method.result for method in METHODS.values()),
            *(event.payload for event in EVENTS.values()),
        ]
    )
)
by_name = pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
by_event = pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)


def mistakes(model: type[WireModel], **members: object) -> set[tuple[str, str]]:
    """What a model finds wrong with an object: (wire name, kind of mistake)."""
    try:
        model.model_validate(members)
    except ValidationError as error:
        return {(str(one["loc"][0]), one["type"]) for one in error.errors()}
    return set()


def refuses(model: type[WireModel], member: str, value: object) -> bool:
    """Whether a model finds this member wrong, whatever else is missing."""
    return any(name == member for name, _ in mistakes(model, **{member: value}))


def members_of_type(wanted: set[str]) -> list[Any]:
    """Each member of the params models whose JSON type is wanted."""
    found = []
    for model in PARAMS:
        for name, schema in model.model_json_schema(by_alias=True).get("properties", {}).items():
            branches = schema.get("anyOf", [schema])
            if any(branch.get("type") in wanted for branch in branches):
                found.append(pytest.param(model, name, id=f"{model.__name__}.{name}"))
    return found


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", WIRED, ids=lambda model: model.__name__)
def test_the_members_of_a_model_are_camel_case_on_the_wire(model: type[WireModel]) -> None:
    for field in model.model_fields.values():
        assert re.fullmatch(r"(x-)?[a-z][A-Za-z0-9]*", field.alias or "")  # x-: an extension of OpenRPC


def test_python_names_build_what_wire_names_read() -> None:
    state = AudioState(context_id="a", duration=2, current_time=0.5, paused=False, buffered=2)

    assert AudioState.model_validate(state.to_wire()) == state
    assert state.to_wire().keys() == {"contextId", "duration", "currentTime", "paused", "buffered"}


def test_a_python_keyword_is_a_plain_word_on_the_wire() -> None:
    found = FindParams.model_validate({"captureId": "c1", "filePath": "bdfile://x", "from": 1, "to": 2})

    assert (found.from_, found.to) == (1, 2)
    assert found.to_wire()["from"] == 1


def test_what_is_none_is_absent_on_the_wire() -> None:
    assert OpenParams(app_id="a", protocol=1).to_wire().keys() == {"appId", "protocol", "timeUpdateInterval"}
    assert RunUntilResult(now=3).to_wire() == {"now": 3}


def test_a_model_cannot_be_changed() -> None:
    params = ContextParams(context_id="a")

    with pytest.raises(ValidationError, match="frozen"):
        params.context_id = "b"  # type: ignore[misc]


# --- unknown members ------------------------------------------------------------------------------------------


@by_name
def test_swan_methods_ignore_unknown_members_and_control_methods_refuse_them(
    method: Method[Any, Any],
) -> None:
    is_refused = ("surprise", "extra_forbidden") in mistakes(method.params, surprise=1)

    assert is_refused == (method.dialect is Dialect.CONTROL)


def test_control_methods_refuse_unknown_members_of_inner_objects_too() -> None:
    resume = {"sessionId": "s", "epoch": "e", "lastSeq": 0, "surprise": 1}

    assert mistakes(OpenParams, appId="a", protocol=1, resume=resume) == {("resume", "extra_forbidden")}


# --- numbers, strings, booleans (facts 1.4) -------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1))
def test_a_number_may_come_as_a_string(number: float) -> None:
    assert SetParams.model_validate({"contextId": "a", "volume": repr(number)}).volume == number


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10_000))
def test_a_whole_number_may_come_as_a_string(number: int) -> None:
    assert JournalParams.model_validate({"limit": str(number)}).limit == number


@settings(max_examples=50, deadline=None)
@given(st.integers(-(2**53), 2**53))
def test_a_string_may_come_as_a_number(number: int) -> None:
    assert ContextParams.model_validate({"contextId": number}).context_id == str(number)


@pytest.mark.parametrize(("model", "member"), members_of_type({"number", "integer"}))
@pytest.mark.parametrize("value", [True, False, "", "one", [], {}, math.nan, math.inf, "nan", "-inf"])
def test_what_is_no_number_is_refused(model: type[WireModel], member: str, value: object) -> None:
    assert refuses(model, member, value)


@pytest.mark.parametrize(("model", "member"), members_of_type({"string"}))
@pytest.mark.parametrize("value", [True, False, [], {}, ["a"]])
def test_what_is_no_string_is_refused(model: type[WireModel], member: str, value: object) -> None:
    assert refuses(model, member, value)


@pytest.mark.parametrize(("model", "member"), members_of_type({"boolean"}))
@pytest.mark.parametrize("value", [0, 1, 1.0, "true", "false", "", [], {}])
def test_what_is_no_boolean_is_refused(model: type[WireModel], member: str, value: object) -> None:
    assert refuses(model, member, value)


@pytest.mark.parametrize("model", [SetParams, AudioOptionParams], ids=lambda model: model.__name__)
def test_null_is_as_good_as_absent_where_a_member_is_optional(model: type[WireModel]) -> None:
    needed = {"contextId": "a"} if "context_id" in model.model_fields else {}
    nulls = {field.alias: None for field in model.model_fields.values() if not field.is_required()}

    assert nulls
    assert model.model_validate({**needed, **nulls}) == model.model_validate(needed)


# --- seek (facts 6.10) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [2.5, "2.5", {"position": 2.5}, {"position": "2.5"}])
def test_seek_takes_a_position_alone_or_in_an_object(position: object) -> None:
    assert SeekParams.model_validate({"contextId": "a", "position": position}).position == 2.5


@pytest.mark.parametrize(
    "position", [True, {"position": True}, {"where": 2}, {}, [2], "soon", {"position": {"position": 2}}, None]
)
def test_seek_takes_nothing_else(position: object) -> None:
    assert refuses(SeekParams, "position", position)


def test_seek_wants_a_position() -> None:
    assert mistakes(SeekParams, contextId="a") == {("position", "missing")}


# --- ranges ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "member", "inside", "outside"),
    [
        (SetParams, "volume", [0, 0.5, 1], [-0.001, 1.001]),
        (SetParams, "playbackRate", [0.5, 1, 2], [0.499, 2.001, 0]),
        (SetParams, "startTime", [0, 1e6], [-0.001]),
        (AdvanceParams, "seconds", [0, 86_400], [-1, 86_401]),
        (UrlParams, "expiresIn", [0.001, 86_400], [0, 86_401]),
        (UrlParams, "filePath", ["b", "b" * 4096], ["", "b" * 4097]),
        (JournalParams, "fromSeq", [1, 10**9], [0, -1]),
        (JournalParams, "limit", [1, 10_000], [0, 10_001]),
        (OpenParams, "timeUpdateInterval", [0, 0.25, 3600], [-0.25, 3601]),
        (OpenParams, "appId", ["a", "A.b-c_9", "a" * 128], ["", "-a", "a/b", "a b", "a\n", "a" * 129]),
        (ContextParams, "contextId", ["a", "a" * 128], ["", "a" * 129]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_range_has_these_ends(
    model: type[WireModel], member: str, inside: list[object], outside: list[object]
) -> None:
    assert [value for value in inside if refuses(model, member, value)] == []
    assert [value for value in outside if not refuses(model, member, value)] == []


# --- the catalogue --------------------------------------------------------------------------------------------


def test_inner_audio_has_exactly_the_calls_and_events_of_the_interface() -> None:
    family = "innerAudioContext"

    assert {m.name.rpartition(".")[2] for m in METHODS.values() if m.family == family} == INNER_AUDIO_CALLS
    assert {e.name.rpartition(".")[2] for e in EVENTS.values() if e.family == family} == INNER_AUDIO_EVENTS


def test_the_control_methods_are_the_interfaces() -> None:
    control = {method.name for method in METHODS.values() if method.dialect is Dialect.CONTROL}

    assert control - {"rpc.discover"} == PROMISED_CONTROL


def test_no_name_is_given_twice() -> None:
    items = [item for chapter in catalogue.CHAPTERS for item in vars(chapter).values()]
    methods = [item.name for item in items if isinstance(item, Method)]
    events = [item.name for item in items if isinstance(item, Event)]

    assert sorted(methods) == sorted(METHODS)
    assert sorted(events) == sorted(EVENTS)
    assert not set(methods) & set(events)


@by_name
def test_a_method_says_what_it_does_and_names_what_exists(method: Method[Any, Any]) -> None:
    assert re.fullmatch(r"[A-Z].*\.|A .*\.", method.summary)
    assert re.fullmatch(r"[a-z][A-Za-z]*(\.[a-z][A-Za-z_]*)*", method.name)
    assert set(method.errors) <= set(errors.BY_NAME)
    assert len(method.errors) == len(set(method.errors))
    assert inspect.getdoc(method.params)
    assert inspect.getdoc(method.result)
    if method.key is not None:
        assert method.key in {field.alias for field in method.params.model_fields.values()}


@by_event
def test_an_event_says_when_it_comes_and_carries_its_key(event: Event[Any]) -> None:
    assert re.fullmatch(r"[A-Z].*\.", event.summary)
    assert re.fullmatch(r"[a-z][A-Za-z]*\.on[A-Z][A-Za-z]*", event.name)
    assert inspect.getdoc(event.payload)
    wire_names = {field.alias for field in event.payload.model_fields.values()}
    assert event.key is None or event.key in wire_names
    assert not {"seq", "at", "skipped"} & wire_names, "these stand beside the payload"


def test_only_progress_is_coalesced() -> None:
    assert [event.name for event in EVENTS.values() if event.coalesced] == ["innerAudioContext.onTimeUpdate"]


def test_the_family_of_a_plain_function_is_empty() -> None:
    assert METHODS["setInnerAudioOption"].family == ""
    assert METHODS["speaker.capture.start"].family == "speaker.capture"


# --- errors ---------------------------------------------------------------------------------------------------


def test_every_error_is_registered_under_a_name_and_a_code_of_its_own() -> None:
    classes = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, SwanError) and kind is not SwanError
    ]

    assert {kind.name: kind for kind in classes} == errors.BY_NAME
    assert len({kind.name for kind in classes}) == len(classes)
    assert len({kind.code for kind in classes}) == len(classes)
    assert all(inspect.getdoc(kind) for kind in classes)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("parseError", -32700),
        ("invalidRequest", -32600),
        ("methodNotFound", -32601),
        ("invalidParams", -32602),
        ("internalError", -32603),
        ("sessionRequired", -32001),
        ("argumentError", 904),
        ("parameterError", 202),
        ("executionFailed", 1001),
        ("fileNotFound", 2001),
        ("audioSystemError", 10001),
        ("audioNetworkError", 10002),
        ("audioFileError", 10003),
        ("audioFormatError", 10004),
        ("audioUnknownError", -1),
    ],
)
def test_a_code_is_swans_or_json_rpcs(name: str, code: int) -> None:
    assert errors.BY_NAME[name].code == code


def test_an_error_on_the_wire_has_code_message_and_data() -> None:
    assert errors.AudioFileError("play fail: src is not set").to_wire() == {
        "code": 10003,
        "message": "play fail: src is not set",
        "data": {"name": "audioFileError", "errMsg": "play fail: src is not set"},
    }


def test_json_rpcs_own_errors_have_its_message_and_our_sentence() -> None:
    assert errors.InvalidParams("seconds: missing", detail={"seconds": 1}).to_wire() == {
        "code": -32602,
        "message": "Invalid params",
        "data": {"name": "invalidParams", "errMsg": "seconds: missing", "detail": {"seconds": 1}},
    }


# --- the surface ----------------------------------------------------------------------------------------------


def test_the_public_surface_is_this() -> None:
    surface = {"PROTOCOL_VERSION", "Dialect", "Event", "Method", "Scope", "SwanError", "WireModel"}

    assert set(swanbridge_protocol.__all__) == surface
    assert swanbridge_protocol.PROTOCOL_VERSION == 1
