"""Thin client of the swanbridge daemon: `async with swanbridge_client.connect() as swan: …`."""

from swanbridge_protocol import SwanError

from .errors import ConnectionLost, ConnectionRefused, DaemonNotFound, RemoteError
from .events import Event
from .inner_audio import AudioEvent, InnerAudioContext
from .swan import Swan, connect

__all__ = [
    "AudioEvent",
    "ConnectionLost",
    "ConnectionRefused",
    "DaemonNotFound",
    "Event",
    "InnerAudioContext",
    "RemoteError",
    "Swan",
    "SwanError",
    "connect",
]
