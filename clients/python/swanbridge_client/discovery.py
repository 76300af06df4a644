"""Where the daemon is: from its printed address, or from the ready file of the user's own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from .errors import DaemonNotFound

HOW_TO_START = "start one with: swanbridged serve"


@dataclass(frozen=True, slots=True)
class Address:
    """`base` is `http(s)://host:port`; an empty token means none is known."""

    base: str
    token: str = field(default="", repr=False)

    @property
    def ws(self) -> str:
        """The WebSocket's URL."""
        return f"{self.base.replace('http', 'ws', 1)}/ws"


def runtime_directory() -> Path:
    """Return where daemons leave their ready file; the daemon has the same rule in its `config.py`."""
    base = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if base:
        return Path(base)
    user = os.environ.get("XDG_RUNTIME_DIR")
    if user:
        return Path(user) / "swanbridge"
    standard = Path(f"/run/user/{os.getuid()}")
    return standard / "swanbridge" if standard.is_dir() else Path(f"/tmp/swanbridge-{os.getuid()}")


def ready_file() -> Path:
    """Return the ready file to look at."""
    named = os.environ.get("SWANBRIDGE_READY_FILE")
    return Path(named) if named else runtime_directory() / "ready.json"


def find(url: str | None = None, token: str | None = None) -> Address:
    """Return the daemon's address.

    `url` may be `http://host:port`, the printed `http://host:port/?token=…`, or `ws://host:port/ws`; without it
    the ready file tells. `token` goes before the one in `url`. Raises `DaemonNotFound`, or `ValueError` for an
    address that is none.
    """
    if url is None:
        found = _from_ready_file(ready_file())
        return found if token is None else Address(found.base, token)
    parts = urlsplit(url)
    scheme = {"http": "http", "ws": "http", "https": "https", "wss": "https"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise ValueError(f'"{url}" is no address of a daemon; one looks like http://127.0.0.1:7667/?token=…')
    inside = parse_qs(parts.query).get("token", [""])[0]
    return Address(f"{scheme}://{parts.netloc}", inside if token is None else token)


def _from_ready_file(path: Path) -> Address:
    try:
        if path.stat().st_uid not in (os.getuid(), 0):
            raise DaemonNotFound(f"{path} belongs to another user: give the daemon's address")
        facts = json.loads(path.read_text())
        found = find(str(facts["url"]))
        return Address(found.base, str(facts["token"]))
    except FileNotFoundError:
        raise DaemonNotFound(
            f"no daemon is running here (there is no {path}): {HOW_TO_START}, or give its address"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DaemonNotFound(f"{path} can't be read ({error}): {HOW_TO_START}") from error
