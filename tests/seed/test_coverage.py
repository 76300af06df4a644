"""The protocol catalogue against the seed: what is missing is listed, what is there agrees to the last field.

`api.json` is the oracle, typed by hand; `missing.json` names what the project does not have yet, and only
shrinks. A method or event that is there must have all its fields: those cannot be listed as missing.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo
from swanbridge_protocol import WireModel, catalogue

HERE = Path(__file__).parent
JS_SOURCES = HERE.parents[1] / "clients" / "js" / "src"
ORACLE: dict[str, Any] = json.loads((HERE / "api.json").read_text(encoding="utf-8"))
KNOWN_MISSING: list[str] = json.loads((HERE / "missing.json").read_text(encoding="utf-8"))

# These report progress, a failure or a button; the read-only properties come with all the others.
EVENTS_WITHOUT_STATE = {"onTimeUpdate", "onError", "onPrev", "onNext"}

SAMPLES: dict[str, list[Any]] = {
    "Number": [1],
    "String": ["bdfile://tmp/sample.jpg"],
    "Boolean": [True, False],
    "String Array": [["bdfile://tmp/sample.jpg"]],
    "Object": [{}],
    "Object Array": [[]],
}

SeedFields = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """A function or a method of an object, as the seed has it."""

    name: str
    params: SeedFields
    result: SeedFields
    example: dict[str, Any] | None


def seed_calls() -> Iterator[Call]:
    members = {
        f"{name}.{member}": call
        for name, thing in ORACLE["objects"].items()
        for member, call in thing["methods"].items()
    }
    for name, call in {**ORACLE["functions"], **members}.items():
        # Callbacks are the clients' business and never on the wire.
        on_wire = {param: field for param, field in call["params"].items() if field.get("type") != "Function"}
        yield Call(name, on_wire, call["result"], call.get("example"))


def state_events(name: str) -> list[str]:
    """Return the wire names of the events which carry an object's read-only properties."""
    events = ORACLE["objects"][name]["events"]
    return [f"{name}.{event}" for event in events if event not in EVENTS_WITHOUT_STATE]


def field_of(model: type[BaseModel], wire_name: str) -> FieldInfo | None:
    fields = model.model_fields.items()
    return next((field for name, field in fields if (field.serialization_alias or name) == wire_name), None)


def is_implemented(name: str) -> bool:
    """Say whether any wire method of an object exists."""
    return any(method.startswith(f"{name}.") for method in catalogue.METHODS)


def property_is_there(name: str, wire_name: str, *, readonly: bool) -> bool:
    if readonly:
        events = [catalogue.EVENTS.get(event) for event in state_events(name)]
        return all(event is not None and field_of(event.payload, wire_name) is not None for event in events)
    setter = catalogue.METHODS.get(f"{name}.set")
    return setter is not None and field_of(setter.params, wire_name) is not None


def js_words() -> set[str]:
    """Return every word of the JS client's hand-written sources."""
    return {
        word
        for source in JS_SOURCES.glob("*.js")
        for word in re.findall(r"\w+", source.read_text(encoding="utf-8"))
    }


def inventory() -> dict[str, bool]:
    """Return every name of the seed, and whether the project has it."""
    there = {call.name: call.name in catalogue.METHODS for call in seed_calls()}
    words = js_words()
    for name, thing in ORACLE["objects"].items():
        client_words = words if is_implemented(name) else set()
        there[thing["factory"]] = thing["factory"] in client_words
        there.update({f"{name}.{off}": off in client_words for off in thing["off"]})
        there.update({f"{name}.{event}": f"{name}.{event}" in catalogue.EVENTS for event in thing["events"]})
        for wire_name, field in thing["properties"].items():
            there[f"{name}.{wire_name}"] = property_is_there(name, wire_name, readonly=field["readonly"])
    return there


def refusal(model: type[BaseModel], values: dict[str, Any]) -> str | None:
    """Return why a model refuses these values, whatever else it may miss; None if it takes them."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        mine = [detail for detail in error.errors() if not detail["loc"] or detail["loc"][0] in values]
        return "; ".join(detail["msg"] for detail in mine) or None
    return None


def legal_values(field: dict[str, Any]) -> list[Any]:
    if "values" in field:
        values: list[Any] = field["values"]
        return [values, *([value] for value in values)] if field["type"] == "String Array" else values
    bounds = [field[bound] for bound in ("min", "max") if bound in field]
    return bounds or SAMPLES.get(field.get("type", ""), [])


def plain(value: Any) -> Any:
    """Return a default as JSON would have it, so that it compares with the oracle's."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list | tuple | set | frozenset):
        return sorted(plain(item) for item in value)
    return value


