"""How soon things happen: play, seek, the end, time updates; and how fast virtual time goes."""

from __future__ import annotations

import asyncio
import itertools
import time

from harness import Figure, Report, daemon, make_mp3, make_wav, median, peer
from peers import mpv, mpv_cold, mpv_seeks

COLD = 60
WARM = 60
SEEKS = 60

# Medians taken earlier on the same kind of machine, for where mpv is not installed.
MPV_COLD = 5.5
MPV_SEEK = 1.4


async def measure(report: Report) -> None:
    """Measure on the virtual speaker in real time, then on the virtual clock."""
    async with daemon() as running, peer(running, timeUpdateInterval=0.25) as one:
        package = running.package_dir / "bench"
        loop = asyncio.get_running_loop()
        for number in range(COLD + WARM):
            await asyncio.to_thread(make_mp3, package / f"{number}.mp3", 10, 300 + number)

        label, theirs = "mpv (taken earlier)", {"cold": MPV_COLD, "seek": MPV_SEEK}
        async with mpv() as player:
            if player is not None:
                label = "mpv"
                theirs["cold"] = median(await mpv_cold(player, [package / f"{n}.mp3" for n in range(COLD)]))
                theirs["seek"] = median(await mpv_seeks(player, [(n * 3.7) % 9 for n in range(SEEKS)]))

        times = []
        for number in range(COLD):
            name = f"cold{number}"
            await one.call("innerAudioContext.create", contextId=name)
            began = loop.time()
            first = one.call("innerAudioContext.set", contextId=name, src=f"/{number}.mp3")
            second = one.call("innerAudioContext.play", contextId=name)
            await asyncio.gather(first, second)
            times.append((await one.event("onPlay") - began) * 1000)
            await one.call("innerAudioContext.destroy", contextId=name)
        report.add(
            Figure(
                "play to onPlay, local MP3, cold",
                median(times),
                "ms",
                6,
                worst=max(times),
                peer=label,
                peer_value=theirs["cold"],
            )
        )

        times = []
        for number in range(COLD, COLD + WARM):
            name = f"warm{number}"
            await one.call("innerAudioContext.create", contextId=name)
            await one.call("innerAudioContext.set", contextId=name, src=f"/{number}.mp3")
            await one.event("onCanplay")
            began = loop.time()
            await one.call("innerAudioContext.play", contextId=name)
            times.append((await one.event("onPlay") - began) * 1000)
            await one.call("innerAudioContext.destroy", contextId=name)
        report.add(
            Figure(
                "play to onPlay, preloaded",
                median(times),
                "ms",
                4,
                worst=max(times),
                peer="Chromium from the test (taken earlier)",
                peer_value=4.6,
            )
        )

        await one.call("innerAudioContext.create", contextId="seek")
        await one.call("innerAudioContext.set", contextId="seek", src="/0.mp3", loop=True)
        await one.call("innerAudioContext.play", contextId="seek")
        await one.event("onPlay")
        times = []
        for number in range(SEEKS):
            began = loop.time()
            await one.call("innerAudioContext.seek", contextId="seek", position=(number * 3.7) % 9)
            times.append((await one.event("onSeeked") - began) * 1000)
        report.add(
            Figure(
                "seek to onSeeked, MP3",
                median(times),
                "ms",
                2.5,
                worst=max(times),
                peer=label,
                peer_value=theirs["seek"],
            )
        )
        await one.call("innerAudioContext.destroy", contextId="seek")

        late, periods = [], []
        make_wav(package / "1s.wav", 1.0)
        make_mp3(package / "1s.mp3", 1.0)
        for number in range(10):
            name = f"end{number}"
            await one.call("innerAudioContext.create", contextId=name)
            await one.call(
                "innerAudioContext.set", contextId=name, src=f"/1s.{'wav' if number % 2 else 'mp3'}"
            )
            await one.event("onCanplay")
            one.events.clear()
            await one.call("innerAudioContext.play", contextId=name)
            while not any(found == "onEnded" for _, found, _ in one.events):
                await asyncio.sleep(0.02)
            told = {found: params["at"] for _, found, params in one.events}
            late.append(abs(told["onEnded"] - told["onPlay"] - 1.0) * 1000)
            ticks = [when for when, found, _ in one.events if found == "onTimeUpdate"]
            periods += [later - earlier for earlier, later in itertools.pairwise(ticks[:-1])]
            one.events.clear()
            await one.call("innerAudioContext.destroy", contextId=name)
        report.add(
            Figure(
                "onEnded minus the true end, 1 s clips",
                median(late),
                "ms",
                10,
                worst=max(late),
                peer="Mopidy (taken earlier)",
                peer_value=49,
            )
        )
        off = [abs(period - 0.25) * 1000 for period in periods]
        report.add(Figure("onTimeUpdate period off 250 ms", median(off), "ms", 2, worst=max(off)))

    async with daemon("virtual") as running, peer(running) as one:
        package = running.package_dir / "bench"
        for kind, make in (("mp3", make_mp3), ("wav", make_wav)):
            await asyncio.to_thread(make, package / f"long.{kind}", 605)
            await one.call("innerAudioContext.create", contextId=kind)
            await one.call("innerAudioContext.set", contextId=kind, src=f"/long.{kind}")
            await one.call("innerAudioContext.play", contextId=kind)
            began = time.perf_counter()
            await one.call("clock.advance", seconds=600)
            report.add(
                Figure(f"10 minutes of {kind} on the virtual clock", time.perf_counter() - began, "s", 2)
            )
            await one.call("innerAudioContext.destroy", contextId=kind)
