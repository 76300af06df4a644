"""A private PulseAudio server with a null sink, for tests that need a real sound device path."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# Without norewinds=1 a null sink sleeps for up to 2 s, which looks like a dead device.
_SCRIPT = """\
load-module module-native-protocol-unix socket={folder}/pulse.sock auth-anonymous=1
load-module module-null-sink norewinds=1 sink_name={sink}
"""

_ASOUND = """\
pcm.!default {{ type pulse device "{sink}" hint {{ show on description "default" }} }}
pcm.{sink} {{ type pulse device "{sink}" hint {{ show on description "{sink}" }} }}
"""


class Pulse:
    """The server; `environment` makes a child use it. It can be killed and frozen like the real thing."""

    def __init__(self, folder: Path, sink: str) -> None:
        self.sink = sink
        self.folder = folder
        self.environment = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": f"unix:{folder}/pulse.sock",
            "PULSE_COOKIE": f"{folder}/cookie",
        }
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "lab.pa").write_text(_SCRIPT.format(folder=folder, sink=sink))
        (folder / ".asoundrc").write_text(_ASOUND.format(sink=sink))

    def start(self, patience: float = 10.0) -> None:
        """Start it and wait until it answers."""
        (self.folder / "pulse.sock").unlink(missing_ok=True)
        options = "--daemonize=no --exit-idle-time=-1 --disallow-exit --use-pid-file=no --realtime=no"
        self._process = subprocess.Popen(
            ["pulseaudio", "-n", "-F", str(self.folder / "lab.pa"), *options.split(), "--high-priority=no"],
            env={**os.environ, **self.environment},
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + patience
        while self.control("info").returncode:
            assert time.monotonic() < end, "pulseaudio does not come up"

    def control(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run pactl."""
        return subprocess.run(
            ["pactl", *arguments], env={**os.environ, **self.environment}, capture_output=True, check=False
        )

    def record(self) -> subprocess.Popen[bytes]:
        """Record what the sink plays: raw s16le stereo at 48 kHz on stdout."""
        options = ["--raw", "--format=s16le", "--rate=48000", "--channels=2", "--latency-msec=20"]
        return subprocess.Popen(
            ["parecord", "-d", f"{self.sink}.monitor", *options],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal; SIGKILL is waited for."""
        assert self._process
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def stop(self) -> None:
        """End the server, whatever state it is in."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def private_pulse(sink: str = "lab_sink") -> Iterator[Pulse]:
    """Run a server of our own for a while."""
    with tempfile.TemporaryDirectory(prefix="swanbridge-pulse-") as folder:
        pulse = Pulse(Path(folder), sink)
        try:
            pulse.start()
            yield pulse
        finally:
            pulse.stop()
