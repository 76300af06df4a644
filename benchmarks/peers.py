"""Other players, driven through their real control interfaces in the same run, where they are installed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any


class Mpv:
    """mpv with the null output, over its JSON IPC socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def command(self, *words: Any) -> None:
        """Send a command; its answer is not waited for."""
        self._writer.write(json.dumps({"command": words}).encode() + b"\n")
        await self._writer.drain()

    async def event(self, name: str) -> float:
        """Wait for an event; returns when it arrived."""
        while True:
            line = await asyncio.wait_for(self._reader.readline(), 20)
            if json.loads(line).get("event") == name:
                return asyncio.get_running_loop().time()


@contextlib.asynccontextmanager
async def mpv() -> AsyncIterator[Mpv | None]:
    """Run mpv, or give None if it is not installed (package mpv)."""
    program = shutil.which("mpv")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mpv.sock"
        process = await asyncio.create_subprocess_exec(
            *(program, "--no-config", "--no-video", "--idle=yes", "--ao=null", "--really-quiet"),
            f"--input-ipc-server={path}",
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            while not path.exists():
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_unix_connection(str(path))
            yield Mpv(reader, writer)
            writer.close()
        finally:
            process.terminate()
            await process.wait()


async def mpv_cold(player: Mpv, files: list[Path]) -> list[float]:
    """Return milliseconds from the command to play a file to its playback-restart event."""
    times = []
    for file in files:
        began = asyncio.get_running_loop().time()
        await player.command("loadfile", str(file), "replace")
        times.append((await player.event("playback-restart") - began) * 1000)
    return times


async def mpv_seeks(player: Mpv, targets: list[float]) -> list[float]:
    """Return milliseconds from an exact seek to its playback-restart event."""
    times = []
    for target in targets:
        began = asyncio.get_running_loop().time()
        await player.command("seek", target, "absolute+exact")
        times.append((await player.event("playback-restart") - began) * 1000)
    return times
