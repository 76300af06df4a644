"""`swanbridge capture …`: a capture belongs to a session; `record` makes one of its own."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from swanbridge_protocol import files, speaker

from . import commands
from .rpc import Rpc


async def _held_by(options: argparse.Namespace) -> Rpc:
    """Return calls inside the session that is meant: the one named, else the only one."""
    session_id = options.session
    if session_id is None:
        async with commands.session(options) as swan:
            found = await commands.others(swan)
        if len(found) != 1:
            raise commands.UsageError(
                f"name one of these with --session: {' '.join(found)}"
                if found
                else "no session is open; `swanbridge capture record SECONDS` records without one"
            )
        session_id = found[0]
    return Rpc(commands.address(options), session_id)


async def start(options: argparse.Namespace) -> int:
    """Begin a capture in a session."""
    async with await _held_by(options) as rpc:
        params = {"sessionId": "all"} if options.all else {}
        started = speaker.CaptureStarted.model_validate(await rpc.call(speaker.CAPTURE_START.name, params))
    if options.json:
        commands.print_json(started.to_wire())
    else:
        print(started.capture_id)
    return 0


async def stop(options: argparse.Namespace) -> int:
    """End it."""
    async with await _held_by(options) as rpc:
        result = await rpc.call(speaker.CAPTURE_STOP.name, {"captureId": options.capture})
        ended = speaker.CaptureFile.model_validate(result)
        if options.output is not None:
            url = await rpc.call(files.FILE_URL.name, {"filePath": ended.file_path})
            await rpc.download(url["url"], Path(options.output))
    if options.json:
        commands.print_json(ended.to_wire())
    else:
        commands.print_mapping({"file": options.output or ended.file_path, "duration": f"{ended.duration} s"})
    return 0


async def describe(options: argparse.Namespace) -> int:
    """Tell what it holds."""
    async with await _held_by(options) as rpc:
        result = await rpc.call(speaker.CAPTURE_DESCRIBE.name, {"captureId": options.capture})
    _print_description(options, speaker.Description.model_validate(result))
    return 0


async def find(options: argparse.Namespace) -> int:
    """Tell where a clip occurs; 1 if nowhere."""
    async with await _held_by(options) as rpc:
        local = Path(options.clip)
        path = await rpc.upload(local) if await asyncio.to_thread(local.is_file) else options.clip
        params = {"captureId": options.capture, "filePath": path}
        result = await rpc.call(speaker.CAPTURE_FIND.name, params)
    found = speaker.FindResult.model_validate(result)
    if options.json:
        commands.print_json(found.to_wire())
    else:
        rows = [(f"{one.at:.3f} s", f"{one.score:.3f}") for one in found.matches]
        commands.print_table(("at", "score"), rows)
    return 0 if found.matches else 1


async def record(options: argparse.Namespace) -> int:
    """Record for some seconds, on the daemon's clock."""
    if not options.seconds > 0:
        raise commands.UsageError("SECONDS must be more than 0")
    async with commands.session(options) as swan:
        capture = await swan.control.speaker.capture.start(options.session)
        if swan.session.clock.mode == "virtual":
            await swan.control.clock.advance(options.seconds)
        else:
            await asyncio.sleep(options.seconds)
        ended = await swan.control.speaker.capture.stop(capture)
        description = await swan.control.speaker.capture.describe(capture)
        url = await swan.control.file.url(ended.file_path)
        async with Rpc(commands.address(options)) as rpc:
            await rpc.download(url, Path(options.output))
    _print_description(options, description, file=options.output)
    return 0


def _print_description(options: argparse.Namespace, description: speaker.Description, **more: Any) -> None:
    if options.json:
        commands.print_json({**more, **description.to_wire()})
        return
    commands.print_mapping({**more, "duration": f"{description.duration:.3f} s"})
    commands.print_table(
        ("start", "end", "kind", "rms", "peak", "frequency"),
        [
            (
                f"{one.start:.3f}",
                f"{one.end:.3f}",
                one.kind,
                "" if one.kind == "silence" else f"{one.rms:.1f} dBFS",
                "" if one.peak is None else f"{one.peak:.1f} dBFS",
                "" if one.kind == "silence" else f"{one.dominant_frequency:.1f} Hz",
            )
            for one in description.segments
        ],
    )
    for hole in description.dropouts:
        print(f"drop-out of {hole.length * 1000:.1f} ms at {hole.at:.3f} s")
