"""A real audio engine process, and what stands on the other ends of its sockets: us."""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from swanbridge_media import messages as m
from swanbridge_media.wire import Peer, PeerGone

Floats = npt.NDArray[np.float32]
M = TypeVar("M", bound=m.Message)

DAEMON = Path(__file__).parents[2] / "daemon"
PATIENCE = 10.0


def tone(frequency: float, seconds: float, level: float = 0.25) -> Floats:
    """Stereo, [frames, 2], of 16-bit values."""
    time_line = np.arange(round(seconds * m.MIX_RATE)) / m.MIX_RATE
    mono = np.rint(np.sin(2 * np.pi * frequency * time_line) * level * 32768) / 32768
    return np.repeat(mono.astype(np.float32)[:, None], 2, axis=1)


class Decoder:
    """The decoder's side of a link: media are arrays. `hold` makes it answer nothing until `release`."""

    def __init__(self, sock: socket.socket) -> None:
        self.peer: Peer[m.Fill | m.MapSlab | m.DropVoice] = Peer(sock, m.LinkToDecoder)
        self.media: dict[int, Floats] = {}
        self.broken_at: dict[int, int] = {}  # media -> frame where decoding breaks off
        self.rows: dict[int, Floats] = {}
        self.cursors: dict[int, int] = {}
        self.fills: list[m.Fill] = []
        self.held: list[m.Fill] | None = None
        self.dropped: list[int] = []

    def hold(self) -> None:
        self.held = []

    def release(self) -> None:
        held, self.held = self.held or [], None
        for fill in held:
            self._fill(fill)
        self.peer.flush()

    def send_clip(self, clip: int, sound: Floats, *, seal: bool = True) -> None:
        flags = os.MFD_CLOEXEC | (os.MFD_ALLOW_SEALING if seal else 0)
        descriptor = os.memfd_create("clip", flags)
        os.write(descriptor, sound.tobytes())
        self.peer.send(m.ClipData(clip, len(sound)), descriptor)
        os.close(descriptor)
        self.peer.flush()

    def serve(self) -> None:
        for message, descriptor in self.peer.receive():
            if isinstance(message, m.MapSlab):
                assert descriptor is not None
                import mmap

                memory = mmap.mmap(descriptor, 0)
                os.close(descriptor)
                self.rows[message.slab] = np.frombuffer(memory, np.float32).reshape(
                    m.SLAB_ROWS, m.RING_FRAMES, m.CHANNELS
                )
            elif isinstance(message, m.DropVoice):
                self.dropped.append(message.voice)
            else:
                self.fills.append(message)
                if self.held is not None:
                    self.held.append(message)
                else:
                    self._fill(message)
        self.peer.flush()

    def _fill(self, ask: m.Fill) -> None:
        sound = self.media[ask.media]
        if ask.rate != 1.0:  # no pitch kept here: positions are what matters
            sound = sound[np.arange(0, len(sound), ask.rate).astype(int)]
        stop = min(self.broken_at.get(ask.media, len(sound)), len(sound))
        if ask.position >= 0:
            self.cursors[ask.voice] = min(round(ask.position / ask.rate * m.MIX_RATE), stop)
        cursor = self.cursors[ask.voice]
        position = cursor * ask.rate / m.MIX_RATE
        row = self.rows[ask.slab][ask.row]
        marks: list[tuple[int, float]] = []
        done = 0
        is_broken = ask.media in self.broken_at
        while done < ask.frames and cursor < stop:
            count = min(ask.frames - done, stop - cursor)
            columns = (ask.column + done + np.arange(count)) % m.RING_FRAMES
            row[columns] = sound[cursor : cursor + count]
            done += count
            cursor += count
            if cursor == stop and ask.loop and not is_broken:
                marks.append((done, 0.0))
                cursor = 0
        self.cursors[ask.voice] = cursor
        ended = cursor >= stop
        self.peer.send(
            m.Filled(
                voice=ask.voice,
                token=ask.token,
                frames=done,
                position=position,
                marks=marks,
                ended=ended and not is_broken,
                duration=len(self.media[ask.media]) / m.MIX_RATE if ended and not is_broken else -1.0,
                kind="format" if ended and is_broken else "",
                error="broken" if ended and is_broken else "",
            )
        )


