"""The composition root: the only file that knows everybody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from swanbridge_protocol import PROTOCOL_VERSION
from swanbridge_protocol.discovery import DISCOVER
from swanbridge_protocol.errors import InvalidParams

from . import __version__
from .config import SettingError, Settings, runtime_directory
from .core.api import answers, collect
from .core.bus import Bus
from .core.clock import Clock, SystemClock, VirtualClock
from .core.session import Caller, Outlet
from .core.tasks import Tasks
from .engines.channel import Channel
from .engines.fleet import Fleet
from .engines.library import Library
from .engines.playback import Playback
from .engines.speaker import EngineSpeaker
from .rpc.auth import Door, Tokens
from .rpc.calls import Calls
from .rpc.dispatch import Dispatcher
from .rpc.files import FileRoutes
from .rpc.metrics import Metrics, Reading
from .rpc.server import Server
from .services.clock import ClockService
from .services.inner_audio import InnerAudioService
from .services.sessions import SessionService
from .services.speaker import SpeakerService
from .storage.fetch import Fetcher
from .storage.home import Storage
from .storage.problems import FileProblem
from .storage.sources import PortFiles, SourceOpener
from .storage.wire import NetworkPolicy

log = logging.getLogger(__name__)

HERE = Path(__file__).resolve().parent
READER_PATIENCE = 10.0  # seconds that the virtual clock waits for a program to read; then 1013, it may resume
STOP_WITHIN = 4.5  # seconds from the signal to the end


class Daemon:
    """Everything that makes up a daemon; made inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = VirtualClock() if settings.clock == "virtual" else SystemClock()
        self._virtual = isinstance(self.clock, VirtualClock)
        self._tasks = Tasks()
        self._document: dict[str, Any] | None = None
        self._names = 0
        for folder in settings.package_dir:
            if not Path(folder).is_dir():
                raise SettingError(f"--package-dir {folder}: there is no such directory")
        if any(origin.lower() == "null" for origin in settings.allow_origin):
            raise SettingError(
                "--allow-origin null: a page without an origin is never let in; serve it over http"
            )
        self.tokens = Tokens(_master_token(settings))
        try:
            self._storage = Storage(
                Path(settings.state_dir),
                [Path(folder) for folder in settings.package_dir],
                settings.temp_quota,
            )
        except FileProblem as problem:
            raise SettingError(problem.sentence) from problem

        self._fetcher = Fetcher(
            self._storage.cache_dir, NetworkPolicy("deny" if settings.private_network == "deny" else "allow")
        )
        sources = SourceOpener(self._fetcher)
        self._fleet = Fleet(clock_mode=settings.clock, decoders=settings.decoders)
        library = Library(self._fleet)
        self._playback = Playback(self._fleet, library, sources, self.clock)
        hardware = settings.devices != "virtual" and not self._virtual
        self._speaker = EngineSpeaker(
            self._fleet,
            library,
            sources,
            device=settings.speaker if hardware else "virtual",
            latency=settings.speaker_latency,
            fall_back=settings.devices == "auto",
        )
        self._fleet.on_audio = self._playback.take
        self._fleet.on_audio_up = self._audio_up
        self._fleet.on_audio_down = self._playback.audio_down
        self._fleet.on_decoder = lambda index, message: library.wanted(message)
        self._fleet.on_decoder_down = self._playback.decoder_down

        bus = Bus(self.clock)
        self._bus = bus
        self._sessions = SessionService(self.clock, self._make_files, name="swanbridge", version=__version__)
        self._files = FileRoutes(self._sessions, self.tokens)
        self._calls = Calls(
            collect(
                [
                    self,
                    self._sessions,
                    self._files,
                    ClockService(self.clock),
                    SpeakerService(self._speaker, self._sessions.find),
                    InnerAudioService(self._playback, self.clock, bus),
                ]
            ),
            settle=self._virtual,
        )
        if isinstance(self.clock, VirtualClock):
            self.clock.play_until = self._playback.play_until
            self.clock.settle = self._settled
        self._dispatcher = Dispatcher(self._calls.handlers())
        client = HERE / "console" / "client"
        self._server = Server(
            self._dispatcher,
            self._sessions,
            self.tokens,
            Door([*settings.allow_host, settings.host], settings.allow_origin),
            self._files,
            Metrics(self._readings),
            discover=self.document,
            ready=self.readiness,
            console=HERE / "console",
            client=client if client.is_dir() else HERE.parents[1] / "clients" / "js" / "src",
            keep_all=self._virtual,
            calls_per_second=settings.calls_per_second,
        )
        self._written: list[Path] = []

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Listen and tell that calls can be taken; returns the console's address."""
        settings = self.settings
        unix = Path(settings.unix) if settings.unix else None
        try:
            await self._server.start(settings.host, settings.port, unix)
        except OSError as error:
            what = f"--unix {settings.unix} or " if unix else ""
            raise SettingError(
                f"{what}--host {settings.host} --port {settings.port}: {error.strerror or error}"
            ) from error
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        host = f"[{host}]" if ":" in host else host
        base = f"http://{host}:{self._server.port}"
        self._files.base_url = base
        self._write_ready_files(base)
        notify("READY=1")
        self._tasks.spawn(self._watchdog(), "watchdog")
        # Warmed up now that calls can be taken; the first play need not wait for it.
        asyncio.get_running_loop().call_later(0.05, self._fleet.start)
        return f"{base}/?token={self.tokens.master}"

    async def stop(self) -> None:
        """Stop taking calls, tell clients, end everything; within `STOP_WITHIN`."""
        notify("STOPPING=1")
        self._calls.closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN):
                await self._sessions.end_all()
                await self._server.close()
                await self._fetcher.close()
        await self._playback.tasks.close()
        await self._fleet.close()
        await self._tasks.close()
        self._storage.close()
        for path in self._written:
            _remove_own(path)

    def _write_ready_files(self, base: str) -> None:
        content = json.dumps(
            {
                "url": base,
                "ws": f"ws{base.removeprefix('http')}/ws",
                "token": self.tokens.master,
                "pid": os.getpid(),
                "version": __version__,
                "protocol": PROTOCOL_VERSION,
            }
        )
        own = Path(self.settings.ready_file) if self.settings.ready_file else None
        try:
            if own is not None:
                _write_private(own, content)
                self._written.append(own)
        except OSError as error:
            raise SettingError(f"--ready-file {own}: {error.strerror}") from error
        found = runtime_directory() / "ready.json"
        try:
            found.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (other := _living_daemon(found)) is not None:
                log.warning(
                    "process %d is the daemon that the command swanbridge finds; name us by --url", other
                )
            elif found.parent.stat().st_uid == os.getuid():
                _write_private(found, content)
                self._written.append(found)
        except OSError as error:
            log.warning("%s can't be written, the command swanbridge won't find us: %s", found, error)

    async def _watchdog(self) -> None:
        every = int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
        while every > 0:
            await asyncio.sleep(every)
            notify("WATCHDOG=1")

    # --- parts of others ----------------------------------------------------------------------------------

    def _audio_up(self, channel: Channel) -> None:
        self._playback.audio_up(channel)
        if self._speaker.wanted != "virtual":
            self._tasks.spawn(self._speaker.engine_up(channel), "opening the speaker")

    def _make_files(self, session_id: str, package_root: str | None) -> PortFiles:
        try:
            return PortFiles(self._storage.open_session(package_root, self._name))
        except FileProblem as problem:
            raise InvalidParams(problem.sentence) from problem

    def _name(self) -> str:
        if self._virtual:
            self._names += 1
            return f"{self._names:032x}"
        return secrets.token_hex(16)

    async def _settled(self) -> None:
        """Wait for accepted work, and for readers: nothing is coalesced on the virtual clock."""
        for session in list(self._sessions.sessions.values()):
            await self._calls.quiet(session)
            if session.outlet is not None:
                await self._let_read(session.outlet)
        await self._sessions.settled()
        await self._playback.pending.settled()

    @staticmethod
    async def _let_read(outlet: Outlet) -> None:
        try:
            async with asyncio.timeout(READER_PATIENCE):
                await outlet.drained()
        except TimeoutError:
            outlet.give_up()  # one program does not stop everybody's clock

    @answers(DISCOVER)
    def discover(self, caller: Caller, params: object) -> dict[str, Any]:
        """Describe every method and event."""
        return self.document()

    def document(self) -> dict[str, Any]:
        """Return the OpenRPC document, made at its first use."""
        if self._document is None:
            from swanbridge_protocol.schema import openrpc

            self._document = openrpc(__version__)
        return self._document

    def readiness(self) -> dict[str, Any]:
        """Tell whether calls are answered without waiting for an engine."""
        engines = {
            engine.label: "up" if engine.is_up else "starting"
            for engine in (self._fleet.audio, *self._fleet.decoders)
        }
        return {
            "ready": not self._calls.closing,
            "version": __version__,
            "engines": engines,
            "processes": self._fleet.processes(),
            "speaker": self._speaker.describe_opened(),
            "notes": sorted({note for engine in self._fleet.decoders for note in engine.notes}),
        }

    def _readings(self) -> Iterable[Reading]:
        yield "sessions", "Open sessions.", "gauge", len(self._sessions.sessions)
        yield "calls", "Calls answered.", "counter", self._dispatcher.calls
        yield "errors", "Calls answered with an error.", "counter", self._dispatcher.errors
        yield "events", "Events published.", "counter", self._bus.published
        yield "underflows", "Times that the speaker ran dry.", "counter", self._playback.underflows
        restarts = sum(max(0, one.starts - 1) for one in (self._fleet.audio, *self._fleet.decoders))
        yield "engine_restarts", "Engines started again.", "counter", restarts


def _master_token(settings: Settings) -> str | None:
    if not settings.token_file:
        return None
    path = Path(settings.token_file)
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        try:
            _write_private(path, token + "\n")
        except OSError as error:
            raise SettingError(f"--token-file {path}: {error.strerror}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"--token-file {path}: {error}") from error
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingError(
            f"--token-file {path}: a token is at least 16 printable ASCII characters without blanks"
        )
    return token


def _write_private(path: Path, content: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _living_daemon(ready_file: Path) -> int | None:
    """Return the process id in another daemon's ready file, if that process lives."""
    try:
        pid = int(json.loads(ready_file.read_text())["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if pid != os.getpid() else None


def _remove_own(path: Path) -> None:
    """Remove a ready file unless another daemon has written it since."""
    with contextlib.suppress(OSError, ValueError):
        if json.loads(path.read_text())["pid"] == os.getpid():
            path.unlink()


def notify(state: str) -> None:
    """Tell systemd, if it started us (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.send(state.encode())
