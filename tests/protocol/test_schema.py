"""The descriptions made from the protocol are valid, complete, and those that are checked in."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import swanbridge_daemon
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]
from swanbridge_daemon.config import Settings
from swanbridge_daemon.core.journal import JOURNAL, Journal
from swanbridge_daemon.rpc.connection import LARGEST_FRAME, REPLACED, SUBPROTOCOL, UNDER_WAY
from swanbridge_daemon.rpc.dispatch import BATCH
from swanbridge_daemon.rpc.outbox import OUTBOX
from swanbridge_daemon.services.sessions import GRACE, SESSIONS
from swanbridge_protocol import schema
from swanbridge_protocol.catalogue import EVENTS, METHODS
from swanbridge_protocol.errors import BY_NAME
from swanbridge_protocol.schema import _bounds, _examples

ROOT = Path(__file__).resolve().parents[2]
GENERATE = ROOT / "protocol/generate.py"
DOCUMENT = schema.openrpc("1.2.3")
OUTPUTS = [
    "protocol/openrpc.json",
    "protocol/PROTOCOL.md",
    "clients/js/src/generated/protocol.d.ts",
    "clients/js/src/generated/names.js",
]
RANGE_WORDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


def method_named(name: str) -> dict[str, Any]:
    """The document's description of a method."""
    found: dict[str, Any] = next(method for method in DOCUMENT["methods"] if method["name"] == name)
    return found


def validator(reference: dict[str, str]) -> Any:
    """A validator of one component."""
    return Draft202012Validator({**reference, "components": DOCUMENT["components"]})


def references(node: Any) -> Iterator[str]:
    """Every `$ref` anywhere below."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    """What a local `$ref` points to; KeyError if nothing."""
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run generate.py as a developer does."""
    return subprocess.run(
        [sys.executable, str(GENERATE), *arguments], capture_output=True, text=True, timeout=30, check=False
    )


# --- OpenRPC --------------------------------------------------------------------------------------------------


def test_the_document_has_what_openrpc_demands() -> None:
    assert re.fullmatch(r"1\.3\.\d+", DOCUMENT["openrpc"])
    assert DOCUMENT["info"]["title"] == "swanbridge"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert all(
        key in ("openrpc", "info", "methods", "components") or key.startswith("x-") for key in DOCUMENT
    )
    assert DOCUMENT["components"].keys() <= {"schemas", "errors", "tags"}
    assert all(
        re.fullmatch(r"[A-Za-z0-9._-]+", name) for part in DOCUMENT["components"].values() for name in part
    )


def test_it_describes_every_method_once_and_itself() -> None:
    names = [method["name"] for method in DOCUMENT["methods"]]

    assert len(names) == len(set(names))
    assert set(names) == {*METHODS, "rpc.discover"}


def test_it_describes_every_event_once_with_its_key() -> None:
    assert [event["name"] for event in DOCUMENT["x-events"]] == list(EVENTS)
    for event in DOCUMENT["x-events"]:
        payload = resolve(event["payload"]["$ref"])
        assert "key" not in event or event["key"] in payload["required"]
        assert event["coalesced"] is EVENTS[event["name"]].coalesced


@pytest.mark.parametrize("method", DOCUMENT["methods"], ids=lambda method: method["name"])
def test_a_method_is_described_as_openrpc_wants_it(method: dict[str, Any]) -> None:
    allowed = {"name", "summary", "tags", "paramStructure", "params", "result", "errors"}
    assert all(key in allowed or key.startswith("x-") for key in method)
    assert method["paramStructure"] == "by-name"
    assert method["summary"]
    names = [content["name"] for content in method["params"]]
    assert len(names) == len(set(names))
    for content in [*method["params"], method["result"]]:
        assert content["name"]
        assert content.keys() <= {"name", "summary", "required", "schema"}
        assert isinstance(content["schema"], dict)
    assert "x-object-key" not in method or method["x-object-key"] in names
    assert method["x-scope"] in ("view", "app", "control")


@pytest.mark.parametrize("method", DOCUMENT["methods"], ids=lambda method: method["name"])
def test_a_method_names_the_errors_of_the_registry_that_it_may_answer(method: dict[str, Any]) -> None:
    names = [error["data"]["name"] for error in method["errors"]]

    assert len(names) == len(set(names))
    for error in method["errors"]:
        assert error["code"] == BY_NAME[error["data"]["name"]].code
        assert error["message"]
    if method["name"] in METHODS:
        assert set(METHODS[method["name"]].errors) <= set(names)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))

    assert found
    for reference in found:
        assert reference.startswith("#/components/")
        assert isinstance(resolve(reference), dict)


