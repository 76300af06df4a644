"""Bad input: each a clear error, once; the daemon lives on and nobody else hears of it."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.media import Media
from tests.services.program import FAMILY, Lab, Program, Refused

FILE, FORMAT, NETWORK = 10003, 10004, 10002


@pytest.fixture(autouse=True)
def bystander(lab: Lab, media: Media) -> Iterator[None]:
    """Somebody else's music, which goes on through it all."""
    other = lab.program(appId="bystander")
    music = other.context("music", src=media.tone("wav", 1.0, frequency=330), loop=True)
    music.do("play")
    capture = other.capture()
    other.advance(0.5)
    yield
    other.advance(1.0)
    assert music.told() == ["onCanplay", "onPlay"]
    description = other.describe(capture)
    assert description["dropouts"] == []
    assert [one["kind"] for one in description["segments"] if one["end"] - one["start"] > 0.001] == ["sound"]


def error_of(program: Program, source: str) -> tuple[int, str]:
    """Give a new context a source that can't be played; returns the code and text of its only event."""
    context = program.context("bad", src=source, autoplay=True)
    program.advance(1.0)
    assert context.told(updates=True) == ["onError"]
    error = context.events("onError")[0]
    assert error["paused"] is True
    assert error["errMsg"].strip()
    for secret in ("/proc/self/fd", "Errno", "Traceback", str(program.package)):
        assert secret not in error["errMsg"]
    assert context.state["state"] == "failed"
    context.do("destroy")
    assert context.told() == []
    return error["errCode"], error["errMsg"]


# --- calls ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["set", "play", "pause", "stop", "seek", "destroy"])
def test_an_unknown_context_is_202(program: Program, method: str) -> None:
    refused = program.refusal(f"{FAMILY}.{method}", contextId="nobody", position=1)
    assert refused.code == 202
    assert "nobody" in refused.text


@pytest.mark.parametrize(
    ("property_", "value", "type_"),
    [
        ("volume", "loud", "number"),
        ("volume", True, "number"),
        ("volume", [1], "number"),
        ("startTime", {}, "number"),
        ("playbackRate", "fast", "number"),
        ("loop", "yes", "boolean"),
        ("autoplay", 1, "boolean"),
        ("obeyMuteSwitch", 0, "boolean"),
        ("src", {"url": "/a.mp3"}, "string"),
        ("src", True, "string"),
        ("contextId", [], "string"),
    ],
)
def test_a_mistyped_property_is_904_in_the_words_of_baidu(
    program: Program, property_: str, value: Any, type_: str
) -> None:
    context = program.context()
    before = context.state
    refused = program.refusal(f"{FAMILY}.set", **{"contextId": "a", "startTime": 1, property_: value})
    assert refused.code == 904
    assert refused.text == f'[jsNative Argument Error]{property_} type error. must be "{type_}"'
    assert context.state == before


@pytest.mark.parametrize("position", ["soon", None, True, [], {}, {"position": "x"}, {"position": None}])
def test_a_mistyped_position_is_904(program: Program, media: Media, position: Any) -> None:
    context = program.context(src=media.tone())
    refused = program.refusal(f"{FAMILY}.seek", contextId="a", position=position)
    assert refused.code == 904
    assert refused.text == '[jsNative Argument Error]position type error. must be "number"'
    assert context.told() == ["onCanplay"]


def test_a_missing_argument_is_904_in_the_words_of_baidu(program: Program) -> None:
    program.context()
    assert program.refusal(f"{FAMILY}.seek", contextId="a").text == (
        "[jsNative Argument Error]position is required."
    )
    refused = program.refusal(f"{FAMILY}.create")
    assert (refused.code, refused.text) == (904, "[jsNative Argument Error]contextId is required.")


def test_a_number_in_a_string_is_a_number_and_a_number_passes_for_a_string(program: Program) -> None:
    context = program.context(volume="0.5", startTime="3")
    assert (context.state["volume"], context.state["startTime"]) == (0.5, 3)
    program.call(f"{FAMILY}.create", contextId=7)
    assert program.snapshot("7")["paused"] is True


