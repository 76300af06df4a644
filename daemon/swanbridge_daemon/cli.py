"""The command `swanbridged`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import signal
import sys
from typing import Any, NoReturn

from . import __version__
from .config import Loaded, SettingError, Settings, add_options, load


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status (2: wrong usage or settings)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        loaded = load(vars(options), os.environ)
        if options.command == "serve":
            return _serve(loaded.settings)
        if options.command == "config":
            return _config(loaded, as_json=options.json)
        if options.command == "doctor":
            from .doctor import examine

            return examine(loaded.settings, as_json=options.json)
        from swanbridge_client.completion import script

        print(script(parser, options.shell))
        return 0
    except SettingError as error:
        print(f"swanbridged: {error}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        print(f"swanbridged: {message} (--help lists what there is)", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="swanbridged",
        description="Owns the camera, the microphone and the speaker, and serves swan.* on them.",
    )
    parser.add_argument("--version", action="version", version=f"swanbridged {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the daemon")
    add_options(serve)
    doctor = commands.add_parser("doctor", help="try every device path of this machine and say what to mend")
    add_options(doctor)
    doctor.add_argument("--json", action="store_true", help="machine-readable output")
    config = commands.add_parser("config", help="print the effective settings and where each came from")
    add_options(config)
    config.add_argument("--json", action="store_true", help="machine-readable output")
    completion = commands.add_parser("completion", help="print a script for tab completion")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def _serve(settings: Settings) -> int:
    _log_to_stderr(settings)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    from .app import Daemon

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    daemon = Daemon(settings)
    try:
        address = await daemon.start()
        print(f"swanbridged ready {address}", flush=True)
        await stop.wait()
    finally:
        await daemon.stop()
    return 0


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _log_to_stderr(settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_JsonFormatter() if settings.log_format == "json" else text)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    logging.getLogger("jsonrpcserver").setLevel(logging.CRITICAL)


def _config(loaded: Loaded, *, as_json: bool) -> int:
    rows = []
    for setting in dataclasses.fields(Settings):
        value = getattr(loaded.settings, setting.name)
        shown = "***" if setting.metadata.get("secret") and value else value
        rows.append({"name": setting.name, "value": shown, "origin": loaded.origins[setting.name]})
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        wide = max(len(row["name"]) for row in rows)
        for row in rows:
            print(f"{row['name']:<{wide}}  {json.dumps(row['value'])}  ({row['origin']})")
    return 0
