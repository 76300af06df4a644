"""A real daemon process for tests: started on a free port, found by its ready file, stopped in the end."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_PATIENCE = 30.0  # seconds; an emulated machine needs ten
STOP_PATIENCE = 10.0


class RunningDaemon:
    """A daemon of one's own, with virtual devices and the virtual clock unless told otherwise.

    As a context manager it runs inside the block. `url` is its address, `ws` its WebSocket, `token` the start-up
    token; `package_dir` is a directory whose sub-directories may be a `packageRoot`; `log` holds its stderr.
    """

    def __init__(
        self,
        *,
        clock: str = "virtual",
        devices: str = "virtual",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self._clock = clock
        self._devices = devices
        self._arguments = list(arguments)
        self._environment = dict(environment or {})
        self._made: tempfile.TemporaryDirectory[str] | None = None
        if home is None:
            self._made = tempfile.TemporaryDirectory(prefix="swanbridge-test-")
            home = Path(self._made.name)
        self.home = home
        self.package_dir = home / "packages"
        self.log_path = home / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = self.ws = self.token = ""

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it takes calls; `RuntimeError` with its log if it does not."""
        self.package_dir.mkdir(parents=True, exist_ok=True)
        runtime = self.home / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        ready = self.home / "ready.json"
        ready.unlink(missing_ok=True)
        command = [
            *(sys.executable, "-m", "swanbridge_daemon", "serve"),
            *("--port", "0", "--devices", self._devices, "--clock", self._clock),
            *("--state-dir", str(self.home / "state"), "--package-dir", str(self.package_dir)),
            *("--ready-file", str(ready)),
            *self._arguments,
        ]
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(runtime),
            "HOME": str(self.home),
            **self._environment,
        }
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_PATIENCE)
        line = self.process.stdout.readline() if readable else b""
        if not line.startswith(b"swanbridged ready "):
            self.stop()
            raise RuntimeError(f"the daemon did not start:\n{self.log}")
        facts = json.loads(ready.read_text())
        self.url, self.ws, self.token = facts["url"], facts["ws"], facts["token"]

    def stop(self) -> int:
        """Stop it as an operator would; returns its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        status = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
        return status

    def close(self) -> None:
        """Stop it and delete what it left."""
        self.stop()
        if self._made is not None:
            self._made.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