@pytest.mark.parametrize(
    "wrong",
    [{"volume": 1.1}, {"volume": -0.01}, {"playbackRate": 0.49}, {"playbackRate": 2.1}, {"startTime": -1}],
)
def test_a_value_out_of_range_is_202_and_nothing_is_set(
    program: Program, media: Media, wrong: dict[str, float]
) -> None:
    context = program.context()
    before = context.state
    good = {"src": media.tone(), "loop": True, "autoplay": True, "obeyMuteSwitch": False}
    refused = program.refusal(f"{FAMILY}.set", contextId="a", **{**good, **wrong})
    assert refused.code == 202
    assert next(iter(wrong)) in refused.text
    assert context.state == before
    assert context.told() == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_a_number_never_gets_in(program: Program, value: float) -> None:
    # JSON has no such numbers: a sender who writes them is told that it isn't JSON, and may go on.
    context = program.context()
    answer = program.send(f"{FAMILY}.set", contextId="a", volume=value)
    context.set(volume=0.25)
    assert context.state["volume"] == 0.25
    answer.cancel()
    assert program.faults == ["nobody asked for " + repr(program.strays[0])]
    assert program.strays[0]["error"]["code"] == -32700
    program.faults.clear()


def test_play_without_a_source_is_10003_both_ways(program: Program) -> None:
    context = program.context()
    refused = program.refusal(f"{FAMILY}.play", contextId="a")
    assert refused.code == FILE
    assert context.told() == ["onError"]
    assert context.events("onError")[0]["errCode"] == FILE
    context.do("pause", "stop")
    context.seek(1)
    assert context.told() == []


def test_an_id_that_is_taken_is_202(program: Program) -> None:
    context = program.context(volume=0.5)
    assert program.refusal(f"{FAMILY}.create", contextId="a").code == 202
    assert context.state["volume"] == 0.5


@pytest.mark.parametrize("context_id", ["", "x" * 129])
def test_an_id_has_a_length(program: Program, context_id: str) -> None:
    assert program.refusal(f"{FAMILY}.create", contextId=context_id).code == 202


def test_the_4097th_context_is_one_too_many(program: Program) -> None:
    answers = [program.send(f"{FAMILY}.create", contextId=f"c{number}") for number in range(4097)]
    results = program.all_answered(answers)
    assert all(answer.get("result") == {} for answer in results[:-1])
    assert results[-1]["error"]["code"] == 1001
    assert "4096" in results[-1]["error"]["data"]["errMsg"]
    program.call(f"{FAMILY}.destroy", contextId="c0")
    program.call(f"{FAMILY}.create", contextId="c4096")


def test_a_source_may_not_be_endless(program: Program) -> None:
    context = program.context()
    refused = program.refusal(f"{FAMILY}.set", contextId="a", src="/" + "x" * (4 << 20))
    assert (refused.code, context.state["src"]) == (202, "")
    assert "src" in refused.text


# --- files ------------------------------------------------------------------------------------------------


def test_play_after_an_error_tries_again_and_tells_again(program: Program, media: Media) -> None:
    context = program.context(src="/later.wav")
    context.do("play")
    assert set(context.told()) == {"onError"}
    media.raw("later.wav", media.path(media.tone("wav", 1.0)).read_bytes())
    program.advance(0.1)  # in the same tick it would be no second try
    context.told()
    context.do("play")
    program.advance(1.5)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    media.path("/later.wav").unlink()


def test_a_bad_source_is_an_error_before_anything_else(program: Program) -> None:
    context = program.context()
    answers = [
        program.send(f"{FAMILY}.set", contextId="a", src="/missing.mp3"),
        program.send(f"{FAMILY}.seek", contextId="a", position=1),
        program.send(f"{FAMILY}.pause", contextId="a"),
    ]
    assert all("result" in answer for answer in program.all_answered(answers))
    assert context.told(updates=True) == ["onError"]


