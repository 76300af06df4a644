"""From frames of any rate, format and layout to float32 stereo at the mix rate, and to another tempo.

Both are libav filter graphs with one thread: `av.AudioResampler` starts a thread for each processor, which
200 voices can't afford.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.error import BlockingIOError as TryAgain
from av.error import EOFError as AtEnd
from av.filter import Graph

from ..messages import CHANNELS, MIX_RATE

__all__ = ["PLANES", "Packer", "Resampler", "Sound", "Tempo", "lead", "make_sane", "steps"]

Sound: TypeAlias = npt.NDArray[np.float32]  # (frames, CHANNELS), or (frames, 1) for mono

PLANES: Final = 8  # so many are too many for PyAV
CEILING: Final = 4.0  # a hostile file may say 1e38; 12 dB above full scale is enough
_TAPS: Final = 64  # twice what libswresample looks back at, at its own rate
# A codec's frames are small; joined inside libav they cost a third of handling each one here.
CHUNK: Final = 4_800  # mix frames
_INSIDE: Final = 128  # mix frames that a resampler usually holds back
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def steps(rate: int) -> tuple[int, int]:
    """Give the shortest spans (source samples, mix frames) that last equally long."""
    divisor = math.gcd(rate, MIX_RATE)
    return rate // divisor, MIX_RATE // divisor


def lead(rate: int) -> int:
    """Give the source samples a resampler must have seen to give what it gives in a straight run."""
    return _TAPS * max(1, -(-rate // MIX_RATE))


def make_sane(sound: Sound) -> None:
    """Replace NaN and infinity by 0 and bound the rest, in place."""
    if sound.size and not (sound.max() <= CEILING and sound.min() >= -CEILING):
        sound[~np.isfinite(sound)] = 0
        np.clip(sound, -CEILING, CEILING, out=sound)


def _pull(graph: Graph, most: int = 1 << 30) -> list[Any]:
    """Take what a graph has ready, up to `most` frames; what stays comes out later."""
    frames: list[Any] = []
    try:
        while len(frames) < most:
            frames.append(graph.pull())
    except (TryAgain, AtEnd):
        pass
    return frames


class Packer:
    """Interleaves planar frames of many channels.

    PyAV looks for a frame's planes up to a null pointer; of eight and more it reads beyond the array.
    """

    def __init__(self, frame: AudioFrame) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add(
            "abuffer",
            sample_rate=str(frame.sample_rate),
            sample_fmt=frame.format.name,
            channel_layout=frame.layout.name,
            time_base=f"1/{frame.sample_rate}",
        )
        shape = self._graph.add("aformat", sample_fmts=frame.format.packed.name)
        self._graph.link_nodes(source, shape, self._graph.add("abuffersink")).configure()

    def pack(self, frame: AudioFrame) -> AudioFrame:
        """Give the same samples, interleaved."""
        stamp = frame.pts
        frame.pts = None
        self._graph.push(frame)
        packed: Any = self._graph.pull()
        packed.pts = stamp
        return packed  # type: ignore[no-any-return]


class Resampler:
    """Takes frames that are all alike; `matches` tells whether one more is."""

    def __init__(self, frame: AudioFrame) -> None:
        self._kind = self._kind_of(frame)
        channels = len(frame.layout.channels)
        # libswresample lowers mono by 3 dB on its way to stereo, so it stays mono here.
        self._mono = channels == 1
        layout = frame.layout.name
        if layout.endswith("channels"):
            layout = _LAYOUTS.get(channels, layout)
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add(
            "abuffer",
            sample_rate=str(frame.sample_rate),
            sample_fmt=frame.format.name,
            channel_layout=layout,
            time_base=f"1/{frame.sample_rate}",
        )
        # Folding 5.1 or 7.1 is normalised, so that it can't clip.
        resample = self._graph.add("aresample", sample_rate=str(MIX_RATE), rematrix_maxval="1.0")
        shape = self._graph.add(
            "aformat",
            sample_rates=str(MIX_RATE),
            sample_fmts="flt",
            channel_layouts="mono" if self._mono else "stereo",
        )
        join = self._graph.add("asetnsamples", n=str(CHUNK), p="0")
        sink = self._graph.add("abuffersink")
        self._graph.link_nodes(source, resample, shape, join, sink).configure()
        self._inside = 0.0  # mix frames that went in and did not come out

    @staticmethod
    def _kind_of(frame: AudioFrame) -> tuple[str, str, int]:
        return frame.format.name, frame.layout.name, frame.sample_rate

    def matches(self, frame: AudioFrame) -> bool:
        """Tell whether a frame can follow those before."""
        return self._kind_of(frame) == self._kind

    def push(self, frame: AudioFrame | None) -> list[Sound]:
        """Feed a frame, None to get out what is still inside; after that no more can be fed."""
        if frame is not None:
            frame.pts = None
            self._inside += frame.samples * MIX_RATE / frame.sample_rate
        self._graph.push(frame)
        if frame is None:
            ready = _pull(self._graph)
        elif self._inside < CHUNK + _INSIDE:
            return []  # looking is not free: an empty graph raises
        else:
            ready = _pull(self._graph, most=int(self._inside - _INSIDE) // CHUNK)
        width = 1 if self._mono else CHANNELS
        self._inside -= sum(made.samples for made in ready)
        return [
            np.frombuffer(made.planes[0], np.float32, made.samples * width).reshape(-1, width)
            for made in ready
        ]


class Tempo:
    """Faster or slower at the same pitch, by libav's atempo."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._graph = Graph()
        self._graph.threads = 1
        nodes = [
            self._graph.add(
                "abuffer",
                sample_rate=str(MIX_RATE),
                sample_fmt="flt",
                channel_layout="stereo",
                time_base=f"1/{MIX_RATE}",
            )
        ]
        while rate < 0.5:  # the least that one atempo does
            nodes.append(self._graph.add("atempo", tempo="0.5"))
            rate /= 0.5
        nodes.append(self._graph.add("atempo", tempo=repr(rate)))
        nodes.append(self._graph.add("abuffersink"))
        self._graph.link_nodes(*nodes).configure()

    def push(self, sound: Sound | None) -> list[Sound]:
        """Feed sound, None to get out what is still inside; after that no more can be fed."""
        if sound is None:
            self._graph.push(None)
        elif len(sound):
            stereo = np.ascontiguousarray(np.broadcast_to(sound, (len(sound), CHANNELS)))
            frame = AudioFrame.from_ndarray(stereo.reshape(1, -1), format="flt", layout="stereo")
            frame.sample_rate = MIX_RATE
            frame.pts = None
            self._graph.push(frame)
        return [
            np.frombuffer(made.planes[0], np.float32, made.samples * CHANNELS).reshape(-1, CHANNELS)
            for made in _pull(self._graph)
        ]