def test_every_component_is_in_use() -> None:
    used = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}

    assert set(DOCUMENT["components"]["schemas"]) <= used
    assert set(DOCUMENT["components"]["tags"]) <= used


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_a_component_is_a_valid_json_schema_of_either_draft(name: str) -> None:
    component = DOCUMENT["components"]["schemas"][name]

    Draft7Validator.check_schema(component)
    Draft202012Validator.check_schema(component)
    assert not {"ge", "gt", "le", "lt"} & set(re.findall(r'"(\w+)":', json.dumps(component)))


def test_the_schemas_know_the_ranges_of_the_models() -> None:
    properties = DOCUMENT["components"]["schemas"]["SetParams"]["properties"]
    volume = next(branch for branch in properties["volume"]["anyOf"] if branch["type"] == "number")

    assert {word: value for word, value in volume.items() if word in RANGE_WORDS} == {
        "minimum": 0,
        "maximum": 1,
    }
    assert DOCUMENT["components"]["schemas"]["UrlParams"]["properties"]["expiresIn"]["exclusiveMinimum"] == 0


def test_a_number_is_in_range_for_the_schema_exactly_when_the_model_takes_it() -> None:
    probed = 0
    for name, method in METHODS.items():
        check = validator(method_named(name)["x-params"])
        for content in method_named(name)["params"]:
            branches = content["schema"].get("anyOf", [content["schema"]])
            bounds = [value for one in branches for word, value in one.items() if word in RANGE_WORDS]
            for value in (bound + step for bound in bounds for step in (-1, -0.5, 0, 0.5, 1)):
                kind = next(branch for branch in branches if branch.get("type") in ("number", "integer"))
                if kind["type"] == "integer" and value != int(value):
                    continue
                given = {content["name"]: value}
                by_schema = not any(list(one.path) == [content["name"]] for one in check.iter_errors(given))
                assert by_schema == takes(method.params, content["name"], value), (name, given)
                probed += 1
    assert probed > 30


def takes(model: Any, member: str, value: object) -> bool:
    """Whether a model finds nothing wrong with this member."""
    try:
        model.model_validate({member: value})
    except ValueError as error:
        mistakes: list[dict[str, Any]] = error.errors()  # type: ignore[attr-defined]
        return all(mistake["loc"][0] != member for mistake in mistakes)
    return True


def test_what_the_daemon_sends_has_no_null_in_its_schema() -> None:
    sent = [method["result"]["schema"] for method in DOCUMENT["methods"]]
    sent += [event["payload"] for event in DOCUMENT["x-events"]]

    for reference in sent:
        assert '"null"' not in json.dumps(resolve(reference["$ref"]))


def test_the_document_fits_its_own_result_schema() -> None:
    validator(method_named("rpc.discover")["result"]["schema"]).validate(DOCUMENT)
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_no_text_refers_to_papers_that_a_stranger_does_not_have() -> None:
    for text in (json.dumps(DOCUMENT), schema.typescript(), schema.markdown()):
        assert "facts " not in text


# --- TypeScript -----------------------------------------------------------------------------------------------


def block(text: str, start: str, end: str) -> str:
    """The part of a text between two marks."""
    return text.partition(start)[2].partition(end)[0]


def test_typescript_maps_every_method_event_and_error() -> None:
    text = schema.typescript()
    key = re.compile(r"^    '?([\w.]+)'?: ", re.M)

    assert key.findall(block(text, "interface Methods {", "\n}")) == [m["name"] for m in DOCUMENT["methods"]]
    assert key.findall(block(text, "interface Events {", "\n}")) == list(EVENTS)
    codes = dict(re.findall(r"^    (\w+): (-?\d+);", block(text, "interface ErrorCodes {", "\n}"), re.M))
    assert {name: int(code) for name, code in codes.items()} == {n: e.code for n, e in BY_NAME.items()}


def test_typescript_has_a_type_for_every_component() -> None:
    declared = re.findall(r"^export (?:interface|type) (\w+)", schema.typescript(), re.M)

    assert len(declared) == len(set(declared))
    assert set(DOCUMENT["components"]["schemas"]) < set(declared)


