"""The decoder engine as the daemon and the audio engine see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from swanbridge_media import messages as m

if TYPE_CHECKING:
    from tests.media.conftest import DecoderChild, Tones


def opened(answer: m.Message) -> m.MediaInfo:
    assert isinstance(answer, m.MediaOpened), answer
    return answer.info


@pytest.mark.parametrize(
    ("kind", "codec", "container"),
    [
        ("mp3", "mp3", "mp3"),
        ("aac", "aac", "aac"),
        ("m4a", "aac", "mp4"),
        ("wav", "pcm_s16le", "wav"),
        ("flac", "flac", "flac"),
        ("ogg", "vorbis", "ogg"),
        ("opus", "opus", "ogg"),
        ("aiff", "pcm_s16be", "aiff"),
        ("caf", "pcm_s16le", "caf"),
        ("wma", "wmav2", "asf"),
    ],
)
def test_a_second_of_every_format_is_opened_and_played_to_its_end(
    busy_child: DecoderChild, tones: Tones, kind: str, codec: str, container: str
) -> None:
    info = opened(busy_child.open(tones.tone(kind), 1))
    assert (info.codec, info.format, info.channels) == (codec, container, 2)
    sound, last = busy_child.play(1, 1)
    assert last.ended
    assert last.error == ""
    assert last.duration == pytest.approx(1.0, abs=0.08)
    assert len(sound) == pytest.approx(last.duration * m.MIX_RATE, abs=1)
    assert np.sqrt(np.mean(sound[4800:43_200] ** 2)) == pytest.approx(0.5 / np.sqrt(2), abs=0.02)
    busy_child.control.send(m.CloseMedia(1))


def test_sound_goes_into_its_row_and_wraps_there(decoder_child: DecoderChild, tones: Tones) -> None:
    opened(decoder_child.open(tones.tone("wav", rate=48_000), 1))
    decoder_child.rows[:] = 9
    column = m.RING_FRAMES - 100
    filled = decoder_child.fill(1, 5, 300, position=0.0, row=7, column=column)
    assert (filled.frames, filled.position, filled.voice) == (300, 0.0, 5)
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(300) / 48_000)
    assert np.abs(decoder_child.rows[7, column:, 0] - wanted[:100]).max() < 1e-3
    assert np.abs(decoder_child.rows[7, :200, 1] - wanted[100:]).max() < 1e-3
    assert (decoder_child.rows[7, 200:column] == 9).all()
    assert (decoder_child.rows[6] == 9).all()


def test_two_voices_of_one_medium_do_not_know_of_each_other(
    decoder_child: DecoderChild, tones: Tones
) -> None:
    opened(decoder_child.open(tones.noise("mp3"), 1))
    sound, _ = decoder_child.play(1, 1)
    decoder_child.fill(1, 2, 4800, position=0.0, row=1)
    decoder_child.fill(1, 3, 4800, position=1.5, row=2)
    decoder_child.fill(1, 2, 4800, row=1)
    decoder_child.fill(1, 3, 4800, row=2)
    assert np.abs(decoder_child.rows[1, :4800] - sound[4800:9600]).max() < 1e-3
    assert np.abs(decoder_child.rows[2, :4800] - sound[76_800:81_600]).max() < 1e-3


def test_a_voice_can_change_its_medium(decoder_child: DecoderChild, tones: Tones) -> None:
    opened(decoder_child.open(tones.tone("mp3"), 1))
    opened(decoder_child.open(tones.tone("wav"), 2))
    assert decoder_child.fill(1, 1, 480, position=0.5).position == 0.5
    assert decoder_child.fill(2, 1, 480).position == 0.0
    decoder_child.link.send(m.DropVoice(1))
    assert decoder_child.fill(2, 1, 480).position == 0.0


def test_a_seek_overtakes_refills(decoder_child: DecoderChild, tones: Tones) -> None:
    opened(decoder_child.open(tones.tone("mp3", 3.0), 1))
    for voice in range(8):
        decoder_child.link.send(m.Fill(voice, 1, 0, voice, 0, 4800, -1.0, 1.0, False, voice))
    decoder_child.link.send(m.Fill(99, 1, 0, 9, 0, 4800, 1.0, 1.0, False, 99))
    order = [decoder_child.get(m.Filled).token for _ in range(9)]
    assert order == [99, *range(8)]


def test_what_is_not_open_is_gone(decoder_child: DecoderChild, tones: Tones) -> None:
    assert decoder_child.fill(1, 1, 480).kind == "gone"
    opened(decoder_child.open(tones.tone("wav"), 1))
    assert decoder_child.fill(1, 1, 480).frames == 480
    decoder_child.control.send(m.CloseMedia(1))
    assert isinstance(decoder_child.ask(m.Ping(decoder_child.rid())), m.Done)
    assert decoder_child.fill(1, 1, 480).kind == "gone"


def test_a_clip_comes_whole_to_the_audio_engine(decoder_child: DecoderChild, tones: Tones) -> None:
    answer = decoder_child.ask(m.MakeClip(decoder_child.rid(), 4, "a.mp3", 2.0), tones.tone("mp3"))
    assert isinstance(answer, m.ClipMade)
    data, descriptor = decoder_child.get_with_descriptor(m.ClipData)
    assert (data.clip, data.frames, answer.frames, answer.info.duration) == (4, 48_000, 48_000, 1.0)
    assert descriptor is not None
    assert os.fstat(descriptor).st_size == 48_000 * 8
    sound = np.frombuffer(os.pread(descriptor, 48_000 * 8, 0), np.float32)
    os.close(descriptor)
    assert sound.max() == pytest.approx(0.5, abs=0.03)


def test_too_long_a_clip_is_refused(decoder_child: DecoderChild, tones: Tones) -> None:
    answer = decoder_child.ask(m.MakeClip(decoder_child.rid(), 4, "a.mp3", 0.5), tones.tone("mp3"))
    assert isinstance(answer, m.Failed)
    assert answer.kind == "format"


def test_it_ends_when_the_audio_engine_hangs_up(tones: Tones, decoder_child: DecoderChild) -> None:
    decoder_child.link.close()
    assert decoder_child.process.wait(20) == 0


def test_it_is_confined(decoder_child: DecoderChild) -> None:
    status = Path(f"/proc/{decoder_child.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert isinstance(decoder_child.hello.notes, list)


def test_the_status_word_is_clear_when_it_is_idle(decoder_child: DecoderChild, tones: Tones) -> None:
    opened(decoder_child.open(tones.tone("wav"), 17))
    assert isinstance(decoder_child.ask(m.Ping(decoder_child.rid())), m.Done)
    assert decoder_child.status == 0


class Growing:
    """The daemon's side of a file that is being fetched."""

    def __init__(self, child: DecoderChild, source: Path, copy: Path, *, size_known: bool = True) -> None:
        self.child = child
        self.content = source.read_bytes()
        self.size = len(self.content) if size_known else -1
        self.file = os.open(copy, os.O_RDWR | os.O_CREAT)
        os.ftruncate(self.file, len(self.content))
        self.rid = child.rid()
        child.control.send(m.OpenMedia(self.rid, 1, source.name, self.size, True), self.file)

    def give(self, *ranges: tuple[int, int], complete: bool = False, error: str = "") -> None:
        for start, end in ranges:
            os.pwrite(self.file, self.content[start:end], start)
        size = len(self.content) if complete else self.size
        self.child.control.send(m.Announce(1, size, list(ranges), complete, error))

    def give_all(self) -> None:
        self.give((0, len(self.content)), complete=True)


