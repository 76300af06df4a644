"""The audio engine's side of the decoder: slabs, voices and the fills that wait for their turn."""

from __future__ import annotations

import mmap
import os
import traceback
from collections import deque
from typing import Final, Protocol

import numpy as np

from .. import messages as m
from .cursor import Filling
from .decoder import BROKEN
from .medium import Medium, Turn
from .resample import Sound
from .source import Kind, Trouble

__all__ = ["Fills", "Post", "Waiting"]

_ROW: Final = m.RING_FRAMES * m.CHANNELS * 4  # bytes


class Post(Protocol):
    """Sends a message soon, from any thread; a descriptor is closed then."""

    def __call__(self, message: m.Message, *, link: bool = False, descriptor: int = -1) -> None:
        """Send to the daemon, or over the link to the audio engine."""


class Waiting:
    """Tells the daemon what a growing medium waits for, and the audio engine what there is already."""

    def __init__(self, fills: Fills, media: int) -> None:
        self._fills = fills
        self._media = media
        self.filling: tuple[m.Fill, Filling] | None = None

    def waiting(self, offset: int) -> None:
        """Answer the fill that is under way with what it has, ask for bytes, and let others into libav."""
        answered = None
        if self.filling is not None and self.filling[1].written:
            answered, self.filling = self.filling, None
            answered[1].close()
        self._fills.turn.give()  # first, so that who gets the message finds the status word clear
        if answered is not None:
            self._fills.post_filled(*answered, False, -1.0, None)
        self._fills.post(m.Want(self._media, offset))

    def resumed(self) -> None:
        """Come back into libav."""
        self._fills.turn.take(self._media)


class Fills:
    """Seeks and refills in two queues, and what they need. Only `post_filled` may be called by other threads."""

    def __init__(self, post: Post, turn: Turn, media: dict[int, Medium]) -> None:
        self.post = post
        self.turn = turn
        self._media = media
        self._waiting: dict[int, Waiting] = {}
        self._voices: dict[int, int] = {}  # voice -> the medium it has a cursor on
        self._slabs: dict[int, Sound] = {}
        self.seeks: deque[m.Fill] = deque()
        # What a seek yields lasts for 100 ms: the first refill after one comes before those that can wait.
        self._fresh: set[int] = set()
        self._first_refills: deque[m.Fill] = deque()
        self._later_refills: deque[m.Fill] = deque()

    @property
    def refills(self) -> bool:
        """Tell whether refills wait."""
        return bool(self._first_refills or self._later_refills)

    @property
    def have_first_refills(self) -> bool:
        """Tell whether voices wait that have only just begun."""
        return bool(self._first_refills)

    def join(self, media: int) -> Waiting:
        """Know a medium, before it is made."""
        self._waiting[media] = Waiting(self, media)
        return self._waiting[media]

    def leave(self, media: int) -> None:
        """Forget a medium and that voices had cursors on it."""
        self._voices = {voice: number for voice, number in self._voices.items() if number != media}
        self._waiting.pop(media, None)

    def work(self) -> None:
        """Do one fill, a seek if there is one."""
        if self.seeks:
            self._fill(self.seeks.popleft())
        else:
            self.refill()

    def refill(self) -> None:
        """Do one refill, whatever else waits."""
        self._fill((self._first_refills or self._later_refills).popleft())

    def accept(self, message: m.LinkToDecoder, descriptor: int | None) -> None:
        """Take a message of the audio engine; the descriptor is its, and ours to close."""
        match message:
            case m.MapSlab():
                if descriptor is not None:
                    self._map(message.slab, descriptor)
            case m.DropVoice():
                self._forget(message.voice)
                media = self._voices.pop(message.voice, None)
                if media is not None:
                    self._drop(media, message.voice)
            case m.Fill():
                if message.position >= 0:
                    self._forget(message.voice)
                    self.seeks.append(message)
                    self._fresh.add(message.voice)
                elif message.voice in self._fresh:
                    self._fresh.discard(message.voice)
                    self._first_refills.append(message)
                else:
                    self._later_refills.append(message)

    def _map(self, slab: int, descriptor: int) -> None:
        try:
            memory = mmap.mmap(descriptor, m.SLAB_ROWS * _ROW)
        finally:
            os.close(descriptor)
        shape = (m.SLAB_ROWS, m.RING_FRAMES, m.CHANNELS)
        self._slabs[slab] = np.frombuffer(memory, np.float32).reshape(shape)

    def _forget(self, voice: int) -> None:
        """Leave out fills of a voice that something newer made pointless, but answer them."""
        self._fresh.discard(voice)
        for waiting in (self.seeks, self._first_refills, self._later_refills):
            for request in [fill for fill in waiting if fill.voice == voice]:
                waiting.remove(request)
                self._post_empty(request, None)

    def _drop(self, media: int, voice: int) -> None:
        medium = self._media.get(media)
        if medium is not None:
            medium.do(lambda: medium.drop(voice))

    def _fill(self, request: m.Fill) -> None:
        medium = self._media.get(request.media)
        slab = self._slabs.get(request.slab)
        if medium is None:
            self._post_empty(request, Trouble("gone", "the medium is not open"))
            return
        if slab is None or not 0 <= request.row < m.SLAB_ROWS or not 0 < request.rate < 100:
            self._post_empty(request, Trouble("system", "a fill without a slab, a row or a rate"))
            return
        former = self._voices.get(request.voice)
        if former is not None and former != request.media:
            self._drop(former, request.voice)
        self._voices[request.voice] = request.media
        filling = Filling(slab[request.row], request.column, request.frames)
        medium.do(lambda: self._fill_now(medium, request, filling))

    def _fill_now(self, medium: Medium, request: m.Fill, filling: Filling) -> None:
        """Decode for a voice, in the medium's thread if it has one."""
        if self._voices.get(request.voice) != request.media:
            self._post_empty(request, None)  # dropped while it waited
            return
        waiting = self._waiting.get(request.media)
        if waiting is not None:
            waiting.filling = request, filling
        trouble: Trouble | None = None
        ended, duration = False, -1.0
        try:
            with self.turn.of(request.media):
                cursor = medium.cursor(request.voice)
                cursor.fill(filling, request.position, request.rate, request.loop)
                ended, duration = cursor.ended, cursor.duration
        except Trouble as error:
            trouble = error
        except BROKEN as error:
            trouble = Trouble("format", f"decoding failed: {error}")
        except Exception as error:  # the top of a task
            traceback.print_exc()
            trouble = Trouble("system", f"the decoder failed: {error!r}")
        if waiting is None or waiting.filling is not None:  # else it was answered while it waited
            filling.close()
            self.post_filled(request, filling, ended, duration, trouble)
        if waiting is not None:
            waiting.filling = None

    def post_filled(
        self, request: m.Fill, filling: Filling, ended: bool, duration: float, trouble: Trouble | None
    ) -> None:
        """Answer a fill, from any thread."""
        kind: Kind | str = trouble.kind if trouble else ""
        message = m.Filled(
            voice=request.voice,
            token=request.token,
            frames=filling.written,
            position=filling.position,
            marks=filling.marks,
            ended=ended,
            duration=duration if ended else -1.0,
            kind=kind,
            error=str(trouble) if trouble else "",
        )
        self.post(message, link=True)

    def _post_empty(self, request: m.Fill, trouble: Trouble | None) -> None:
        filling = Filling(np.empty((0, m.CHANNELS), np.float32), 0, 0)
        filling.position = max(0.0, request.position)
        self.post_filled(request, filling, False, -1.0, trouble)
