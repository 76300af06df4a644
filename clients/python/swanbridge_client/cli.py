"""The command `swanbridge`: talks to a running daemon."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from swanbridge_protocol import Scope, SwanError
from swanbridge_protocol.catalogue import METHODS

from . import capture_commands, commands
from .completion import suggest
from .errors import ConnectionRefused, DaemonNotFound

EPILOG = """exit codes: 0 done; 1 the call or a step failed; 2 wrong usage; 3 no daemon was found or it refused us;
130 interrupted. With --json the errors behind 1 and 3 are one JSON object on standard error, {code, name, errMsg}.
Without --url the daemon is found by its ready file ($SWANBRIDGE_READY_FILE, else ready.json in
the user's runtime directory); `swanbridged serve` starts one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "completion":
            from .completion import script

            print(script(parser, options.shell))
            return 0
        status: int = asyncio.run(options.run(options))
        sys.stdout.flush()
        return status
    except (DaemonNotFound, ConnectionRefused) as error:
        _complain(options, error, str(error))
        return 3
    except SwanError as error:
        _complain(options, error, f"{error.name} ({error.code}): {error}")
        return 1
    except commands.UsageError as error:
        print(f"swanbridge: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader had enough (`| head`); nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _complain(options: argparse.Namespace, error: SwanError, sentence: str) -> None:
    if options.json:
        told = {"code": error.code, "name": error.name, "errMsg": error.err_msg}
        print(json.dumps(told, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"swanbridge: {sentence}", file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of everything."""
    parser = argparse.ArgumentParser(
        prog="swanbridge",
        description="Talks to a running swanbridge daemon.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"swanbridge {_version()}")
    _common(parser, inner=False)
    parents = [argparse.ArgumentParser(add_help=False)]
    _common(parents[0], inner=True)
    below = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    call = below.add_parser("call", parents=parents, help="make one call and print its result as JSON")
    suggest(call.add_argument("method", metavar="METHOD", help="wire name, such as clock.now"), METHODS)
    call.add_argument(
        "params",
        metavar="JSON",
        nargs="?",
        default="{}",
        help="params as JSON; @FILE reads a file, - standard input",
    )
    call.add_argument("--session", metavar="ID", help="call inside this session instead of one of our own")
    call.add_argument("--app-id", default=commands.APP_ID, help="program to be, in a session of our own")
    call.add_argument("--package-root", metavar="DIR", help="its files, in a session of our own")
    call.set_defaults(run=commands.call)

    events = below.add_parser("events", parents=parents, help="print events as JSON lines")
    events.add_argument("--follow", "-f", action="store_true", help="go on with what comes")
    events.add_argument("--session", metavar="ID", help="of this session only")
    events.set_defaults(run=commands.events)

    devices = below.add_parser("devices", parents=parents, help="list the devices")
    devices.set_defaults(run=commands.devices)
    sessions = below.add_parser("sessions", parents=parents, help="list the open sessions")
    sessions.set_defaults(run=commands.sessions)

    _add_capture(below.add_parser("capture", help="record and examine what the speaker plays"), parents)

    demo = below.add_parser("demo", help="start a private daemon and show everything it can do")
    demo.add_argument(
        "directory", metavar="DIR", nargs="?", default="swanbridge-demo", help="where to leave files"
    )
    demo.set_defaults(run=commands.demo)

    schema = below.add_parser("schema", help="print the protocol's description")
    schema.add_argument("form", choices=("openrpc", "typescript", "markdown"))
    schema.set_defaults(run=commands.schema, version=_version())

    token = below.add_parser("token", parents=parents, help="sign a narrower token with the start-up token")
    token.add_argument("--scope", required=True, choices=[one.name.lower() for one in Scope])
    token.add_argument("--app-id", metavar="A", help="for this program only")
    token.add_argument("--expires", metavar="TIME", help="90s, 5m, 1h, 2d; never if absent")
    token.set_defaults(run=commands.token)

    completion = below.add_parser("completion", help="print a script for tab completion")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def _add_capture(capture: argparse.ArgumentParser, parents: list[argparse.ArgumentParser]) -> None:
    below = capture.add_subparsers(dest="action", required=True, metavar="ACTION")
    held = argparse.ArgumentParser(add_help=False)
    held.add_argument(
        "--session", metavar="ID", help="the session that holds the capture; needed if several are open"
    )
    start = below.add_parser("start", parents=[*parents, held], help="begin a capture and print its id")
    start.add_argument("--all", action="store_true", help="the whole mix instead of the session's share")
    start.set_defaults(run=capture_commands.start)
    for name, told, run in (
        ("stop", "end a capture", capture_commands.stop),
        ("describe", "tell what a capture holds", capture_commands.describe),
        ("find", "tell where a clip occurs in a capture", capture_commands.find),
    ):
        one = below.add_parser(name, parents=[*parents, held], help=told)
        one.add_argument("capture", metavar="CAPTURE", help="its id, as start printed it")
        one.set_defaults(run=run)
        if name == "stop":
            one.add_argument("--output", "-o", metavar="FILE", help="write the WAV here, too")
        elif name == "find":
            one.add_argument("clip", metavar="FILE", help="a local sound file, or a path of the session")
    record = below.add_parser("record", parents=parents, help="record for some seconds into a WAV")
    record.add_argument("seconds", metavar="SECONDS", type=float)
    record.add_argument("--session", metavar="ID", default="all", help='only this session (default "all")')
    record.add_argument("--output", "-o", metavar="FILE", default="capture.wav", help="default %(default)s")
    record.set_defaults(run=capture_commands.record)


def _common(parser: argparse.ArgumentParser, *, inner: bool) -> None:
    # After the sub-command they must not undo, by a default, what was said before it.
    absent = argparse.SUPPRESS if inner else None
    parser.add_argument("--url", default=absent, metavar="URL", help="the daemon's address")
    parser.add_argument("--token", default=absent, metavar="TOKEN", help="its token, if the address has none")
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS if inner else False,
        help="machine-readable output",
    )


def _version() -> str:
    try:
        return version("swanbridge")
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
