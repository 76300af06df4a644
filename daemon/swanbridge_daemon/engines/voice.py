"""One voice: a source, a position, and whether it sounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from swanbridge_media.messages import Edge, FreeVoice, LoadVoice, PauseVoice, SeekVoice, StartVoice, TuneVoice

from ..core.clock import Timer
from ..core.ports import Fault, Files, Growing, OpenFile, PlayerListener, PortError, Sound
from .channel import EngineGone
from .library import Clip, Medium

if TYPE_CHECKING:
    from .playback import Playback

EXPECTED = 8  # edges mixed and not yet heard; a device's latency holds no more of one voice
REVIVALS = 3  # in a row without having sounded; then it fails

FAULTS: dict[str, Fault] = {"file": "file", "format": "format", "network": "network", "system": "system"}


class _Hold:
    """Keeps a source open until the voice and whoever is placing it have let go: descriptors are used again."""

    def __init__(self, source: OpenFile | Growing) -> None:
        self.source = source
        self._holders = 1

    def __enter__(self) -> OpenFile | Growing:
        self._holders += 1
        return self.source

    def __exit__(self, *_: object) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Give up one hold."""
        self._holders -= 1
        if not self._holders:
            self.source.close()


class Voice:
    """Implements `core.ports.Player`.

    `_anchor` is (time, position): between reports of the engine the position is extrapolated from it. A report
    may be of a moment that is still to be heard; before `_floor` the voice has not been heard at all.
    """

    # What is told when it is heard, not when it is mixed, if that is so many seconds away. A device is heard long
    # after it was fed; the virtual speaker's next block is not worth delaying a play for.
    HEARD: ClassVar = {"ended": 0.0005, "starved": 0.0005, "fed": 0.0005, "looped": 0.0005, "started": 0.02}

    def __init__(self, playback: Playback, owner: int, listener: PlayerListener) -> None:
        self._playback = playback
        self._owner = owner
        self._listener = listener
        self._number = 0
        self._hold: _Hold | None = None
        self._medium: Medium | None = None
        self._clip: Clip | None = None
        self._duration = 0.0
        self._gain, self._loop, self._rate = 1.0, False, 1.0
        self._running = False
        self._stalled = False
        self._anchor = (0.0, 0.0)
        self._floor = 0.0
        self._expected: list[Timer] = []
        self._ready: asyncio.Future[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._sought: asyncio.Future[bool] | None = None
        self._token = 0
        self._seek_goal = 0.0
        self._loading = False
        self._reviving = False
        self._revivals = 0
        self._loads = 0  # counts sources; what belongs to an earlier one is stale

    # --- the Player port ----------------------------------------------------------------------------------

    async def load(
        self, source: str, files: Files, *, position: float, rate: float, loop: bool, gain: float
    ) -> Sound:
        """Open a source and have its first sound ready."""
        self.unload()
        load = self._loads
        self._gain, self._loop, self._rate = gain, loop, rate
        opened = await self._playback.sources.open(source, files)
        if load != self._loads:
            opened.close()
            raise PortError("file", "another source was set")
        self._hold = _Hold(opened)
        self._loading = True
        try:
            return await self._placed(position)
        finally:
            if load == self._loads:
                self._loading = False

    async def _placed(self, position: float) -> Sound:
        """Place the voice, again if an engine is lost meanwhile."""
        load = self._loads
        for attempt in range(REVIVALS):
            try:
                return await self._place(position)
            except EngineGone:
                if load != self._loads or attempt == REVIVALS - 1:
                    raise
        raise EngineGone("the engine was lost again and again; see the daemon's log")

    async def _place(self, position: float) -> Sound:
        """Open the source at a decoder, or find its clip, and load it into the audio engine."""
        assert self._hold is not None
        with self._hold as source:
            return await self._place_source(source, position)

    async def _place_source(self, source: OpenFile | Growing, position: float) -> Sound:
        load = self._loads
        clip = await self._playback.library.clip(source) if self._rate == 1 else None
        if clip is not None and self._rate != 1:  # set meanwhile, and a clip has one rate
            self._release(None, clip)
            clip = None
        medium = None if clip is not None else await self._playback.library.open(source)
        info = clip.made.result() if clip is not None else medium.info if medium is not None else None
        assert info is not None
        channel = await self._playback.channel()
        if load != self._loads:
            self._release(medium, clip)
            raise PortError("file", "another source was set")
        if (medium is not None and medium.lost) or (clip is not None and clip.lost):
            self._release(medium, clip)
            raise EngineGone  # while the audio engine was waited for
        self._release(self._medium, self._clip)
        self._medium, self._clip, self._duration = medium, clip, info.duration
        if info.exact:
            position = min(position, info.duration)
        if not self._number:
            self._number = self._playback.register(self)
        self._anchor = (0.0, position)
        ready = self._ready = asyncio.get_running_loop().create_future()
        channel.send(
            LoadVoice(
                self._number,
                self._owner,
                -1 if medium is None else medium.decoder,
                0 if medium is None else medium.number,
                -1 if clip is None else clip.number,
                position,
                self._rate,
                self._loop,
                self._gain,
            )
        )
        await ready
        return Sound(info.duration, info.exact)

    async def start(self) -> None:
        """Play from where it stands; at once if it does already."""
        if self._running:
            return
        started = self._started = asyncio.get_running_loop().create_future()
        self._running, self._stalled = True, False
        if not self._reviving:
            self._anchored_at(float("inf"), self._anchor[1])
            self._playback.send(StartVoice(self._number))
        await started

    def pause(self) -> None:
        """Stand still."""
        if self._running:
            self._anchor = (0.0, self.position())
            self._running = self._stalled = False
            self._expect_nothing()
            self._settle(self._started)
            self._playback.send(PauseVoice(self._number))

    async def seek(self, position: float) -> bool:
        """Go elsewhere; True when sound from there is at hand."""
        if self._hold is None:
            raise PortError("file", "there is no source")
        self._token += 1
        self._seek_goal = position
        self._expect_nothing()
        sought = self._sought = asyncio.get_running_loop().create_future()
        if not self._reviving:
            self._playback.send(SeekVoice(self._number, position, self._token))
        there: bool = await sought
        return there

    def abandon_seek(self) -> None:
        """Make a `seek` that is under way return False."""
        if self._sought is not None and not self._sought.done():
            self._sought.set_result(False)

    def tune(self, *, gain: float | None = None, loop: bool | None = None, rate: float | None = None) -> None:
        """Change what is heard at once."""
        gain = None if gain == self._gain else gain
        loop = None if loop == self._loop else loop
        rate = None if rate == self._rate else rate
        if gain is not None:
            self._gain = gain
        if loop is not None:
            self._loop = loop
        if rate is not None:
            if self._sounds:
                self._anchored_at(self._playback.clock.now(), self.position())
            self._rate = rate
        if not self._number or self._reviving:
            return
        if rate is not None and self._clip is not None:
            self._revive(told=False)  # a clip has one rate; the file itself can be stretched
        elif gain is not None or loop is not None or rate is not None:
            self._playback.send(TuneVoice(self._number, gain, loop, rate))

    def position(self) -> float:
        """Return the position that is heard now."""
        when, position = self._anchor
        if self._sounds:
            position = max(self._floor, position + (self._playback.clock.now() - when) * self._rate)
        return position

    def buffered(self) -> float:
        """Return up to where the source is at hand."""
        if self._hold is None:
            return 0.0
        source = self._hold.source
        if isinstance(source, OpenFile) or source.complete:
            return self._duration
        position = self.position()
        if source.size <= 0 or self._duration <= 0:
            return position
        offset = position / self._duration * source.size
        for start, end in source.ranges:
            if start <= offset < end:
                return max(position, end / source.size * self._duration)
        return position

    def unload(self) -> None:
        """Let go of the source."""
        self._loads += 1
        self._loading = False
        self._running = self._stalled = self._reviving = False
        self._expect_nothing()
        self.abandon_seek()
        self._fail_waiters(PortError("file", "another source was set"))
        if self._number:
            self._playback.send(FreeVoice(self._number))
            self._playback.forget(self._number)
            self._number = 0
        self._release(self._medium, self._clip)
        self._medium = self._clip = None
        if self._hold is not None:
            self._hold.let_go()
            self._hold = None
        self._anchor, self._duration = (0.0, 0.0), 0.0

    # --- from the audio engine ----------------------------------------------------------------------------

    def edge(self, when: float, edge: Edge) -> None:
        """Take note of what happened at the mixer."""
        if self._reviving and edge.kind not in ("ready", "started"):
            return
        if edge.kind == "ready":
            if not self._running:
                self._anchor = (0.0, edge.position)
            self._settle(self._ready)
        elif edge.kind == "started":
            if self._running:
                self._anchored_at(when, edge.position)
                self._stalled = False
                self._revivals = 0
            self._settle(self._started)
        elif edge.kind == "paused":
            if not self._running:
                self._anchor = (0.0, edge.position)
        elif edge.kind == "seeked":
            if edge.token == self._token:
                self._anchored_at(when, edge.position)
                self._stalled = False
                if self._sought is not None and not self._sought.done():
                    self._sought.set_result(True)
        elif edge.kind == "failed":
            self._broke(when, edge)
        elif self._running:
            self._heard(when, edge)

    def _heard(self, when: float, edge: Edge) -> None:
        self._anchored_at(when, edge.position)
        if edge.kind == "ended":
            self._running = False
            if edge.duration >= 0:
                self._duration = edge.duration
            self._listener.ended(edge.duration)
        elif edge.kind == "looped":
            self._listener.looped()
        elif edge.kind == "starved":
            self._stalled = True
            self._listener.starved()
        elif edge.kind == "fed":
            self._stalled = False
            self._listener.fed()

    def _broke(self, when: float, edge: Edge) -> None:
        self._anchored_at(when, edge.position)
        if edge.fault == "gone":
            self._revive(told=True)
        else:
            self._fail(PortError(FAULTS.get(edge.fault, "format"), edge.error))

    def anchored(self, when: float, position: float) -> None:
        """Take the engine's word for the position."""
        if self._sounds and not self._reviving and (self._sought is None or self._sought.done()):
            self._anchor = (when, position)

    def expect(self, timer: Timer) -> None:
        """Keep what is to be told when it is heard, so that a pause or seek can take it back."""
        self._expected = [*self._expected[-EXPECTED:], timer]

    def speaker_lost(self, when: float) -> None:
        """Stand still with the speaker, where it fell silent: that is noticed up to half a second later."""
        if self._sounds:
            since, position = self._anchor
            self._anchor = (when, max(self._floor, position + (when - since) * self._rate))
            self._stalled = True
            self._listener.starved()

    def speaker_back(self, when: float) -> None:
        """Go on with the speaker."""
        if self._running and self._stalled:
            self._anchored_at(when, self._anchor[1])
            self._stalled = False
            self._listener.fed()

    # --- when a child dies --------------------------------------------------------------------------------

    def engine_lost(self) -> None:
        """Come back at a new audio engine."""
        self._clip = None
        self._revive(told=True)

    def decoder_lost(self) -> None:
        """Come back at another decoder, if the medium was at the one that died."""
        if self._medium is not None and self._medium.lost:
            self._revive(told=True)

    def _revive(self, *, told: bool) -> None:
        if self._loading or self._reviving:
            if self._ready is not None and not self._ready.done():
                self._ready.set_exception(EngineGone())  # whoever places it tries again
            return
        if not self._number:
            return
        position = self.position()
        self._anchor = (0.0, position)
        self._reviving = True
        self._revivals += 1
        self._expect_nothing()
        if told and self._running and not self._stalled and (self._started is None or self._started.done()):
            self._stalled = True
            self._listener.starved()
        self._playback.pending.begin()
        self._playback.tasks.spawn(self._come_back(self._loads), "revival of a voice")

    async def _come_back(self, load: int) -> None:
        try:
            if load != self._loads:
                return
            if self._revivals > REVIVALS:
                raise EngineGone("the engine was lost again and again; see the daemon's log")
            if self._medium is not None:
                await self._playback.library.fate(self._medium)
                if load != self._loads:
                    return
            while True:
                goal = self._seek_goal if self._seeking else self._anchor[1]
                await self._placed(goal)
                is_there = not self._seeking or goal == self._seek_goal
                if is_there and (self._clip is None or self._rate == 1):
                    break
            self._reviving = False
            # What was set after it had been loaded.
            self._playback.send(TuneVoice(self._number, self._gain, self._loop, self._rate))
            if self._seeking and self._sought is not None:
                self._sought.set_result(True)
            if self._running:
                if self._started is None or self._started.done():
                    self._started = asyncio.get_running_loop().create_future()
                self._anchored_at(float("inf"), self._anchor[1])
                self._stalled = False
                self._playback.send(StartVoice(self._number))
                await asyncio.shield(self._started)
                if load == self._loads and self._running:
                    self._listener.fed()
        except PortError as error:
            if load == self._loads:
                self._reviving = False
                self._fail(error)
        finally:
            self._playback.pending.done()

    @property
    def _seeking(self) -> bool:
        return self._sought is not None and not self._sought.done()

    # --- small parts ----------------------------------------------------------------------------------------

    def _anchored_at(self, when: float, position: float) -> None:
        self._anchor = (when, position)
        self._floor = position

    @property
    def _sounds(self) -> bool:
        return self._running and not self._stalled

    def _fail(self, error: PortError) -> None:
        """Tell whoever waits, or else the listener."""
        waiters = [
            one for one in (self._ready, self._started, self._sought) if one is not None and not one.done()
        ]
        self._anchor = (0.0, self.position())
        self._running = self._stalled = False
        self._expect_nothing()
        for one in waiters:
            one.set_exception(error)
            one.exception()  # a waiter may have gone
        if not waiters:
            self._listener.failed(error.fault, error.message)

    def _fail_waiters(self, error: PortError) -> None:
        for one in (self._ready, self._started):
            if one is not None and not one.done():
                one.set_exception(error)
                one.exception()  # a waiter may have gone

    @staticmethod
    def _settle(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)

    def _expect_nothing(self) -> None:
        for timer in self._expected:
            timer.cancel()
        self._expected = []

    def _release(self, medium: Medium | None, clip: Clip | None) -> None:
        if medium is not None:
            self._playback.library.close(medium)
        if clip is not None:
            self._playback.library.release(clip)
