"""What all three descriptions are made of: methods by chapter, tidy JSON schemas, expected errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from .. import catalogue
from .._base import Dialect, Event, Method, Scope, Seconds, WireModel
from ..errors import BY_NAME, SwanError

PLAIN_FUNCTIONS = "swan"  # the family of what has no object: a program writes swan.setInnerAudioOption()
ANY_CALL = ("internalError", "shuttingDown", "tooManyRequests")

Schema = dict[str, Any]


class EventHead(WireModel):
    """What every event's params begin with; the event's own payload stands beside it."""

    seq: int = Field(ge=1, description="Counts per session, without gaps.")
    at: Seconds = Field(description="The daemon's clock; six decimals.")
    skipped: int | None = Field(
        None, ge=1, description="How many events of progress were left out just before this one."
    )


@dataclass(frozen=True, slots=True)
class Chapter:
    """One module of the catalogue: its name, its sentence, what it defines."""

    name: str
    summary: str
    methods: tuple[Method[Any, Any], ...]
    events: tuple[Event[Any], ...]

    @property
    def title(self) -> str:
        """Its heading."""
        return self.name.replace("_", " ").capitalize()

    @property
    def families(self) -> list[str]:
        """The families of its methods and events in order of appearance."""
        items: list[Method[Any, Any] | Event[Any]] = [*self.methods, *self.events]
        return list(dict.fromkeys(family(item) for item in items))


def chapters() -> list[Chapter]:
    """Return the catalogue's chapters in its order."""
    return [_chapter(module) for module in catalogue.CHAPTERS]


def _chapter(module: ModuleType) -> Chapter:
    return Chapter(
        module.__name__.rpartition(".")[2],
        prose(module.__doc__),
        tuple(item for item in catalogue.METHODS.values() if item in vars(module).values()),
        tuple(item for item in catalogue.EVENTS.values() if item in vars(module).values()),
    )


def methods() -> list[Method[Any, Any]]:
    """Return every method, `rpc.discover` included."""
    return [method for chapter in chapters() for method in chapter.methods]


def family(item: Method[Any, Any] | Event[Any]) -> str:
    """Return the object or group that a method or event belongs to; never empty."""
    return item.family or PLAIN_FUNCTIONS


def expected_errors(method: Method[Any, Any]) -> list[type[SwanError]]:
    """Return what the method declares and what its descriptor implies; `ANY_CALL` come on top."""
    names = list(method.errors)
    if method.dialect is Dialect.CONTROL:
        names.append("invalidParams")
    if method.scope > Scope.VIEW:
        names.append("forbidden")
    if method.needs_session:
        names.append("sessionRequired")
    return [BY_NAME[name] for name in dict.fromkeys(names)]


def prose(text: str | None) -> str:
    """Return a docstring as plain text, without references to papers that a stranger does not have."""
    return re.sub(r"\s*\(facts [^)]*\)", "", " ".join((text or "").split()))


class _Generator(GenerateJsonSchema):
    """JSON schemas as the wire has them: no titles of fields, no null in what the daemon sends."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        if self.mode == "serialization":  # WireModel.to_wire leaves None out
            return self.generate_inner(schema["schema"])
        return super().nullable_schema(schema)


class Components:
    """The schemas of all models by their component names, and each model's `$ref`."""

    def __init__(self) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(EventHead, "serialization"): None}
        for method in methods():
            wanted[method.params, "validation"] = None
            wanted[method.result, "serialization"] = None
        for event in catalogue.EVENTS.values():
            wanted[event.payload, "serialization"] = None
        self._references, document = models_json_schema(
            list(wanted),
            by_alias=True,
            ref_template="#/components/schemas/{model}",
            schema_generator=_Generator,
        )
        self.schemas: dict[str, Schema] = {
            name: _tidy(schema) for name, schema in sorted(document["$defs"].items())
        }

    def reference(self, model: type[BaseModel], mode: JsonSchemaMode) -> Schema:
        """Return `{"$ref": …}` of a model that a method or event uses; params are for validation."""
        return dict(self._references[model, mode])

    def name(self, model: type[BaseModel], mode: JsonSchemaMode) -> str:
        """Return the component's name."""
        return reference_name(self.reference(model, mode))

    def members(self, model: type[BaseModel], mode: JsonSchemaMode) -> Iterator[tuple[str, Schema, bool]]:
        """Yield wire name, schema and whether it must be there, of each member."""
        return members_of(self.schemas[self.name(model, mode)])


def members_of(schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    """Yield wire name, schema and whether it must be there, of each member of an object."""
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield name, member, name in required


def reference_name(schema: Schema) -> str:
    """Return the component that a `$ref` points to."""
    return str(schema["$ref"]).rpartition("/")[2]


# Behind a validator of ours pydantic writes its own words for a range instead of JSON Schema's.
_RANGES = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def _tidy(schema: Schema) -> Schema:
    tidied: Schema = {}
    for word, value in schema.items():
        if word == "default" and value is None:
            continue
        if word == "description":
            value = prose(value)
        elif word in ("properties", "$defs"):
            value = {name: _tidy(member) for name, member in value.items()}
        elif word in ("anyOf", "allOf", "oneOf", "prefixItems"):
            value = [_tidy(member) for member in value]
        elif word in ("items", "additionalProperties") and isinstance(value, dict):
            value = _tidy(value)
        tidied[_RANGES.get(word, word)] = value
    return tidied
