"""Sessions in the daemon: grace, ends, bounds. Over the wire they are tested in tests/rpc."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from swanbridge_daemon.core.clock import SystemClock, VirtualClock
from swanbridge_daemon.core.session import Caller, Session
from swanbridge_daemon.services import sessions as under_test
from swanbridge_daemon.services.sessions import SessionService
from swanbridge_protocol import Scope, session
from swanbridge_protocol.errors import IllegalState, InvalidParams, SessionRequired, TooManyRequests


class Shelf:
    """Stores of sessions that hold nothing; `closed` counts how many were given back."""

    def __init__(self) -> None:
        self.closed = 0

    def open(self, path: str) -> Any:
        raise AssertionError(path)

    def draft(self, suffix: str) -> Any:
        raise AssertionError(suffix)

    def close(self) -> None:
        self.closed += 1


class Socket:
    """A socket that a session can be bound to."""

    def __init__(self, service: SessionService) -> None:
        self.service = service
        self.caller = Caller(Scope.CONTROL, bind=self.bind)
        self.after: int | None = None

    def bind(self, to: Session, after: int | None) -> None:
        to.outlet = self
        self.caller.session, self.after = to, after

    def give_up(self) -> None:
        raise AssertionError("this socket reads")

    def deliver(self, entry: Any) -> None:
        """Hear nothing."""

    def replaced(self) -> None:
        """Go."""

    async def drained(self) -> None:
        """Nothing waits."""

    def lose(self) -> Session:
        lost = self.caller.session
        assert lost is not None
        lost.outlet = None
        self.service.disconnected(lost)
        return lost


def service(shelf: Shelf, *, grace: float = 0.02, virtual: bool = False) -> SessionService:
    clock = VirtualClock() if virtual else SystemClock()
    return SessionService(clock, lambda session_id, root: shelf, name="test", version="0", grace=grace)


def params(**more: Any) -> session.OpenParams:
    return session.OpenParams.model_validate({"appId": "a", "protocol": 1, **more})


def ended(one: Session) -> asyncio.Event:
    done = asyncio.Event()
    one.on_close.append(done.set)
    return done


async def wait_for(event: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await event.wait()


def test_a_lost_session_ends_after_its_grace_with_all_it_holds() -> None:
    async def run() -> None:
        shelf = Shelf()
        sessions = service(shelf)
        socket = Socket(sessions)
        sessions.open(socket.caller, params())
        lost = socket.lose()
        busy = lost.tasks.spawn(asyncio.Event().wait(), "forever")
        await wait_for(ended(lost))
        assert sessions.sessions == {}
        assert busy.cancelled()
        await asyncio.sleep(0)
        assert shelf.closed == 1

    asyncio.run(run())


@pytest.mark.parametrize("virtual", [False, True])
def test_grace_is_the_system_s_time_even_where_the_clock_stands_still(virtual: bool) -> None:
    async def run() -> None:
        sessions = service(Shelf(), virtual=virtual)
        socket = Socket(sessions)
        sessions.open(socket.caller, params())
        await wait_for(ended(socket.lose()))

    asyncio.run(run())


def test_who_resumes_within_the_grace_finds_everything() -> None:
    async def run() -> None:
        sessions = service(Shelf(), grace=60)
        first, second = Socket(sessions), Socket(sessions)
        opened = sessions.open(first.caller, params())
        lost = first.lose()
        resume = {"sessionId": opened.session_id, "epoch": opened.epoch, "lastSeq": 0}
        again = sessions.open(second.caller, params(resume=resume))
        assert (again.resumed, again.truncated, again.session_id) == (True, False, opened.session_id)
        assert second.caller.session is lost
        assert second.after == 0
        assert not sessions._leaving
        await sessions.end_all()

    asyncio.run(run())


def test_a_session_over_plain_http_lives_as_long_as_it_is_used_or_read() -> None:
    async def run() -> None:
        sessions = service(Shelf(), grace=0.03)
        opened = sessions.open(Caller(Scope.APP), params())
        one = sessions.find(opened.session_id)
        assert one is not None
        done = ended(one)
        handle = sessions._leaving[one.session_id]
        sessions.used(one)
        assert handle.cancelled()
        assert sessions._leaving[one.session_id].when() >= handle.when()

        one.listeners.append(lambda entry: None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):  # three times the grace
                await done.wait()
        one.listeners.clear()
        await wait_for(done)

    asyncio.run(run())


def test_using_a_connected_session_starts_no_grace() -> None:
    async def run() -> None:
        sessions = service(Shelf(), grace=0)
        socket = Socket(sessions)
        sessions.open(socket.caller, params())
        assert socket.caller.session is not None
        sessions.used(socket.caller.session)
        assert not sessions._leaving
        await sessions.end_all()

    asyncio.run(run())


def test_a_closed_session_is_gone_before_the_work_of_closing_is_done() -> None:
    async def run() -> None:
        shelf = Shelf()
        sessions = service(shelf)
        socket = Socket(sessions)
        opened = sessions.open(socket.caller, params())
        closing = sessions.close(socket.caller, session.SessionRef())
        assert sessions.find(opened.session_id) is None
        assert shelf.closed == 0
        with pytest.raises(SessionRequired):
            await sessions.close(socket.caller, session.SessionRef())
        await closing
        assert shelf.closed == 1

    asyncio.run(run())


def test_ending_a_session_twice_gives_its_files_back_once() -> None:
    async def run() -> None:
        shelf = Shelf()
        sessions = service(shelf)
        one = sessions.make("a")
        await asyncio.gather(sessions.end(one), sessions.end(one))
        sessions.disconnected(one)
        assert shelf.closed == 1
        assert not sessions._leaving

    asyncio.run(run())


def test_a_program_has_one_session_on_a_socket() -> None:
    async def run() -> None:
        sessions = service(Shelf())
        socket = Socket(sessions)
        sessions.open(socket.caller, params())
        with pytest.raises(IllegalState):
            sessions.open(socket.caller, params())
        await sessions.end_all()

    asyncio.run(run())


def test_there_is_a_bound_of_open_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "SESSIONS", 2)

    async def run() -> None:
        sessions = service(Shelf())
        made = [sessions.make("a") for _ in range(2)]
        with pytest.raises(TooManyRequests):
            sessions.make("a")
        await sessions.end(made[0])
        sessions.make("a")
        await sessions.end_all()

    asyncio.run(run())


def test_a_refused_store_leaves_no_session_behind() -> None:
    async def run() -> None:
        def refuse(session_id: str, root: str | None) -> Shelf:
            raise InvalidParams("no such root")

        sessions = SessionService(SystemClock(), refuse, name="test", version="0")
        socket = Socket(sessions)
        with pytest.raises(InvalidParams):
            sessions.open(socket.caller, params(packageRoot="/x"))
        assert sessions.sessions == {}
        assert socket.caller.session is None

    asyncio.run(run())


def test_ids_can_be_guessed_on_the_virtual_clock_only() -> None:
    async def run() -> None:
        virtual, real = service(Shelf(), virtual=True), service(Shelf())
        assert [virtual.make("a").session_id for _ in range(2)] == ["s1", "s2"]
        assert len(real.make("a").session_id) > 16
        await virtual.end_all()
        await real.end_all()

    asyncio.run(run())
