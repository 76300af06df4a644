"""innerAudioContext: sounds inside a program, many at once (facts 1.7, 2.10)."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Generator
from typing import Any, NamedTuple, Self

from pydantic import ValidationError
from swanbridge_protocol import Method, SwanError, WireModel
from swanbridge_protocol import inner_audio as chapter
from swanbridge_protocol.errors import (
    AudioFileError,
    AudioFormatError,
    AudioNetworkError,
    AudioSystemError,
    AudioUnknownError,
    ParameterError,
)
from swanbridge_protocol.refusal import refusal

from .connection import quiet
from .errors import ConnectionLost
from .events import Event
from .listening import NAMES, Listening
from .reconnect import Later, Link

log = logging.getLogger(__name__)

STREAM = (
    4096  # events an `events()` reader may be behind; then the oldest progress report goes, else the oldest
)
SESSION_LOST = "the daemon lost the session; the context was made anew and is paused"

_SPELLED = {
    event.name: name
    for name in NAMES
    for event in vars(chapter).values()
    if hasattr(event, "payload") and event.name == f"{chapter.FAMILY}.on{name.title().replace('_', '')}"
}
_ERRORS: dict[int, type[SwanError]] = {
    kind.code: kind
    for kind in (
        AudioSystemError,
        AudioNetworkError,
        AudioFileError,
        AudioFormatError,
        AudioUnknownError,
    )
}


class AudioEvent(NamedTuple):
    """`name` is the tail of the `on_*`: "play" or "time_update", say."""

    name: str
    payload: chapter.AudioState | chapter.TimeUpdate | chapter.AudioError


class AudioEvents(AsyncIterator[AudioEvent]):
    """The events of one context from its making on, until the context is destroyed."""

    def __init__(self) -> None:
        self._waiting: deque[AudioEvent] = deque()
        self._wake = asyncio.Event()
        self._ended = False

    def put(self, event: AudioEvent) -> None:
        """Take one more."""
        if len(self._waiting) >= STREAM:
            progress = next((one for one in self._waiting if one.name == "time_update"), None)
            if progress is None:
                log.warning("an events() reader is too far behind; it loses events")
            self._waiting.remove(progress or self._waiting[0])
        self._waiting.append(event)
        self._wake.set()

    def end(self) -> None:
        """Let the reader finish after what is there."""
        self._ended = True
        self._wake.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioEvent:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()


class Accepted(Awaitable[None]):
    """Done when the daemon has accepted the call; raises what it answered. Nobody needs to await it."""

    def __init__(self, answer: asyncio.Future[Any]) -> None:
        self.answer = answer

    def __await__(self) -> Generator[Any, None, None]:
        yield from self.answer.__await__()


class InnerAudioContext(Listening):
    """One sound. Made by `Swan.create_inner_audio_context`; use it in the event loop's thread only.

    Writing a property sends it; writes of one tick go out as one, before the next call. Out-of-range values raise
    `ParameterError`, wrong types `ArgumentError`, at once; so do bad arguments of the methods. A `src` that is no
    string is ignored and logged (facts 2.10). The methods return an awaitable that may be ignored: awaiting it
    waits until the daemon has accepted the call and raises what it answered; what happens then, events tell.
    After `destroy` writes are ignored and calls fail with `ParameterError` when awaited.
    """

    __slots__ = (
        *("__weakref__", "_awaited", "_link", "_properties"),
        *("_state", "_streams", "_unsent", "destroyed"),
    )

    def __init__(self, context_id: str, link: Link) -> None:
        super().__init__()
        self._link = link
        self._properties = chapter.SetParams(
            context_id=context_id,
            src="",
            start_time=0.0,
            autoplay=False,
            loop=False,
            volume=1.0,
            playback_rate=1.0,
            obey_mute_switch=True,
        )
        self._state = chapter.AudioState(
            context_id=context_id, duration=0.0, current_time=0.0, paused=True, buffered=0.0
        )
        self._unsent: dict[str, Any] = {}
        self._streams: weakref.WeakSet[AudioEvents] = weakref.WeakSet()
        self._awaited: list[tuple[str, asyncio.Future[Any]]] = []
        self.destroyed = False
        self._send(chapter.CREATE)

    # --- properties ---------------------------------------------------------------------------------------

    @property
    def context_id(self) -> str:
        """Its id on the wire."""
        return self._state.context_id

    @property
    def src(self) -> str:
        """A path of the session or package, a http(s) or data URL."""
        return self._properties.src or ""

    @src.setter
    def src(self, value: str) -> None:
        if not isinstance(value, str):
            log.error("%s ignored a src that is no string but %s", self.context_id, type(value).__name__)
        elif value != self.src:
            self._write("src", value)
            self._state = self._state.model_copy(
                update={"duration": 0.0, "current_time": 0.0, "buffered": 0.0}
            )

    @property
    def start_time(self) -> float:
        """Where playing begins, in seconds."""
        return self._properties.start_time or 0.0

    @start_time.setter
    def start_time(self, value: float) -> None:
        self._write("start_time", value)

    @property
    def autoplay(self) -> bool:
        """Whether it plays as soon as the source can be played."""
        return bool(self._properties.autoplay)

    @autoplay.setter
    def autoplay(self, value: bool) -> None:
        self._write("autoplay", value)

    @property
    def loop(self) -> bool:
        """Whether it begins again at the end."""
        return bool(self._properties.loop)

    @loop.setter
    def loop(self, value: bool) -> None:
        self._write("loop", value)

    @property
    def volume(self) -> float:
        """0 to 1."""
        return _number(self._properties.volume)

    @volume.setter
    def volume(self, value: float) -> None:
        self._write("volume", value)

    @property
    def playback_rate(self) -> float:
        """0.5 to 2; the pitch is kept."""
        return _number(self._properties.playback_rate)

    @playback_rate.setter
    def playback_rate(self, value: float) -> None:
        self._write("playback_rate", value)

    @property
    def obey_mute_switch(self) -> bool:
        """Whether a muted phone mutes it."""
        return bool(self._properties.obey_mute_switch)

    @obey_mute_switch.setter
    def obey_mute_switch(self, value: bool) -> None:
        self._write("obey_mute_switch", value)

    @property
    def duration(self) -> float:
        """Seconds; 0 until known."""
        return self._state.duration

    @property
    def current_time(self) -> float:
        """Seconds, as the last event told it."""
        return self._state.current_time

    @property
    def paused(self) -> bool:
        """True while paused or stopped; it follows the events, not the calls."""
        return self._state.paused

    @property
    def buffered(self) -> float:
        """Up to here the source is at hand, in seconds."""
        return self._state.buffered

    # --- calls --------------------------------------------------------------------------------------------

    def play(self) -> Accepted:
        """Play, or go on. Without a source: `AudioFileError`."""
        return self._send(chapter.PLAY)

    def pause(self) -> Accepted:
        """Pause."""
        return self._send(chapter.PAUSE)

    def stop(self) -> Accepted:
        """Stop and go back to the beginning."""
        return self._send(chapter.STOP)

    def seek(self, position: float) -> Accepted:
        """Go to `position`, in seconds. Raises `ArgumentError` at once if that is no number."""
        return self._send(chapter.SEEK, position=position)

    def destroy(self) -> Accepted:
        """End it; a second time does nothing."""
        if self.destroyed:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return Accepted(done)
        accepted = self._send(chapter.DESTROY)
        self.destroyed = True
        accepted.answer.add_done_callback(lambda _: self._forget())
        return accepted

    # --- events -------------------------------------------------------------------------------------------

    def events(self) -> AudioEvents:
        """Return an iterator over `(name, payload)` of every event from now on, until it is destroyed."""
        stream = AudioEvents()
        if self.destroyed:
            stream.end()
        self._streams.add(stream)
        return stream

    def wait_for(self, name: str, timeout: float | None = None) -> Awaitable[Any]:
        """Return an awaitable of the next event's payload; `name` as in `events()`. It counts from this call on.

        Raises the error if the context fails first, `ConnectionLost` if it ends, `TimeoutError` after `timeout`
        seconds of this machine's time.
        """
        if name not in NAMES:
            raise ValueError(f'there is no event "{name}"; there are {", ".join(NAMES)}')
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        quiet(future)
        if self.destroyed:
            future.set_exception(ConnectionLost("the context is destroyed"))
            return future
        self._awaited.append((name, future))
        if timeout is not None:

            def too_late() -> None:
                if not future.done():
                    future.set_exception(TimeoutError(f"no {name} within {timeout} s"))

            timer = loop.call_later(timeout, too_late)
            future.add_done_callback(lambda _: timer.cancel())
        return future

    def _take(self, event: Event) -> None:
        """Mirror one event, then tell it (facts 2.10)."""
        name = _SPELLED.get(event.name)
        payload = event.payload
        if name is None or payload is None:
            return
        if isinstance(payload, chapter.TimeUpdate):
            if not self.paused:
                self._state = self._state.model_copy(
                    update={"duration": payload.duration, "current_time": payload.current_time}
                )
        elif isinstance(payload, chapter.AudioState):
            self._state = payload
        self._tell(name, payload)

    def _tell(self, name: str, payload: WireModel) -> None:
        waiting, self._awaited = self._awaited, []
        for wanted, future in waiting:
            if future.done():
                continue
            if wanted == name:
                future.set_result(payload)
            elif isinstance(payload, chapter.AudioError):
                future.set_exception(_ERRORS.get(payload.err_code, AudioUnknownError)(payload.err_msg))
            else:
                self._awaited.append((wanted, future))
        assert isinstance(payload, chapter.AudioState | chapter.TimeUpdate)
        for stream in tuple(self._streams):
            stream.put(AudioEvent(name, payload))
        self._link.notifier.tell(self._listeners[name], payload)

    # --- small parts --------------------------------------------------------------------------------------

    def _write(self, name: str, value: Any) -> None:
        if self.destroyed:
            return
        try:
            # On the wire None says "as it was", which nobody means who writes it: it is of no type.
            given = object() if value is None else value
            checked = chapter.SetParams.model_validate({"context_id": self.context_id, name: given})
        except ValidationError as error:
            raise refusal(error, chapter.SET.dialect) from None
        self._properties = self._properties.model_copy(update={name: getattr(checked, name)})
        self._unsent[name] = getattr(checked, name)
        if self._flush not in self._link.unflushed:
            self._link.unflushed[self._flush] = None
            asyncio.get_running_loop().call_soon(self._link.flush)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, {}
        if unsent and not self.destroyed:
            future = self._link.send(
                chapter.SET.name, chapter.SetParams(context_id=self.context_id, **unsent).to_wire()
            )
            future.add_done_callback(self._report)

    def _report(self, future: asyncio.Future[Any]) -> None:
        # Nobody can await a property; a lost connection restores all of them.
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, ConnectionLost):
            log.warning("innerAudioContext %s did not take a property: %s", self.context_id, error)

    def _send(self, method: Method[Any, Any], **fields: Any) -> Accepted:
        try:
            params = method.params(context_id=self.context_id, **fields)
        except ValidationError as error:
            raise refusal(error, method.dialect) from None
        if self.destroyed:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            quiet(future)
            future.set_exception(ParameterError(f"innerAudioContext {self.context_id} is destroyed"))
            return Accepted(future)
        return Accepted(self._link.send(method.name, params.to_wire()))

    def _forget(self) -> None:
        family = self._link.families.get(chapter.FAMILY)
        if isinstance(family, InnerAudioContexts):
            family.by_id.pop(self.context_id, None)
        self._finish("the context is destroyed")

    def _finish(self, why: str) -> None:
        self.destroyed = True
        for stream in tuple(self._streams):
            stream.end()
        waiting, self._awaited = self._awaited, []
        for _, future in waiting:
            if not future.done():
                future.set_exception(ConnectionLost(why))

    def _restore(self, known: dict[str, Any] | None, *, session_lost: bool) -> None:
        """Make the daemon's object like this one."""
        self._unsent.clear()
        if known is None:
            self._send(chapter.CREATE)
        properties = self._properties
        held_back = session_lost and self.autoplay
        if held_back:
            properties = properties.model_copy(update={"autoplay": None})
        self._link.send(chapter.SET.name, properties.to_wire()).add_done_callback(self._report)
        if held_back:
            # It is to be paused: a pause takes autoplay's right to begin this source away, and tells nothing.
            self._send(chapter.PAUSE)
            again = chapter.SetParams(context_id=self.context_id, autoplay=True)
            self._link.send(chapter.SET.name, again.to_wire()).add_done_callback(self._report)
        if session_lost:
            self._state = self._state.model_copy(update={"current_time": 0.0, "paused": True})

    def _tell_lost(self) -> None:
        state = self._state.model_dump(include=_READ_ONLY)
        error = chapter.AudioError(**state, err_code=AudioSystemError.code, err_msg=SESSION_LOST)
        self._tell("error", error)