@pytest.mark.parametrize(
    "source",
    [
        "/missing.mp3",
        "missing.mp3",
        "/",
        ".",
        "/..",
        "../secret.wav",
        "/../secret.wav",
        "/sub/../../secret.wav",
        "/%2e%2e/secret.wav",
        "..%2fsecret.wav",
        "/..\\secret.wav",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "concat:/a.wav|/b.wav",
        "subfile,,start,0,end,9,,:/a.wav",
        "pipe:0",
        "ftp://127.0.0.1/a.mp3",
        "rtmp://127.0.0.1/a",
        "crypto:/a.wav",
        "/tone\0.wav",
        "bdfile://tmp_00000000000000000000000000000000.wav",
        "bdfile://../../secret.wav",
        "bdfile:///etc/passwd",
        "bdfile://",
        "/" + "x" * 5000,
        "/" + "d/" * 3000,
        "/\u202egnp.mp3",
        " ",
    ],
)
def test_what_names_no_file_of_the_program_is_10003(program: Program, media: Media, source: str) -> None:
    secret = media.folder.parent / "secret.wav"
    if not secret.exists():
        secret.write_bytes(media.path(media.tone("wav", 1.0)).read_bytes())
    assert error_of(program, source)[0] == FILE


def test_another_programs_file_is_10003(lab: Lab, program: Program) -> None:
    other = lab.program()
    capture = other.capture()
    other.advance(0.5)
    path = other.call("speaker.capture.stop", captureId=capture)["filePath"]
    assert error_of(program, path)[0] == FILE
    own = other.context(src=path)
    own.do("play")
    other.advance(1.0)
    assert own.told() == ["onCanplay", "onPlay", "onEnded"]


@pytest.mark.parametrize("kind", ["link", "link to a folder", "pipe", "folder", "socket"])
def test_what_is_no_plain_file_is_10003(program: Program, media: Media, kind: str) -> None:
    path = media.folder / f"odd-{kind.replace(' ', '-')}"
    if not os.path.lexists(path):
        if kind == "link":
            path.symlink_to("/etc/passwd")
        elif kind == "link to a folder":
            path.symlink_to("/etc")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            os.mknod(path, 0o140600)
    source = f"/{path.name}/passwd" if kind == "link to a folder" else f"/{path.name}"
    assert error_of(program, source)[0] == FILE


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
WORTHLESS = {
    "one-byte.wav": b"R",
    "text.mp3": b"This is not music. " * 500,
    "page.mp3": b"<!DOCTYPE html><html><body>404</body></html>",
    "list.m3u8": PLAYLIST,
    "list.mp3": PLAYLIST,
    "list.ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "zeros.mp3": bytes(100_000),
    "ones.mp3": b"\xff" * 100_000,
    "headless.wav": b"RIFF\xff\xff\xff\xffWAVE",
    "no-sound.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x44\xac\0\0\x88\x58\1\0\2\0\x10\0",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "head.flac": b"fLaC\0\0\0\x22" + bytes(20),
    "head.ogg": b"OggS" + bytes(60),
    "head.m4a": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + bytes(16),
    "head.wma": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c" + bytes(80),
}


def test_an_empty_file_is_10003(program: Program, media: Media) -> None:
    assert error_of(program, media.raw("empty.mp3", b""))[0] == FILE
    assert error_of(program, "data:,")[0] == FILE
    assert error_of(program, "data:audio/mpeg;base64,")[0] == FILE


@pytest.mark.parametrize("name", WORTHLESS)
def test_what_is_no_sound_is_10004(program: Program, media: Media, name: str) -> None:
    assert error_of(program, media.raw(name, WORTHLESS[name]))[0] == FORMAT


def test_two_sparse_gigabytes_of_nothing_are_10004_at_once(program: Program, media: Media) -> None:
    source = media.raw("sparse.mp3", b"")
    os.truncate(media.path(source), 2 << 30)
    assert error_of(program, source)[0] == FORMAT


