"""innerAudioContext and setInnerAudioOption (facts 1.7, 2.10)."""

from __future__ import annotations

from typing import Any

from swanbridge_protocol import Event, inner_audio
from swanbridge_protocol._base import Nothing
from swanbridge_protocol.errors import (
    AudioFileError,
    AudioFormatError,
    AudioNetworkError,
    AudioSystemError,
    ExecutionFailed,
    ParameterError,
    SwanError,
)

from ..core.api import answers
from ..core.bus import Bus
from ..core.clock import Clock
from ..core.ports import Fault, Mixer
from ..core.session import Session
from .audio_element import AudioElement, Happening, State

CONTEXTS = 4096  # a session; one more gets 1001

NOTHING = Nothing()

ERRORS: dict[Fault, type[SwanError]] = {
    "file": AudioFileError,
    "format": AudioFormatError,
    "network": AudioNetworkError,
    "system": AudioSystemError,
}

EVENTS: dict[Happening, Event[Any]] = {
    Happening.CANPLAY: inner_audio.ON_CANPLAY,
    Happening.PLAY: inner_audio.ON_PLAY,
    Happening.PAUSE: inner_audio.ON_PAUSE,
    Happening.STOP: inner_audio.ON_STOP,
    Happening.ENDED: inner_audio.ON_ENDED,
    Happening.TIME_UPDATE: inner_audio.ON_TIME_UPDATE,
    Happening.WAITING: inner_audio.ON_WAITING,
    Happening.SEEKING: inner_audio.ON_SEEKING,
    Happening.SEEKED: inner_audio.ON_SEEKED,
}


class Context:
    """One innerAudioContext: an element and its events."""

    def __init__(self, context_id: str, session: Session, mixer: Mixer, clock: Clock, bus: Bus) -> None:
        self.context_id = context_id
        self.obey_mute_switch = True
        self._session = session
        self._bus = bus
        self.element = AudioElement(session, mixer, clock, self._tell, self.fail)

    def _state(self) -> dict[str, Any]:
        element = self.element
        return {
            "context_id": self.context_id,
            "duration": round(element.duration, 6),
            "current_time": round(element.position, 6),
            "paused": element.paused,
            "buffered": round(element.buffered, 6),
        }

    def _tell(self, happening: Happening) -> None:
        payload: inner_audio.TimeUpdate | inner_audio.AudioState
        if happening is Happening.TIME_UPDATE:
            payload = inner_audio.TimeUpdate(
                context_id=self.context_id,
                current_time=round(self.element.position, 6),
                duration=round(self.element.duration, 6),
            )
        else:
            payload = inner_audio.AudioState(**self._state())
        self._bus.publish(EVENTS[happening], payload, self._session)

    def fail(self, fault: Fault, message: str) -> None:
        """Publish an error."""
        payload = inner_audio.AudioError(**self._state(), err_code=ERRORS[fault].code, err_msg=message)
        self._bus.publish(inner_audio.ON_ERROR, payload, self._session)

    def snapshot(self) -> dict[str, Any]:
        """Return all properties, and the state's name."""
        element = self.element
        state = inner_audio.AudioState(**self._state()).to_wire()
        settable = inner_audio.SetParams(
            context_id=self.context_id,
            src=element.src,
            start_time=element.start_time,
            autoplay=element.autoplay,
            loop=element.loop,
            volume=element.volume,
            playback_rate=element.playback_rate,
            obey_mute_switch=self.obey_mute_switch,
        ).to_wire()
        return {**settable, **state, "state": element.state.value}


class Contexts:
    """A session's contexts by id."""

    name = inner_audio.FAMILY

    def __init__(self) -> None:
        self.by_id: dict[str, Context] = {}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return every context's properties."""
        return {context_id: context.snapshot() for context_id, context in self.by_id.items()}

    def close(self) -> None:
        """End all without a word."""
        for context in self.by_id.values():
            context.element.abandon()
        self.by_id.clear()