class InnerAudioContexts:
    """A session's contexts. Implements `reconnect.Family`."""

    name = chapter.FAMILY

    def __init__(self, link: Link) -> None:
        self._link = link
        self._made = 0
        self.by_id: dict[str, InnerAudioContext] = {}

    def create(self) -> InnerAudioContext:
        """Make one more."""
        self._made += 1
        context = InnerAudioContext(f"a{self._made}", self._link)
        self.by_id[context.context_id] = context
        return context

    def take(self, event: Event) -> None:
        """Hand an event to its context."""
        context = self.by_id.get(str(event.params.get(chapter.KEY)))
        if context is not None:
            context._take(event)

    def mirror(self, objects: dict[str, dict[str, Any]]) -> None:
        """Take the contexts' read-only state from a snapshot."""
        for context_id, state in objects.items():
            if (context := self.by_id.get(context_id)) is not None:
                context._state = chapter.AudioState.model_validate(state)

    def restore(self, objects: dict[str, dict[str, Any]] | None) -> Later:
        """Bring the daemon's contexts in line with these."""
        known = objects or {}
        live = {context_id: one for context_id, one in self.by_id.items() if not one.destroyed}
        for context_id in known.keys() - live.keys():
            self._link.send(chapter.DESTROY.name, chapter.ContextParams(context_id=context_id).to_wire())
        for context_id, one in live.items():
            one._restore(known.get(context_id), session_lost=objects is None)

        def tell() -> None:
            if objects is None:
                for one in live.values():
                    one._tell_lost()

        return tell

    def end(self) -> None:
        """End all."""
        for context in tuple(self.by_id.values()):
            context._finish("the session has ended")
        self.by_id.clear()


_READ_ONLY = set(chapter.AudioState.model_fields)


def _number(value: float | None) -> float:
    return 1.0 if value is None else value
