"""The daemon's clock; on the virtual one time moves only when told to."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ._base import ControlModel, Dialect, Method, NoParams, Scope, Seconds, WireModel
from .session import ClockState


class AdvanceParams(ControlModel):
    """How far; at most a day at once."""

    seconds: Annotated[Seconds, Field(ge=0, le=86_400)]


class AdvanceResult(WireModel):
    """Where the clock stands."""

    now: Seconds


class RunUntilParams(ControlModel):
    """Which event to stop at, and how many seconds to give it at most."""

    event: str = Field(min_length=1, max_length=128, description="A wire name, `innerAudioContext.onEnded`.")
    limit: Annotated[Seconds, Field(ge=0, le=86_400)]


class RunUntilResult(WireModel):
    """Where the clock stands, and the event's params if it came."""

    now: Seconds
    event: dict[str, Any] | None = None


NOW: Method[NoParams, ClockState] = Method(
    "clock.now",
    NoParams,
    ClockState,
    "The daemon's clock.",
    scope=Scope.VIEW,
    dialect=Dialect.CONTROL,
    needs_session=False,
)
ADVANCE: Method[AdvanceParams, AdvanceResult] = Method(
    "clock.advance",
    AdvanceParams,
    AdvanceResult,
    "Settle every accepted call, then move the virtual clock; answers after the last event was sent.",
    scope=Scope.CONTROL,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "illegalState"),
    needs_session=False,
)
RUN_UNTIL: Method[RunUntilParams, RunUntilResult] = Method(
    "clock.run_until",
    RunUntilParams,
    RunUntilResult,
    "Move the virtual clock to the next such event of the caller's session, or by `limit`.",
    scope=Scope.CONTROL,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "illegalState"),
)
