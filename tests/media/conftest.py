"""Media that the tests make themselves, and a real decoder process to play them."""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeVar

import av
import numpy as np
import numpy.typing as npt
import pytest
from swanbridge_media import messages as m
from swanbridge_media.wire import Peer

M = TypeVar("M", bound=m.Message)
Sound = npt.NDArray[np.float32]

PATIENCE: Final = 20.0  # seconds a child may take to answer before a test fails


@dataclass(frozen=True)
class Recipe:
    """How a kind of file is made."""

    suffix: str
    codec: str
    container: str
    rate: int = 44_100
    codec_options: tuple[tuple[str, str], ...] = ()
    container_options: tuple[tuple[str, str], ...] = ()


_VBR = (("flags", "+qscale"), ("global_quality", str(4 * 118)))
_PLAIN = (("write_xing", "0"), ("id3v2_version", "0"))
# Noise substitution makes AAC decode differently each time.
_AAC = (("aac_pns", "0"),)

RECIPES: Final = {
    "mp3": Recipe(".mp3", "libmp3lame", "mp3"),
    "mp3-vbr": Recipe(".mp3", "libmp3lame", "mp3", codec_options=_VBR),
    "mp3-plain": Recipe(".mp3", "libmp3lame", "mp3", container_options=_PLAIN),
    "mp3-plain-vbr": Recipe(".mp3", "libmp3lame", "mp3", codec_options=_VBR, container_options=_PLAIN),
    "aac": Recipe(".aac", "aac", "adts", codec_options=_AAC),
    "m4a": Recipe(".m4a", "aac", "ipod", codec_options=_AAC),
    "alac": Recipe(".m4a", "alac", "ipod"),
    "wav": Recipe(".wav", "pcm_s16le", "wav"),
    "wav-float": Recipe(".wav", "pcm_f32le", "wav"),
    "flac": Recipe(".flac", "flac", "flac"),
    "ogg": Recipe(".ogg", "vorbis", "ogg", codec_options=(("strict", "-2"),)),
    "opus": Recipe(".ogg", "libopus", "ogg", rate=48_000),
    "aiff": Recipe(".aiff", "pcm_s16be", "aiff"),
    "caf": Recipe(".caf", "pcm_s16le", "caf"),
    "wma": Recipe(".wma", "wmav2", "asf"),
}


def encode(path: Path, kind: str, sound: Sound, rate: int, layout: str) -> None:
    """Encode sound, (channels, samples), into a file of a kind of `RECIPES`."""
    recipe = RECIPES[kind]
    with av.open(
        str(path), "w", format=recipe.container, options=dict(recipe.container_options)
    ) as container:
        stream: Any = container.add_stream(
            recipe.codec, rate=rate, layout=layout, options=dict(recipe.codec_options)
        )
        if recipe.codec in ("libmp3lame", "aac", "wmav2"):
            stream.bit_rate = 128_000
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound.T.reshape(1, -1), np.float32), format="flt", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        buffer = av.AudioFifo()
        for piece in resampler.resample(frame):
            buffer.write(piece)
        size = stream.codec_context.frame_size or 1024
        while (part := buffer.read(size) or buffer.read(0, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


class Tones:
    """Makes files of test sound, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[object, ...], Path] = {}

    def tone(
        self,
        kind: str,
        seconds: float = 1.0,
        *,
        frequency: float = 440.0,
        rate: int = 0,
        layout: str = "stereo",
        amplitude: float = 0.5,
    ) -> Path:
        """Make a steady tone."""
        rate = rate or RECIPES[kind].rate
        key = (kind, seconds, frequency, rate, layout, amplitude)
        if key not in self._made:
            time = np.arange(round(seconds * rate)) / rate
            wave = amplitude * np.sin(2 * np.pi * frequency * time)
            self._made[key] = self._encode(kind, wave, rate, layout)
        return self._made[key]

    def noise(self, kind: str, seconds: float = 3.0, *, rate: int = 0, layout: str = "stereo") -> Path:
        """Make sound in which no place resembles another."""
        rate = rate or RECIPES[kind].rate
        key = ("noise", kind, seconds, rate, layout)
        if key not in self._made:
            dice = np.random.default_rng(1)
            count = round(seconds * rate)
            time = np.arange(count) / rate
            wave = 0.1 * dice.standard_normal(count) + 0.3 * np.sin(2 * np.pi * (200 + 150 * time) * time)
            self._made[key] = self._encode(kind, wave, rate, layout)
        return self._made[key]

    def _encode(self, kind: str, wave: npt.NDArray[np.float64], rate: int, layout: str) -> Path:
        path = self._folder / f"{len(self._made)}{RECIPES[kind].suffix}"
        channels = av.AudioLayout(layout).nb_channels
        encode(path, kind, np.repeat(wave[None].astype(np.float32), channels, axis=0), rate, layout)
        return path


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Tones:
    """Files of test sound."""
    return Tones(tmp_path_factory.mktemp("tones"))


_LAUNCH = """
import fcntl, os, sys
mine = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 50) for number in sys.argv[1:4]]
for number in sys.argv[1:4]:
    os.close(int(number))
