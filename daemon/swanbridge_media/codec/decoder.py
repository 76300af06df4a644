"""One container being decoded: frames of source samples in order, and exact seeks.

Sample 0 is the first sample that a straight decode yields, so encoder delay that the container declares is
never heard and never counted (facts 2.10; measured: a 1 s MP3 gives exactly 44,100 samples).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from ..messages import MediaInfo
from .formats import CODECS, DEMUXERS, preroll, sniff, xing_bytes
from .resample import PLANES, Packer
from .source import Bytes, Reader, Trouble

__all__ = ["Decoder", "cut"]

BUFFER: Final = 16 * 1024  # bytes of a read; each voice has such a buffer
BROKEN_IN_A_ROW: Final = 200  # packets without a frame, then the medium ends here

_OPTIONS: Final = {
    "format_whitelist": ",".join(DEMUXERS),
    "codec_whitelist": ",".join(sorted(CODECS)),
    "protocol_whitelist": "",
    # The first packet tells what we need; reading on costs 25 ms for a WAV (it may hide DTS).
    "probesize": "8192",
    "analyzeduration": "0",
}
# A broken file may raise any of these out of PyAV; none of them is ours.
BROKEN: Final = (av.error.FFmpegError, ValueError, MemoryError, EOFError, OverflowError, IndexError, KeyError)


def cut(frame: AudioFrame, start: int, stop: int) -> AudioFrame:
    """Give samples [start, stop) of a frame."""
    if start <= 0 and stop >= frame.samples:
        return frame
    width = 1 if frame.format.is_planar else len(frame.layout.channels)
    part: Any = np.ascontiguousarray(frame.to_ndarray()[:, start * width : stop * width])
    piece = AudioFrame.from_ndarray(part, format=frame.format.name, layout=frame.layout.name)
    piece.sample_rate = frame.sample_rate
    return piece


class Decoder:
    """Frames of the best audio stream of a medium.

    `clock` is the index of the next sample; `end` is the counted length in samples once it was met, else -1.
    Every method may raise `Trouble`.
    """

    def __init__(self, source: Bytes) -> None:
        if source.size == 0:
            raise Trouble("file", "the file is empty")
        self._source = source
        self._demuxer = sniff(source)
        self._frames: deque[AudioFrame] = deque()
        self._packer: Packer | None = None
        self.broken = 0
        self.clock = 0
        self.end = -1
        self._open()
        first = self._decode()
        if first is None:
            raise Trouble("format", "no sound could be decoded")
        self._origin = first.pts or 0
        self.rate = first.sample_rate
        self.channels = len(first.layout.channels)
        if self.rate <= 0 or self.channels <= 0:
            raise Trouble("format", "the sound has no sample rate or no channels")
        self._limit = self._declared_limit()
        self._frames.appendleft(first)

    def _open(self) -> None:
        """Open the container from the start with a reader of its own."""
        self.reader = Reader(self._source)
        self._frames.clear()
        try:
            self._container: InputContainer = av.open(
                self.reader,
                "r",
                format=self._demuxer,
                options=_OPTIONS,
                buffer_size=BUFFER,
                metadata_errors="replace",
            )
            stream = self._container.streams.best("audio")
            if not isinstance(stream, AudioStream):
                raise Trouble("format", "the file has no sound")
            if stream.codec_context is None or stream.codec_context.name not in CODECS:
                raise Trouble("format", "the sound is in a codec that is not played")
            self._stream: AudioStream = stream
            self._stream.codec_context.thread_count = 1
            self._is_mp4 = "mp4" in self._container.format.name
            self._packets = self._demux()
        except BROKEN as error:
            raise self.reader.trouble or Trouble("format", "not a known sound format") from error

    def _demux(self) -> Iterator[Packet[AudioStream]]:
        return self._container.demux(self._stream)

    # --- what it is -----------------------------------------------------------------------------------------

    def _declared_limit(self) -> int | None:
        """Give the sample at which an MP4 ends though its last frame goes on."""
        if self._is_mp4 and self._stream.duration and self._stream.time_base:
            return round(self._stream.duration * self._stream.time_base * self.rate)
        return None

    def info(self) -> MediaInfo:
        """Say what the medium is; the duration is exact where the container says so."""
        container, stream = self._container, self._stream
        names = container.format.name.split(",")
        codec = stream.codec_context.name
        duration, exact = 0.0, False
        if stream.duration and stream.time_base:
            duration = float(stream.duration * stream.time_base)
            exact = True
        elif container.duration:
            duration = container.duration / 1e6
        bit_rate = stream.bit_rate or container.bit_rate or 0
        if codec == "opus" and (extra := stream.codec_context.extradata):
            duration -= int.from_bytes(extra[10:12], "little") / 48_000  # its pre-skip is counted as sound
        if names[0] in ("aac", "asf", "amr", "amrnb", "amrwb"):
            exact = False
        elif names[0] == "mp3":
            claimed = xing_bytes(self._source)
            exact = claimed is not None
            if claimed and 0 <= self._source.size < claimed:
                duration, exact = duration * self._source.size / claimed, False
        elif codec.startswith("pcm_") and self._source.size >= 0 and bit_rate > 0:
            possible = self._source.size * 8 / bit_rate
            if duration > possible:
                duration, exact = possible, False
        return MediaInfo(
            duration=max(0.0, duration),
            exact=exact,
            sample_rate=self.rate,
            channels=self.channels,
            codec=codec.removesuffix("float"),
            format="mp4" if "mp4" in names else names[0],
            bit_rate=bit_rate,
        )

    # --- frames ---------------------------------------------------------------------------------------------

    def _decode(self) -> AudioFrame | None:
        """Give the next frame as libav cuts it, None at the end; broken packets are skipped."""
        fruitless = 0
        while not self._frames:
            self.reader.check()
            try:
                packet = next(self._packets, None)
                if packet is None:
                    break
                self._frames.extend(packet.decode())
            except BROKEN as error:
                if self.reader.trouble is not None:
                    raise self.reader.trouble from error
                self.broken += 1
                self._packets = self._demux()
            fruitless += 1
            if fruitless > BROKEN_IN_A_ROW:
                break
        if self.reader.trouble is not None:
            raise self.reader.trouble  # libav took it for the end
        if not self._frames:
            return None
        self.reader.found()
        frame = self._frames.popleft()
        if frame.format.is_planar and len(frame.layout.channels) >= PLANES:
            try:
                self._packer = self._packer or Packer(frame)
                frame = self._packer.pack(frame)
            except BROKEN as error:
                raise Trouble("format", f"the sound can't be converted: {error}") from error
        return frame

    def next(self) -> AudioFrame | None:
        """Give the next frame, which begins at `clock` as it was before the call; None at the end."""
        while True:
            if self._limit is not None and self.clock >= self._limit:
                self.end = self._limit
                return None
            frame = self._decode()
            if frame is None:
                self.end = self.clock
                return None
            if frame.samples <= 0 or frame.sample_rate <= 0:
                continue
            if self._limit is not None and self.clock + frame.samples > self._limit:
                frame = cut(frame, 0, self._limit - self.clock)
            self.clock += frame.samples * self.rate // frame.sample_rate
            return frame

    # --- going elsewhere ------------------------------------------------------------------------------------

    def go(self, sample: int) -> None:
        """Go to a sample: the next frame begins exactly there. Beyond the end there is none."""
        if self.clock == sample == 0 and self._frames:
            return
        if not (self._seek(sample) and self._skip_to(sample)):
            self._open()
            self.clock = 0
            self._skip_to(sample)

    def _seek(self, sample: int) -> bool:
        """Seek the container far enough before a sample; False if only a straight decode leads there."""
        time_base = self._stream.time_base
        if not self.reader.seekable() or not time_base or self.reader.trouble is not None:
            return False  # after a failed read libav's buffer stays broken
        warm_up = preroll(self._stream.codec_context.name, self.rate)
        target = sample - warm_up
        if self._stream.duration:  # some demuxers find nothing beyond the end, not even the end
            target = min(
                target, int(self._stream.duration * time_base * self.rate) - self.rate // 10 - warm_up
            )
        target = max(0, target)
        # An MP4's first packet lies before 0 and is decoded for the sake of the second.
        offset = min(0, self._origin) - (warm_up if self._is_mp4 else 0)
        if target:
            offset = self._origin + int(Fraction(target, self.rate) / time_base)
        if not target and self._stream.codec_context.name == "aac" and not self._is_mp4:
            return False  # flushed, its decoder doesn't begin as a fresh one does
        self._frames.clear()
        self.reader.search(on=True)
        try:
            self._container.seek(offset, stream=self._stream)
        except BROKEN as error:
            if self.reader.trouble is not None:
                raise self.reader.trouble from error
            return False
        finally:
            self.reader.search(on=False)
        self._packets = self._demux()
        first = self._decode()
        if first is None or first.pts is None:
            return False
        self._frames.appendleft(first)
        self.clock = self._place(first.pts, first.samples)
        return self.clock <= max(0, sample - warm_up // 2)

    def _place(self, pts: int, samples: int) -> int:
        """Tell which sample a time stamp stands for."""
        time_base = self._stream.time_base
        assert time_base is not None
        exact = (pts - self._origin) * time_base * self.rate
        if time_base * self.rate > 1 and samples > 0:
            # Stamps are coarser than samples (ASF counts milliseconds): frames are equally long, so snap.
            return round(exact / samples) * samples
        return round(exact)

    def _skip_to(self, sample: int) -> bool:
        """Decode up to a sample; False if the decoder stands beyond it already."""
        if self.clock > sample:
            return False
        while self.clock < sample:
            start = self.clock
            frame = self.next()
            if frame is None:
                return True
            if self.clock > sample:
                self._frames.appendleft(cut(frame, sample - start, frame.samples))
                self.clock = sample
        return True

    def close(self) -> None:
        """Close the container; not the bytes, which belong to the medium."""
        self._frames.clear()
        self._container.close()