@pytest.mark.parametrize("kind", ["mp3", "m4a", "ogg", "wav"])
@pytest.mark.parametrize("size_known", [True, False])
def test_a_growing_file_waits_for_its_bytes(
    decoder_child: DecoderChild, tones: Tones, tmp_path: Path, kind: str, size_known: bool
) -> None:
    growing = Growing(decoder_child, tones.noise(kind), tmp_path / "growing", size_known=size_known)
    want = decoder_child.get(m.Want)
    assert (want.media, want.offset) == (1, 0)
    # Others aren't held up.
    assert isinstance(decoder_child.ask(m.Ping(decoder_child.rid())), m.Done)
    assert decoder_child.status == 0
    growing.give_all()
    opened(decoder_child.answer(growing.rid))
    sound, last = decoder_child.play(1, 1)
    assert last.ended
    local = decoder_child.open(tones.noise(kind), 2)
    opened(local)
    straight, _ = decoder_child.play(2, 2)
    assert np.array_equal(sound, straight)


def test_a_starving_voice_gets_what_there_is(
    decoder_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    growing = Growing(decoder_child, tones.noise("mp3"), tmp_path / "growing")
    half = len(growing.content) // 2
    growing.give((0, half))
    opened(decoder_child.answer(growing.rid))
    parts = []
    got = 0
    while True:
        filled = decoder_child.fill(1, 1, 24_000)
        parts.append(decoder_child.rows[0, : filled.frames].copy())
        got += filled.frames
        if filled.frames < 24_000:
            break
    assert 0.3 < got / m.MIX_RATE < 1.6
    assert not filled.ended
    assert filled.error == ""
    assert decoder_child.get(m.Want, lambda want: want.offset > 0).offset == half
    growing.give_all()
    rest, last = decoder_child.play(1, 1, position=-1.0)
    assert last.ended
    assert got + len(rest) == 3 * m.MIX_RATE
    opened(decoder_child.open(tones.noise("mp3"), 2))
    straight, _ = decoder_child.play(2, 2)
    assert np.array_equal(np.concatenate([*parts, rest]), straight)


def test_a_lost_network_fails_the_opening(decoder_child: DecoderChild, tones: Tones, tmp_path: Path) -> None:
    growing = Growing(decoder_child, tones.noise("mp3"), tmp_path / "growing")
    growing.give(error="connection reset")
    answer = decoder_child.answer(growing.rid)
    assert isinstance(answer, m.Failed)
    assert (answer.kind, answer.message) == ("network", "connection reset")


def test_a_lost_network_ends_the_sound_with_an_error(
    decoder_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    growing = Growing(decoder_child, tones.noise("mp3"), tmp_path / "growing")
    half = len(growing.content) // 2
    growing.give((0, half))
    opened(decoder_child.answer(growing.rid))
    growing.give((0, half), error="connection reset")
    sound, last = decoder_child.play(1, 1)
    assert (last.kind, last.error, last.ended) == ("network", "connection reset", False)
    assert len(sound) > 10_000


def test_closing_a_medium_frees_whoever_waits_for_it(
    decoder_child: DecoderChild, tones: Tones, tmp_path: Path
) -> None:
    growing = Growing(decoder_child, tones.noise("mp3"), tmp_path / "growing")
    decoder_child.get(m.Want)
    decoder_child.control.send(m.CloseMedia(1))
    answer = decoder_child.answer(growing.rid)
    assert isinstance(answer, m.Failed)
    assert answer.kind == "gone"
