"""The protocol of swanbridge: the one source of every wire name, parameter, result, event and error."""

from ._base import PROTOCOL_VERSION, Dialect, Event, Method, Scope, WireModel
from .errors import SwanError

__all__ = ["PROTOCOL_VERSION", "Dialect", "Event", "Method", "Scope", "SwanError", "WireModel"]
