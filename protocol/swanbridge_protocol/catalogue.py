"""Every method and event by its wire name."""

from __future__ import annotations

from typing import Any

from . import clock, discovery, files, inner_audio, session, speaker
from ._base import Event, Method

CHAPTERS = (session, clock, files, speaker, inner_audio, discovery)

METHODS: dict[str, Method[Any, Any]] = {}
EVENTS: dict[str, Event[Any]] = {}

for _chapter in CHAPTERS:
    for _item in vars(_chapter).values():
        if isinstance(_item, Method):
            METHODS[_item.name] = _item
        elif isinstance(_item, Event):
            EVENTS[_item.name] = _item
