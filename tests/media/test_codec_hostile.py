"""Files of a stranger, in the real child: every one is answered, and the next request is too."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from swanbridge_media import messages as m

if TYPE_CHECKING:
    from tests.media.conftest import DecoderChild, Tones

MUTATIONS = 20  # of each kind


def expect_failure(child: DecoderChild, path: Path, kind: str) -> m.Failed:
    answer = child.open(path, 1)
    assert isinstance(answer, m.Failed), answer
    assert answer.kind == kind
    assert isinstance(child.ask(m.Ping(child.rid())), m.Done)
    return answer


def test_an_empty_file_is_told_from_a_broken_one(busy_child: DecoderChild, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.touch()
    assert expect_failure(busy_child, path, "file").message == "the file is empty"


@pytest.mark.parametrize(
    "content",
    [
        b"This is no music at all.\n" * 400,
        b"x",
        b"\x00" * 5000,
        b"ID3",
        b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
        b"RIFF\xff\xff\xff\xffWAVE",
        b"OggS",
        b"fLaC" + b"\xff" * 100,
        b"\x00\x00\x00\x18ftypM4A ",
        b"#!AMR\n" + b"\xff" * 50,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n",
        b"<?xml version='1.0'?><MPD><Period/></MPD>",
    ],
)
def test_what_is_no_sound_is_a_format_error(busy_child: DecoderChild, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    expect_failure(busy_child, path, "format")


def test_two_sparse_gigabytes_are_refused_at_once(busy_child: DecoderChild, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    expect_failure(busy_child, path, "format")


def test_sound_with_two_sparse_gigabytes_behind_it_ends(
    busy_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(tones.tone("mp3-plain").read_bytes())
    with path.open("r+b") as file:
        file.truncate(2 << 30)
    assert isinstance(busy_child.open(path, 1), m.MediaOpened)
    sound, last = busy_child.play(1, 1)
    assert last.ended
    assert 40_000 < len(sound) < 60_000


@pytest.mark.parametrize("kind", ["mp3", "aac", "m4a", "ogg", "flac", "wav"])
def test_a_truncated_file_plays_as_far_as_it_goes(
    busy_child: DecoderChild, tones: Tones, tmp_path: Path, kind: str
) -> None:
    content = tones.noise(kind).read_bytes()
    path = tmp_path / "a"
    path.write_bytes(content[: len(content) // 2])
    answer = busy_child.open(path, 1)
    if kind == "m4a":  # its index stood at the end
        assert isinstance(answer, m.Failed)
        assert answer.kind == "format"
        return
    assert isinstance(answer, m.MediaOpened)
    sound, last = busy_child.play(1, 1)
    assert last.ended
    assert last.duration == pytest.approx(1.5, abs=0.6)  # OGG pages last a second
    assert len(sound) / m.MIX_RATE == pytest.approx(last.duration, abs=1e-3)
    if kind not in ("ogg", "flac"):  # whose heads say how long they were
        assert answer.info.duration == pytest.approx(last.duration, abs=0.2)


def test_a_wav_that_claims_four_gigabytes_is_as_long_as_its_file(
    busy_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    content = bytearray(tones.tone("wav").read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFF0)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    answer = busy_child.open(path, 1)
    assert isinstance(answer, m.MediaOpened)
    assert answer.info.duration == pytest.approx(1.0, abs=0.01)
    _, last = busy_child.play(1, 1)
    assert last.duration == 1.0


def test_not_a_number_is_silence_and_infinity_is_bounded(busy_child: DecoderChild, tmp_path: Path) -> None:
    samples = np.zeros(96_000, "<f4")
    samples[:9600:7] = np.nan
    samples[9600:19_200] = np.inf
    samples[19_200:28_800] = 1e38
    samples[48_000:] = 0.25
    form = struct.pack("<HHIIHH", 3, 2, 48_000, 48_000 * 8, 8, 32)
    path = tmp_path / "a.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + samples.nbytes) + b"WAVEfmt " + struct.pack("<I", 16) + form
        + b"data" + struct.pack("<I", samples.nbytes) + samples.tobytes()
    )  # fmt: skip
    assert isinstance(busy_child.open(path, 1), m.MediaOpened)
    for rate in (1.0, 1.5):
        filled = busy_child.fill(1, 1, 24_000, position=0.0, rate=rate)
        assert filled.error == ""
        sound = busy_child.rows[0, : filled.frames]
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 4
    busy_child.fill(1, 1, 4800, position=0.6)
    assert np.allclose(busy_child.rows[0, :4800], 0.25, atol=1e-3)


def mutate(content: bytes, dice: random.Random) -> bytes:
    """Break a file in one of the ways in which files are broken."""
    broken = bytearray(content)
    way = dice.randrange(5)
    if way == 0:  # some bits anywhere
        for _ in range(dice.randrange(1, 40)):
            broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
    elif way == 1:  # its head, where lengths and counts stand
        for _ in range(dice.randrange(1, 6)):
            broken[dice.randrange(min(200, len(broken)))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
    elif way == 2:  # its tail, where an MP4 has its index
        for _ in range(dice.randrange(1, 12)):
            broken[-dice.randrange(1, min(1500, len(broken)))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
    elif way == 3:  # a piece missing
        at = dice.randrange(len(broken))
        del broken[at : at + dice.randrange(1, 2000)]
    else:  # a piece twice, somewhere else
        at, to = dice.randrange(len(broken)), dice.randrange(len(broken))
        broken[to:to] = broken[at : at + dice.randrange(1, 3000)]
    return bytes(broken)


@pytest.mark.parametrize(
    "kind", ["mp3", "aac", "m4a", "alac", "wav", "wav-float", "flac", "ogg", "opus", "aiff", "caf", "wma"]
)
def test_broken_files_neither_kill_nor_hold_the_decoder(
    busy_child: DecoderChild, tones: Tones, tmp_path: Path, kind: str
) -> None:
    content = tones.tone(kind, 0.5).read_bytes()
    for seed in range(MUTATIONS):
        path = tmp_path / f"{kind}-{seed}"
        path.write_bytes(mutate(content, random.Random(f"{kind} {seed}")))
        answer = busy_child.open(path, 1)
        if isinstance(answer, m.Failed):
            assert answer.kind in ("format", "file"), answer
            continue
        assert isinstance(answer, m.MediaOpened)
        for position in (0.0, 0.3):
            for _ in range(6):
                filled = busy_child.fill(1, 1, m.RING_FRAMES, position=position)
                position = -1.0
                assert filled.kind in ("", "format"), filled
                assert np.isfinite(busy_child.rows[0, : filled.frames]).all()
                if filled.ended or filled.error:
                    break
    assert busy_child.process.poll() is None
