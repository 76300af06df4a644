"""Many at once in real time: 200 different MP3s, 1,000 contexts on shared clips."""

from __future__ import annotations

import asyncio

from harness import Figure, Report, cpu_seconds, daemon, family, make_mp3, make_wav, peer, pss_megabytes

SECONDS = 10


async def measure(report: Report) -> None:
    """Measure processor time, memory and drop-outs."""
    await _run(
        report, "200 different MP3s", 200, different=True, cpu=0.70, memory=350, peers=("mpv", 172, 4110)
    )
    await _run(
        report, "1,000 contexts on shared clips", 1000, different=False, cpu=0.60, memory=None, peers=None
    )


async def _run(
    report: Report,
    title: str,
    count: int,
    *,
    different: bool,
    cpu: float,
    memory: float | None,
    peers: tuple[str, float, float] | None,
) -> None:
    async with daemon() as running, peer(running) as one:
        package = running.package_dir / "bench"
        if different:
            for number in range(count):
                await asyncio.to_thread(make_mp3, package / f"{number}.mp3", 30, 100 + 7 * number)
        else:
            for number in range(10):
                make_wav(package / f"{number}.wav", 2.0, 200 + 50 * number)
        pids = family(running.pid)
        for number in range(count):
            name = f"c{number}"
            src = f"/{number}.mp3" if different else f"/{number % 10}.wav"
            await one.call("innerAudioContext.create", contextId=name)
            await one.call(
                "innerAudioContext.set", contextId=name, src=src, volume=1 / count, loop=not different
            )
            await one.call("innerAudioContext.play", contextId=name)
        playing = 0
        while playing < count:
            playing = sum(1 for _, found, _ in one.events if found == "onPlay")
            await asyncio.sleep(0.05)
        capture = (await one.call("speaker.capture.start", sessionId="all"))["captureId"]
        one.events.clear()
        before = cpu_seconds(pids)
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(SECONDS)
        spent = cpu_seconds(pids) - before
        took = asyncio.get_running_loop().time() - began
        memory_now = pss_megabytes(pids)
        waiting = sum(1 for _, found, _ in one.events if found == "onWaiting")
        await one.call("speaker.capture.stop", captureId=capture)
        dropouts = len((await one.call("speaker.capture.describe", captureId=capture))["dropouts"])
        report.add(
            Figure(
                f"{title}: share of one core",
                spent / took,
                "",
                cpu,
                peer=f"{peers[0]} (taken earlier)" if peers else "",
                peer_value=peers[1] / 100 if peers else None,
            )
        )
        report.add(
            Figure(
                f"{title}: memory in all",
                memory_now,
                "MB",
                memory,
                peer=f"{peers[0]} (taken earlier)" if peers else "",
                peer_value=peers[2] if peers else None,
            )
        )
        report.add(Figure(f"{title}: drop-outs and waits", dropouts + waiting, "", 0))
