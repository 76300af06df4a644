"""Which formats and codecs are played (facts 2.10), and how a file shows which one it is.

The demuxer is chosen here, from the first bytes, so that libav doesn't ask hundreds of demuxers that we never
want to run on a stranger's bytes. Names and extensions are not looked at.
"""

from __future__ import annotations

from typing import Final

from .source import Bytes

__all__ = ["CODECS", "DEMUXERS", "preroll", "sniff", "xing_bytes"]

DEMUXERS: Final = ("mov", "mp4", "m4a", "wav", "mp3", "aac", "flac", "amr", "amrnb", "amrwb",
                   "asf", "ogg", "ape", "aiff", "caf")  # fmt: skip

_PCM: Final = ("alaw", "mulaw", "u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be",
               "f32le", "f32be", "f64le", "f64be")  # fmt: skip
_CODED: Final = ("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "aac", "alac", "ac3", "eac3",
                 "flac", "vorbis", "opus", "libopus", "libvorbis", "speex", "wmav1", "wmav2", "wmapro",
                 "wmalossless", "wmavoice", "amrnb", "amrwb", "ape", "adpcm_ms", "adpcm_ima_wav",
                 "adpcm_ima_qt", "gsm_ms", "mace3", "mace6")  # fmt: skip
CODECS: Final = frozenset(_CODED) | {f"pcm_{name}" for name in _PCM}

_XING: Final = 256  # bytes of the first frame in which the header stands

_MAGIC: Final = (
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"caff", "caf"),
    (0, b"#!AMR", "amr"),
    (0, b"MAC ", "ape"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"ADIF", "aac"),
    (8, b"WAVE", "wav"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (4, b"ftyp", "mp4"),
    (4, b"moov", "mp4"),
    (4, b"mdat", "mp4"),
    (4, b"wide", "mp4"),
)


def sniff(source: Bytes) -> str | None:
    """Name the demuxer for a file, None if its first bytes don't tell; raises `Trouble`."""
    head = source.read_at(0, 16)
    if head[:3] == b"ID3" and len(head) >= 10:
        # The tag can stand before MP3, ADTS, FLAC and APE.
        return _by_magic(source.read_at(_tag_size(head), 16)) or "mp3"
    return _by_magic(head)


def _tag_size(head: bytes) -> int:
    """Give the length of an ID3v2 tag: its size is written in four bytes of seven bits."""
    return 10 + ((head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | (head[9] & 127))


def _by_magic(head: bytes) -> str | None:
    for offset, magic, demuxer in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return demuxer
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The layer bits are 0 in ADTS and reserved in MPEG audio.
        return "aac" if head[1] & 0xF6 == 0xF0 else "mp3"
    return None


def xing_bytes(source: Bytes) -> int | None:
    """Tell how many bytes of sound an MP3's Xing, Info or VBRI frame claims; None without such a frame.

    0 if the frame doesn't say.
    """
    head = source.read_at(0, _XING)
    if head[:3] == b"ID3" and len(head) >= 10:
        head = source.read_at(_tag_size(head), _XING)
    frame = head[:_XING]
    for word in (b"Xing", b"Info"):
        at = frame.find(word)
        if at >= 0:
            flags = int.from_bytes(frame[at + 4 : at + 8], "big")
            if not flags & 1:
                return None  # no count of frames
            return int.from_bytes(frame[at + 12 : at + 16], "big") if flags & 2 else 0
    at = frame.find(b"VBRI")
    return int.from_bytes(frame[at + 10 : at + 14], "big") if at >= 0 else None


# How many samples a decoder needs before its output is what a straight decode gives.
_PREROLL: Final = {
    "mp3": 12 * 1152,  # the bit reservoir reaches back up to 511 bytes, 10 frames at the lowest rates
    "mp3float": 12 * 1152,
    "aac": 5 * 1024,
    "vorbis": 2 * 8192,
    "opus": 48_000 // 5,
    "wmav1": 6 * 2048,
    "wmav2": 6 * 2048,
    "alac": 0,
    "flac": 0,
    "ape": 0,
}


def preroll(codec: str, rate: int) -> int:
    """Give the samples to decode before a target and throw away."""
    if codec.startswith("pcm_"):
        return 0
    return _PREROLL.get(codec, rate // 2)  # speech codecs filter with a long memory
