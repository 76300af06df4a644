"""What plays one source: the state machine behind innerAudioContext.

Swan's own words rule, the HTML media element where they are silent (facts 2.10, 5, 6). Calls change what is
*wanted* and return at once; one driver per element opens, seeks and starts until the player does it. Events
tell what happened, never what was asked.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from ..core.clock import Clock, Timer
from ..core.ports import Fault, Mixer, PortError
from ..core.session import Session
from .progress import CLOSEST, Progress

SEEK_PATIENCE = 0.1  # seconds of playing that a seek may take before it is a `waiting`
# Seconds. What a program did in one tick comes apart on the wire: `autoplay` set right after `src` still counts
# though the source is open by then (facts 2.10), and a play sent along with a bad `src` is no second try.
ONE_TICK = 0.05


class Happening(enum.Enum):
    """What an element tells its owner, who has the event for it."""

    CANPLAY = "canplay"
    PLAY = "play"
    PAUSE = "pause"
    STOP = "stop"
    ENDED = "ended"
    TIME_UPDATE = "time update"
    WAITING = "waiting"
    SEEKING = "seeking"
    SEEKED = "seeked"


class State(enum.Enum):
    """Where an element stands. Anything but PLAYING is `paused` to a program."""

    EMPTY = "empty"  # no src
    OPENING = "opening"
    READY = "ready"  # open and never played
    PLAYING = "playing"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"
    FAILED = "failed"  # play() tries again


HAS_SOURCE = frozenset({State.READY, State.PLAYING, State.PAUSED, State.STOPPED, State.ENDED})
STOPPABLE = frozenset({State.PLAYING, State.PAUSED, State.ENDED})
FROM_START = frozenset({State.STOPPED, State.ENDED})


class AudioElement:
    """One source with a position, and the wish to play it or not.

    `tell` hears of happenings, `fail` of errors, in the order in which they are to be published.
    """

    def __init__(
        self,
        session: Session,
        mixer: Mixer,
        clock: Clock,
        tell: Callable[[Happening], None],
        fail: Callable[[Fault, str], None],
    ) -> None:
        self._session = session
        self._clock = clock
        self._tell = tell
        self._fail = fail
        self._player = mixer.player(session.owner_number, self)

        self.src = ""
        self.start_time = 0.0
        self.autoplay = False
        self.loop = False
        self.volume = 1.0
        self.playback_rate = 1.0

        self.state = State.EMPTY
        self.duration = 0.0
        self.waiting = False
        self._duration_exact = False
        self._wanted = False  # to play
        self._may_autoplay = True
        self._opened_at = 0.0
        self._failed_at = 0.0
        self._must_open = False
        self._target: float | None = None  # where to go before anything else
        self._seeks = 0  # how many seeks the program made of this source; 0 in _seek_told: none to answer
        self._seek_to_tell = 0
        self._resting: float | None = 0.0  # the position while the player has none of its own
        self._source_number = 0
        self._driving = False
        self._progress = Progress(
            clock, session.time_update_interval, lambda: tell(Happening.TIME_UPDATE), self._ends_soon
        )

    # --- what programs read -------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether it is paused or stopped, as the events told it."""
        return self.state is not State.PLAYING

    @property
    def position(self) -> float:
        """The position heard now, in seconds; never beyond the duration."""
        if self.state is State.EMPTY:
            return 0.0
        if self._seek_to_tell and self._target is not None:
            return self._target  # a seek moves the position at once (facts 5.1)
        position = self._player.position() if self._resting is None else self._resting
        return min(position, self.duration) if self.duration > 0 else position

    @property
    def buffered(self) -> float:
        """Up to where the source is at hand."""
        return min(self._player.buffered(), self.duration) if self.state in HAS_SOURCE else 0.0

    # --- calls --------------------------------------------------------------------------------------------

    def set_source(self, src: str) -> None:
        """Take another source: the present one ends without an event, the new one is opened at once."""
        if src == self.src:
            return
        self._let_go()
        self.src = src
        self.duration, self._duration_exact = 0.0, False
        self._wanted, self._may_autoplay, self._target = False, True, None
        self._seek_to_tell = 0
        self._resting = 0.0
        if src:
            self._reopen()
        else:
            self.state = State.EMPTY

    def set_autoplay(self, autoplay: bool) -> None:
        """Play as soon as the source is open, or right now if it has just been opened."""
        self.autoplay = autoplay
        is_fresh = self.state is State.READY and self._clock.now() - self._opened_at <= ONE_TICK
        if autoplay and is_fresh and self._may_autoplay:
            self.play()

    def tune(self, *, volume: float | None, loop: bool | None, playback_rate: float | None) -> None:
        """Change what is heard at once."""
        if volume is not None:
            self.volume = volume
        if loop is not None:
            self.loop = loop
        if playback_rate is not None:
            self.playback_rate = playback_rate
        self._player.tune(gain=volume, loop=loop, rate=playback_rate)

    def play(self) -> None:
        """Play, or go on; after a stop or the end, from the start time."""
        if self.state is State.PLAYING or self._wanted:
            return
        if self.state is State.FAILED and self._clock.now() - self._failed_at <= ONE_TICK:
            return  # the error has been told
        self._wanted = True
        if self.state is State.FAILED:
            self._reopen()
        elif self.state in FROM_START and self._target is None:
            self._target = self.start_time
        elif self.state is State.PAUSED and not self.loop and 0 < self.duration <= self.position:
            self._target = self.start_time  # sought to the very end: play begins again (facts 5.1)
        self._drive()

    def pause(self) -> None:
        """Pause; a play that has not begun yet is taken back."""
        self._may_autoplay = False
        if self.state is State.PLAYING:
            self._rest(State.PAUSED, self.position)
            self._progress.update()
            self._tell(Happening.PAUSE)
        elif self._wanted:
            self._wanted = False
            self._player.pause()
            self._tell(Happening.PAUSE)

    def stop(self) -> None:
        """Stop and go back to the beginning."""
        self._may_autoplay = False
        pending, self._wanted = self._wanted, False
        if self.state in STOPPABLE or (pending and self.state in HAS_SOURCE):
            self._rest(State.STOPPED, 0.0)
            self._seek_to_tell = 0
            self._target = self.start_time  # so that it is at hand when it is played again
            self._drive()
            self._tell(Happening.STOP)
        elif pending:
            self._tell(Happening.STOP)

    def seek(self, position: float) -> None:
        """Go to `position`, clamped; before the source is open it is only remembered (facts 5.1)."""
        if self.state not in HAS_SOURCE:
            self._resting = self._target = max(0.0, position)
            return
        position = min(max(0.0, position), self.duration)
        if self.loop and position >= self.duration:
            position = 0.0
        self._player.abandon_seek()
        self._target = position
        self._seeks += 1
        self._seek_to_tell = self._seeks
        if self.state in FROM_START:
            self.state = State.PAUSED
        self._tell(Happening.SEEKING)
        self._drive()

    def close(self) -> None:
        """End it, telling a stop if there is something to stop; nothing is told after that."""
        if self.state in STOPPABLE - {State.ENDED} or self._wanted:
            self._rest(State.STOPPED, 0.0)
            self._wanted = False
            self._tell(Happening.STOP)
        self.abandon()

    def abandon(self) -> None:
        """End it without a word."""
        self._let_go()
        self._wanted = self._must_open = False
        self._target = None
        self.state, self.src = State.EMPTY, ""

    # --- the driver ---------------------------------------------------------------------------------------

    def _reopen(self) -> None:
        self.state = State.OPENING
        self._must_open = True
        self._drive()

    def _drive(self) -> None:
        if not self._driving:
            self._driving = True
            self._session.pending.begin()
            self._session.tasks.spawn(self._run(), "audio element")

    async def _run(self) -> None:
        try:
            while await self._step():
                pass
        finally:
            self._driving = False
            self._session.pending.done()

    async def _step(self) -> bool:
        """Do the next thing that is wanted; False if there is none."""
        number = self._source_number
        try:
            if self._must_open:
                await self._open()
            elif self.state not in HAS_SOURCE:
                return False
            elif self._target is not None:
                await self._go(self._target)
            elif self._wanted:
                await self._start()
            else:
                return False
        except PortError as error:
            if number == self._source_number:
                self.failed(error.fault, error.message)
        return True

    async def _open(self) -> None:
        self._must_open = False
        number = self._source_number
        begin = self.start_time if self._target is None else self._target
        sound = await self._player.load(
            self.src,
            self._session.files,
            position=begin,
            rate=self.playback_rate,
            loop=self.loop,
            gain=self.volume,
        )
        if number != self._source_number:
            return
        self.duration, self._duration_exact = sound.duration, sound.exact
        self.state = State.READY
        target, self._target = self._target, None
        if target is not None and target != begin:
            self._target = target  # sought while it was being opened
        self._resting = min(begin, self.duration)
        # Told to the player again: they may have changed while it was being opened.
        self._player.tune(gain=self.volume, loop=self.loop, rate=self.playback_rate)
        self._opened_at = self._clock.now()
        self._tell(Happening.CANPLAY)
        if self.autoplay and self._may_autoplay:
            self._wanted = True

    async def _go(self, target: float) -> None:
        number, told = self._source_number, self._seek_to_tell
        impatience: Timer | None = None
        if told and self.state is State.PLAYING:
            impatience = self._clock.call_at(self._clock.now() + SEEK_PATIENCE, lambda: self._impatient(told))
        self._progress.stop()
        try:
            there = await self._player.seek(target)
        finally:
            if impatience is not None:
                impatience.cancel()
        if number != self._source_number or not there or self._target != target:
            return
        if self.state is State.PLAYING:
            await self._player.start()  # it may have come to its end just before
            if number != self._source_number or self._target != target:
                return
        self._target = None
        self._resting = None if self.state is State.PLAYING else target
        if told and told == self._seek_to_tell:
            self._seek_to_tell = 0
            self.waiting = False
            self._progress.update(always=True)
            self._tell(Happening.SEEKED)
        self._go_on_telling()

    def _impatient(self, told: int) -> None:
        if told == self._seek_to_tell and self.state is State.PLAYING:
            self.waiting = True
            self._tell(Happening.WAITING)

    async def _start(self) -> None:
        number = self._source_number
        if self.state is State.READY and self._resting != self.start_time and self._resting == 0.0:
            # The start time was set after the source was opened.
            self._target = self.start_time
            return
        await self._player.start()
        if number != self._source_number or not self._wanted or self._target is not None:
            return
        self._wanted = False
        self.state = State.PLAYING
        self._resting = None
        self.waiting = False
        self._tell(Happening.PLAY)
        self._go_on_telling()

    # --- what the player tells ------------------------------------------------------------------------------

    def ended(self, duration: float) -> None:
        """Take note of the natural end."""
        if duration >= 0:
            self.duration, self._duration_exact = duration, True
        if self.state is not State.PLAYING or self._target is not None:
            return
        if self.loop:  # set when the end had been played already
            self._wanted, self._target = True, 0.0
            self.state = State.PAUSED
            self._drive()
            return
        self._progress.stop()
        self.state, self.waiting = State.ENDED, False
        self._resting = self.duration
        self._progress.update()
        self._tell(Happening.ENDED)

    def looped(self) -> None:
        """Begin again: the position jumps, no event tells it (facts 5.1)."""

    def starved(self) -> None:
        """Take note that nothing sounds."""
        if self.state is State.PLAYING and not self.waiting:
            self.waiting = True
            self._progress.stop()
            self._tell(Happening.WAITING)

    def fed(self) -> None:
        """Take note that it sounds again."""
        if self.state is State.PLAYING and self.waiting:
            self.waiting = False
            self._tell(Happening.PLAY)
            self._go_on_telling()

    def failed(self, fault: Fault, message: str) -> None:
        """Take note that it cannot go on."""
        if self.state in (State.EMPTY, State.FAILED):
            return
        position = self.position
        self._let_go()
        self.state = State.FAILED
        self._failed_at = self._clock.now()
        self._resting = position
        self._wanted, self._target, self._seek_to_tell = False, None, 0
        self._fail(fault, message)

    # --- small parts ----------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        self._source_number += 1
        self._progress.stop()
        self.waiting = False
        self._player.abandon_seek()
        self._player.unload()

    def _rest(self, state: State, position: float) -> None:
        self._progress.stop()
        self._player.pause()
        self.state, self.waiting = state, False
        self._resting = position

    def _go_on_telling(self) -> None:
        if self.state is State.PLAYING and not self.waiting:
            self._progress.start()

    def _ends_soon(self) -> bool:
        left = (self.duration - self.position) / self.playback_rate
        return self._duration_exact and not self.loop and left < CLOSEST
