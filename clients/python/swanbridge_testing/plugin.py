"""The pytest plugin: a daemon and a session for each test, and assertions on what was heard.

Loaded in every pytest run of its environment, so nothing else is imported before a fixture is used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swanbridge_client.sync import Swan
    from swanbridge_protocol.speaker import Match, Segment

    from .assertions import Ears
    from .daemon import RunningDaemon

MARKER = (
    'swanbridge(clock="virtual", devices="virtual", arguments=(), environment={}, time_update_interval=None, '
    "persona=None): how this test's daemon is started and its session opened"
)
_DAEMON = ("clock", "devices", "arguments", "environment")
_SESSION = ("time_update_interval", "persona")

_ears_of = pytest.StashKey["Ears"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def _marked(request: pytest.FixtureRequest, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Return what the markers say of `wanted`; the one nearest to the test wins."""
    told: dict[str, Any] = {}
    for marker in request.node.iter_markers("swanbridge"):
        unknown = marker.kwargs.keys() - {*_DAEMON, *_SESSION}
        if marker.args or unknown:
            raise pytest.UsageError(f"{request.node.nodeid}: the marker is {MARKER}")
        told = {**{name: value for name, value in marker.kwargs.items() if name in wanted}, **told}
    return told


@pytest.fixture
def swanbridge_daemon(request: pytest.FixtureRequest) -> Iterator[RunningDaemon]:
    """A fresh daemon process with virtual devices and the virtual clock; the marker may say otherwise."""
    from .daemon import RunningDaemon

    running = RunningDaemon(**_marked(request, _DAEMON))
    try:
        running.start()
        yield running
    finally:
        running.stop()
        print(running.log, file=sys.stderr)  # pytest shows it with a failure
        running.close()


@pytest.fixture
def package_root(swanbridge_daemon: RunningDaemon) -> Path:
    """The program's own directory, empty: `package_root / "t.wav"` is `/t.wav` to it."""
    root = swanbridge_daemon.package_dir / "program"
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture
def swan(
    request: pytest.FixtureRequest, swanbridge_daemon: RunningDaemon, package_root: Path
) -> Iterator[Swan]:
    """A session on the daemon (`swanbridge_client.sync.Swan`); all that is played is captured from its start."""
    from swanbridge_client import sync

    from .assertions import Ears

    with sync.connect(
        swanbridge_daemon.url,
        token=swanbridge_daemon.token,
        app_id="pytest",
        package_root=package_root,
        **_marked(request, _SESSION),
    ) as session:
        request.node.stash[_ears_of] = Ears(session, package_root)
        yield session


@pytest.fixture
def ears(swan: Swan, request: pytest.FixtureRequest) -> Ears:
    """The capture of all that the daemon played from the session's opening on."""
    kept: Ears = request.node.stash[_ears_of]
    return kept


@pytest.fixture
def heard(ears: Ears) -> Callable[..., list[Segment]]:
    """`heard(tone=440, between=(0, 2))`: there was such a sound."""
    return ears.heard


@pytest.fixture
def heard_clip(ears: Ears) -> Callable[..., Match]:
    """`heard_clip("/t.mp3", at=1.0)`: that file was played there."""
    return ears.heard_clip


@pytest.fixture
def silent(ears: Ears) -> Callable[..., None]:
    """`silent(between=(1, 2))`: nothing was to be heard."""
    return ears.silent