def test_the_names_for_run_time_are_the_catalogues_and_frozen() -> None:
    text = schema.names()

    assert ast.literal_eval(block(text, "METHODS = Object.freeze(", ")")) == [
        method["name"] for method in DOCUMENT["methods"]
    ]
    assert ast.literal_eval(block(text, "EVENTS = Object.freeze(", ")")) == list(EVENTS)
    assert all("Object.freeze" in line for line in re.findall(r"^export const [A-Z]+ = \D.*", text, re.M))


# --- PROTOCOL.md ----------------------------------------------------------------------------------------------


def test_the_page_names_every_method_event_and_error() -> None:
    text = schema.markdown()

    for method in DOCUMENT["methods"]:
        assert f"\n### {method['name']}\n" in text
    for event in EVENTS.values():
        assert f"\n| `{event.name}` | " in text
    for name, kind in BY_NAME.items():
        assert f"\n| `{name}` | {kind.code} | " in text


def test_the_headings_of_the_page_are_unique_and_its_links_lead_to_them() -> None:
    text = schema.markdown()
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    fragments = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]

    assert len(fragments) == len(set(fragments))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(fragments)


def test_the_rows_of_a_table_are_as_wide_as_its_head() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", schema.markdown(), re.M):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(widths) == 1, table


EXAMPLES = [
    _examples.opening,
    _examples.calling,
    _examples.failing,
    _examples.happening,
    _examples.resuming,
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_the_examples_on_the_page_are_valid_messages(example: Any) -> None:
    asked: dict[int, str] = {}
    assert example() in schema.markdown()
    for line in re.findall(r"^[→←] (.*)$", example(), re.M):
        found = json.loads(line)
        for message in found if isinstance(found, list) else [found]:
            assert message["jsonrpc"] == "2.0"
            if "result" in message:
                described = method_named(asked[message["id"]])
                validator(described["result"]["schema"]).validate(message["result"])
            elif "error" in message:
                assert message["error"]["code"] == BY_NAME[message["error"]["data"]["name"]].code
            elif "id" in message:
                asked[message["id"]] = message["method"]
                validator(method_named(message["method"])["x-params"]).validate(message["params"])
            else:
                event = next(one for one in DOCUMENT["x-events"] if one["name"] == message["method"])
                validator(event["payload"]).validate(message["params"])
                validator(DOCUMENT["x-event-head"]).validate(message["params"])


def test_the_bounds_on_the_page_are_the_daemons() -> None:
    assert _bounds.FRAME.most == LARGEST_FRAME
    assert _bounds.BATCH.most == BATCH
    assert _bounds.UNDER_WAY.most == UNDER_WAY
    assert _bounds.RATE.most == Settings().calls_per_second
    assert _bounds.BEHIND.most == OUTBOX
    assert _bounds.JOURNAL.most == JOURNAL
    assert _bounds.SESSIONS.most == SESSIONS
    assert _bounds.GRACE == GRACE
    assert _bounds.REPLACED == REPLACED
    assert _bounds.SUBPROTOCOL == SUBPROTOCOL


def test_an_event_of_the_daemon_begins_as_the_page_says() -> None:
    event = next(iter(EVENTS.values()))
    entry = Journal().append(event, 1.23456789, {"contextId": "a1"})

    validator(DOCUMENT["x-event-head"]).validate(entry.params)
    assert entry.params["at"] == 1.234568


# --- generate.py ----------------------------------------------------------------------------------------------


def test_the_generated_files_of_this_checkout_are_up_to_date() -> None:
    checked = generate("--check")

    assert checked.returncode == 0, checked.stderr
    document = json.loads((ROOT / "protocol/openrpc.json").read_text())
    assert document == schema.openrpc(swanbridge_daemon.__version__)


def test_generate_writes_what_check_accepts_and_check_names_what_differs(tmp_path: Path) -> None:
    missing = generate("--check", "--root", str(tmp_path))
    written = generate("--root", str(tmp_path))
    fresh = generate("--check", "--root", str(tmp_path))
    (tmp_path / OUTPUTS[1]).write_text("edited")
    edited = generate("--check", "--root", str(tmp_path))

    assert missing.returncode == 1
    assert all(path in missing.stderr for path in OUTPUTS)
    assert written.stdout.split() == OUTPUTS
    assert (fresh.returncode, fresh.stderr) == (0, "")
    assert edited.returncode == 1
    assert [path for path in OUTPUTS if path in edited.stderr] == [OUTPUTS[1]]
    assert (tmp_path / OUTPUTS[1]).read_text() == "edited"
