"""`swan`: one program's session on the daemon."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from pydantic import ValidationError
from swanbridge_protocol import PROTOCOL_VERSION, inner_audio
from swanbridge_protocol import session as session_chapter
from swanbridge_protocol.catalogue import EVENTS
from swanbridge_protocol.refusal import refusal

from .control import Control
from .discovery import find
from .events import Event
from .inner_audio import InnerAudioContext, InnerAudioContexts
from .reconnect import Link

Callback = TypeVar("Callback", bound=Callable[[Event], object])

APP_ID = "swanbridge-python"


class Swan:
    """Made by `connect`. Use it in the event loop's thread only; `swanbridge_client.sync` is for threads.

    `control` is the tester's side. A lost socket is no end: the session is resumed, no event is lost or told
    twice. Only when the daemon itself has forgotten the session, every context gets `on_error` with 10001, is
    paused, and is made anew with its properties.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._inner_audio = InnerAudioContexts(link)
        link.families[self._inner_audio.name] = self._inner_audio
        self.control = Control(link)

    @property
    def session(self) -> session_chapter.OpenResult:
        """What the daemon told about the session when it was opened or resumed last."""
        assert self._link.session is not None
        return self._link.session

    @property
    def base_url(self) -> str:
        """Where the daemon is, without a token: `http://host:port`."""
        return self._link.base

    @property
    def connected(self) -> bool:
        """Whether there is a socket right now; calls wait for it to come back."""
        return self._link.connected

    async def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Call any method by its wire name; returns the result as it comes. Raises `SwanError`."""
        return await self._link.send(method, params or {})

    def on(self, event: str, callback: Callback) -> Callback:
        """Call back at every event of that wire name, or at all with `"*"`; returns the callback."""
        if event != "*" and event not in EVENTS:
            raise ValueError(f'there is no event "{event}"; a name looks like innerAudioContext.onEnded')
        self._link.listeners.setdefault(event, []).append(callback)
        return callback

    def off(self, event: str, callback: Callable[[Event], object] | None = None) -> None:
        """Call that callback no more, or none at all."""
        listeners = self._link.listeners.get(event, [])
        if callback is None:
            listeners.clear()
        elif callback in listeners:
            listeners.remove(callback)

    def create_inner_audio_context(self) -> InnerAudioContext:
        """Make a sound of its own; many may play at once."""
        return self._inner_audio.create()

    async def set_inner_audio_option(
        self, *, mix_with_other: bool | None = None, obey_mute_switch: bool | None = None
    ) -> inner_audio.AudioOptionResult:
        """Set options for all contexts of the session."""
        result = await self._link.request(
            inner_audio.SET_OPTION, mix_with_other=mix_with_other, obey_mute_switch=obey_mute_switch
        )
        params = inner_audio.AudioOptionParams(
            mix_with_other=mix_with_other, obey_mute_switch=obey_mute_switch
        )
        self._link.options.update(params.to_wire())
        return result

    async def close(self) -> None:
        """End the session. Calls under way fail with `ConnectionLost`."""
        await self._link.close()


class connect:  # noqa: N801 - it reads as the verb that it is
    """Connect and open a session: `async with connect(...) as swan:`, or `swan = await connect(...)`.

    `url` is the daemon's address, with or without its token; without it the user's own daemon is found by its
    ready file, and found again if it was restarted. `package_root` is the program's directory: `/t.mp3` means
    a file in it. `time_update_interval` is in seconds, 0 for no progress reports. A lost connection is given up
    after `patience` seconds. Raises `DaemonNotFound`, `ConnectionRefused`, `InvalidParams`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        app_id: str = APP_ID,
        package_root: str | Path | None = None,
        time_update_interval: float | None = None,
        persona: str | None = None,
        patience: float = 120.0,
    ) -> None:
        fields: dict[str, Any] = {"app_id": app_id, "protocol": PROTOCOL_VERSION, "persona": persona}
        if package_root is not None:
            fields["package_root"] = str(Path(package_root).absolute())
        if time_update_interval is not None:
            fields["time_update_interval"] = time_update_interval
        try:
            params = session_chapter.OpenParams(**fields)
        except ValidationError as error:
            raise refusal(error, session_chapter.OPEN.dialect) from None
        self._link = Link(lambda: find(url, token), params, patience=patience, looks_again=url is None)
        self._swan: Swan | None = None

    def __await__(self) -> Generator[Any, None, Swan]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Swan:
        self._swan = Swan(self._link)
        await self._link.start()
        return self._swan

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()
