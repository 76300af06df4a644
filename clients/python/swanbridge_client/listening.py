"""The twenty `on_*` and `off_*` of an InnerAudioContext, for the asyncio client and its mirror (facts 1.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from swanbridge_protocol.inner_audio import AudioError, AudioState, TimeUpdate

OnState = TypeVar("OnState", bound=Callable[[AudioState], object])
OnTime = TypeVar("OnTime", bound=Callable[[TimeUpdate], object])
OnError = TypeVar("OnError", bound=Callable[[AudioError], object])

NAMES = (
    *("canplay", "play", "pause", "stop", "ended"),
    *("time_update", "error", "waiting", "seeking", "seeked"),
)


class Listening:
    """Listeners add up; `on_*` returns the callback, so it serves as a decorator; `off_*()` removes all."""

    __slots__ = ("_listeners",)  # and in what inherits: a misspelt property raises AttributeError

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[[Any], object]]] = {name: [] for name in NAMES}

    def _off(self, name: str, callback: Callable[[Any], object] | None) -> None:
        if callback is None:
            self._listeners[name].clear()
        elif callback in self._listeners[name]:
            self._listeners[name].remove(callback)

    def on_canplay(self, callback: OnState) -> OnState:
        """Call back when the source is open and can be played."""
        self._listeners["canplay"].append(callback)
        return callback

    def off_canplay(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("canplay", callback)

    def on_play(self, callback: OnState) -> OnState:
        """Call back when playing begins or goes on."""
        self._listeners["play"].append(callback)
        return callback

    def off_play(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("play", callback)

    def on_pause(self, callback: OnState) -> OnState:
        """Call back when playing pauses."""
        self._listeners["pause"].append(callback)
        return callback

    def off_pause(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("pause", callback)

    def on_stop(self, callback: OnState) -> OnState:
        """Call back when playing is stopped."""
        self._listeners["stop"].append(callback)
        return callback

    def off_stop(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("stop", callback)

    def on_ended(self, callback: OnState) -> OnState:
        """Call back when the natural end is reached."""
        self._listeners["ended"].append(callback)
        return callback

    def off_ended(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("ended", callback)

    def on_time_update(self, callback: OnTime) -> OnTime:
        """Call back when the position moves."""
        self._listeners["time_update"].append(callback)
        return callback

    def off_time_update(self, callback: Callable[[TimeUpdate], object] | None = None) -> None:
        """Stop calling back."""
        self._off("time_update", callback)

    def on_error(self, callback: OnError) -> OnError:
        """Call back when playing cannot go on."""
        self._listeners["error"].append(callback)
        return callback

    def off_error(self, callback: Callable[[AudioError], object] | None = None) -> None:
        """Stop calling back."""
        self._off("error", callback)

    def on_waiting(self, callback: OnState) -> OnState:
        """Call back when playing stands still for want of data."""
        self._listeners["waiting"].append(callback)
        return callback

    def off_waiting(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("waiting", callback)

    def on_seeking(self, callback: OnState) -> OnState:
        """Call back when a seek begins."""
        self._listeners["seeking"].append(callback)
        return callback

    def off_seeking(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("seeking", callback)

    def on_seeked(self, callback: OnState) -> OnState:
        """Call back when a seek is done."""
        self._listeners["seeked"].append(callback)
        return callback

    def off_seeked(self, callback: Callable[[AudioState], object] | None = None) -> None:
        """Stop calling back."""
        self._off("seeked", callback)
