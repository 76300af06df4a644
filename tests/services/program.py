"""A program on a real daemon, for tests: calls are answered, events are kept and checked as they come."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
import numpy as np
import numpy.typing as npt
from swanbridge_testing.daemon import RunningDaemon

T = TypeVar("T")
Params = dict[str, Any]
Heard = npt.NDArray[np.float64]

PATIENCE: Final = 20.0  # seconds that an answer or an event may take before a test fails
FAMILY: Final = "innerAudioContext"


class Refused(Exception):
    """A call was answered with an error."""

    def __init__(self, error: Params) -> None:
        super().__init__(f"{error['code']}: {error['data']['errMsg']}")
        self.code: int = error["code"]
        self.text: str = error["data"]["errMsg"]
        self.error = error


class Program:
    """One socket with its session. `events` holds (wire name, params) as they came."""

    def __init__(self, lab: Lab, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._lab = lab
        self.package = lab.package
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[Params]] = {}
        self._changed = asyncio.Event()
        self.events: list[tuple[str, Params]] = []
        self.faults: list[str] = []
        self.strays: list[Params] = []  # answers to nobody
        self.frames: list[str] = []
        self.session_id = ""
        self._reading = asyncio.get_running_loop().create_task(self._read())

    # --- calls --------------------------------------------------------------------------------------------

    def call(self, method: str, /, **params: Any) -> Params:
        """Make a call and return its result; `Refused` if it was."""
        return self._lab.run(self.answered(self.send(method, **params)))

    def refusal(self, method: str, /, **params: Any) -> Refused:
        """Make a call that must be refused."""
        try:
            result = self.call(method, **params)
        except Refused as refused:
            return refused
        raise AssertionError(f"{method} was not refused but answered {result}")

    def send(self, method: str, /, **params: Any) -> asyncio.Future[Params]:
        """Make a call without waiting for its answer."""
        self._number += 1
        number = self._number
        text = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return self._lab.run(self._send(number, text))

    async def _send(self, number: int, text: str) -> asyncio.Future[Params]:
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(text)
        return answer

    async def answered(self, answer: asyncio.Future[Params]) -> Params:
        """Wait for an answer."""
        async with asyncio.timeout(PATIENCE):
            message = await answer
        if "error" in message:
            raise Refused(message["error"])
        result: Params = message["result"]
        return result

    def all_answered(self, answers: Iterable[asyncio.Future[Params]]) -> list[Params]:
        """Wait for many answers, refusals included as whole messages."""

        async def gather() -> list[Params]:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.gather(*answers)

        return self._lab.run(gather())

    # --- time ---------------------------------------------------------------------------------------------

    def advance(self, seconds: float = 0.0) -> float:
        """Move the virtual clock; all that happened is in `events` then."""
        now: float = self.call("clock.advance", seconds=seconds)["now"]
        return now

    def wait_until(self, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait, on the real clock, until what came makes something true."""

        async def wait() -> None:
            async with asyncio.timeout(patience):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()

        self._lab.run(wait())

    def wait_for(self, name: str, context_id: str, count: int = 1, patience: float = PATIENCE) -> Params:
        """Wait, on the real clock, for the so-manieth event of a context."""
        self.wait_until(lambda: len(self.of(context_id, name)) >= count, patience)
        return self.of(context_id, name)[count - 1]

    # --- what came ----------------------------------------------------------------------------------------

    def of(self, context_id: str, name: str | None = None) -> list[Params]:
        """Return the params of a context's events, or of those of one name ("onPlay")."""
        return [
            params
            for method, params in self.events
            if params.get("contextId") == context_id and name in (None, method.partition(".")[2])
        ]

    def names(self, context_id: str, *, since: int = 0) -> list[str]:
        """Return the short names of a context's events after the first `since` of the program's."""
        return [
            method.partition(".")[2]
            for method, params in self.events[since:]
            if params.get("contextId") == context_id
        ]

    def snapshot(self, context_id: str) -> Params:
        """Return a context's properties."""
        found: Params = self.call("session.snapshot")["objects"][FAMILY][context_id]
        return found

    def context(self, context_id: str = "a", **properties: Any) -> Context:
        """Make a context and set its properties."""
        self.call(f"{FAMILY}.create", contextId=context_id)
        context = Context(self, context_id)
        if properties:
            context.set(**properties)
        return context

    # --- captures -----------------------------------------------------------------------------------------

    def capture(self, **params: Any) -> str:
        """Begin to capture."""
        capture_id: str = self.call("speaker.capture.start", **params)["captureId"]
        return capture_id

    def describe(self, capture_id: str) -> Params:
        """Say what a capture holds."""
        return self.call("speaker.capture.describe", captureId=capture_id)

    def find(self, capture_id: str, path: str) -> list[Params]:
        """Say where a file occurs in a capture."""
        matches: list[Params] = self.call("speaker.capture.find", captureId=capture_id, filePath=path)[
            "matches"
        ]
        return matches

    def heard(self, capture_id: str) -> tuple[Heard, int]:
        """End a capture and fetch it through its URL: samples (frames, channels) and their rate."""
        path = self.call("speaker.capture.stop", captureId=capture_id)["filePath"]
        url = self.call("file.url", filePath=path)["url"]
        return wav_samples(self._lab.fetch(url))

    # --- life ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the session, hang up, and fail if the stream of events was faulty."""
        self.call("session.close")
        self._lab.run(self._hang_up())
        assert self.faults == []

    async def _hang_up(self) -> None:
        await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        last_seq, last_at = 0, 0.0
        async for message in self._socket:
            found = json.loads(message.data)
            for one in found if isinstance(found, list) else [found]:
                if "method" not in one:
                    answer = self._answers.pop(one.get("id"), None)
                    if answer is None:
                        self.strays.append(one)
                        self.faults.append(f"nobody asked for {one}")
                    elif not answer.done():
                        answer.set_result(one)
                    if one.get("error", {}).get("code") == -32603:
                        self.faults.append(f"internal error: {one}")
                    continue
                params = one["params"]
                if params["seq"] != last_seq + 1 + params.get("skipped", 0):
                    self.faults.append(f"seq {params['seq']} after {last_seq}")
                if params["at"] < last_at:
                    self.faults.append(f"at {params['at']} after {last_at}")
                last_seq, last_at = params["seq"], params["at"]
                self.events.append((one["method"], params))
                self.frames.append(json.dumps(one))
            self._changed.set()


