"""What a message is: wire models, methods, events.

A descriptor (`Method`, `Event`) is the only place that spells a wire name; everything else refers to it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic.alias_generators import to_camel

PROTOCOL_VERSION = 1


class WireModel(BaseModel):
    """A model that is camelCase on the wire and snake_case in Python.

    Unknown members are ignored: programs hand swan functions whatever object they have.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        coerce_numbers_to_str=True,  # facts 1.4: a number where a string is wanted passes
        allow_inf_nan=False,
        defer_build=True,  # schemas are built at first use: the daemon must be ready in under half a second
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-ready object; members that are None are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ControlModel(WireModel):
    """Parameters of a control method: here an unknown member is a mistake worth telling."""

    model_config = ConfigDict(extra="forbid")


class Nothing(WireModel):
    """An empty object."""


class NoParams(ControlModel):
    """A control method without parameters."""


def _no_boolean(value: object) -> object:
    # Pydantic takes True for 1.0; swan does not convert booleans (facts 1.4).
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")
    return value


Number = Annotated[float, BeforeValidator(_no_boolean)]
Integer = Annotated[int, BeforeValidator(_no_boolean)]
Boolean = StrictBool
Seconds = Annotated[Number, Field(json_schema_extra={"unit": "s"})]


class Scope(enum.IntEnum):
    """What a token may do. Each scope includes the ones before it."""

    VIEW = 1
    APP = 2
    CONTROL = 3


class Dialect(enum.Enum):
    """How a bad parameter is answered."""

    SWAN = "swan"  # 904 for missing or mistyped, 202 for out of range (facts 1.4, 6.5)
    CONTROL = "control"  # JSON-RPC's own -32602


P = TypeVar("P", bound=WireModel)
R = TypeVar("R", bound=WireModel)


@dataclass(frozen=True, slots=True)
class Method(Generic[P, R]):
    """One call: its wire name, the models of its params and result, who may make it.

    `key` is the wire name of the parameter that names the object; calls of one object run in order.
    `errors` are the classes of `errors.py` that a caller should expect. An `ordered` control method waits, as all
    swan methods do, for what the session was asked before it (virtual clock).
    """

    name: str
    params: type[P]
    result: type[R]
    summary: str
    scope: Scope = Scope.APP
    dialect: Dialect = Dialect.SWAN
    key: str | None = None
    errors: tuple[str, ...] = ()
    needs_session: bool = True
    ordered: bool = False

    @property
    def family(self) -> str:
        """The object's or control group's name; empty for a plain function."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Event(Generic[P]):
    """One notification: its wire name and the model of its payload.

    A `coalesced` event is a progress report: for a slow reader only the newest of each object is kept.
    """

    name: str
    payload: type[P]
    summary: str
    key: str | None = None
    coalesced: bool = False

    @property
    def family(self) -> str:
        """The object's name."""
        return self.name.rpartition(".")[0]