class InnerAudioService:
    """Answers `innerAudioContext.*`. Every call is accepted at once; events tell the rest."""

    def __init__(self, mixer: Mixer, clock: Clock, bus: Bus) -> None:
        self._mixer = mixer
        self._clock = clock
        self._bus = bus

    def _contexts(self, session: Session) -> Contexts:
        family = session.families.get(inner_audio.FAMILY)
        if not isinstance(family, Contexts):
            family = session.families[inner_audio.FAMILY] = Contexts()
        return family

    def _context(self, session: Session, context_id: str) -> Context:
        family = session.families.get(inner_audio.FAMILY)
        context = family.by_id.get(context_id) if isinstance(family, Contexts) else None
        if context is None:
            raise ParameterError(f'there is no innerAudioContext "{context_id}": create it first')
        return context

    @answers(inner_audio.CREATE)
    def create(self, session: Session, params: inner_audio.ContextParams) -> Nothing:
        """Make a context."""
        contexts = self._contexts(session)
        if params.context_id in contexts.by_id:
            raise ParameterError(f'there is an innerAudioContext "{params.context_id}" already')
        if len(contexts.by_id) >= CONTEXTS:
            raise ExecutionFailed(f"a session has at most {CONTEXTS} innerAudioContexts: destroy some")
        contexts.by_id[params.context_id] = Context(
            params.context_id, session, self._mixer, self._clock, self._bus
        )
        return NOTHING

    @answers(inner_audio.SET)
    def set(self, session: Session, params: inner_audio.SetParams) -> Nothing:
        """Set properties; `src` last, so that the others hold for it."""
        context = self._context(session, params.context_id)
        element = context.element
        if params.start_time is not None:
            element.start_time = params.start_time
        if params.autoplay is not None:
            element.set_autoplay(params.autoplay)
        if params.obey_mute_switch is not None:
            context.obey_mute_switch = params.obey_mute_switch
        if params.volume is not None or params.loop is not None or params.playback_rate is not None:
            element.tune(volume=params.volume, loop=params.loop, playback_rate=params.playback_rate)
        if params.src is not None:
            element.set_source(params.src)
        return NOTHING

    @answers(inner_audio.PLAY)
    def play(self, session: Session, params: inner_audio.ContextParams) -> Nothing:
        """Play or go on; without a source the error comes both ways (interface, rulings)."""
        context = self._context(session, params.context_id)
        if context.element.state is State.EMPTY:
            context.fail("file", "play fail: src is not set")
            raise AudioFileError("play fail: src is not set")
        context.element.play()
        return NOTHING

    @answers(inner_audio.PAUSE)
    def pause(self, session: Session, params: inner_audio.ContextParams) -> Nothing:
        """Pause."""
        self._context(session, params.context_id).element.pause()
        return NOTHING

    @answers(inner_audio.STOP)
    def stop(self, session: Session, params: inner_audio.ContextParams) -> Nothing:
        """Stop."""
        self._context(session, params.context_id).element.stop()
        return NOTHING

    @answers(inner_audio.SEEK)
    def seek(self, session: Session, params: inner_audio.SeekParams) -> Nothing:
        """Go to a position."""
        self._context(session, params.context_id).element.seek(params.position)
        return NOTHING

    @answers(inner_audio.DESTROY)
    def destroy(self, session: Session, params: inner_audio.ContextParams) -> Nothing:
        """Stop, telling so once, and forget the context."""
        self._context(session, params.context_id).element.close()
        del self._contexts(session).by_id[params.context_id]
        return NOTHING

    @answers(inner_audio.SET_OPTION)
    def set_option(
        self, session: Session, params: inner_audio.AudioOptionParams
    ) -> inner_audio.AudioOptionResult:
        """Keep the session's options; they come back in its snapshot.

        This phone runs no other music and has no mute switch, so there is nothing yet that they would change.
        """
        session.options.update(params.to_wire())
        return inner_audio.AudioOptionResult(err_msg="setInnerAudioOption:ok")