class Context:
    """One innerAudioContext of a program."""

    def __init__(self, program: Program, context_id: str) -> None:
        self.program = program
        self.id = context_id
        self._mark = len(program.events)

    def set(self, **properties: Any) -> None:
        """Set properties, named as on the wire."""
        self.program.call(f"{FAMILY}.set", contextId=self.id, **properties)

    def do(self, *calls: str) -> None:
        """Make calls without params, such as "play"."""
        for call in calls:
            self.program.call(f"{FAMILY}.{call}", contextId=self.id)

    def seek(self, position: Any) -> None:
        """Go elsewhere."""
        self.program.call(f"{FAMILY}.seek", contextId=self.id, position=position)

    def told(self, *, updates: bool = False) -> list[str]:
        """Settle, and return the names of the events since the last time; time updates only if wanted."""
        self.program.advance()
        names = self.program.names(self.id, since=self._mark)
        self._mark = len(self.program.events)
        return [name for name in names if updates or name != "onTimeUpdate"]

    def events(self, name: str | None = None) -> list[Params]:
        """Return the params of its events."""
        return self.program.of(self.id, name)

    @property
    def state(self) -> Params:
        """Its properties now."""
        return self.program.snapshot(self.id)


class Lab:
    """A daemon and the programs on it, driven without `async` by an event loop of its own."""

    def __init__(self, daemon: RunningDaemon, package: Path) -> None:
        self.daemon = daemon
        self.package = package
        self._runner = asyncio.Runner()
        self._http = self.run(self._session())
        self.programs: list[Program] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end; sockets are read meanwhile."""
        return self._runner.run(work)

    def program(self, **options: Any) -> Program:
        """Open a session on a socket of its own."""
        program = self.run(self._connect())
        options = {"appId": "tester", "protocol": 1, "packageRoot": str(self.package), **options}
        program.session_id = program.call("session.open", **options)["sessionId"]
        self.programs.append(program)
        return program

    def fetch(self, url: str) -> bytes:
        """Get the bytes at a URL."""

        async def work() -> bytes:
            async with self._http.get(url) as response:
                assert response.status == 200
                return await response.read()

        return self.run(work())

    def end_programs(self) -> None:
        """Close every session; then the daemon must be alive and nothing in it have failed."""
        programs, self.programs = self.programs, []
        for program in programs:
            program.close()
        assert self.daemon.process is not None
        assert self.daemon.process.poll() is None
        log = self.daemon.log
        for trouble in ("Traceback", "never retrieved", " ERROR ", "died"):
            assert trouble not in log, log[-4000:]

    def close(self) -> None:
        """Hang up."""
        self.run(self._http.close())
        self._runner.close()

    async def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def _connect(self) -> Program:
        protocols = ("swanbridge.v1", f"bearer.{self.daemon.token}")
        return Program(
            self, await self._http.ws_connect(self.daemon.ws, protocols=protocols, max_msg_size=64 << 20)
        )


def wav_samples(data: bytes) -> tuple[Heard, int]:
    """Read a 16-bit WAV: samples (frames, channels) from -1 to 1, and the rate."""
    import io

    with wave.open(io.BytesIO(data)) as file:
        assert file.getsampwidth() == 2
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return raw.astype(np.float64) / 32768, file.getframerate()
