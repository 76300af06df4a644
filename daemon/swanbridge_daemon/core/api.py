"""Which function answers which method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from swanbridge_protocol import Method

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__answers__"


def answers(method: Method[Any, Any]) -> Callable[[F], F]:
    """Mark a service's function as the one that answers `method`.

    It is called with the session (the `Caller` if the method needs none) and the params model. A plain function
    is answered inline, an `async` one in a task; calls of one object keep their order either way.
    """

    def mark(function: F) -> F:
        setattr(function, _MARK, method)
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Answer:
    """A method and the bound function that answers it."""

    method: Method[Any, Any]
    function: Callable[..., Any]
    is_async: bool


def collect(services: Iterable[object]) -> dict[str, Answer]:
    """Return the answers of all services by wire name; two for one name are a mistake."""
    found: dict[str, Answer] = {}
    for service in services:
        for _, function in inspect.getmembers(service, inspect.ismethod):
            method: Method[Any, Any] | None = getattr(function, _MARK, None)
            if method is None:
                continue
            if method.name in found:
                raise RuntimeError(f"{method.name} is answered twice")
            found[method.name] = Answer(method, function, inspect.iscoroutinefunction(function))
    return found
