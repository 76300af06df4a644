"""The speaker and its captures, as services see them."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from swanbridge_media.messages import (
    CHANNELS,
    MIX_RATE,
    CaptureStopped,
    DescribeCapture,
    Described,
    FindClip,
    FlushCapture,
    Found,
    ListSpeakers,
    Message,
    OpenSpeaker,
    SpeakerFact,
    SpeakerOpened,
    Speakers,
    StartCapture,
    StopCapture,
)

from ..core.ports import CaptureFacts, DeviceFacts, Files, PortError, SegmentFacts, Sources
from .channel import Channel, EngineGone
from .fleet import Fleet
from .library import Library

log = logging.getLogger(__name__)

WAV_HEADER = 44  # bytes, as the audio engine writes it
VIRTUAL = "Virtual speaker"
CRASHED = (
    "PortAudio crashed the audio engine (%s) and is not asked again: mend the ALSA configuration "
    "(ALSA_CONFIG_PATH, ~/.asoundrc), try it with `swanbridged doctor`, and start the daemon again"
)


class EngineSpeaker:
    """Implements `core.ports.Speaker`. `device` is "virtual", "default" or a device's name.

    With `fall_back` a device that can't be opened is replaced by the virtual one, and the log says so.
    PortAudio may abort its process, on a broken ALSA configuration for one: then it is not asked again.
    A capture does not outlive its audio engine: it ends with what was written.
    """

    sample_rate = MIX_RATE
    channels = CHANNELS

    def __init__(
        self,
        fleet: Fleet,
        library: Library,
        sources: Sources,
        *,
        device: str,
        latency: float,
        fall_back: bool,
    ) -> None:
        self._fleet = fleet
        self._library = library
        self._sources = sources
        self._device = device
        self._latency = latency
        self._fall_back = fall_back
        self.opened: SpeakerOpened | None = None
        self.problem = ""
        self._captures: dict[int, int] = {}  # which start of the audio engine each belongs to
        self._crash = ""  # why PortAudio is not to be asked again

    @property
    def wanted(self) -> str:
        """The device that is to be open."""
        return self._device

    def describe_opened(self) -> dict[str, object]:
        """Say which device is open, and what was wrong with the wanted one."""
        opened = self.opened
        return {
            "device": "virtual" if opened is None else opened.device,
            "name": VIRTUAL if opened is None else opened.name,
            "problem": self.problem if self._device != "virtual" else self._crash,
        }

    async def _channel(self) -> Channel:
        self._fleet.start()
        return await self._fleet.audio.channel()

    async def engine_up(self, _: Channel) -> None:
        """Open the chosen speaker at a new audio engine."""
        self.opened = None
        try:
            await self._open(self._device)
        except PortError as error:
            self.problem = error.message
            log.log(
                logging.WARNING if self._fall_back else logging.ERROR,
                "the speaker %r can't be opened, the virtual one stands in: %s",
                self._device,
                error.message,
            )

    async def _open(self, device: str) -> None:
        opened: SpeakerOpened = await self._asked(
            lambda rid: OpenSpeaker(rid, device, self._latency), is_harmless=device == "virtual"
        )
        self.opened, self.problem = opened, ""
        log.info("speaker: %s (%s)", opened.name, opened.device)

    async def _asked(self, make: Callable[[int], Message], *, is_harmless: bool = False) -> Any:
        """Ask the engine for something that calls PortAudio, unless that was the death of one before."""
        if self._crash and not is_harmless:
            raise PortError("system", self._crash)
        channel = await self._channel()
        child = self._fleet.audio.child
        try:
            return await channel.request(make)
        except EngineGone:
            how = await child.ended() if child is not None else None
            if is_harmless or how is None or not how.own_fault:
                raise
            self._crash = self.problem = CRASHED % how
            log.error("%s", self._crash)
            raise PortError("system", self._crash) from None

    # --- the Speaker port ---------------------------------------------------------------------------------

    async def start_capture(self, capture: int, owner: int | None, descriptor: int) -> None:
        """Write the mix, or one owner's share, as WAV."""
        share = -1 if owner is None else owner
        try:
            channel = await self._channel()
            await channel.request(lambda rid: StartCapture(rid, capture, share), descriptor)
        except EngineGone:  # it died just now: at the next one
            channel = await self._channel()
            await channel.request(lambda rid: StartCapture(rid, capture, share), descriptor)
        self._captures[capture] = self._fleet.audio.starts

    async def stop_capture(self, capture: int, descriptor: int) -> CaptureFacts:
        """Complete the file."""
        facts = await self._of_capture(partial(StopCapture, capture=capture), capture, descriptor)
        self._captures.pop(capture, None)
        return facts

    async def _of_capture(
        self, message: Callable[[int], StopCapture | FlushCapture], capture: int, descriptor: int
    ) -> CaptureFacts:
        try:
            channel = await self._channel()
            if self._captures.get(capture) == self._fleet.audio.starts:
                stopped: CaptureStopped = await channel.request(message)
                return CaptureFacts(stopped.frames, stopped.dropouts)
        except EngineGone:
            log.warning("capture %d ended with its engine", capture)
        return CaptureFacts(mend_wav(descriptor), [])

    def drop_capture(self, capture: int) -> None:
        """End a capture that nobody asks for any more."""
        self._captures.pop(capture, None)
        child = self._fleet.audio.child
        if child is not None and self._fleet.audio.is_up:
            child.channel.request(lambda rid: StopCapture(rid, capture)).add_done_callback(_ignored)

    async def flush_capture(self, capture: int, descriptor: int) -> CaptureFacts:
        """Make the file readable as it is."""
        return await self._of_capture(partial(FlushCapture, capture=capture), capture, descriptor)

    async def describe(self, descriptor: int) -> tuple[float, list[SegmentFacts], list[tuple[float, float]]]:
        """Have a decoder look at a WAV."""
        self._fleet.start()
        engine = self._fleet.decoders[-1]
        try:
            answer: Described = await (await engine.channel()).request(DescribeCapture, descriptor)
        except EngineGone:  # it died just now, and asking twice changes nothing
            answer = await (await engine.channel()).request(DescribeCapture, descriptor)
        segments = [
            SegmentFacts(one.start, one.end, one.sound, one.rms, one.peak, one.frequency)
            for one in answer.segments
        ]
        return answer.duration, segments, answer.dropouts

    async def find(
        self, descriptor: int, source: str, files: Files, start: float, end: float | None
    ) -> list[tuple[float, float]]:
        """Have a decoder look for a clip in a WAV."""
        self._fleet.start()
        opened = await self._sources.open(source, files)
        try:
            medium = await self._library.open(opened)
            try:
                channel = await self._fleet.decoders[medium.decoder].channel()
                answer: Found = await channel.request(
                    lambda rid: FindClip(rid, medium.number, start, -1.0 if end is None else end), descriptor
                )
            finally:
                self._library.close(medium)
        finally:
            opened.close()
        return answer.matches

    async def devices(self) -> list[DeviceFacts]:
        """Return the speakers; what PortAudio lacks is in `problem`."""
        try:
            answer: Speakers = await self._asked(ListSpeakers)
        except PortError as error:
            if not self._crash:
                raise
            answer = Speakers(0, [SpeakerFact("virtual", VIRTUAL, True)], error.message)
        if answer.problem:
            self.problem = answer.problem
        chosen = self.opened.device if self.opened is not None else "virtual"
        return [
            DeviceFacts(one.device, one.name, one.virtual, one.device == chosen) for one in answer.speakers
        ]

    async def select(self, device_id: str) -> None:
        """Use another speaker; what plays goes on there."""
        await self._open(device_id)
        self._device = device_id


def _ignored(answer: asyncio.Future[object]) -> None:
    if not answer.cancelled() and isinstance(answer.exception(), EngineGone):
        log.debug("a capture ended with its engine")


def mend_wav(descriptor: int) -> int:
    """Make the header of a capture tell what the file holds; returns its frames."""
    frames = max(0, os.fstat(descriptor).st_size - WAV_HEADER) // (2 * CHANNELS)
    length = frames * 2 * CHANNELS
    os.pwrite(descriptor, struct.pack("<I", WAV_HEADER - 8 + length), 4)
    os.pwrite(descriptor, struct.pack("<I", length), WAV_HEADER - 4)
    return frames
