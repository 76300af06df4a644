"""Sound files of every kind that a phone plays (facts 2.10) and PyAV can write."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

Options = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """How a kind of file is made. `exact`: it says how long the original was, to the sample."""

    suffix: str
    container: str
    codec: str
    exact: bool = True
    rate: int = 44_100
    layout: str = "stereo"
    bit_rate: int = 0
    options: tuple[tuple[str, str], ...] = ()


_VBR: Final = (("flags", "+qscale"), ("global_quality", str(4 * 118)))
_NO_NOISE: Final = (("aac_pns", "0"),)

# ape (Android) is missing: no encoder is to be had; the decoder's list is tested with the codec.
KINDS: Final = {
    "wav": Kind("wav", "wav", "pcm_s16le"),
    "wav-8bit": Kind("wav", "wav", "pcm_u8"),
    "wav-24bit": Kind("wav", "wav", "pcm_s24le"),
    "wav-float": Kind("wav", "wav", "pcm_f32le"),
    "mp3": Kind("mp3", "mp3", "libmp3lame", bit_rate=128_000),
    "mp3-vbr": Kind("mp3", "mp3", "libmp3lame", options=_VBR),
    "aac": Kind("aac", "adts", "aac", exact=False, bit_rate=128_000, options=_NO_NOISE),
    "m4a": Kind("m4a", "ipod", "aac", bit_rate=128_000, options=_NO_NOISE),
    "m4a-alac": Kind("m4a", "ipod", "alac"),
    "mp4": Kind("mp4", "mp4", "aac", bit_rate=128_000, options=_NO_NOISE),
    "flac": Kind("flac", "flac", "flac"),
    "ogg": Kind("ogg", "ogg", "vorbis", exact=False, options=(("strict", "-2"),)),
    "ogg-opus": Kind("ogg", "ogg", "libopus", rate=48_000),
    "amr": Kind("amr", "amr", "libopencore_amrnb", exact=False, rate=8_000, layout="mono", bit_rate=12_200),
    "wma": Kind("wma", "asf", "wmav2", exact=False, bit_rate=128_000),
    "aiff": Kind("aiff", "aiff", "pcm_s16be"),
    "caf": Kind("caf", "caf", "pcm_s16le"),
}


class Media:
    """A package full of sound; every file is made once. Paths are those of the package, `/tone.wav`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._durations: dict[str, float] = {}

    def tone(
        self,
        kind: str = "wav",
        seconds: float = 2.0,
        *,
        frequency: float = 440.0,
        rate: int = 0,
        layout: str = "",
    ) -> str:
        """Make a steady tone of level 0.5 (on one channel of many: 0.5 on each)."""
        recipe = KINDS[kind]
        rate, layout = rate or recipe.rate, layout or recipe.layout
        name = f"tone-{kind}-{seconds:g}-{frequency:g}-{rate}-{layout}.{recipe.suffix}"
        path = self.folder / name
        if not path.exists():
            time = np.arange(round(seconds * rate)) / rate
            encode(path, recipe, 0.5 * np.sin(2 * np.pi * frequency * time), rate, layout)
            if recipe.exact:
                self._durations[f"/{name}"] = len(time) / rate
        return f"/{name}"

    def noise(self, kind: str = "wav", seconds: float = 2.0) -> str:
        """Make sound in which no place resembles another."""
        recipe = KINDS[kind]
        name = f"noise-{kind}-{seconds:g}.{recipe.suffix}"
        path = self.folder / name
        if not path.exists():
            count = round(seconds * recipe.rate)
            time = np.arange(count) / recipe.rate
            wave = 0.1 * np.random.default_rng(1).standard_normal(count)
            encode(
                path,
                recipe,
                wave + 0.3 * np.sin(2 * np.pi * (200 + 150 * time) * time),
                recipe.rate,
                "stereo",
            )
        return f"/{name}"

    def raw(self, name: str, content: bytes) -> str:
        """Write a file as it is."""
        (self.folder / name).write_bytes(content)
        return f"/{name}"

    def path(self, name: str) -> Path:
        """Return the real place of a package path."""
        return self.folder / name.lstrip("/")

    def true_duration(self, name: str) -> float:
        """Give a tone's length in seconds; where the file doesn't keep it, by what FFmpeg itself decodes."""
        if name not in self._durations:
            samples = 0
            with av.open(str(self.path(name))) as container:
                stream = container.streams.audio[0]
                with contextlib.suppress(av.error.InvalidDataError):  # where it was cut off
                    for frame in container.decode(stream):
                        samples += frame.samples
                self._durations[name] = samples / stream.rate
        return self._durations[name]


def encode(path: Path, kind: Kind, sound: npt.NDArray[np.float64], rate: int, layout: str) -> None:
    """Encode the same sound on every channel."""
    channels = av.AudioLayout(layout).nb_channels
    with av.open(str(path), "w", format=kind.container) as container:
        stream: Any = container.add_stream(kind.codec, rate=rate, layout=layout, options=dict(kind.options))
        if kind.bit_rate:
            stream.bit_rate = kind.bit_rate
        stream.codec_context.open()
        data = np.ascontiguousarray(np.repeat(sound[:, None], channels, axis=1).reshape(1, -1), np.float32)
        frame = av.AudioFrame.from_ndarray(data, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        pieces = av.AudioFifo()
        for piece in resampler.resample(frame):
            pieces.write(piece)
        size = stream.codec_context.frame_size or 1024
        while (part := pieces.read(size) or pieces.read(0, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
