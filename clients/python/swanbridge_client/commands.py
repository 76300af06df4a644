"""What the sub-commands of `swanbridge` do. Each gets the parsed options and returns its exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from swanbridge_protocol import Scope

from .discovery import Address, find
from .rpc import Rpc
from .swan import Swan, connect
from .tokens import seconds, sign

APP_ID = "swanbridge-cli"
PAGE = 1000  # events read at once
LOOK_AGAIN = 0.5  # seconds between looks for new sessions to follow


class UsageError(Exception):
    """What was typed can't be meant; the sentence says why."""


def address(options: argparse.Namespace) -> Address:
    """Return the daemon to talk to."""
    try:
        return find(options.url, options.token)
    except ValueError as error:
        raise UsageError(str(error)) from None


def session(options: argparse.Namespace, **more: Any) -> connect:
    """Return a session of our own, to be entered."""
    found = address(options)
    return connect(found.base, token=found.token, **{"app_id": APP_ID, **more})


async def call(options: argparse.Namespace) -> int:
    """Make one call."""
    params = read_params(options.params)
    if options.session is not None:
        async with Rpc(address(options), options.session) as rpc:
            result = await rpc.call(options.method, params)
    else:
        async with session(options, app_id=options.app_id, package_root=options.package_root) as swan:
            result = await swan.call(options.method, params)
    print_json(result)
    return 0


def read_params(text: str) -> dict[str, Any]:
    """Return the params that `JSON`, `@FILE` or `-` stand for."""
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text()
        params = json.loads(text)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the params are not JSON: {error}") from error
    if not isinstance(params, dict):
        raise UsageError('the params are one JSON object, such as \'{"src": "/t.mp3"}\'')
    return params


async def events(options: argparse.Namespace) -> int:
    """Print events."""
    async with session(options) as swan:
        if not options.follow:
            for line in await past_events(swan, options.session):
                print(json.dumps(line))
            return 0
        await _follow(swan, address(options), options.session)
    return 0


async def past_events(swan: Swan, session_id: str | None) -> list[dict[str, Any]]:
    """Return what the journals hold, of one session or of all but our own, in order of time."""
    lines: list[dict[str, Any]] = []
    for one in [session_id] if session_id is not None else await others(swan):
        from_seq = 1
        while True:
            page = (await swan.control.journal.read(one, from_seq=from_seq, limit=PAGE)).entries
            lines += [{"sessionId": one, **entry} for entry in page]
            if len(page) < PAGE:
                break
            from_seq = page[-1]["params"]["seq"] + 1
    return sorted(lines, key=lambda line: float(line["params"]["at"]))


async def others(swan: Swan) -> list[str]:
    """Return the ids of all sessions but our own."""
    listed = (await swan.control.session.list()).sessions
    return [one.session_id for one in listed if one.session_id != swan.session.session_id]


async def _follow(swan: Swan, at: Address, session_id: str | None) -> None:
    following: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            for one in [session_id] if session_id is not None else await others(swan):
                if one not in following:
                    following[one] = group.create_task(_print_stream(at, one))
            if session_id is not None:
                return
            await asyncio.sleep(LOOK_AGAIN)


async def _print_stream(at: Address, session_id: str) -> None:
    async with Rpc(at, session_id) as rpc, await rpc.events() as stream:
        if stream.status != 200:
            raise UsageError((await stream.text()).strip())
        name = ""
        try:
            async for raw in stream.content:
                kind, _, rest = raw.decode().rstrip("\n").partition(": ")
                if kind == "event":
                    name = rest
                elif kind == "data":
                    line = {"sessionId": session_id, "method": name, "params": json.loads(rest)}
                    print(json.dumps(line), flush=True)
        except aiohttp.ClientPayloadError:
            return  # the daemon went away in the middle


async def devices(options: argparse.Namespace) -> int:
    """List the devices."""
    async with session(options) as swan:
        listed = await swan.control.device.list()
    if options.json:
        print_json(listed.to_wire())
    else:
        print_table(
            ("", "kind", "id", "name", ""),
            [
                (
                    "*" if one.selected else "",
                    one.kind,
                    one.device_id,
                    one.name,
                    " ".join(["virtual"] * one.virtual + ["absent"] * (not one.present)),
                )
                for one in listed.devices
            ],
        )
    return 0


async def sessions(options: argparse.Namespace) -> int:
    """List the sessions but our own."""
    async with session(options) as swan:
        listed = await swan.control.session.list()
        shown = [one for one in listed.sessions if one.session_id != swan.session.session_id]
    if options.json:
        print_json({"sessions": [one.to_wire() for one in shown]})
    else:
        print_table(
            ("session", "program", "opened", "events", ""),
            [
                (
                    one.session_id,
                    one.app_id,
                    f"{one.opened_at:.3f} s",
                    str(one.seq),
                    "" if one.connected else "disconnected",
                )
                for one in shown
            ],
        )
    return 0


async def demo(options: argparse.Namespace) -> int:
    """Show everything."""
    from .demo import run

    return await run(Path(options.directory))


async def schema(options: argparse.Namespace) -> int:
    """Print the protocol's description."""
    from swanbridge_protocol import schema as protocol

    if options.form == "openrpc":
        print_json(protocol.openrpc(options.version))
    else:
        print(protocol.typescript() if options.form == "typescript" else protocol.markdown())
    return 0


async def token(options: argparse.Namespace) -> int:
    """Sign a token."""
    try:
        expires = None if options.expires is None else seconds(options.expires)
        signed = sign(address(options).token, Scope[options.scope.upper()], options.app_id, expires)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if options.json:
        print_json({"token": signed})
    else:
        print(signed)
    return 0


def print_json(value: Any) -> None:
    """Print something as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_mapping(facts: Mapping[str, Any]) -> None:
    """Print names and values."""
    for name, value in facts.items():
        print(f"{name}: {value}")
