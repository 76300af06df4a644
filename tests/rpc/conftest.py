"""Real daemon processes that the tests of the edge share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from swanbridge_testing.daemon import RunningDaemon

from .peer import write_tone


def _daemon(clock: str, *arguments: str) -> Iterator[RunningDaemon]:
    daemon = RunningDaemon(clock=clock, arguments=arguments)
    write_tone(daemon.package_dir / "tones" / "one.wav", 1.0)
    write_tone(daemon.package_dir / "tones" / "two.wav", 2.0)
    with daemon:
        yield daemon


@pytest.fixture(scope="package")
def virtual_daemon() -> Iterator[RunningDaemon]:
    yield from _daemon("virtual")


@pytest.fixture(scope="package")
def real_daemon() -> Iterator[RunningDaemon]:
    yield from _daemon("real")
