"""The mixer as services see it: voices at the audio engine, with their sources at the decoders.

A voice knows enough to be made again: when a child dies it is opened anew at the position where it was, and
its listener hears `starved` and `fed` around the gap.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from functools import partial
from typing import Any

from swanbridge_media.messages import (
    MIX_RATE,
    DropClip,
    Edge,
    Message,
    Positions,
    Render,
    Rendered,
    SpeakerBack,
    SpeakerLost,
    Underflow,
)

from ..core.clock import Clock, VirtualClock
from ..core.pending import Pending
from ..core.ports import PlayerListener, Sources
from ..core.tasks import Tasks
from .channel import Channel, EngineGone
from .child import Exit
from .fleet import Fleet
from .library import Library
from .voice import Voice


class Playback:
    """Makes voices, tells them what the audio engine says, and moves it along the virtual clock."""

    def __init__(self, fleet: Fleet, library: Library, sources: Sources, clock: Clock) -> None:
        self.fleet = fleet
        self.library = library
        self.sources = sources
        self.clock = clock
        self.tasks = Tasks()
        self.pending = Pending()
        self.underflows = 0
        self._numbers = itertools.count(1)
        self._voices: dict[int, Voice] = {}
        self._engine_began = 0.0  # virtual seconds at which the present audio engine started
        library.on_dropped = lambda number: self.send(DropClip(number))

    # --- the Mixer port -----------------------------------------------------------------------------------

    def player(self, owner: int, listener: PlayerListener) -> Voice:
        """Return a new voice."""
        self.fleet.start()
        return Voice(self, owner, listener)

    # --- for voices ---------------------------------------------------------------------------------------

    def register(self, voice: Voice) -> int:
        """Number a voice; edges with that number reach it."""
        number = next(self._numbers)
        self._voices[number] = voice
        return number

    def forget(self, number: int) -> None:
        """Tell that voice nothing more."""
        self._voices.pop(number, None)

    def send(self, message: Message) -> None:
        """Tell the audio engine; lost if there is none, voices are made again when it is back."""
        child = self.fleet.audio.child
        if child is not None and self.fleet.audio.is_up:
            child.channel.send(message)

    async def channel(self) -> Channel:
        """Wait for the audio engine."""
        self.fleet.start()
        return await self.fleet.audio.channel()

    def heard_at(self, engine_time: float) -> float:
        """Return the clock's time of an engine's time."""
        if self.clock.mode == "virtual":
            return engine_time + self._engine_began
        return engine_time - self.clock.origin

    # --- from the engines ---------------------------------------------------------------------------------

    def audio_up(self, channel: Channel) -> None:
        """Take note of a new audio engine."""
        self._engine_began = self.clock.now()

    def audio_down(self) -> None:
        """Make every voice again."""
        self.library.audio_lost()
        for voice in list(self._voices.values()):
            voice.engine_lost()

    def decoder_down(self, index: int, how: Exit, media: int) -> None:
        """Make the voices again whose media were there."""
        self.library.decoder_lost(index, how, media)
        for voice in list(self._voices.values()):
            voice.decoder_lost()

    def take(self, message: Any) -> None:
        """Pass on what the audio engine says."""
        if isinstance(message, Edge):
            voice = self._voices.get(message.voice)
            if voice is not None:
                self._at(message.time, voice, message)
        elif isinstance(message, Positions):
            when = self.heard_at(message.time)
            for number, position in message.voices:
                if (voice := self._voices.get(number)) is not None:
                    voice.anchored(when, position)
        elif isinstance(message, SpeakerLost):
            for voice in list(self._voices.values()):
                voice.speaker_lost(self.heard_at(message.time))
        elif isinstance(message, SpeakerBack):
            for voice in list(self._voices.values()):
                voice.speaker_back(self.heard_at(message.time))
        elif isinstance(message, Underflow):
            self.underflows += 1
        elif isinstance(message, Rendered):
            pass  # a render whose caller has gone

    def _at(self, engine_time: float, voice: Voice, edge: Edge) -> None:
        when = self.heard_at(engine_time)
        if isinstance(self.clock, VirtualClock):
            self.clock.reach(when)
            when = self.clock.now()  # it may stand between two frames; what begins now begins at its position
        elif edge.kind in voice.HEARD and when > self.clock.now() + voice.HEARD[edge.kind]:
            voice.expect(self.clock.call_at(when, lambda: voice.edge(when, edge)))
            return
        voice.edge(when, edge)

    # --- the virtual clock --------------------------------------------------------------------------------

    async def play_until(self, when: float) -> float:
        """Let the audio engine play on to `when`; returns the time reached, earlier at an edge."""
        await self.pending.settled()
        if not self.fleet.audio.starts:
            return when  # nothing was ever played
        while True:
            try:
                channel = await self.channel()
                until = math.floor((when - self._engine_began) * MIX_RATE + 1e-6)
                done: Rendered = await channel.request(partial(_render, until))
            except EngineGone:
                await asyncio.sleep(0)
                await self.pending.settled()
                continue
            if done.frame >= until:
                return when
            return min(when, done.frame / MIX_RATE + self._engine_began)


def _render(until: int, rid: int) -> Render:
    return Render(rid, until)
