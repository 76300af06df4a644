"""Settings: one field here is an option, a TOML key and a variable.

Later sources win: default, file (`--config`), environment (`SWANBRIDGE_*`), command line.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class SettingError(Exception):
    """A setting is wrong; the message names it and says what would be right."""


def _setting(default: Any, help_: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help_, **more})


def _several(help_: str, **more: Any) -> Any:
    return field(default_factory=list, metadata={"help": help_, **more})


def _state_home() -> str:
    if service := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return service  # systemd made it for us alone
    base = os.environ.get("XDG_STATE_HOME")
    return str((Path(base) if base else Path.home() / ".local/state") / "swanbridge")


def runtime_directory() -> Path:
    """Return the user's runtime directory, where a daemon's ready file is looked for."""
    base = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if base:
        return Path(base)
    user = os.environ.get("XDG_RUNTIME_DIR")
    if user:
        return Path(user) / "swanbridge"
    standard = Path(f"/run/user/{os.getuid()}")
    return standard / "swanbridge" if standard.is_dir() else Path(f"/tmp/swanbridge-{os.getuid()}")


@dataclass(frozen=True)
class Settings:
    """What `serve` can be told. Types are str, int, float, bool or a list of str."""

    host: str = _setting("127.0.0.1", "address to listen at", metavar="HOST")
    port: int = _setting(7667, "port to listen at; 0 takes a free one", metavar="PORT", least=0, most=65535)
    unix: str = _setting("", "Unix socket to listen at, too", metavar="PATH")
    ready_file: str = _setting("", "JSON file to write when calls can be taken", metavar="FILE")
    devices: str = _setting("auto", "which devices to use", choices=("auto", "hardware", "virtual"))
    clock: str = _setting("real", "which clock to run on", choices=("real", "virtual"))
    state_dir: str = _setting("", "where files are kept (default: the user's state directory)", metavar="DIR")
    album_dir: str = _setting("", "the photo album (default: the user's Pictures)", metavar="DIR")
    package_dir: list[str] = _several("programs' packageRoot must lie in one of these", metavar="DIR")
    app_dir: str = _setting("", "web pages to serve beside the console", metavar="DIR")
    token_file: str = _setting(
        "", "file with the start-up token; made if absent", metavar="FILE", secret=True
    )
    allow_host: list[str] = _several("host name that requests may be sent to", metavar="HOST")
    allow_origin: list[str] = _several("web origin that may call", metavar="ORIGIN")
    persona: str = _setting("seed", "which phone's habits to follow", choices=("seed",))
    private_network: str = _setting(
        "allow", "whether programs may fetch from private addresses", choices=("allow", "deny")
    )
    speaker: str = _setting("default", "name of the speaker among the hardware devices", metavar="NAME")
    speaker_latency: float = _setting(
        0.06, "seconds of latency to ask of the speaker", metavar="SECONDS", least=0.005, most=2.0
    )
    decoders: int = _setting(2, "decoder processes", metavar="N", least=1, most=64)
    temp_quota: int = _setting(
        2 << 30, "bytes of temporary files a session may have", metavar="BYTES", least=0
    )
    calls_per_second: float = _setting(100_000.0, "calls a socket may make a second", metavar="N", least=1.0)
    log_format: str = _setting("text", "how to log", choices=("text", "json"))
    log_level: str = _setting("info", "what to log", choices=("debug", "info", "warning", "error"))


@dataclass(frozen=True)
class Loaded:
    """Effective settings and where each came from."""

    settings: Settings
    origins: dict[str, str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser one option for each setting, and `--config`."""
    parser.add_argument(
        "--config", metavar="FILE", help="TOML file with settings; keys as the options, with _"
    )
    for setting in dataclasses.fields(Settings):
        meta = setting.metadata
        many = "list" in str(setting.type)
        parser.add_argument(
            f"--{setting.name.replace('_', '-')}",
            help=meta["help"] + (" (may be repeated)" if many else ""),
            metavar=meta.get("metavar"),
            choices=meta.get("choices"),
            type=str.lower if "choices" in meta else str,
            action="append" if many else "store",
        )


def load(options: Mapping[str, Any], environment: Mapping[str, str]) -> Loaded:
    """Put the settings together; `SettingError` names what is wrong."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = options.get("config") or environment.get("SWANBRIDGE_CONFIG")
    from_file = _read(path) if path else {}
    for setting in dataclasses.fields(Settings):
        name = setting.name
        variable = f"SWANBRIDGE_{name.upper()}"
        option = f"--{name.replace('_', '-')}"
        if options.get(name) is not None:
            raw, origin = options[name], option
        elif environment.get(variable):
            raw, origin = environment[variable], variable
            if "list" in str(setting.type):
                raw = [part for part in raw.split(os.pathsep) if part]
        elif name in from_file:
            raw, origin = from_file.pop(name), str(path)
        else:
            origins[name] = "default"
            continue
        from_file.pop(name, None)
        values[name] = _converted(setting, raw, option, origin)
        origins[name] = origin
    if from_file:
        raise SettingError(f"{path}: there is no setting {', '.join(sorted(from_file))}")
    settings = Settings(**values)
    if not settings.state_dir:
        settings = dataclasses.replace(settings, state_dir=_state_home())
    return Loaded(settings, origins)


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingError(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"--config {path}: {error}") from error


def _converted(setting: dataclasses.Field[Any], raw: Any, option: str, origin: str) -> Any:
    where = option if origin == option else f"{option} ({origin})"
    kind = str(setting.type)
    meta = setting.metadata
    try:
        if "list" in kind:
            if not isinstance(raw, list) or not all(isinstance(part, str) for part in raw):
                raise ValueError("must be a list of texts")
            return raw
        admitted: dict[str, tuple[type, ...]] = {
            "str": (str,),
            "int": (str, int),
            "float": (str, int, float),
        }
        if isinstance(raw, bool) or not isinstance(raw, admitted[kind]):
            raise ValueError("must be a text")
        value = {"str": str, "int": int, "float": float}[kind](raw)
    except (ValueError, OverflowError) as error:
        wanted = {"int": "a whole number", "float": "a number"}.get(kind)
        raise SettingError(f"{where}: {raw!r} is not {wanted}" if wanted else f"{where}: {error}") from None
    if "choices" in meta and value.lower() in meta["choices"]:
        return value.lower()
    if "choices" in meta:
        raise SettingError(f"{where}: {value!r} is none of {', '.join(meta['choices'])}")
    if value != value or value < meta.get("least", value) or value > meta.get("most", value):
        bounds = f"at least {meta.get('least')}" + (f" and at most {meta['most']}" if "most" in meta else "")
        raise SettingError(f"{where}: {raw!r} must be {bounds}")
    return value
