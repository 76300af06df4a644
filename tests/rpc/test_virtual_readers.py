"""On the virtual clock nothing is coalesced, and yet one program that does not read stops nobody's clock."""

from __future__ import annotations

import asyncio

from swanbridge_testing.daemon import RunningDaemon

from .peer import connected, in_session, write_tone


def test_a_program_that_does_not_read_is_closed_and_the_clock_goes_on(virtual_daemon: RunningDaemon) -> None:
    package = virtual_daemon.package_dir / "silent"
    package.mkdir(exist_ok=True)
    write_tone(package / "tone.wav", 1.0)

    async def scene() -> None:
        async with connected(virtual_daemon) as deaf, in_session(virtual_daemon) as other:
            await deaf.open(packageRoot=str(package), timeUpdateInterval=0.015)
            for number in range(40):
                name = f"{'x' * 100}{number}"
                await deaf.call("innerAudioContext.create", contextId=name)
                await deaf.call("innerAudioContext.set", contextId=name, src="/tone.wav", loop=True)
                await deaf.call("innerAudioContext.play", contextId=name)
            mine = (await deaf.call("session.snapshot"))["sessionId"]
            deaf.transport.pause_reading()  # type: ignore[attr-defined]
            advanced = await asyncio.wait_for(other.call("clock.advance", seconds=40), 60)
            assert advanced["now"] >= 40
            listed = (await other.call("session.list"))["sessions"]
            assert [one["connected"] for one in listed if one["sessionId"] == mine] == [False]
            deaf.transport.resume_reading()  # type: ignore[attr-defined]
            assert await deaf.until_closed() == 1013

    asyncio.run(scene())