for target, number in enumerate(mine, 3):
    os.dup2(number, target, True)
os.execv(sys.executable, [sys.executable, "-m", "swanbridge_media", "decoder"])
"""


class DecoderChild:
    """A real decoder engine, seen from the daemon (`control`) and from the audio engine (`link`) at once."""

    def __init__(self) -> None:
        control, childs_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link, childs_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        status = os.memfd_create("status")
        os.ftruncate(status, 8)
        self._status = mmap.mmap(status, 8)
        numbers = (childs_control.fileno(), childs_link.fileno(), status)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *map(str, numbers)], pass_fds=numbers, env=dict(os.environ)
        )
        childs_control.close()
        childs_link.close()
        os.close(status)
        self.control: Peer[m.FromDecoder] = Peer(control, m.FromDecoder)
        self.link: Peer[m.LinkFromDecoder] = Peer(link, m.LinkFromDecoder)
        self._inbox: list[tuple[m.Message, int | None]] = []
        self._rid = 0
        self.hello = self.get(m.Hello)
        slab = os.memfd_create("slab")
        size = m.SLAB_ROWS * m.RING_FRAMES * m.CHANNELS * 4
        os.ftruncate(slab, size)
        self.rows = np.frombuffer(mmap.mmap(slab, size), np.float32).reshape(m.SLAB_ROWS, m.RING_FRAMES, 2)
        self.link.send(m.MapSlab(0), slab)
        os.close(slab)

    @property
    def status(self) -> int:
        """The medium it works on."""
        return int.from_bytes(self._status[:8], sys.byteorder)

    def rid(self) -> int:
        """Give a new request id."""
        self._rid += 1
        return self._rid

    def get(self, kind: type[M], match: Callable[[M], bool] = lambda message: True) -> M:
        """Wait for a message."""
        return self.get_with_descriptor(kind, match)[0]

    def get_with_descriptor(
        self, kind: type[M], match: Callable[[M], bool] = lambda message: True
    ) -> tuple[M, int | None]:
        """Wait for a message and what came with it; fails the test when the child is gone or silent."""
        while True:
            for index, (message, descriptor) in enumerate(self._inbox):
                if isinstance(message, kind) and match(message):
                    del self._inbox[index]
                    return message, descriptor
            self.control.flush()
            self.link.flush()
            ready, _, _ = select.select([self.control.fileno(), self.link.fileno()], [], [], PATIENCE)
            assert ready, f"no {kind.__name__} within {PATIENCE} s"
            if self.control.fileno() in ready:
                self._inbox.extend(self.control.receive())
            if self.link.fileno() in ready:
                self._inbox.extend(self.link.receive())

    def answer(self, rid: int) -> m.Message:
        """Wait for the answer to a request, whatever it is."""
        return self.get(m.Message, lambda message: getattr(message, "rid", -1) == rid)

    def ask(self, request: m.Message, path: Path | None = None) -> m.Message:
        """Send a request, with a file's descriptor, and wait for its answer."""
        descriptor = os.open(path, os.O_RDONLY) if path is not None else None
        self.control.send(request, descriptor)
        if descriptor is not None:
            os.close(descriptor)
        rid: int = request.rid  # type: ignore[attr-defined]
        return self.answer(rid)

    def open(self, path: Path, media: int) -> m.Message:
        """Open a file as a medium."""
        return self.ask(m.OpenMedia(self.rid(), media, path.name, path.stat().st_size, False), path)

    def fill(
        self,
        media: int,
        voice: int,
        frames: int,
        *,
        position: float = -1.0,
        rate: float = 1.0,
        loop: bool = False,
        row: int = 0,
        column: int = 0,
    ) -> m.Filled:
        """Ask for sound and wait for it."""
        token = self.rid()
        self.link.send(m.Fill(voice, media, 0, row, column, frames, position, rate, loop, token))
        return self.get(m.Filled, lambda filled: filled.token == token)

    def play(self, media: int, voice: int, *, position: float = 0.0) -> tuple[Sound, m.Filled]:
        """Decode to the end or to an error: the sound and the last answer."""
        parts: list[Sound] = []
        while True:
            filled = self.fill(media, voice, m.RING_FRAMES, position=position)
            position = -1.0
            parts.append(self.rows[0, : filled.frames].copy())
            if filled.ended or filled.error or not filled.frames:
                return np.concatenate(parts), filled

    def close(self) -> int:
        """Hang up and give the exit status."""
        self.control.close()
        self.link.close()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            raise


@pytest.fixture
def decoder_child() -> Iterator[DecoderChild]:
    """A decoder process; it must end by itself when the daemon hangs up."""
    child = DecoderChild()
    yield child
    assert child.close() == 0


@pytest.fixture(scope="session")
def busy_child() -> Iterator[DecoderChild]:
    """One decoder process that many tests share, for files that may break it."""
    child = DecoderChild()
    yield child
    assert child.close() == 0
