"""The asyncio client's InnerAudioContext, on a real daemon with the virtual clock (facts 2.10)."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from swanbridge_client import Event, Swan, connect
from swanbridge_client.demo.sounds import tone, write_wav
from swanbridge_protocol.errors import ArgumentError, AudioFileError, IllegalState, ParameterError
from swanbridge_protocol.inner_audio import AudioError, AudioState, TimeUpdate
from swanbridge_testing.daemon import RunningDaemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with RunningDaemon() as running:
        program = running.package_dir / "program"
        program.mkdir()
        write_wav(program / "t.wav", tone(440, 1.0))
        write_wav(program / "u.wav", tone(660, 2.0))
        (program / "broken.wav").write_bytes(b"this is no sound at all")
        yield running


@pytest.fixture
def run(daemon: RunningDaemon) -> Callable[[Callable[[Swan], Awaitable[None]]], None]:
    """Run a coroutine with a session of its own."""

    @asynccontextmanager
    async def session() -> AsyncIterator[Swan]:
        root = daemon.package_dir / "program"
        async with connect(daemon.url, token=daemon.token, app_id="test", package_root=root) as swan:
            yield swan

    def run_it(body: Callable[[Swan], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with asyncio.timeout(30), session() as swan:
                await body(swan)

        asyncio.run(whole(), debug=False)

    return run_it


Run = Callable[[Callable[[Swan], Awaitable[None]]], None]


def test_a_new_context_has_the_defaults_of_the_seed(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        assert (audio.src, audio.start_time, audio.autoplay, audio.loop) == ("", 0, False, False)
        assert (audio.volume, audio.playback_rate, audio.obey_mute_switch) == (1, 1, True)
        assert (audio.duration, audio.current_time, audio.paused, audio.buffered) == (0, 0, True, 0)

    run(body)


def test_paused_follows_the_events_and_not_the_call(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        audio.src = "/t.wav"
        audio.play()
        assert audio.paused
        await audio.wait_for("play")
        assert not audio.paused
        await swan.control.clock.advance(0.5)
        assert (audio.current_time, audio.duration, audio.buffered) == (0.5, 1.0, 1.0)
        audio.pause()
        assert not audio.paused
        await audio.wait_for("pause")
        assert audio.paused

    run(body)


def test_every_event_reaches_its_listener_with_its_payload(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        told: list[tuple[str, object]] = []
        for name in ("canplay", "play", "pause", "stop", "ended", "time_update", "seeking", "seeked"):
            getattr(audio, f"on_{name}")(lambda payload, name=name: told.append((name, payload)))
        audio.src = "/t.wav"
        audio.play()
        await swan.control.clock.advance(0.25)
        audio.seek(0.75)
        await swan.control.clock.advance(0.1)
        audio.pause()
        audio.play()
        await swan.control.clock.advance(1.0)
        audio.play()
        audio.stop()
        await swan.control.clock.advance(0)
        names = [name for name, _ in told]
        assert names == [
            *("canplay", "play", "time_update", "seeking", "time_update", "seeked"),
            *("time_update", "pause", "play", "time_update", "ended", "play", "stop"),
        ]
        kinds = {name: type(payload) for name, payload in told}
        assert kinds["time_update"] is TimeUpdate
        assert kinds["ended"] is AudioState

    run(body)


def test_listeners_add_up_and_are_removed_one_by_one_or_all(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        told: list[str] = []
        audio.on_canplay(lambda _: told.append("first"))
        second = audio.on_canplay(lambda _: told.append("second"))
        audio.src = "/t.wav"
        await swan.control.clock.advance(0)
        audio.off_canplay(second)
        audio.src = "/u.wav"
        await swan.control.clock.advance(0)
        audio.off_canplay()
        audio.src = "/t.wav"
        await swan.control.clock.advance(0)
        assert told == ["first", "second", "first"]

    run(body)


def test_a_listener_that_raises_harms_no_other(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        told: list[str] = []

        @audio.on_canplay
        def fails(_: AudioState) -> None:
            raise RuntimeError("mine")

        @audio.on_canplay
        async def waits(_: AudioState) -> None:
            told.append("coroutine")

        audio.on_canplay(lambda _: told.append("function"))
        audio.src = "/t.wav"
        await swan.control.clock.advance(0)
        assert sorted(told) == ["coroutine", "function"]

    with caplog.at_level(logging.ERROR):
        run(body)
    assert "fails" in caplog.text


def test_writes_of_one_tick_go_out_as_one_call_before_the_next(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(swan: Swan) -> None:
        sent: list[tuple[str, object]] = []
        original = swan._link.send

        def watched(method: str, params: dict[str, object]) -> asyncio.Future[object]:
            answer = original(method, params)  # the writes before it go out inside
            sent.append((method.rpartition(".")[2], {**params, "contextId": None}))
            return answer

        monkeypatch.setattr(swan._link, "send", watched)
        audio = swan.create_inner_audio_context()
        audio.volume = 0.25
        audio.src = "/t.wav"
        audio.volume = 0.5
        await audio.play()
        audio.loop = True
        await swan.control.clock.advance(0)
        assert sent == [
            ("create", {"contextId": None}),
            ("set", {"contextId": None, "src": "/t.wav", "volume": 0.5}),
            ("play", {"contextId": None}),
            ("set", {"contextId": None, "loop": True}),
            ("advance", {"seconds": 0, "contextId": None}),
        ]

    run(body)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("volume", 1.5, "volume is out of range: Input should be less than or equal to 1"),
        ("playback_rate", 3, "playbackRate is out of range: Input should be less than or equal to 2"),
        ("start_time", -1, "startTime is out of range: Input should be greater than or equal to 0"),
        ("volume", True, '[jsNative Argument Error]volume type error. must be "number"'),
        ("volume", "x", '[jsNative Argument Error]volume type error. must be "number"'),
        ("volume", None, '[jsNative Argument Error]volume type error. must be "number"'),
        ("loop", "yes", '[jsNative Argument Error]loop type error. must be "boolean"'),
        ("obey_mute_switch", None, '[jsNative Argument Error]obeyMuteSwitch type error. must be "boolean"'),
    ],
)
def test_a_value_that_no_daemon_would_take_is_refused_at_once_in_the_daemons_words(
    run: Run, name: str, value: object, sentence: str
) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        before = getattr(audio, name)
        with pytest.raises((ParameterError, ArgumentError)) as raised:
            setattr(audio, name, value)
        assert (raised.value.err_code, raised.value.err_msg) == (904 if "type" in sentence else 202, sentence)
        assert getattr(audio, name) == before
        wire_name = sentence.removeprefix("[jsNative Argument Error]").partition(" ")[0]
        if value is not None:
            with pytest.raises(type(raised.value)) as answered:
                await swan.call("innerAudioContext.set", {"contextId": audio.context_id, wire_name: value})
            assert answered.value.err_msg == sentence

    run(body)


def test_an_option_of_the_wrong_type_is_refused_in_the_words_of_the_mini_programs(run: Run) -> None:
    async def body(swan: Swan) -> None:
        wrong: Any = "x"
        with pytest.raises(ArgumentError) as raised:
            await swan.set_inner_audio_option(mix_with_other=wrong)
        assert raised.value.err_code == 904
        assert raised.value.err_msg == '[jsNative Argument Error]mixWithOther type error. must be "boolean"'

    run(body)


@pytest.mark.parametrize("position", ["x", None, True])
def test_a_seek_to_no_number_raises_even_if_nobody_awaits_it(run: Run, position: Any) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        with pytest.raises(ArgumentError) as raised:
            audio.seek(position)
        assert str(raised.value) == '[jsNative Argument Error]position type error. must be "number"'

    run(body)


@pytest.mark.parametrize("value", [5, None, Path("t.wav")])
def test_a_source_that_is_no_string_is_ignored_and_logged(
    run: Run, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        audio.src = "/t.wav"
        audio.src = value
        await swan.control.clock.advance(0)
        assert audio.src == "/t.wav"
        objects = (await swan.control.session.snapshot()).objects["innerAudioContext"]
        assert objects[audio.context_id]["src"] == "/t.wav"

    run(body)
    assert [(one.levelname, type(value).__name__ in one.getMessage()) for one in caplog.records] == [
        ("ERROR", True)
    ]


def test_a_misspelt_property_raises(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio: Any = swan.create_inner_audio_context()
        with pytest.raises(AttributeError, match="volum"):
            audio.volum = 0.5

    run(body)


def test_an_error_is_raised_where_it_is_awaited_and_told_as_an_event(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        told: list[AudioError] = []
        audio.on_error(told.append)
        with pytest.raises(AudioFileError, match="src is not set") as raised:
            await audio.play()
        assert raised.value.code == 10003
        assert [one.err_code for one in told] == [10003]

    run(body)


def test_an_ignored_error_makes_no_noise(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def body(swan: Swan) -> None:
        swan.create_inner_audio_context().play()
        audio = swan.create_inner_audio_context()
        audio.wait_for("ended")
        audio.destroy()
        audio.play()
        await swan.control.clock.advance(0)
        gc.collect()

    run(body)
    gc.collect()
    assert caplog.text == ""


def test_waiting_for_an_event_fails_with_the_contexts_own_error(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        canplay = audio.wait_for("canplay")
        audio.src = "/nothing-here.wav"
        with pytest.raises(AudioFileError):
            await canplay
        with pytest.raises(ValueError, match="there is no event"):
            audio.wait_for("sleep")

    run(body)


def test_events_are_iterated_until_the_context_is_destroyed(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        events = audio.events()
        audio.src = "/t.wav"
        audio.play()
        await swan.control.clock.advance(0.25)
        audio.destroy()
        assert [name async for name, _ in events] == ["canplay", "play", "time_update", "stop"]
        assert [name async for name, _ in audio.events()] == []

    run(body)


def test_a_destroyed_context_ignores_writes_and_a_second_destroy(run: Run) -> None:
    async def body(swan: Swan) -> None:
        audio = swan.create_inner_audio_context()
        await audio.destroy()
        await audio.destroy()
        audio.volume = 0.5
        with pytest.raises(ParameterError, match="destroyed"):
            await audio.play()
        assert (await swan.control.session.snapshot()).objects["innerAudioContext"] == {}

    run(body)


def test_what_was_heard_is_the_files_own_samples(run: Run) -> None:
    async def body(swan: Swan) -> None:
        capture = await swan.control.speaker.capture.start()
        audio = swan.create_inner_audio_context()
        audio.src = "/t.wav"
        await swan.control.clock.advance(0.5)
        audio.play()
        ended = await swan.control.clock.run_until("innerAudioContext.onEnded", 10)
        assert ended.event is not None
        assert ended.event["contextId"] == audio.context_id
        description = await swan.control.speaker.capture.describe(capture)
        sound = next(one for one in description.segments if one.kind == "sound")
        assert (round(sound.start, 3), round(sound.end, 3), sound.dominant_frequency) == (0.5, 1.5, 440)
        found = await swan.control.speaker.capture.find(capture, "/t.wav")
        assert any(match.at == 0.5 and match.score > 0.99 for match in found.matches)
        file = await swan.control.speaker.capture.stop(capture)
        assert (file.duration, file.sample_rate) == (1.5, 48_000)
        assert (await swan.control.file.url(file.file_path)).startswith(f"{swan.base_url}/files/")

    run(body)


def test_generic_calls_events_and_options_speak_wire_names(run: Run) -> None:
    async def body(swan: Swan) -> None:
        told: list[Event] = []
        swan.on("innerAudioContext.onCanplay", told.append)
        everything = swan.on("*", told.append)
        swan.create_inner_audio_context().src = "/t.wav"
        assert (await swan.call("clock.now"))["mode"] == "virtual"
        await swan.control.clock.advance(0)
        assert [(one.name, one.seq) for one in told] == [("innerAudioContext.onCanplay", 1)] * 2
        swan.off("*", everything)
        with pytest.raises(ValueError, match="there is no event"):
            swan.on("innerAudioContext.onFinished", told.append)
        result = await swan.set_inner_audio_option(mix_with_other=True)
        assert result.err_msg == "setInnerAudioOption:ok"
        journal = await swan.control.journal.read()
        assert [entry["params"]["seq"] for entry in journal.entries] == [1]
        devices = (await swan.control.device.list()).devices
        assert [(one.kind, one.virtual) for one in devices] == [("speaker", True)]

    run(body)


@pytest.mark.swanbridge(clock="real")
@pytest.mark.realtime
def test_the_real_clock_cannot_be_moved_and_events_come_by_themselves(
    swanbridge_daemon: RunningDaemon, package_root: Path
) -> None:
    write_wav(package_root / "t.wav", tone(440, 0.3))

    async def body() -> None:
        async with connect(
            swanbridge_daemon.url, token=swanbridge_daemon.token, package_root=package_root
        ) as swan:
            audio = swan.create_inner_audio_context()
            audio.src = "/t.wav"
            ended = audio.wait_for("ended", timeout=20)
            audio.play()
            await ended
            assert audio.current_time == audio.duration == pytest.approx(0.3)
            with pytest.raises(IllegalState):
                await swan.control.clock.advance(1)
            with pytest.raises(TimeoutError, match="no waiting within"):
                await audio.wait_for("waiting", timeout=0.01)

    asyncio.run(body())
