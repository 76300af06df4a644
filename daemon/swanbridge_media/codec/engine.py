"""The decoder engine's process: one loop over the daemon's control socket and the audio engine's link.

Requests of the daemon and seeks come before refills, and refills go one at a time with a look at the sockets
between them, so that nobody waits for more than 100 ms or so of sound being decoded.
"""

from __future__ import annotations

import mmap
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from typing import Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads of numpy's would stay outside of the sandbox

import av.logging
import numpy as np

from .. import messages as m
from .. import sandbox, seccomp
from ..wire import Peer, PeerGone
from . import analysis, clip
from .cursor import Filling
from .decoder import BROKEN
from .medium import Medium, Task, Turn, Worker
from .resample import Sound
from .source import GrowingFile, Kind, LocalFile, Trouble

__all__ = ["Engine", "run"]

MEMORY: Final = 1536 * 1024 * 1024
OPEN_FILES: Final = 4096
_PR_SET_PDEATHSIG: Final = 1
_ROW: Final = m.RING_FRAMES * m.CHANNELS * 4  # bytes

_Outgoing = tuple[bool, m.Message, int]  # over the link?, message, descriptor or -1


class _Waiting:
    """Tells the daemon what a growing medium waits for, and the audio engine what there is already."""

    def __init__(self, engine: Engine, media: int) -> None:
        self._engine = engine
        self._media = media
        self.filling: tuple[m.Fill, Filling] | None = None

    def waiting(self, offset: int) -> None:
        """Answer the fill that is under way with what it has, ask for bytes, and let others into libav."""
        if self.filling is not None and self.filling[1].written:
            request, filling = self.filling
            self.filling = None
            filling.close()
            self._engine.post_filled(request, filling, False, -1.0, None)
        self._engine.post(m.Want(self._media, offset))
        self._engine.turn.give()

    def resumed(self) -> None:
        """Come back into libav."""
        self._engine.turn.take(self._media)