class Bench:
    """The daemon's side. Everything received is kept in `seen`; `wait` serves the decoders meanwhile."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, *, is_virtual: bool) -> None:
        self.process = process
        self.control: Peer[m.Message] = Peer(control, m.FromAudio)
        self.decoders: dict[int, Decoder] = {}
        self.seen: list[m.Message] = []
        self.is_virtual = is_virtual
        self._rid = 0

    def rid(self) -> int:
        self._rid += 1
        return self._rid

    def attach(self, index: int = 0) -> Decoder:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.send(m.AttachDecoder(index), theirs.fileno())
        theirs.close()
        self.control.flush()
        self.decoders[index] = Decoder(ours)
        return self.decoders[index]

    def send(self, *messages: m.Message) -> None:
        for message in messages:
            self.control.send(message)
        self.control.flush()

    def turn(self, timeout: float) -> None:
        """Serve whatever is ready once."""
        self.control.flush()
        watched: list[Peer[m.Message] | Decoder] = [self.control, *self.decoders.values()]
        sockets = [one if isinstance(one, Peer) else one.peer for one in watched]
        ready, _, _ = select.select(sockets, [], [], timeout)
        for one, peer in zip(watched, sockets, strict=True):
            if peer not in ready:
                continue
            if isinstance(one, Decoder):
                with contextlib.suppress(PeerGone):
                    one.serve()
            else:
                self.seen += [message for message, _ in self.control.receive()]

    def wait(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"waited in vain; seen: {self.seen[-10:]}"
            self.turn(left)

    def wait_for(
        self, kind: type[M], check: Callable[[M], bool] = lambda _: True, patience: float = PATIENCE
    ) -> M:
        found: list[M] = []

        def is_there() -> bool:
            found.extend(one for one in self.seen if isinstance(one, kind) and check(one))
            return bool(found)

        self.wait(is_there, patience)
        return found[0]

    def edges(self, voice: int, kind: str) -> list[m.Edge]:
        return [e for e in self.seen if isinstance(e, m.Edge) and e.voice == voice and e.kind == kind]

    def edge(self, voice: int, kind: str, count: int = 1, patience: float = PATIENCE) -> m.Edge:
        self.wait(lambda: len(self.edges(voice, kind)) >= count, patience)
        return self.edges(voice, kind)[count - 1]

    def load(
        self,
        voice: int,
        sound: Floats | None = None,
        *,
        owner: int = 1,
        decoder: int = 0,
        clip: int = -1,
        position: float = 0.0,
        loop: bool = False,
        gain: float = 1.0,
        rate: float = 1.0,
    ) -> None:
        """Load a voice whose medium has the voice's number, and wait until it is ready."""
        if sound is not None:
            self.decoders[decoder].media[voice] = sound
        before = len(self.edges(voice, "ready"))
        source = (-1, 0, clip) if clip >= 0 else (decoder, voice, -1)
        self.send(m.LoadVoice(voice, owner, *source, position, rate, loop, gain))
        self.edge(voice, "ready", before + 1)

    def render(self, until: float) -> float:
        """Play on to `until` seconds; the time reached."""
        rid = self.rid()
        self.send(m.Render(rid, round(until * m.MIX_RATE)))
        return self.wait_for(m.Rendered, lambda one: one.rid == rid).frame / m.MIX_RATE

    def render_through(self, until: float) -> None:
        """Play on to `until` whatever happens on the way."""
        while self.render(until) < until:
            pass

    def capture(self, number: int = 1, owner: int = -1, file: Path | None = None) -> int:
        """Begin a capture; gives the file's descriptor."""
        descriptor = (
            os.open(file, os.O_RDWR | os.O_CREAT) if file else os.memfd_create("capture", os.MFD_CLOEXEC)
        )
        rid = self.rid()
        self.control.send(m.StartCapture(rid, number, owner), descriptor)
        self.control.flush()
        self.wait_for(m.Done, lambda one: one.rid == rid)
        return descriptor

    def stop(self, descriptor: int, number: int = 1) -> tuple[Floats, m.CaptureStopped]:
        """Complete a capture: its samples [frames, 2] and what the engine says of it."""
        rid = self.rid()
        self.send(m.StopCapture(rid, number))
        answer = self.wait_for(m.CaptureStopped, lambda one: one.rid == rid)
        sound = read_wav(descriptor)
        os.close(descriptor)
        return sound, answer

    def ping(self) -> None:
        rid = self.rid()
        self.send(m.Ping(rid))
        self.wait_for(m.Done, lambda one: one.rid == rid)


def read_wav(descriptor: int) -> Floats:
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, m.MIX_RATE)
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    sound: Floats = values.astype(np.float32).reshape(-1, 2)
    return sound / np.float32(32768)


@contextlib.contextmanager
def running(
    clock: str, environment: dict[str, str] | None = None, python_path: Path = DAEMON
) -> Iterator[Bench]:
    """Start an engine as the daemon does; it must go by itself, with 0, when we hang up."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # The shell's `exec 3<&N` puts the socket where the child expects it.
    command = f'exec 3<&{theirs.fileno()}; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", command, "sh", sys.executable, "-m", "swanbridge_media", "audio", "--clock", clock],
        pass_fds=(theirs.fileno(),),
        env={**os.environ, "PYTHONPATH": f"{python_path}:{DAEMON}", **(environment or {})},
    )
    theirs.close()
    bench = Bench(process, ours, is_virtual=clock == "virtual")
    try:
        bench.wait_for(m.Hello)
        yield bench
        bench.control.close()
        assert process.wait(PATIENCE) == 0
    finally:
        for decoder in bench.decoders.values():
            decoder.peer.close()
        bench.control.close()
        if process.poll() is None:
            process.kill()
            process.wait()
