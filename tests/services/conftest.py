"""One daemon on each clock for a module's tests; each test has its own sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from swanbridge_testing.daemon import RunningDaemon

from tests.services.media import Media
from tests.services.program import Lab, Program


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """Files of test sound, in a package that every test program has."""
    folder = tmp_path_factory.mktemp("packages") / "app"
    folder.mkdir()
    return Media(folder)


def running(media: Media, clock: str, *arguments: str) -> Iterator[Lab]:
    """Run a daemon."""
    arguments = ("--package-dir", str(media.folder.parent), *arguments)
    with RunningDaemon(clock=clock, arguments=arguments) as daemon:
        lab = Lab(daemon, media.folder)
        yield lab
        lab.close()


@pytest.fixture(scope="module")
def virtual_daemon(media: Media) -> Iterator[Lab]:
    """A daemon on the virtual clock."""
    yield from running(media, "virtual")


@pytest.fixture(scope="module")
def real_daemon(media: Media) -> Iterator[Lab]:
    """A daemon on the system's clock."""
    yield from running(media, "real")


@pytest.fixture
def lab(virtual_daemon: Lab) -> Iterator[Lab]:
    """The module's daemon on the virtual clock, without sessions before and after."""
    yield virtual_daemon
    virtual_daemon.end_programs()


@pytest.fixture
def real_lab(real_daemon: Lab) -> Iterator[Lab]:
    """The module's daemon on the system's clock, without sessions before and after."""
    yield real_daemon
    real_daemon.end_programs()


@pytest.fixture
def program(lab: Lab) -> Program:
    """A program on the virtual clock."""
    return lab.program()