class Engine:
    """All state of the process. Tasks may run in threads of growing media; they only decode and `post`."""

    def __init__(self, control: socket.socket, link: socket.socket, status: int) -> None:
        self._control: Peer[m.ToDecoder] = Peer(control, m.ToDecoder)
        self._link: Peer[m.LinkToDecoder] = Peer(link, m.LinkToDecoder)
        self.turn = Turn(status)
        self._media: dict[int, Medium] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._voices: dict[int, int] = {}  # voice -> the medium it has a cursor on
        self._slabs: dict[int, Sound] = {}
        self._requests: deque[tuple[m.ToDecoder, int | None]] = deque()
        self._seeks: deque[m.Fill] = deque()
        self._refills: deque[m.Fill] = deque()
        self._outgoing: deque[_Outgoing] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._main = threading.get_ident()
        self._analyst: Worker | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._link, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)

    # --- the loop -------------------------------------------------------------------------------------------

    def serve(self, notes: list[str]) -> None:
        """Say hello and work until the daemon or the audio engine hangs up."""
        self.post(m.Hello(os.getpid(), notes))
        try:
            while True:
                self._flush()
                busy = self._requests or self._seeks or self._refills
                for key, events in self._selector.select(0 if busy else None):
                    if events & selectors.EVENT_READ:
                        self._receive(key.fileobj)
                self._work()
        except PeerGone:
            return

    def _receive(self, source: object) -> None:
        if source is self._control:
            self._requests.extend(self._control.receive())
        elif source is self._link:
            for message, descriptor in self._link.receive():
                self._accept(message, descriptor)
        else:
            os.eventfd_read(self._wake)

    def _work(self) -> None:
        """Do one thing, the most urgent."""
        if self._requests:
            request, descriptor = self._requests.popleft()
            self._answer(request, descriptor)
        elif self._seeks:
            self._fill(self._seeks.popleft())
        elif self._refills:
            self._fill(self._refills.popleft())

    def post(self, message: m.Message, *, link: bool = False, descriptor: int = -1) -> None:
        """Send soon, from any thread; a descriptor is closed then."""
        self._outgoing.append((link, message, descriptor))
        if threading.get_ident() != self._main:
            os.eventfd_write(self._wake, 1)

    def _flush(self) -> None:
        while self._outgoing:
            link, message, descriptor = self._outgoing.popleft()
            peer: Peer[m.ToDecoder] | Peer[m.LinkToDecoder] = self._link if link else self._control
            peer.send(message, descriptor if descriptor >= 0 else None)
            if descriptor >= 0:
                os.close(descriptor)
        for peer in (self._link, self._control):
            events = selectors.EVENT_READ | (0 if peer.flush() else selectors.EVENT_WRITE)
            if self._selector.get_key(peer).events != events:
                self._selector.modify(peer, events)

    # --- the daemon -----------------------------------------------------------------------------------------

    def _answer(self, request: m.ToDecoder, descriptor: int | None) -> None:
        match request:
            case m.Ping():
                self.post(m.Done(request.rid))
            case m.CloseMedia():
                self._close(request.media)
            case m.Announce():
                medium = self._media.get(request.media)
                if medium is not None and isinstance(medium.source, GrowingFile):
                    medium.source.announce(request.size, request.ranges, request.complete, request.error)
            case _ if descriptor is None:
                self.post(m.Failed(request.rid, "system", "no descriptor came with the request"))
            case m.OpenMedia():
                self._open(request, descriptor)
            case m.MakeClip():
                self._guard(request.rid, lambda: self._make_clip(request, descriptor))
            case m.DescribeCapture():
                self._analyse(request.rid, lambda: self._describe(request, descriptor))
            case m.FindClip():
                medium = self._media.get(request.media)
                clip_source = medium.source.share() if medium is not None else None
                self._analyse(request.rid, lambda: self._find(request, descriptor, clip_source))

    def _guard(self, rid: int, task: Task) -> None:
        """Run a task and answer what it raises."""
        try:
            task()
        except Trouble as trouble:
            self.post(m.Failed(rid, trouble.kind, str(trouble)))
        except BROKEN as error:
            self.post(m.Failed(rid, "format", f"decoding failed: {error}"))
        except Exception as error:  # the top of a task
            traceback.print_exc()
            self.post(m.Failed(rid, "system", f"the decoder failed: {error!r}"))

    def _open(self, request: m.OpenMedia, descriptor: int) -> None:
        self._close(request.media)
        waiting = _Waiting(self, request.media)
        source = GrowingFile(descriptor, request.size, waiting) if request.growing else LocalFile(descriptor)
        medium = self._media[request.media] = Medium(request.media, source)
        self._waiting[request.media] = waiting

        def open_it() -> None:
            with self.turn.of(request.media):
                info = medium.open()
            self.post(m.MediaOpened(request.rid, info))

        medium.do(lambda: self._guard(request.rid, open_it))

    def _close(self, media: int) -> None:
        medium = self._media.pop(media, None)
        if medium is not None:
            self._voices = {voice: number for voice, number in self._voices.items() if number != media}
            del self._waiting[media]
            medium.close()

    def _make_clip(self, request: m.MakeClip, descriptor: int) -> None:
        source = LocalFile(descriptor)
        try:
            with self.turn.of(request.clip):
                made, frames, info = clip.make_clip(source, request.limit)
        finally:
            source.close()
        self.post(m.ClipData(request.clip, frames), link=True, descriptor=made)
        self.post(m.ClipMade(request.rid, info, frames))

    def _analyse(self, rid: int, task: Task) -> None:
        """Run a task beside the loop: a long capture takes longer than a voice can wait."""
        if self._analyst is None:
            self._analyst = Worker("analysis")
        self._analyst.do(lambda: self._guard(rid, task))

    def _describe(self, request: m.DescribeCapture, descriptor: int) -> None:
        with analysis.Capture(descriptor) as capture:
            segments = analysis.segments(capture)
            holes = analysis.dropouts(capture)
            self.post(m.Described(request.rid, capture.duration, segments, holes))

    def _find(self, request: m.FindClip, descriptor: int, source: LocalFile | GrowingFile | None) -> None:
        with analysis.Capture(descriptor) as capture:
            if source is None:
                raise Trouble("gone", "the clip is not open")
            try:
                with self.turn.of(request.media):
                    sound, _, _ = clip.decode_whole(source, analysis.CLIP_SECONDS)
            finally:
                if isinstance(source, LocalFile):
                    source.close()
            self.post(m.Found(request.rid, analysis.find(capture, sound, request.start, request.end)))

    # --- the audio engine -----------------------------------------------------------------------------------

    def _accept(self, message: m.LinkToDecoder, descriptor: int | None) -> None:
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
                    self._seeks.append(message)
                else:
                    self._refills.append(message)

    def _map(self, slab: int, descriptor: int) -> None:
        try:
            memory = mmap.mmap(descriptor, m.SLAB_ROWS * _ROW)
        finally:
            os.close(descriptor)
        shape = (m.SLAB_ROWS, m.RING_FRAMES, m.CHANNELS)
        self._slabs[slab] = np.frombuffer(memory, np.float32).reshape(shape)

    def _forget(self, voice: int) -> None:
        """Leave out fills of a voice that something newer made pointless, but answer them."""
        for waiting in (self._seeks, self._refills):
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
            return  # dropped while it waited
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


def run(arguments: list[str]) -> int:
    """Be a decoder engine on the descriptors that the daemon left: FD_CONTROL, FD_LINK, FD_STATUS."""
    if arguments:
        print(f"a decoder takes no arguments: {arguments}", file=sys.stderr)
        return 2
    seccomp.process_control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to answer
    av.logging.set_level(None)
    threading.stack_size(1024 * 1024)
    control = socket.socket(fileno=m.FD_CONTROL)
    link = socket.socket(fileno=m.FD_LINK)
    engine = Engine(control, link, m.FD_STATUS)
    report = sandbox.enter(sandbox.Policy(MEMORY, OPEN_FILES, sandbox.python_roots(), network=False))
    engine.serve(list(report.reasons))
    return 0
