"""Narrower tokens, signed with the start-up token; the daemon's `rpc/auth.py` checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time

from swanbridge_protocol import Scope

NARROW = "sb1"  # begins a signed token
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def sign(master: str, scope: Scope, app_id: str | None = None, expires_in: float | None = None) -> str:
    """Return a token that allows `scope` only, for one program only if `app_id` is given.

    `expires_in` is in seconds. Raises `ValueError` if `master` is a signed token itself: those can't sign.
    """
    if master.startswith(f"{NARROW}."):
        raise ValueError("a signed token can't sign another: the start-up token is needed")
    claims: dict[str, object] = {"s": scope.name.lower()}
    if app_id is not None:
        claims["a"] = app_id
    if expires_in is not None:
        claims["e"] = int(time.time() + expires_in)
    body = _encode(json.dumps(claims, separators=(",", ":")).encode())
    signature = hmac.new(master.encode(), body.encode(), hashlib.sha256).digest()
    return f"{NARROW}.{body}.{_encode(signature)}"


def seconds(text: str) -> float:
    """Return the seconds of `90`, `90s`, `5m`, `1h` or `2d`; `ValueError` for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None:
        raise ValueError(f'"{text}" is no length of time; one looks like 90s, 5m, 1h or 2d')
    return float(match[1]) * _UNITS[match[2] or "s"]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
