"""What every benchmark shares: a daemon, a raw socket, made media, medians, process figures."""

from __future__ import annotations

import asyncio
import json
import statistics
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
from swanbridge_testing.daemon import RunningDaemon

RATE = 44_100


@dataclass
class Figure:
    """One measured thing. `bound` is what the issue asks for, `peer` the same thing done by another program."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    at_least: bool = False
    worst: float | None = None
    peer: str = ""
    peer_value: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the bound is kept; None without one."""
        if self.bound is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def ratio(self) -> float | None:
        """Ours to the peer's."""
        return self.value / self.peer_value if self.peer_value else None


class Peer:
    """A raw JSON-RPC socket: calls by id, events in a queue with the time of their arrival."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[tuple[float, str, dict[str, Any]]] = []
        self._arrived = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = 0
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        async for frame in self.socket:
            message = json.loads(frame.data)
            if "method" in message:
                self.events.append((loop.time(), message["method"].partition(".")[2], message["params"]))
                self._arrived.set()
            elif (future := self._answers.pop(message["id"], None)) is not None and not future.done():
                future.set_result(message)

    async def call(self, method: str, **params: Any) -> Any:
        """Call and return the result."""
        self._ids += 1
        future = self._answers[self._ids] = asyncio.get_running_loop().create_future()
        await self.socket.send_str(
            json.dumps({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params})
        )
        message = await asyncio.wait_for(future, 120)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    async def event(self, name: str, match: Callable[[dict[str, Any]], bool] = lambda params: True) -> float:
        """Wait for an event that is not taken yet; returns when it arrived."""
        while True:
            for index, (when, found, params) in enumerate(self.events):
                if found == name and match(params):
                    del self.events[: index + 1]
                    return when
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), 60)

    async def close(self) -> None:
        """Hang up."""
        await self.socket.close()
        self._reader.cancel()


@asynccontextmanager
async def daemon(clock: str = "real", *arguments: str) -> AsyncIterator[RunningDaemon]:
    """Run a daemon of its own, engines warm."""
    running = RunningDaemon(clock=clock, arguments=["--log-level", "warning", *arguments])
    await asyncio.to_thread(running.start)
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {running.token}"}) as http:
            while True:
                async with http.get(f"{running.url}/ready") as answer:
                    state = await answer.json()
                if all(engine == "up" for engine in state["engines"].values()):
                    break
                await asyncio.sleep(0.01)
        yield running
    finally:
        await asyncio.to_thread(running.close)


@asynccontextmanager
async def peer(running: RunningDaemon, **params: Any) -> AsyncIterator[Peer]:
    """Open a socket and a session with a package folder of its own."""
    package = running.package_dir / "bench"
    package.mkdir(exist_ok=True)
    protocols = ("swanbridge.v1", f"bearer.{running.token}")
    async with aiohttp.ClientSession() as http, http.ws_connect(running.ws, protocols=protocols) as socket:
        one = Peer(socket)
        await one.call("session.open", appId="bench", protocol=1, packageRoot=str(package), **params)
        yield one
        await one.close()


def make_mp3(path: Path, seconds: float, frequency: float = 440.0) -> None:
    """Write a tone as a 128 kbit/s MP3."""
    samples = np.arange(int(seconds * RATE)) * (2 * np.pi * frequency / RATE)
    tone = (np.sin(samples) * 8000).astype(np.int16)
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = 128_000
        for start in range(0, len(tone), 1152):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1152], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_wav(path: Path, seconds: float, frequency: float = 440.0) -> None:
    """Write a tone as a mono WAV."""
    samples = np.arange(int(seconds * RATE)) * (2 * np.pi * frequency / RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.sin(samples) * 8000).astype("<i2").tobytes())


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found.extend(int(child) for child in task.read_text().split())
    return found


def pss_megabytes(pids: list[int]) -> float:
    """Return the proportional memory of processes."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / 100


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


@dataclass
class Report:
    """The figures of a run."""

    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Keep a figure and print its line."""
        self.figures.append(figure)
        mark = {None: "    ", True: "ok  ", False: "MISS"}[figure.reached]
        bound = (
            "" if figure.bound is None else f"  bound {'>=' if figure.at_least else '<='} {figure.bound:g}"
        )
        worst = "" if figure.worst is None else f"  worst {figure.worst:.3g}"
        against = ""
        if figure.ratio is not None:
            against = f"  {figure.peer} {figure.peer_value:.4g}, ratio {figure.ratio:.2f}"
        print(
            f"{mark} {figure.name:<58} {figure.value:>10.4g} {figure.unit}{bound}{worst}{against}", flush=True
        )
