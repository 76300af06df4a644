"""The client without asyncio: `with swanbridge_client.sync.connect(...) as swan:`.

The same surface as `swanbridge_client`. An event loop runs in a thread of its own, and callbacks run in that
thread: inside one, properties and `play`, `pause`, `stop`, `seek`, `destroy` may be used (they don't wait there),
calls that wait for an answer may not (`RuntimeError`). From other threads every call waits until it is accepted
and raises what the daemon answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from swanbridge_protocol import inner_audio as chapter
from swanbridge_protocol import session as session_chapter

from . import inner_audio
from . import swan as asynchronous
from .events import Event
from .inner_audio import AudioEvent, AudioEvents
from .listening import Listening
from .portal import Portal
from .swan import APP_ID, Callback
from .sync_control import Control

__all__ = ["AudioEvent", "Event", "InnerAudioContext", "Swan", "connect"]


class InnerAudioContext(Listening):
    """One sound; see `swanbridge_client.InnerAudioContext`."""

    __slots__ = ("__weakref__", "_inner", "_portal")

    def __init__(self, portal: Portal, inner: inner_audio.InnerAudioContext) -> None:
        super().__init__()
        self._portal = portal
        self._inner = inner
        self._listeners = inner._listeners

    @property
    def context_id(self) -> str:
        """Its id on the wire."""
        return self._inner.context_id

    @property
    def src(self) -> str:
        """A path of the session or package, a http(s) or data URL."""
        return self._inner.src

    @src.setter
    def src(self, value: str) -> None:
        self._set("src", value)

    @property
    def start_time(self) -> float:
        """Where playing begins, in seconds."""
        return self._inner.start_time

    @start_time.setter
    def start_time(self, value: float) -> None:
        self._set("start_time", value)

    @property
    def autoplay(self) -> bool:
        """Whether it plays as soon as the source can be played."""
        return self._inner.autoplay

    @autoplay.setter
    def autoplay(self, value: bool) -> None:
        self._set("autoplay", value)

    @property
    def loop(self) -> bool:
        """Whether it begins again at the end."""
        return self._inner.loop

    @loop.setter
    def loop(self, value: bool) -> None:
        self._set("loop", value)

    @property
    def volume(self) -> float:
        """0 to 1."""
        return self._inner.volume

    @volume.setter
    def volume(self, value: float) -> None:
        self._set("volume", value)

    @property
    def playback_rate(self) -> float:
        """0.5 to 2; the pitch is kept."""
        return self._inner.playback_rate

    @playback_rate.setter
    def playback_rate(self, value: float) -> None:
        self._set("playback_rate", value)

    @property
    def obey_mute_switch(self) -> bool:
        """Whether a muted phone mutes it."""
        return self._inner.obey_mute_switch

    @obey_mute_switch.setter
    def obey_mute_switch(self, value: bool) -> None:
        self._set("obey_mute_switch", value)

    @property
    def duration(self) -> float:
        """Seconds; 0 until known."""
        return self._inner.duration

    @property
    def current_time(self) -> float:
        """Seconds, as the last event told it."""
        return self._inner.current_time

    @property
    def paused(self) -> bool:
        """True while paused or stopped; it follows the events, not the calls."""
        return self._inner.paused

    @property
    def buffered(self) -> float:
        """Up to here the source is at hand, in seconds."""
        return self._inner.buffered

    @property
    def destroyed(self) -> bool:
        """Whether it was destroyed, or its session has ended."""
        return self._inner.destroyed

    def play(self) -> None:
        """Play, or go on. Without a source: `AudioFileError`."""
        self._portal.accept(self._inner.play)

    def pause(self) -> None:
        """Pause."""
        self._portal.accept(self._inner.pause)

    def stop(self) -> None:
        """Stop and go back to the beginning."""
        self._portal.accept(self._inner.stop)

    def seek(self, position: float) -> None:
        """Go to `position`, in seconds."""
        self._portal.accept(lambda: self._inner.seek(position))

    def destroy(self) -> None:
        """End it; a second time does nothing."""
        self._portal.accept(self._inner.destroy)

    def events(self) -> Iterator[AudioEvent]:
        """Iterate over `(name, payload)` of every event from now on, until it is destroyed; waits for each."""
        return _Events(self._portal, self._portal.do(self._inner.events))

    def wait_for(self, name: str, timeout: float | None = None) -> Any:
        """Wait for the next event of that name and return its payload.

        On the virtual clock nothing happens by itself: use `swan.control.clock.run_until` there.
        """

        async def next_one() -> Any:
            return await self._inner.wait_for(name, timeout)

        return self._portal.wait(next_one)

    def _set(self, name: str, value: Any) -> None:
        self._portal.do(lambda: setattr(self._inner, name, value))


class _Events(Iterator[AudioEvent]):
    def __init__(self, portal: Portal, inner: AudioEvents) -> None:
        self._portal = portal
        self._inner = inner

    def __next__(self) -> AudioEvent:
        async def next_one() -> AudioEvent | None:
            # StopAsyncIteration does not cross a future.
            return await anext(self._inner, None)

        event = self._portal.wait(next_one)
        if event is None:
            raise StopIteration
        return event


class Swan:
    """One program's session; made by `connect`."""

    def __init__(self, portal: Portal, inner: asynchronous.Swan) -> None:
        self._portal = portal
        self._inner = inner
        self.control = Control(portal, inner.control)

    @property
    def session(self) -> session_chapter.OpenResult:
        """What the daemon told about the session when it was opened or resumed last."""
        return self._inner.session

    @property
    def base_url(self) -> str:
        """Where the daemon is, without a token: `http://host:port`."""
        return self._inner.base_url

    @property
    def connected(self) -> bool:
        """Whether there is a socket right now; calls wait for it to come back."""
        return self._inner.connected

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Call any method by its wire name; returns the result as it comes. Raises `SwanError`."""
        return self._portal.wait(lambda: self._inner.call(method, params))

    def on(self, event: str, callback: Callback) -> Callback:
        """Call back at every event of that wire name, or at all with `"*"`; returns the callback."""
        return self._portal.do(lambda: self._inner.on(event, callback))

    def off(self, event: str, callback: Callable[[Event], object] | None = None) -> None:
        """Call that callback no more, or none at all."""
        self._portal.do(lambda: self._inner.off(event, callback))

    def create_inner_audio_context(self) -> InnerAudioContext:
        """Make a sound of its own; many may play at once."""
        return InnerAudioContext(self._portal, self._portal.do(self._inner.create_inner_audio_context))

    def set_inner_audio_option(
        self, *, mix_with_other: bool | None = None, obey_mute_switch: bool | None = None
    ) -> chapter.AudioOptionResult:
        """Set options for all contexts of the session."""

        def option() -> Awaitable[chapter.AudioOptionResult]:
            return self._inner.set_inner_audio_option(
                mix_with_other=mix_with_other, obey_mute_switch=obey_mute_switch
            )

        return self._portal.wait(option)

    def close(self) -> None:
        """End the session, and the thread; a second time does nothing."""
        if not self._portal.closed:
            self._portal.wait(self._inner.close)
            self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    app_id: str = APP_ID,
    package_root: str | Path | None = None,
    time_update_interval: float | None = None,
    persona: str | None = None,
    patience: float = 120.0,
) -> Swan:
    """Connect and open a session; the result is a context manager that ends it. See `swanbridge_client.connect`."""
    portal = Portal()

    async def open_session() -> asynchronous.Swan:
        return await asynchronous.connect(
            url,
            token=token,
            app_id=app_id,
            package_root=package_root,
            time_update_interval=time_update_interval,
            persona=persona,
            patience=patience,
        )

    try:
        return Swan(portal, portal.wait(open_session))
    except BaseException:
        portal.close()
        raise