def test_two_sparse_gigabytes_of_silence_can_be_played(program: Program, media: Media) -> None:
    size = (2 << 30) - 64
    head = b"RIFF" + (size + 36).to_bytes(4, "little") + WORTHLESS["no-sound.wav"][8:]
    source = media.raw("hours.wav", head + b"data" + size.to_bytes(4, "little"))
    os.truncate(media.path(source), 44 + size)
    context = program.context(src=source)
    context.do("play")
    program.advance(1.0)
    context.seek(20_000)
    program.advance(1.0)
    assert context.told() == ["onCanplay", "onPlay", "onSeeking", "onSeeked"]
    assert context.state["duration"] == pytest.approx(size / 2 / 44_100)
    assert context.state["currentTime"] == pytest.approx(20_001, abs=0.001)


@pytest.mark.parametrize("kind", ["mp3", "wav", "flac", "ogg", "aac"])
def test_a_file_that_was_cut_off_is_played_as_far_as_it_goes(
    program: Program, media: Media, kind: str
) -> None:
    whole = media.path(media.tone(kind, 4.0)).read_bytes()
    source = media.raw(f"cut-{kind}.{kind}", whole[: len(whole) * 2 // 5])
    context = program.context(src=source)
    capture = program.capture()
    context.do("play")
    program.advance(6.0)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    took = context.events("onEnded")[0]["at"] - context.events("onPlay")[0]["at"]
    # Within a frame or page of what FFmpeg itself can still decode.
    assert took == pytest.approx(media.true_duration(source), abs=0.1)
    assert 0.9 < took < 2.0
    assert context.events("onEnded")[0]["duration"] == pytest.approx(took, abs=0.001)
    assert program.describe(capture)["dropouts"] == []


def test_rubbish_in_the_middle_costs_no_more_than_itself(program: Program, media: Media) -> None:
    whole = bytearray(media.path(media.tone("mp3", 4.0)).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = bytes(range(250)) * 8
    context = program.context(src=media.raw("rubbish.mp3", bytes(whole)))
    context.do("play")
    program.advance(6.0)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    took = context.events("onEnded")[0]["at"] - context.events("onPlay")[0]["at"]
    assert took == pytest.approx(4.0, abs=0.3)


# --- data: URLs -------------------------------------------------------------------------------------------


def test_a_data_url_is_played(program: Program, media: Media) -> None:
    content = base64.b64encode(media.path(media.tone("mp3", 1.0)).read_bytes()).decode()
    context = program.context(src=f"data:audio/mpeg;base64,{content}")
    context.do("play")
    program.advance(1.5)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]


def test_a_data_url_without_sound_is_10004(program: Program) -> None:
    assert error_of(program, "data:audio/mpeg,hello%20there")[0] == FORMAT


@pytest.mark.parametrize("url", ["data:", "data:audio/mpeg;base64", "data:audio/mpeg;base64,@@@@"])
def test_a_data_url_that_is_none_is_no_matter_of_the_network(program: Program, url: str) -> None:
    assert error_of(program, url)[0] in (FILE, FORMAT)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://127.0.0.1:1/a.mp3",
        "https://127.0.0.1:1/a.mp3",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/a.mp3",
        "http://0.0.0.0:99999/a.mp3",
        "http://127.0.0.1:22:33/a.mp3",
    ],
)
def test_an_address_that_does_not_answer_is_10002(program: Program, url: str) -> None:
    assert error_of(program, url)[0] == NETWORK


def test_errors_say_what_they_are_and_nothing_else(program: Program) -> None:
    with pytest.raises(Refused) as caught:
        program.call(f"{FAMILY}.play", contextId="nobody")
    error = caught.value.error
    assert set(error) == {"code", "message", "data"}
    assert error["data"]["name"] == "parameterError"
    assert "nobody" in error["data"]["errMsg"]


def test_a_bad_src_and_a_play_in_one_tick_are_one_error_and_a_later_play_tries_again(
    program: Program,
) -> None:
    context = program.context()
    context.set(src="/nowhere.mp3")
    context.do("play")
    program.advance(1)
    assert len(program.of("a", "onError")) == 1
    context.do("play")
    program.advance(1)
    assert len(program.of("a", "onError")) == 2
