"""The link to a session: it opens one, survives lost sockets, and hands every event on exactly once."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import aiohttp
from pydantic import ValidationError
from swanbridge_protocol import Method, SwanError, WireModel
from swanbridge_protocol import session as chapter
from swanbridge_protocol.errors import TooManyRequests
from swanbridge_protocol.refusal import refusal

from .connection import Connection, quiet
from .discovery import Address
from .errors import ConnectionLost, ConnectionRefused, DaemonNotFound
from .events import Event, Notifier, read_event

log = logging.getLogger(__name__)

FIRST_DELAY, LAST_DELAY = 0.05, 5.0  # seconds between attempts to come back; doubled each time, with jitter
PATIENCE = 120.0  # seconds to go on trying; the daemon keeps a session as long
HELD = 1024  # calls that wait for the socket to come back; more fail with -32003
OPENING = 30.0  # seconds for session.open to be answered
REPLACED = 4001  # close code: another socket has the session

P = TypeVar("P", bound=WireModel)
R = TypeVar("R", bound=WireModel)
Later = Callable[[], None]


class Family(Protocol):
    """All objects of one kind in a session, by their ids."""

    name: str

    def take(self, event: Event) -> None:
        """Mirror one event and tell its listeners."""

    def mirror(self, objects: dict[str, dict[str, Any]]) -> None:
        """Take the read-only state from the family's part of a snapshot, as events were lost."""

    def restore(self, objects: dict[str, dict[str, Any]] | None) -> Later:
        """Bring the daemon's objects in line after a lost socket, and return what to do after held calls.

        `objects` is the family's part of the snapshot; None says that the session is new and knows none of them.
        """

    def end(self) -> None:
        """Take note that nothing more will come."""


