"""The tour of innerAudioContext."""

from __future__ import annotations

from swanbridge_protocol import inner_audio as chapter

from ..inner_audio import InnerAudioContext
from .sounds import sweep, tone, write_wav
from .tour import Tour, expect, near

QUARTER = -12.04  # dB


async def tour(tour: Tour) -> None:
    """Play, volume, seek, pause, loop, rate, several at once; each proved by what the speaker played."""
    write_wav(tour.program / "sweep.wav", sweep(2.0))
    write_wav(tour.program / "a.wav", tone(440, 2.0))
    write_wav(tour.program / "e.wav", tone(660, 1.0))
    write_wav(tour.program / "a-then-e.wav", tone(440, 1.0) + tone(660, 1.0))
    await _plays(tour)
    await _volume(tour)
    await _seek(tour)
    await _pause(tour)
    await _loop(tour)
    await _rate(tour)
    await _together(tour)


def _context(tour: Tour, src: str) -> InnerAudioContext:
    audio = tour.swan.create_inner_audio_context()
    audio.src = src
    return audio


async def _until_ended(tour: Tour, limit: float) -> None:
    found = await tour.swan.control.clock.run_until(chapter.ON_ENDED.name, limit)
    expect(found.event is not None, f"no {chapter.ON_ENDED.name} within {limit} s")


async def _plays(tour: Tour) -> None:
    async with tour.captured("play") as heard:
        audio = _context(tour, "/sweep.wav")
        async with tour.step("a WAV is played to its end, and every event comes"):
            events = audio.events()
            await tour.swan.control.clock.advance(1.0)
            await audio.play()
            await _until_ended(tour, 5)
            expect(near(audio.duration, 2.0), f"its duration is {audio.duration} s")
            expect(audio.paused, "it is not paused after its end")
            await audio.destroy()
            names = [event.name async for event in events]
            wanted = ["canplay", "play", *["time_update"] * 8, "ended"]
            expect(names == wanted, f"the events were {names}")
    async with tour.step("the very same samples were heard, one second in", capture=heard):
        matches = await tour.found(heard, "/sweep.wav")
        expect(
            len(matches) == 1 and near(matches[0].at, 1.0) and matches[0].score > 0.99, f"found: {matches}"
        )


async def _volume(tour: Tour) -> None:
    async with tour.captured("volume") as heard:
        audio = _context(tour, "/a.wav")
        await audio.play()
        await tour.swan.control.clock.advance(1.0)
        await audio.pause()
        await tour.swan.control.clock.advance(0.5)
        audio.volume = 0.25
        await audio.play()
        await tour.swan.control.clock.advance(0.5)
        await audio.destroy()
    async with tour.step("volume 0.25 is 12 dB less", capture=heard):
        levels = [one.rms for one in heard.sounds]
        expect(
            len(levels) == 2 and near(levels[1] - levels[0], QUARTER, 0.3), f"the levels are {levels} dBFS"
        )


async def _seek(tour: Tour) -> None:
    async with tour.captured("seek") as heard:
        audio = _context(tour, "/a-then-e.wav")
        await tour.swan.control.clock.advance(0.0)
        await audio.seek(1.0)
        await audio.play()
        await _until_ended(tour, 5)
        await audio.destroy()
    async with tour.step("seek goes to the sample: only the second half is heard", capture=heard):
        expect(len(heard.sounds) == 1, f"{len(heard.sounds)} stretches of sound")
        sound = heard.sounds[0]
        expect(near(sound.end - sound.start, 1.0), f"it lasts {sound.end - sound.start} s")
        expect(near(sound.dominant_frequency, 660, 2), f"it is a tone of {sound.dominant_frequency} Hz")


async def _pause(tour: Tour) -> None:
    async with tour.captured("pause") as heard:
        audio = _context(tour, "/a.wav")
        await audio.play()
        await tour.swan.control.clock.advance(0.75)
        await audio.pause()
        await tour.swan.control.clock.advance(0.5)
        await audio.play()
        await _until_ended(tour, 5)
        await audio.destroy()
    async with tour.step("pause is silence, and play goes on where it was", capture=heard):
        lengths = [round(one.end - one.start, 2) for one in heard.sounds]
        expect(lengths == [0.75, 1.25], f"the stretches of sound last {lengths} s")


async def _loop(tour: Tour) -> None:
    async with tour.captured("loop") as heard:
        audio = _context(tour, "/e.wav")
        audio.loop = True
        await audio.play()
        await tour.swan.control.clock.advance(3.5)
        await audio.destroy()
    async with tour.step("loop goes on without a gap", capture=heard):
        assert heard.description is not None
        expect(len(heard.sounds) == 1, f"{len(heard.sounds)} stretches of sound")
        expect(near(heard.sounds[0].end, 3.5), f"it ends at {heard.sounds[0].end} s")
        expect(not heard.description.dropouts, f"drop-outs: {heard.description.dropouts}")


async def _rate(tour: Tour) -> None:
    async with tour.captured("rate") as heard:
        audio = _context(tour, "/a.wav")
        audio.playback_rate = 2.0
        await audio.play()
        await _until_ended(tour, 5)
        await audio.destroy()
    async with tour.step("playbackRate 2 takes half the time and keeps the pitch", capture=heard):
        sound = heard.sounds[0]
        expect(near(sound.end - sound.start, 1.0, 0.06), f"it lasts {sound.end - sound.start} s")
        expect(near(sound.dominant_frequency, 440, 5), f"it is a tone of {sound.dominant_frequency} Hz")


async def _together(tour: Tour) -> None:
    async with tour.captured("together") as heard:
        first, second = _context(tour, "/sweep.wav"), _context(tour, "/a.wav")
        await first.play()
        await tour.swan.control.clock.advance(0.5)
        await second.play()
        await _until_ended(tour, 5)
        await _until_ended(tour, 5)
        await first.destroy()
        await second.destroy()
    async with tour.step("two sounds play at once", capture=heard):
        for src, at in (("/sweep.wav", 0.0), ("/a.wav", 0.5)):
            matches = await tour.found(heard, src)
            # A tone matches at each of its periods; the sweep is alone in its place.
            expect(any(near(one.at, at, 0.003) for one in matches), f"{src} was found at {matches}")
