"""Daemons whose children are killed, one of each clock for a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from swanbridge_testing.daemon import RunningDaemon

from tests.engines.wreck import Wreck
from tests.services.media import Media


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """Files of test sound, in a package that every test program has."""
    folder = tmp_path_factory.mktemp("packages") / "app"
    folder.mkdir()
    return Media(folder)


def running(media: Media, clock: str) -> Iterator[Wreck]:
    """Run a daemon; it must be whole in the end."""
    with RunningDaemon(clock=clock, arguments=("--package-dir", str(media.folder.parent))) as daemon:
        wreck = Wreck(daemon, media.folder)
        try:
            yield wreck
            wreck.end_programs()
        finally:
            wreck.close()


@pytest.fixture
def wreck(media: Media) -> Iterator[Wreck]:
    """A daemon on the system's clock."""
    yield from running(media, "real")


@pytest.fixture
def virtual_wreck(media: Media) -> Iterator[Wreck]:
    """A daemon on the virtual clock."""
    yield from running(media, "virtual")
