"""What a call costs, against a bare aiohttp echo in the same run."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import aiohttp
from harness import Figure, Report, cpu_seconds, daemon, median

ROUNDS = 5
FLIGHT = 20_000
SINGLE = 2_000


async def _flight(socket: aiohttp.ClientWebSocketResponse, frames: list[str], window: int) -> float:
    """Send all frames with `window` under way; returns calls a second."""
    began = time.perf_counter()
    sent = 0
    waiting: deque[int] = deque()
    for frame in frames[:window]:
        await socket.send_str(frame)
        sent += 1
        waiting.append(1)
    for _ in range(len(frames)):
        await socket.receive_str()
        if sent < len(frames):
            await socket.send_str(frames[sent])
            sent += 1
    return len(frames) / (time.perf_counter() - began)


def _frames(count: int) -> list[str]:
    params = [{"contextId": "a1", "volume": volume / 10} for volume in range(11)]
    return [
        json.dumps({"jsonrpc": "2.0", "id": n, "method": "innerAudioContext.set", "params": params[n % 11]})
        for n in range(count)
    ]


async def measure(report: Report) -> None:
    """Measure `innerAudioContext.set {volume}` one at a time and with 32 under way."""
    echo = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("echo.py"))], stdout=subprocess.PIPE, text=True
    )
    assert echo.stdout is not None
    try:
        port = int(await asyncio.to_thread(echo.stdout.readline))
        async with daemon() as running, aiohttp.ClientSession() as http:
            protocols = ("swanbridge.v1", f"bearer.{running.token}")
            async with (
                http.ws_connect(running.ws, protocols=protocols) as ours,
                http.ws_connect(f"http://127.0.0.1:{port}/ws") as bare,
            ):
                for number, (method, params) in enumerate(
                    [
                        ("session.open", {"appId": "bench", "protocol": 1}),
                        ("innerAudioContext.create", {"contextId": "a1"}),
                    ]
                ):
                    await ours.send_str(
                        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
                    )
                    answer = json.loads(await ours.receive_str())
                    if "error" in answer:
                        raise RuntimeError(answer)
                figures: dict[str, list[float]] = {"ours32": [], "bare32": [], "ours1": [], "bare1": []}
                cpu = 0.0
                for _ in range(ROUNDS):
                    before = cpu_seconds([running.pid])
                    figures["ours32"].append(await _flight(ours, _frames(FLIGHT), 32))
                    cpu += cpu_seconds([running.pid]) - before
                    figures["bare32"].append(await _flight(bare, _frames(FLIGHT), 32))
                    figures["ours1"].append(await _flight(ours, _frames(SINGLE), 1))
                    figures["bare1"].append(await _flight(bare, _frames(SINGLE), 1))
    finally:
        echo.terminate()
        echo.wait()
    for key, name, bound in (("32", "32 in flight", 0.35), ("1", "one at a time", 0.6)):
        mine = median(figures[f"ours{key}"])
        theirs = median(figures[f"bare{key}"])
        report.add(
            Figure(f"set volume, {name}", mine, "calls/s", peer="bare aiohttp echo", peer_value=theirs)
        )
        report.add(Figure(f"set volume, {name}, share of the echo", mine / theirs, "", bound, at_least=True))
    report.add(Figure("set volume, daemon's processor time a call", cpu / ROUNDS / FLIGHT * 1e6, "us"))
