"""The decoder engine's process: one loop over the daemon's control socket and the audio engine's link.

Requests of the daemon and seeks come before refills, and refills go one at a time with a look at the sockets
between them, so that nobody waits for more than 100 ms or so of sound being decoded.
"""

from __future__ import annotations

import ctypes
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

from .. import messages as m
from .. import sandbox, seccomp
from ..wire import Peer, PeerGone
from . import analysis, clip
from .decoder import BROKEN
from .fills import Fills
from .medium import Medium, Task, Turn, Worker
from .source import GrowingFile, LocalFile, Trouble

__all__ = ["Engine", "run"]

MEMORY: Final = 1536 * 1024 * 1024
OPEN_FILES: Final = 4096
URGENT_IN_A_ROW: Final = 3  # opens and seeks, then a refill has its turn
PACKET: Final = 8  # answers to refills that may wait for each other
_PR_SET_PDEATHSIG: Final = 1
_M_ARENA_MAX: Final = -8

_Outgoing = tuple[bool, m.Message, int]  # over the link?, message, descriptor or -1


class Engine:
    """All state of the process. Tasks may run in threads of growing media; they only decode and `post`."""

    def __init__(self, control: socket.socket, link: socket.socket, status: int) -> None:
        self._control: Peer[m.ToDecoder] = Peer(control, m.ToDecoder)
        self._link: Peer[m.LinkToDecoder] = Peer(link, m.LinkToDecoder)
        self._turn = Turn(status)
        self._media: dict[int, Medium] = {}
        self._fills = Fills(self.post, self._turn, self._media)
        self._requests: deque[tuple[m.ToDecoder, int | None]] = deque()
        self._outgoing: deque[_Outgoing] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._main = threading.get_ident()
        self._is_urgent = False
        self._urgent_in_a_row = 0
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
                # Answers to refills leave in packets: waking the audio engine costs as much as decoding 40 ms.
                if not self._fills.refills or len(self._outgoing) >= PACKET or self._is_urgent:
                    self._flush()
                busy = self._requests or self._fills.seeks or self._fills.refills
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
                self._fills.accept(message, descriptor)
        else:
            os.eventfd_read(self._wake)

    def _work(self) -> None:
        """Do one thing: what somebody waits for first, but now and then something for those who play."""
        self._is_urgent = bool(self._requests or self._fills.seeks)
        in_a_row = 1 if self._fills.have_first_refills else URGENT_IN_A_ROW
        if self._is_urgent and self._fills.refills and self._urgent_in_a_row >= in_a_row:
            self._urgent_in_a_row = 0
            self._fills.refill()
            return
        self._urgent_in_a_row = self._urgent_in_a_row + 1 if self._is_urgent else 0
        if self._requests:
            request, descriptor = self._requests.popleft()
            self._answer(request, descriptor)
        elif self._fills.seeks or self._fills.refills:
            self._fills.work()

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
        waiting = self._fills.join(request.media)
        source = GrowingFile(descriptor, request.size, waiting) if request.growing else LocalFile(descriptor)
        medium = self._media[request.media] = Medium(request.media, source)

        def open_it() -> None:
            with self._turn.of(request.media):
                info = medium.open()
            self.post(m.MediaOpened(request.rid, info))

        medium.do(lambda: self._guard(request.rid, open_it))

    def _close(self, media: int) -> None:
        medium = self._media.pop(media, None)
        if medium is not None:
            self._fills.leave(media)
            medium.close()

    def _make_clip(self, request: m.MakeClip, descriptor: int) -> None:
        source = LocalFile(descriptor)
        try:
            with self._turn.of(request.clip):
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
                with self._turn.of(request.media):
                    sound, _, _ = clip.decode_whole(source, analysis.CLIP_SECONDS)
            finally:
                if isinstance(source, LocalFile):
                    source.close()
            self.post(m.Found(request.rid, analysis.find(capture, sound, request.start, request.end)))


def run(arguments: list[str]) -> int:
    """Be a decoder engine on the descriptors that the daemon left: FD_CONTROL, FD_LINK, FD_STATUS."""
    if arguments:
        print(f"a decoder takes no arguments: {arguments}", file=sys.stderr)
        return 2
    seccomp.process_control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to answer
    av.logging.set_level(None)
    threading.stack_size(1024 * 1024)
    # Each thread of a growing medium would reserve 64 MiB of address space for itself.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    control = socket.socket(fileno=m.FD_CONTROL)
    link = socket.socket(fileno=m.FD_LINK)
    engine = Engine(control, link, m.FD_STATUS)
    report = sandbox.enter(sandbox.Policy(MEMORY, OPEN_FILES, sandbox.python_roots(), network=False))
    engine.serve(list(report.reasons))
    return 0
