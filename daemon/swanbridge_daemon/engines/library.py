"""Media at the decoders: who decodes what, what is shared, and what is not tried again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from swanbridge_media.messages import (
    Announce,
    ClipMade,
    CloseMedia,
    MakeClip,
    MediaInfo,
    MediaOpened,
    Message,
    OpenMedia,
    Want,
)

from ..core.ports import Growing, OpenFile, PortError
from .channel import Channel, EngineGone
from .child import Child, Exit
from .fleet import Fleet

log = logging.getLogger(__name__)

CLIP_LONGEST = 10.0  # seconds; a file opened again that is no longer than this is decoded once and shared
CLIPS = 128  # kept by the audio engine; 10 s are 3.8 MB
KNOWN = 4096  # files remembered as opened before, or as poisonous
WORKED_ON = 16384  # numbers remembered with their files; a decoder's death is known after its hanging up
FATE_PATIENCE = 2.0  # seconds
TRIES = 5  # a file whose decoder was lost by no fault of its own is opened again

POISONED = "this file crashed the decoder before and is not tried again"


@dataclass(eq=False)
class Medium:
    """One file open at one decoder."""

    number: int
    decoder: int
    source: OpenFile | Growing
    info: MediaInfo
    child: Child
    lost: bool = False


@dataclass(eq=False)
class Clip:
    """A short sound that the audio engine has whole."""

    number: int
    made: asyncio.Future[MediaInfo]
    users: int = 0
    child: Child | None = None
    lost: bool = False


@dataclass(eq=False)
class _Known:
    duration: float


class Library:
    """Opens media at the decoder with the fewest, shares short clips, refuses poisonous files."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._numbers = itertools.count(1)
        self._media: dict[int, Medium] = {}
        self._opening: set[int] = set()
        self._keys: OrderedDict[int, Hashable] = OrderedDict()
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()
        self._poisoned: OrderedDict[Hashable, None] = OrderedDict()
        self._clips: OrderedDict[Hashable, Clip] = OrderedDict()
        self._growing: dict[int, Growing] = {}
        self._load = [0] * len(fleet.decoders)
        self.on_dropped: Callable[[int], None] = lambda number: None

    async def open(self, source: OpenFile | Growing) -> Medium:
        """Open a source; `PortError` says why it can't be played."""
        for _ in range(TRIES):
            if source.key in self._poisoned:
                raise PortError("format", POISONED)
            try:
                return await self._open(source)
            except EngineGone:
                continue  # at another decoder, unless this file was its death
        raise EngineGone("the decoder was lost again and again; see the daemon's log")

    async def _open(self, source: OpenFile | Growing) -> Medium:
        number = next(self._numbers)
        index = self._least_used()
        self._note(number, source.key)
        self._opening.add(number)
        self._load[index] += 1
        child: Child | None = None
        try:
            channel, child = await self._decoder(index)
            growing = not isinstance(source, OpenFile)
            answer = channel.request(
                lambda rid: OpenMedia(rid, number, source.name, source.size, growing), source.descriptor
            )
            if not isinstance(source, OpenFile):
                self._follow(number, index, source)
            opened: MediaOpened = await answer
        except BaseException as error:
            self._load[index] -= 1
            self._growing.pop(number, None)
            if child is not None:  # whoever wanted it may have gone while the decoder opens it
                child.channel.send(CloseMedia(number))
                if isinstance(error, EngineGone):
                    await child.ended()  # then it is known what it died of
            raise
        finally:
            self._opening.discard(number)
        medium = self._media[number] = Medium(number, index, source, opened.info, child)
        self._remember(source.key, _Known(opened.info.duration))
        return medium

    async def _decoder(self, index: int) -> tuple[Channel, Child]:
        channel = await self._fleet.decoders[index].channel()
        child = self._fleet.decoders[index].child
        assert child is not None
        return channel, child

    def _note(self, number: int, key: Hashable) -> None:
        self._keys[number] = key
        if len(self._keys) > WORKED_ON:
            self._keys.popitem(last=False)

    def _follow(self, number: int, index: int, source: Growing) -> None:
        def changed() -> None:
            child = self._fleet.decoders[index].child
            if child is not None and (number in self._media or number in self._opening):
                child.channel.send(
                    Announce(number, source.size, list(source.ranges), source.complete, source.error)
                )

        self._growing[number] = source
        source.subscribe(changed)
        changed()

    def close(self, medium: Medium) -> None:
        """Let go of a medium."""
        self._growing.pop(medium.number, None)
        if self._media.pop(medium.number, None) is not None and not medium.lost:
            self._load[medium.decoder] -= 1
            medium.child.channel.send(CloseMedia(medium.number))

    async def fate(self, medium: Medium) -> None:
        """Wait until the death of a medium's decoder is known, and with it what it died of."""
        with contextlib.suppress(TimeoutError):
            if not medium.lost:
                await asyncio.wait_for(medium.child.ended(), FATE_PATIENCE)

    async def clip(self, source: OpenFile | Growing) -> Clip | None:
        """Return the shared clip of a short file that is opened again, or None if it is to be streamed."""
        if not isinstance(source, OpenFile) or source.key in self._poisoned:
            return None
        clip = self._clips.get(source.key)
        if clip is None:
            known = self._known.get(source.key)
            if known is None or known.duration > CLIP_LONGEST:
                return None
            clip = self._clips[source.key] = Clip(
                next(self._numbers), asyncio.get_running_loop().create_future()
            )
            clip.users += 1
            self._drop_unused()
            await self._make(clip, source)
        else:
            clip.users += 1
            self._clips.move_to_end(source.key)
        try:
            await asyncio.shield(clip.made)
        except BaseException as error:
            clip.users -= 1
            if isinstance(error, EngineGone) and clip.child is not None:
                await clip.child.ended()  # then it is known what it died of
            if isinstance(error, PortError):
                return None
            raise
        return clip

    async def _make(self, clip: Clip, source: OpenFile) -> None:
        """Have the clip made. Others wait for it, too, so it goes on when its first user is cancelled."""
        index = self._least_used()
        self._note(clip.number, source.key)
        try:
            channel, clip.child = await self._decoder(index)
        except BaseException as error:
            self._made(clip, None)
            if isinstance(error, PortError):
                return
            raise
        answer: asyncio.Future[ClipMade] = channel.request(
            lambda rid: MakeClip(rid, clip.number, source.name, CLIP_LONGEST + 1), source.descriptor
        )
        answer.add_done_callback(lambda answer: self._made(clip, answer))

    def _made(self, clip: Clip, answer: asyncio.Future[ClipMade] | None) -> None:
        error = EngineGone() if answer is None or answer.cancelled() else answer.exception()
        if answer is not None and error is None:
            clip.made.set_result(answer.result().info)
            return
        self._forget(clip)
        clip.made.set_exception(error if error is not None else EngineGone())
        clip.made.exception()  # there may be nobody else waiting

    def release(self, clip: Clip) -> None:
        """Say that a voice uses the clip no more."""
        clip.users -= 1

    def audio_lost(self) -> None:
        """Forget all clips: the audio engine that had them is gone."""
        for clip in self._clips.values():
            clip.lost = True
        self._clips.clear()

    def decoder_lost(self, index: int, how: Exit, working_on: int) -> None:
        """Mark what was open there as lost, and the file that crashed it as poisonous."""
        if how.own_fault and working_on:
            key = self._keys.get(working_on)
            if key is not None:
                log.error("decoder %d died of medium %d; its file is not tried again", index, working_on)
                self._poisoned[key] = None
                if len(self._poisoned) > KNOWN:
                    self._poisoned.popitem(last=False)
        for medium in self._media.values():
            if medium.decoder == index and not medium.lost:
                medium.lost = True
                self._load[index] -= 1

    def wanted(self, message: Message) -> None:
        """Fetch what a decoder waits for; an answer whose asker has gone is none of that."""
        if isinstance(message, Want) and (source := self._growing.get(message.media)) is not None:
            source.want(message.offset)

    def _least_used(self) -> int:
        candidates = [index for index, engine in enumerate(self._fleet.decoders) if engine.is_up]
        return min(candidates or range(len(self._load)), key=self._load.__getitem__)

    def _remember(self, key: Hashable, known: _Known) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def _forget(self, clip: Clip) -> None:
        for key, other in list(self._clips.items()):
            if other is clip:
                del self._clips[key]

    def _drop_unused(self) -> None:
        for key, clip in list(self._clips.items()):
            if len(self._clips) <= CLIPS:
                return
            if clip.users == 0:
                del self._clips[key]
                self.on_dropped(clip.number)