class Link:
    """Calls and events of one session over whatever socket it has at present.

    Calls under way when a socket is lost fail with `ConnectionLost`. Calls made while there is none wait until it
    is back, or fail when coming back is given up. `session` is what the last `session.open` answered.
    """

    def __init__(
        self,
        find: Callable[[], Address],
        params: chapter.OpenParams,
        *,
        patience: float = PATIENCE,
        looks_again: bool = False,
    ) -> None:
        self._find = find
        self._looks_again = looks_again  # `find` may give another address or token later
        self._params = params
        self._patience = patience
        self._http: aiohttp.ClientSession | None = None
        self._connection: Connection | None = None
        self._held: list[tuple[str, dict[str, Any], asyncio.Future[Any]]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._last_seq: int | None = 0  # None: any may come next
        self._asked_again = -1  # a gap after this event was answered with a resume already
        self._ended: ConnectionLost | None = None
        self.session: chapter.OpenResult | None = None
        self.base = ""
        self.families: dict[str, Family] = {}
        self.options: dict[str, Any] = {}  # of setInnerAudioOption, for a session made anew
        self.unflushed: dict[Callable[[], None], None] = {}
        self.listeners: dict[str, list[Callable[[Event], object]]] = {}
        self.notifier = Notifier()

    # --- calls --------------------------------------------------------------------------------------------

    def send(self, method: str, params: dict[str, Any]) -> asyncio.Future[Any]:
        """Call; property writes made before go out before."""
        self.flush()
        if self._connection is not None and self._connection.usable:
            return self._connection.send(method, params)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        quiet(future)
        if self._ended is not None or self._keeper is None:
            future.set_exception(self._ended or ConnectionLost("there is no connection yet"))
        elif len(self._held) >= HELD:
            future.set_exception(TooManyRequests(f"{HELD} calls are waiting for the connection to come back"))
        else:
            self._held.append((method, params, future))
        return future

    async def request(self, method: Method[P, R], **fields: Any) -> R:
        """Call with typed params and result; what the daemon would refuse as params is refused here."""
        try:
            params = method.params(**fields)
        except ValidationError as error:
            raise refusal(error, method.dialect) from None
        result = await self.send(method.name, params.to_wire())
        return method.result.model_validate(result)

    def flush(self) -> None:
        """Send the property writes that were put off to be merged."""
        while self.unflushed:
            unflushed, self.unflushed = self.unflushed, {}
            for write in unflushed:
                write()

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and open a session. Raises `DaemonNotFound`, `ConnectionRefused` or what `session.open` does."""
        self._http = aiohttp.ClientSession()
        try:
            self._connection = await self._open()
        except BaseException:
            await self._http.close()
            raise
        self._keeper = asyncio.get_running_loop().create_task(self._keep(self._connection))

    async def close(self) -> None:
        """End the session and the connection; nothing is called back after this."""
        if self._ended is None:
            if self._connection is not None:
                try:
                    async with asyncio.timeout(5):
                        await self.send(chapter.CLOSE.name, {})
                except (SwanError, TimeoutError):
                    log.debug("the session could not be closed; it ends by itself")
            self._end(ConnectionLost("the session is closed"))
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        await self.notifier.close()
        if self._http is not None:
            await self._http.close()

    def drop(self) -> None:
        """Lose the socket, as a bad network would; the link comes back by itself."""
        if self._connection is not None:
            self._connection.drop()

    @property
    def connected(self) -> bool:
        """Whether calls go out at once."""
        return self._connection is not None and self._connection.usable

    def _end(self, why: ConnectionLost) -> None:
        if self._ended is not None:
            return
        self._ended = why
        held, self._held = self._held, []
        for _, _, future in held:
            if not future.done():
                future.set_exception(ConnectionLost(why.message))
        for family in self.families.values():
            family.end()

    async def _keep(self, connection: Connection) -> None:
        while True:
            code = await asyncio.shield(connection.lost)
            self._connection = None
            await connection.close()
            if code == REPLACED:
                self._end(ConnectionLost("another connection has taken the session over"))
                return
            log.info("the connection was lost (close code %s); coming back", code)
            try:
                connection = await self._come_back()
            except Exception as error:  # whatever it is, nothing may wait for ever
                log.warning("the connection is lost for good: %s", error)
                self._end(ConnectionLost(f"the connection is lost for good: {error}"))
                return

    async def _come_back(self) -> Connection:
        """Open and resume until it works; raises the last reason when it is of no use to go on."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        delay = FIRST_DELAY
        while True:
            try:
                connection = await self._open()
                await self._restore(connection)
                return connection
            except (DaemonNotFound, ConnectionLost, ConnectionRefused) as error:
                # A daemon that was started again has another token; only a ready file will tell it.
                final = isinstance(error, ConnectionRefused) and not self._looks_again
                if final or loop.time() + delay > until:
                    raise
                log.debug("not yet: %s", error)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, LAST_DELAY)

    async def _open(self) -> Connection:
        assert self._http is not None
        address = self._find()
        connection = await Connection.open(self._http, address, self._notified)
        self.base = address.base
        params = self._params
        if self.session is not None:
            resume = chapter.Resume(
                session_id=self.session.session_id, epoch=self.session.epoch, last_seq=self._last_seq or 0
            )
            params = params.model_copy(update={"resume": resume})
        try:
            async with asyncio.timeout(OPENING):
                await connection.send(chapter.OPEN.name, params.to_wire(), self._opened)
        except TimeoutError:
            await connection.close()
            raise ConnectionLost(f"{address.base} does not answer") from None
        except BaseException:
            await connection.close()
            raise
        return connection

    def _opened(self, result: Any) -> None:
        # Called before the next frame is looked at: that may be the first event already.
        self.session = chapter.OpenResult.model_validate(result)
        if not self.session.resumed:
            self._last_seq, self._asked_again = 0, -1
        elif self.session.truncated:
            self._last_seq = None

    async def _restore(self, connection: Connection) -> None:
        assert self.session is not None
        objects: dict[str, dict[str, dict[str, Any]]] | None = None
        try:
            if self.session.resumed:
                answer = await connection.send(chapter.SNAPSHOT.name, {}, self._pictured)
                objects = chapter.Snapshot.model_validate(answer).objects
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        if objects is None:
            log.warning("the session is lost; its objects are made anew")
            if self.options:
                from swanbridge_protocol.inner_audio import SET_OPTION

                connection.send(SET_OPTION.name, self.options)
        self.unflushed.clear()  # what they would write is restored, too
        afterwards = [
            family.restore(None if objects is None else objects.get(family.name, {}))
            for family in self.families.values()
        ]
        held, self._held = self._held, []
        for method, params, future in held:
            _pass_on(connection.send(method, params), future)
        for later in afterwards:
            later()

    def _pictured(self, result: Any) -> None:
        # Called before the next frame is looked at: that may be an event newer than the snapshot.
        if self._last_seq is None or (self.session is not None and self.session.truncated):
            snapshot = chapter.Snapshot.model_validate(result)
            self._last_seq = snapshot.seq
            for family in self.families.values():
                family.mirror(snapshot.objects.get(family.name, {}))

    # --- events -------------------------------------------------------------------------------------------

    def _notified(self, name: str, params: dict[str, Any]) -> None:
        try:
            event = read_event(name, params)
        except (ValidationError, ValueError, TypeError) as error:
            log.warning("the event %s is not understood: %s", name, error)
            return
        if event.seq > 0 and not self._is_next(event):
            return
        family = self.families.get(event.family)
        if family is not None:
            family.take(event)
        for wanted in (event.name, "*"):
            if listeners := self.listeners.get(wanted):
                self.notifier.tell(listeners, event)

    def _is_next(self, event: Event) -> bool:
        """Count; False for an event that was seen already, and for one after a gap that a resume may fill."""
        last = self._last_seq
        if last is not None:
            if event.seq <= last:
                return False
            skipped = event.params.get("skipped", 0)
            missing = event.seq - last - 1 - (skipped if isinstance(skipped, int) else 0)
            if missing > 0 and self._asked_again != last:
                log.warning("%d events before number %d are missing; asking for them", missing, event.seq)
                self._asked_again = last
                self.drop()
                return False
        self._last_seq = event.seq
        return True


def _pass_on(answer: asyncio.Future[Any], to: asyncio.Future[Any]) -> None:
    def done(answered: asyncio.Future[Any]) -> None:
        if to.done():
            return
        if answered.cancelled():
            to.cancel()
        elif (error := answered.exception()) is not None:
            to.set_exception(error)
        else:
            to.set_result(answered.result())

    answer.add_done_callback(done)
