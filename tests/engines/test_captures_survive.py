"""A capture whose audio engine dies keeps what was written."""

from __future__ import annotations

import pytest

from tests.services.media import Media

from .wreck import Wreck

pytestmark = pytest.mark.realtime


def test_a_capture_ends_with_its_engine_and_is_still_a_file(wreck: Wreck, media: Media) -> None:
    program = wreck.program()
    capture = program.capture()
    context = program.context(src=media.tone("wav", 5.0))
    context.do("play")
    program.wait_for("onTimeUpdate", "a", 4)
    former = wreck.strike("audio")
    again = program.capture()  # waits for the next engine
    assert wreck.back("audio", former) < 10
    described = program.describe(capture)
    assert any(one["kind"] == "sound" for one in described["segments"])
    stopped = program.call("speaker.capture.stop", captureId=capture)
    assert stopped["duration"] == pytest.approx(described["duration"])
    assert 0.5 < stopped["duration"] < 5
    program.wait_for("onEnded", "a")
    assert program.call("speaker.capture.stop", captureId=again)["duration"] > 1
