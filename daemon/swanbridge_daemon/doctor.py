"""`swanbridged doctor`: every device path of this machine, tried for real."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from swanbridge_media.messages import ListSpeakers, OpenSpeaker, SpeakerOpened, Speakers

from .config import Settings
from .core.ports import PortError
from .engines.channel import Channel, EngineGone
from .engines.fleet import Fleet

PATIENCE = 30.0  # seconds for one check


@dataclass
class Finding:
    """One path: `state` is works, missing or fails; `wanted` ones that do not work make the exit status 1."""

    path: str
    state: str
    wanted: bool
    text: str


def examine(settings: Settings, *, as_json: bool) -> int:
    """Try everything, print what was found; returns the exit status."""
    findings = asyncio.run(_examine(settings))
    if as_json:
        print(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        wide = max(len(one.path) for one in findings)
        for one in findings:
            mark = {"works": "ok  ", "missing": "--  "}.get(one.state, "FAIL")
            print(f"{mark} {one.path:<{wide}}  {one.text}")
    bad = [one for one in findings if one.wanted and one.state != "works"]
    if bad and not as_json:
        print(f"{len(bad)} wanted path(s) do not work", file=sys.stderr)
    return 1 if bad else 0


async def _examine(settings: Settings) -> list[Finding]:
    findings = [_state_dir(settings), _memory()]
    fleet = Fleet(clock_mode="real", decoders=1)
    fleet.start()
    try:
        channel = await _tried(findings, "audio engine", fleet.audio.channel, "starts")
        if await _tried(findings, "decoder engine", fleet.decoders[0].channel, "starts") is not None:
            notes = fleet.decoders[0].notes
            findings.append(
                Finding(
                    "decoder sandbox",
                    "works" if not notes else "missing",
                    False,
                    "; ".join(notes) or "Landlock, seccomp and limits are in force",
                )
            )
        if channel is not None:
            await _speakers(findings, settings, channel)
    finally:
        await fleet.close()
    return findings


async def _tried(
    findings: list[Finding], path: str, get: Callable[[], Awaitable[Channel]], text: str
) -> Channel | None:
    try:
        channel = await get()
    except PortError as error:
        findings.append(Finding(path, "fails", True, error.message))
        return None
    findings.append(Finding(path, "works", True, text))
    return channel


def _why(error: Exception, silent: str) -> str:
    """Say what went wrong while PortAudio was asked."""
    if isinstance(error, EngineGone):
        return (
            "PortAudio crashed the audio engine: mend the ALSA configuration "
            "(ALSA_CONFIG_PATH, /etc/asound.conf, ~/.asoundrc)"
        )
    return str(error) or silent


async def _speakers(findings: list[Finding], settings: Settings, channel: Channel) -> None:
    wanted = settings.devices == "hardware"
    try:
        async with asyncio.timeout(PATIENCE):
            listed: Speakers = await channel.request(ListSpeakers)
    except (PortError, TimeoutError) as error:
        findings.append(Finding("speakers", "fails", wanted, _why(error, "PortAudio does not answer")))
        return
    findings.append(Finding("virtual speaker", "works", True, "needs nothing"))
    real = [one for one in listed.speakers if not one.virtual]
    if listed.problem or not real:
        text = listed.problem or "PortAudio finds no device: plug one in, or start PulseAudio or PipeWire"
        findings.append(Finding("PortAudio", "missing", wanted, text))
        return
    findings.append(Finding("PortAudio", "works", wanted, ", ".join(one.name for one in real)))
    try:
        async with asyncio.timeout(PATIENCE):
            opened: SpeakerOpened = await channel.request(
                lambda rid: OpenSpeaker(rid, settings.speaker, settings.speaker_latency)
            )
    except (PortError, TimeoutError) as error:
        findings.append(Finding(f"speaker {settings.speaker}", "fails", wanted, _why(error, "does not open")))
    else:
        text = f"{opened.name}, {opened.latency * 1000:.0f} ms latency"
        findings.append(Finding(f"speaker {settings.speaker}", "works", wanted, text))


def _state_dir(settings: Settings) -> Finding:
    path = Path(settings.state_dir)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path):
            free = shutil.disk_usage(path).free
    except OSError as error:
        text = f"{path}: {error.strerror}; give another with --state-dir"
        return Finding("state directory", "fails", True, text)
    return Finding("state directory", "works", True, f"{path}, {free // (1 << 20)} MiB free")


def _memory() -> Finding:
    try:
        os.close(os.memfd_create("swanbridge-doctor"))
    except (AttributeError, OSError) as error:
        return Finding(
            "shared memory", "fails", True, f"memfd_create: {error}; Linux 3.17 or later is needed"
        )
    return Finding("shared memory", "works", True, "memfd_create")