def field_faults(where: str, model: type[BaseModel], wire_name: str, seed: dict[str, Any]) -> Iterator[str]:
    """Say where a model's field differs from the seed's: absent, of another type, refusing legal values."""
    field = field_of(model, wire_name)
    if field is None:
        yield f"{where} lacks {wire_name}"
        return
    for value in legal_values(seed):
        if reason := refusal(model, {wire_name: value}):
            yield f"{where} refuses {wire_name} = {value!r}: {reason}"
    if seed.get("type", "Object") != "Object" and refusal(model, {wire_name: {}}) is None:
        yield f"{where} takes an object for {wire_name}, which is a {seed['type']}"
    for item_name, item in seed.get("items", {}).items():
        for item_model in models_in(field.annotation) or [WireModel]:
            yield from field_faults(f"{where} {wire_name}[]", item_model, item_name, item)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models inside an annotation such as `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def param_faults(where: str, model: type[BaseModel], wire_name: str, seed: dict[str, Any]) -> Iterator[str]:
    """As `field_faults`, and also what may be left out and what it is then."""
    yield from field_faults(where, model, wire_name, seed)
    field = field_of(model, wire_name)
    if field is None:
        return
    if seed.get("required", field.is_required()) != field.is_required():
        yield f"{where} has {wire_name} {'required' if field.is_required() else 'optional'}, unlike the seed"
    if "default" in seed and not field.is_required():
        default = plain(field.get_default(call_default_factory=True))
        if default != plain(seed["default"]):
            yield f"{where} has {wire_name} default to {default!r}, the seed to {seed['default']!r}"


def call_faults(call: Call, params: type[BaseModel], result: type[BaseModel]) -> Iterator[str]:
    for wire_name, field in call.params.items():
        yield from param_faults(f"{call.name} params", params, wire_name, field)
    for wire_name, field in call.result.items():
        yield from field_faults(f"{call.name} result", result, wire_name, field)
    if call.example and (reason := refusal(params, call.example)):
        yield f"{call.name} refuses the seed's own sample: {reason}"


def test_what_is_missing_from_the_project_is_listed() -> None:
    unlisted = [name for name, is_there in inventory().items() if not is_there and name not in KNOWN_MISSING]
    assert unlisted == [], "the seed has these, the project has not, and missing.json does not list them"


def test_what_is_listed_as_missing_is_not_there() -> None:
    arrived = [name for name, is_there in inventory().items() if is_there and name in KNOWN_MISSING]
    assert arrived == [], "these are there by now; remove them from missing.json: the list may only shrink"


def test_the_list_of_missing_things_is_sorted_and_names_only_what_the_seed_has() -> None:
    assert sorted(set(KNOWN_MISSING)) == KNOWN_MISSING
    assert set(KNOWN_MISSING) <= set(inventory())


def test_every_call_takes_and_answers_what_the_seed_says() -> None:
    faults = [
        fault
        for call in seed_calls()
        if (method := catalogue.METHODS.get(call.name))
        for fault in call_faults(call, method.params, method.result)
    ]
    assert faults == []


def test_every_event_carries_what_the_seed_says() -> None:
    faults = [
        fault
        for name, thing in ORACLE["objects"].items()
        for event_name, event in thing["events"].items()
        if (known := catalogue.EVENTS.get(f"{name}.{event_name}"))
        for wire_name, field in event["payload"].items()
        for fault in field_faults(known.name, known.payload, wire_name, field)
    ]
    assert faults == []


def test_every_property_has_the_type_and_range_the_seed_says() -> None:
    faults: list[str] = []
    for name, thing in ORACLE["objects"].items():
        for wire_name, field in thing["properties"].items():
            if not property_is_there(name, wire_name, readonly=field["readonly"]):
                continue  # listed, or told by the test of what is missing
            events = [catalogue.EVENTS[event] for event in state_events(name)]
            carriers = [event.payload for event in events] if field["readonly"] else []
            carriers += [] if field["readonly"] else [catalogue.METHODS[f"{name}.set"].params]
            for model in carriers:
                faults += field_faults(f"{name} {model.__name__}", model, wire_name, field)
    assert faults == []


def test_no_read_only_property_can_be_set() -> None:
    settable = [
        f"{name}.{wire_name}"
        for name, thing in ORACLE["objects"].items()
        if (setter := catalogue.METHODS.get(f"{name}.set"))
        for wire_name, field in thing["properties"].items()
        if field["readonly"] and field_of(setter.params, wire_name) is not None
    ]
    assert settable == []


def test_the_recorder_takes_the_bit_rates_of_each_sample_rate() -> None:
    start = catalogue.METHODS.get("recorderManager.start")
    refused = [
        (sample_rate, bit_rate)
        for sample_rate, bounds in ORACLE["tables"]["encodeBitRateOfSampleRate"].items()
        for bit_rate in bounds.values()
        if start and refusal(start.params, {"sampleRate": int(sample_rate), "encodeBitRate": bit_rate})
    ]
    assert refused == []


class WrongFile(WireModel):
    path: int


class WrongParams(WireModel):
    count: int = Field(3, le=5)
    source_type: list[str]


class WrongResult(WireModel):
    temp_files: list[WrongFile]


def test_the_comparison_notices_each_kind_of_difference() -> None:
    choose_image = next(call for call in seed_calls() if call.name == "chooseImage")
    faults = list(call_faults(choose_image, WrongParams, WrongResult))
    assert [re.sub(r": .*", "", fault) for fault in faults] == [
        "chooseImage params has count default to 3, the seed to 9",
        "chooseImage params lacks sizeType",
        "chooseImage params has sourceType required, unlike the seed",
        "chooseImage result lacks tempFilePaths",
        "chooseImage result tempFiles[] refuses path = 'bdfile://tmp/sample.jpg'",
        "chooseImage result tempFiles[] lacks size",
    ]
