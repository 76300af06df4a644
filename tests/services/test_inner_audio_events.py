"""Which events come, in which order: the cases of facts 5.3 as our own, and the rulings beyond them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.services.media import Media
from tests.services.program import Context, Lab, Program

SAMPLE = 1 / 48_000
ROUNDED = 1e-6  # the wire has six decimals


@pytest.fixture
def tone(media: Media) -> str:
    return media.tone("wav", 2.0)


@pytest.fixture
def ready(program: Program, tone: str) -> Context:
    """A context with two seconds of tone, at rest."""
    context = program.context(src=tone)
    assert context.told() == ["onCanplay"]
    return context


@pytest.fixture
def playing(ready: Context) -> Context:
    """The same a second into playing."""
    ready.do("play")
    ready.program.advance(1.0)
    assert ready.told() == ["onPlay"]
    return ready


# --- play and canplay -------------------------------------------------------------------------------------


def test_canplay_comes_without_anybody_asking_to_play(program: Program, tone: str) -> None:
    context = program.context(src=tone)
    assert context.told(updates=True) == ["onCanplay"]
    assert context.state["state"] == "ready"


def test_canplay_comes_before_play(program: Program, tone: str) -> None:
    context = program.context(src=tone)
    context.do("play")
    assert context.told() == ["onCanplay", "onPlay"]


@pytest.mark.parametrize("order", ["before src", "with src", "after src"])
def test_autoplay_plays_after_canplay(program: Program, tone: str, order: str) -> None:
    context = program.context()
    if order == "with src":
        context.set(src=tone, autoplay=True)
    else:
        # Both calls leave in one go, as a program's two assignments do.
        changes: list[dict[str, str | bool]] = [{"autoplay": True}, {"src": tone}]
        if order == "after src":
            changes.reverse()
        calls = [program.send("innerAudioContext.set", contextId="a", **change) for change in changes]
        assert all("result" in answer for answer in program.all_answered(calls))
    assert context.told() == ["onCanplay", "onPlay"]


def test_a_pause_before_the_source_is_open_prevents_autoplay(program: Program, tone: str) -> None:
    context = program.context(autoplay=True)
    calls = [
        program.send("innerAudioContext.set", contextId="a", src=tone),
        program.send("innerAudioContext.pause", contextId="a"),
    ]
    program.all_answered(calls)
    program.advance(1.0)
    assert "onEnded" not in context.told()
    assert context.state["paused"] is True


def test_autoplay_that_is_set_after_canplay_waits_for_the_next_source(ready: Context, media: Media) -> None:
    ready.program.advance(0.1)
    ready.set(autoplay=True)
    assert ready.told() == []
    ready.set(src=media.tone("wav", 1.0))
    assert ready.told() == ["onCanplay", "onPlay"]


def test_autoplay_that_is_taken_back_does_not_play(program: Program, tone: str) -> None:
    context = program.context(autoplay=True)
    context.set(autoplay=False, src=tone)
    assert context.told() == ["onCanplay"]


def test_play_while_playing_is_no_second_play(playing: Context) -> None:
    playing.do("play", "play")
    assert playing.told() == []


def test_play_and_pause_at_once_is_paused_and_says_so(ready: Context) -> None:
    ready.do("play", "pause")
    assert ready.told() in (["onPause"], ["onPlay", "onPause"])
    assert ready.state["paused"] is True
    ready.program.advance(3.0)
    assert ready.told() == []


def test_pause_without_play_says_nothing(ready: Context) -> None:
    ready.do("pause", "pause")
    assert ready.told(updates=True) == []


def test_pause_tells_the_time_and_is_not_told_twice(playing: Context) -> None:
    playing.program.advance(0.1)
    playing.told()
    playing.do("pause", "pause")
    assert playing.told(updates=True) == ["onTimeUpdate", "onPause"]
    assert playing.events("onPause")[0]["currentTime"] == pytest.approx(1.1, abs=SAMPLE)
    assert playing.events("onPause")[0]["paused"] is True


def test_play_after_pause_goes_on_where_it_was(playing: Context) -> None:
    playing.do("pause")
    playing.program.advance(5.0)
    playing.do("play")
    assert playing.told() == ["onPause", "onPlay"]
    assert playing.events("onPlay")[-1]["currentTime"] == pytest.approx(1.0, abs=SAMPLE)
    playing.program.advance(1.0 + 2 * SAMPLE)
    assert playing.told() == ["onEnded"]


def test_the_source_is_readable_at_once(program: Program, tone: str) -> None:
    context = program.context()
    assert context.state["src"] == ""
    assert context.state["paused"] is True
    context.set(src=tone)
    assert context.state["src"] == tone


def test_the_same_source_again_is_no_new_one(playing: Context, tone: str) -> None:
    playing.set(src=tone)
    assert playing.told() == []
    assert playing.state["paused"] is False


def test_another_source_while_playing_ends_the_first_in_silence(playing: Context, media: Media) -> None:
    playing.set(src=media.tone("wav", 1.0, frequency=660))
    assert playing.told() == ["onCanplay"]
    assert playing.state["paused"] is True
    assert playing.state["currentTime"] == 0
    assert playing.state["duration"] == pytest.approx(1.0)


def test_an_empty_source_lets_go(playing: Context) -> None:
    playing.set(src="")
    assert playing.told() == []
    assert playing.program.refusal("innerAudioContext.play", contextId="a").code == 10003
    assert playing.told() == ["onError"]


def test_duration_is_unknown_before_the_source_is_open(program: Program, tone: str) -> None:
    context = program.context()
    assert context.state["duration"] == 0
    context.set(src=tone)
    program.advance()
    assert context.state["duration"] == pytest.approx(2.0)
    assert context.state["buffered"] == pytest.approx(2.0)


# --- time updates -----------------------------------------------------------------------------------------


def test_time_updates_come_every_quarter_second_and_never_go_back(program: Program, media: Media) -> None:
    context = program.context(src=media.tone("mp3", 4.0))
    context.do("play")
    program.advance(3.0)
    updates = context.events("onTimeUpdate")
    assert len(updates) == 12
    for earlier, later in pairwise(updates):
        assert 0.015 <= later["at"] - earlier["at"] <= 0.25 + ROUNDED
        assert later["currentTime"] > earlier["currentTime"]
    for update in updates:
        assert update["currentTime"] == round(update["currentTime"], 6)
        assert update["currentTime"] <= update["duration"]
        assert set(update) == {"seq", "at", "contextId", "currentTime", "duration"}


@pytest.mark.parametrize(("interval", "expected"), [(0, 0), (1.0, 3), (0.1, 30)])
def test_a_session_chooses_its_time_updates(lab: Lab, media: Media, interval: float, expected: int) -> None:
    program = lab.program(timeUpdateInterval=interval)
    context = program.context(src=media.tone("wav", 4.0))
    context.do("play")
    program.advance(3.0 + ROUNDED)
    assert len(context.events("onTimeUpdate")) == expected
    program.advance(1.5)
    assert context.told()[-1] == "onEnded"


def test_no_time_updates_means_none_after_a_seek_either(lab: Lab, tone: str) -> None:
    program = lab.program(timeUpdateInterval=0)
    context = program.context(src=tone)
    context.do("play")
    context.seek(1.0)
    context.do("pause")
    assert context.told(updates=True) == ["onCanplay", "onPlay", "onSeeking", "onSeeked", "onPause"]


def test_no_time_updates_come_while_paused(playing: Context) -> None:
    playing.do("pause")
    playing.told()
    playing.program.advance(3.0)
    assert playing.told(updates=True) == []


# --- the end ----------------------------------------------------------------------------------------------


def test_the_end_is_told_once_after_a_last_time_update_and_without_a_pause(playing: Context) -> None:
    playing.program.advance(5.0)
    names = playing.told(updates=True)
    assert names[-2:] == ["onTimeUpdate", "onEnded"]
    assert names.count("onEnded") == 1
    assert "onPause" not in names
    ended = playing.events("onEnded")[0]
    assert ended["currentTime"] == ended["duration"] == pytest.approx(2.0)
    assert ended["paused"] is True
    assert ended["at"] - playing.events("onPlay")[0]["at"] == pytest.approx(2.0, abs=SAMPLE + ROUNDED)


def test_play_after_the_end_begins_again(playing: Context) -> None:
    playing.program.advance(2.0)
    playing.do("play")
    playing.program.advance(3.0)
    assert playing.told() == ["onEnded", "onPlay", "onEnded"]
    assert playing.events("onPlay")[1]["currentTime"] == 0


def test_a_loop_set_after_the_end_begins_again_when_played(playing: Context) -> None:
    playing.program.advance(2.0)
    assert playing.told() == ["onEnded"]
    playing.set(loop=True)
    playing.program.advance(1.0)
    assert playing.told() == []
    playing.do("play")
    playing.program.advance(7.0)
    assert playing.told() == ["onPlay"]


# --- loop -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wav", "mp3", "m4a", "flac", "ogg"])
def test_a_loop_goes_round_more_than_once_without_an_end_and_without_a_gap(
    program: Program, media: Media, kind: str
) -> None:
    source = media.tone(kind, 1.0)
    duration = media.true_duration(source)
    context = program.context(src=source, loop=True)
    capture = program.capture()
    context.do("play")
    program.advance(3.5 * duration)
    assert context.told() == ["onCanplay", "onPlay"]
    position = context.state["currentTime"]
    assert position == pytest.approx(duration / 2, abs=0.002)
    description = program.describe(capture)
    assert description["dropouts"] == []
    assert [one["kind"] for one in description["segments"] if one["end"] - one["start"] > 0.001] == ["sound"]
    context.set(loop=False)
    program.advance(duration)
    assert context.told() == ["onEnded"]


@pytest.mark.parametrize("is_playing", [True, False])
def test_a_loop_that_is_sought_to_its_end_is_at_its_beginning(ready: Context, is_playing: bool) -> None:
    ready.set(loop=True)
    if is_playing:
        ready.do("play")
        ready.program.advance(0.5)
    ready.told()
    ready.seek(ready.state["duration"])
    assert ready.told(updates=True) == ["onSeeking", "onTimeUpdate", "onSeeked"]
    assert ready.state["currentTime"] == pytest.approx(0, abs=SAMPLE)
    ready.program.advance(4.5)
    assert ready.told() == []


def test_a_loop_that_is_switched_off_ends_its_round(ready: Context) -> None:
    ready.set(loop=True)
    ready.do("play")
    ready.program.advance(5.0)
    ready.set(loop=False)
    ready.program.advance(1.0 + 4 * SAMPLE)
    assert ready.told() == ["onPlay", "onEnded"]


# --- seek -------------------------------------------------------------------------------------------------


def test_a_seek_to_where_we_are_is_exactly_seeking_time_update_seeked(ready: Context) -> None:
    ready.seek(ready.state["currentTime"])
    assert ready.told(updates=True) == ["onSeeking", "onTimeUpdate", "onSeeked"]


@pytest.mark.parametrize("is_playing", [True, False])
@pytest.mark.parametrize(("target", "place"), [(1e300, 2.0), (99, 2.0), (-1, 0.0), (-1e300, 0.0)])
def test_a_seek_is_clamped_to_what_there_is(
    ready: Context, target: float, place: float, is_playing: bool
) -> None:
    if is_playing:
        ready.do("play")
        ready.program.advance(0.5)
    ready.told()
    ready.seek(target)
    names = ready.told(updates=True)
    assert names[:3] == ["onSeeking", "onTimeUpdate", "onSeeked"]
    assert ready.events("onSeeked")[0]["currentTime"] == pytest.approx(place)
    if is_playing and place > 0:
        ready.program.advance(0.1)
        assert names[3:] + ready.told() == ["onEnded"]


def test_a_seek_keeps_the_precise_place(ready: Context) -> None:
    ready.seek(0.123456)
    ready.told()
    assert ready.events("onSeeked")[0]["currentTime"] == 0.123456
    assert ready.state["currentTime"] == 0.123456


def test_a_seek_takes_a_number_or_an_object(ready: Context) -> None:
    ready.seek({"position": 1.5})
    ready.told()
    assert ready.state["currentTime"] == 1.5


def test_a_seek_before_the_source_is_open_is_remembered_without_an_event(program: Program, tone: str) -> None:
    context = program.context()
    context.seek(0.5)
    assert context.told(updates=True) == []
    calls = [
        program.send("innerAudioContext.set", contextId="a", src=tone),
        program.send("innerAudioContext.seek", contextId="a", position=1.5),
        program.send("innerAudioContext.play", contextId="a"),
    ]
    program.all_answered(calls)
    program.advance(0.5 + 2 * SAMPLE)
    assert context.told()[-1] == "onEnded"


def test_a_newer_seek_silences_the_older_one(playing: Context) -> None:
    program = playing.program
    calls = [
        program.send("innerAudioContext.seek", contextId="a", position=position)
        for position in (0.2, 0.4, 0.6)
    ]
    program.all_answered(calls)
    names = playing.told()
    assert names.count("onSeeking") == 3
    assert names[-1] == "onSeeked"
    assert playing.events("onSeeked")[-1]["currentTime"] == pytest.approx(0.6)


def test_a_seek_while_paused_stays_paused(playing: Context) -> None:
    playing.do("pause")
    playing.seek(0.25)
    playing.program.advance(1.0)
    assert playing.told() == ["onPause", "onSeeking", "onSeeked"]
    playing.do("play")
    playing.told()
    assert playing.events("onPlay")[-1]["currentTime"] == 0.25


def test_a_seek_after_the_end_is_where_playing_goes_on(playing: Context) -> None:
    playing.program.advance(2.0)
    playing.seek(1.5)
    playing.do("play")
    playing.program.advance(0.5 + 2 * SAMPLE)
    assert playing.told() == ["onEnded", "onSeeking", "onSeeked", "onPlay", "onEnded"]
    assert playing.events("onPlay")[-1]["currentTime"] == 1.5


# --- stop, start time, destroy ----------------------------------------------------------------------------


def test_stop_is_one_stop_and_no_pause_and_the_position_is_0(playing: Context) -> None:
    playing.do("stop", "stop", "pause")
    assert playing.told() == ["onStop"]
    stopped = playing.events("onStop")[0]
    assert (stopped["currentTime"], stopped["paused"]) == (0, True)
    assert playing.state["currentTime"] == 0


def test_play_after_stop_begins_at_the_beginning(playing: Context) -> None:
    playing.do("stop", "play")
    assert playing.told() == ["onStop", "onPlay"]
    assert playing.events("onPlay")[-1]["currentTime"] == 0
    playing.program.advance(2.0 + 2 * SAMPLE)
    assert playing.told() == ["onEnded"]


def test_play_after_stop_begins_at_the_start_time(program: Program, tone: str) -> None:
    context = program.context(startTime=1.25, src=tone)
    context.do("play")
    program.advance(0.25)
    context.do("stop", "play")
    assert context.told() == ["onCanplay", "onPlay", "onStop", "onPlay"]
    assert [one["currentTime"] for one in context.events("onPlay")] == [1.25, 1.25]
    program.advance(0.75 + 2 * SAMPLE)
    assert context.told() == ["onEnded"]


def test_a_start_time_set_after_the_source_counts(ready: Context) -> None:
    ready.set(startTime=1.5)
    ready.do("play")
    ready.program.advance(0.5 + 2 * SAMPLE)
    assert ready.told() == ["onPlay", "onEnded"]


def test_a_start_time_beyond_the_end_is_the_end(program: Program, tone: str) -> None:
    context = program.context(startTime=100, src=tone)
    context.do("play")
    program.advance(0.1)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]


def test_stop_without_play_says_nothing(ready: Context) -> None:
    ready.do("stop")
    assert ready.told() == []


def test_stop_while_paused_is_told(playing: Context) -> None:
    playing.do("pause", "stop")
    assert playing.told() == ["onPause", "onStop"]


def test_destroy_is_one_stop_and_then_silence(playing: Context) -> None:
    program = playing.program
    capture = program.capture()
    playing.do("destroy")
    program.advance(3.0)
    assert playing.told(updates=True) == ["onStop"]
    sound = [one for one in program.describe(capture)["segments"] if one["kind"] == "sound"]
    assert all(one["end"] < 0.05 for one in sound)
    assert program.refusal("innerAudioContext.play", contextId="a").code == 202
    assert program.refusal("innerAudioContext.destroy", contextId="a").code == 202


def test_destroy_at_rest_says_nothing(ready: Context) -> None:
    ready.do("destroy")
    assert ready.told() == []


def test_stop_and_destroy_is_one_stop(playing: Context) -> None:
    playing.do("stop", "destroy")
    assert playing.told() == ["onStop"]


def test_an_id_can_be_used_again_after_destroy(playing: Context, tone: str) -> None:
    playing.do("destroy")
    playing.told()
    again = playing.program.context("a", src=tone)
    again.do("play")
    again.program.advance(2.5)
    assert again.told() == ["onCanplay", "onPlay", "onEnded"]


# --- volume, rate, options --------------------------------------------------------------------------------


@pytest.mark.parametrize("volume", [0, 0.5, 1])
def test_volume_is_what_is_heard(program: Program, tone: str, volume: float) -> None:
    context = program.context(src=tone, volume=volume)
    assert context.state["volume"] == volume
    capture = program.capture()
    context.do("play")
    program.advance(1.0)
    levels = [one["peak"] for one in program.describe(capture)["segments"] if one["kind"] == "sound"]
    expected = [] if volume == 0 else [pytest.approx({0.5: -12.04, 1: -6.02}[volume], abs=0.3)]
    assert levels == expected


@pytest.mark.parametrize("property_", ["volume", "playbackRate"])
@pytest.mark.parametrize("value", [-0.1, -1, 2.01, 1e9])
def test_a_value_out_of_range_is_refused_and_changes_nothing(
    playing: Context, property_: str, value: float
) -> None:
    before = playing.state
    refused = playing.program.refusal(
        "innerAudioContext.set", contextId="a", loop=True, src="/other.wav", **{property_: value}
    )
    assert refused.code == 202
    assert property_ in refused.text
    assert playing.state == before
    assert playing.told() == []


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.0, 1.5, 2.0])
def test_the_playback_rate_changes_the_time_it_takes_and_not_the_pitch(
    program: Program, tone: str, rate: float
) -> None:
    context = program.context(src=tone, playbackRate=rate)
    capture = program.capture()
    context.do("play")
    program.advance(5.0)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]
    took = context.events("onEnded")[0]["at"] - context.events("onPlay")[0]["at"]
    assert took == pytest.approx(2.0 / rate, abs=0.05)
    sound = [one for one in program.describe(capture)["segments"] if one["end"] - one["start"] > 0.5]
    assert sound[0]["dominantFrequency"] == pytest.approx(440, abs=3)
    updates = [one["currentTime"] for one in context.events("onTimeUpdate")]
    assert updates == sorted(updates)
    assert updates[0] == pytest.approx(0.25 * rate, abs=0.05)


def test_the_rate_can_change_while_playing(program: Program, media: Media) -> None:
    context = program.context(src=media.tone("mp3", 4.0))
    context.do("play")
    program.advance(1.0)
    context.set(playbackRate=2)
    program.advance(1.0)
    assert context.state["currentTime"] == pytest.approx(3.0, abs=0.06)
    context.set(playbackRate=0.5)
    program.advance(2.2)
    assert context.told() == ["onCanplay", "onPlay", "onEnded"]


def test_options_of_all_contexts_are_kept(program: Program) -> None:
    answer = program.call("setInnerAudioOption", mixWithOther=True, obeyMuteSwitch=False)
    assert answer == {"errMsg": "setInnerAudioOption:ok"}
    options = program.call("session.snapshot")["options"]
    assert options == {"mixWithOther": True, "obeyMuteSwitch": False}
    assert program.refusal("setInnerAudioOption", mixWithOther="yes").code == 904


# --- several at once --------------------------------------------------------------------------------------


def test_two_contexts_do_not_mix_their_events(program: Program, media: Media) -> None:
    first = program.context("first", src=media.tone("wav", 1.0))
    second = program.context("second", src=media.tone("mp3", 2.0, frequency=660))
    first.do("play")
    second.do("play")
    program.advance(0.5)
    second.do("pause")
    program.advance(1.0)
    assert first.told() == ["onCanplay", "onPlay", "onEnded"]
    assert second.told() == ["onCanplay", "onPlay", "onPause"]
    assert first.state["currentTime"] == pytest.approx(1.0)
    assert second.state["currentTime"] == pytest.approx(0.5, abs=SAMPLE)


def test_two_sessions_do_not_hear_each_other(lab: Lab, tone: str) -> None:
    one, other = lab.program(), lab.program()
    playing, idle = one.context(src=tone), other.context(src=tone)
    own, mix = other.capture(), other.capture(sessionId="all")
    playing.do("play")
    one.advance(1.0)
    assert idle.told() == ["onCanplay"]
    assert [part["kind"] for part in other.describe(own)["segments"]] == ["silence"]
    assert "sound" in [part["kind"] for part in other.describe(mix)["segments"]]


def test_what_is_due_at_one_instant_is_told_in_the_order_of_the_calls(program: Program, tone: str) -> None:
    names = [f"c{number}" for number in range(8)]
    contexts = [program.context(name, src=tone) for name in names]
    for context in contexts:
        context.do("play")
    program.advance(2.5)
    for event in ("onPlay", "onEnded"):
        order = [params["contextId"] for method, params in program.events if method.endswith(event)]
        assert order == names


def test_the_same_calls_give_the_same_events_to_the_byte(media: Media) -> None:
    from swanbridge_testing.daemon import RunningDaemon

    def tell() -> list[str]:
        arguments = ("--package-dir", str(media.folder.parent))
        with RunningDaemon(arguments=arguments) as daemon:
            lab = Lab(daemon, media.folder)
            program = lab.program()
            program.capture()
            for number, kind in enumerate(["mp3", "wav", "flac", "m4a", "ogg"]):
                context = program.context(f"c{number}", src=media.tone(kind, 2.0), autoplay=True)
                program.advance(0.1)
                context.seek(0.3 * number)
            program.context("r", src=media.tone("mp3", 2.0), playbackRate=1.5, loop=True).do("play")
            program.advance(4.0)
            frames = program.frames
            lab.end_programs()
            lab.close()
            return frames

    first = tell()
    assert len(first) > 60
    assert tell() == first
