"""Who may come in: tokens, Host and Origin (interface.md, HTTP)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from swanbridge_protocol import Scope

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
WRONG_TOKENS = 30  # a minute; from then on wrong ones get 429, right ones still come in
NARROW = "sb1"  # begins a signed token


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows."""

    scope: Scope
    app_id: str | None = None


class TokenRefused(Exception):
    """The token is wrong, expired or missing; `status` is the HTTP answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def sign(master: str, scope: Scope, app_id: str | None = None, expires_in: float | None = None) -> str:
    """Return a token that allows only `scope`, for one program only if `app_id` is given."""
    claims: dict[str, object] = {"s": scope.name.lower()}
    if app_id is not None:
        claims["a"] = app_id
    if expires_in is not None:
        claims["e"] = int(time.time() + expires_in)
    body = _encode(json.dumps(claims, separators=(",", ":")).encode())
    return f"{NARROW}.{body}.{_signature(master, body)}"


class Tokens:
    """Knows the start-up token and checks what callers bring."""

    def __init__(self, master: str | None = None) -> None:
        self.master = master or secrets.token_urlsafe(32)
        self._wrong: deque[float] = deque(maxlen=WRONG_TOKENS)

    def check(self, token: str | None) -> Grant:
        """Return what a token allows; `TokenRefused` if nothing."""
        if token is None:
            raise TokenRefused(
                401, "a token is needed: Authorization: Bearer TOKEN, or the subprotocol bearer.TOKEN"
            )
        if _equal(token, self.master):
            return Grant(Scope.CONTROL)
        grant = self._narrow(token)
        if grant is None:
            self._count_wrong()
            raise TokenRefused(
                401, "the token is wrong or expired; the daemon prints a right one at its start"
            )
        return grant

    def _narrow(self, token: str) -> Grant | None:
        kind, _, rest = token.partition(".")
        body, _, signature = rest.partition(".")
        if kind != NARROW or not _equal(signature, _signature(self.master, body)):
            return None
        try:
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            expires = claims.get("e")
            if expires is not None and time.time() > expires:
                return None
            return Grant(Scope[claims["s"].upper()], claims.get("a"))
        except (binascii.Error, ValueError, KeyError, AttributeError, TypeError):
            return None

    def _count_wrong(self) -> None:
        now = time.monotonic()
        if len(self._wrong) == WRONG_TOKENS and now - self._wrong[0] < 60:
            raise TokenRefused(429, "too many wrong tokens; wait a minute")
        self._wrong.append(now)

    def sign_file(self, session_id: str, name: str, expires_at: int) -> str:
        """Return the signature of a file's URL."""
        return _signature(self.master, f"file\n{session_id}\n{name}\n{expires_at}")

    def file_allowed(self, session_id: str, name: str, expires_at: int, signature: str) -> bool:
        """Tell whether a file's URL is ours and still good."""
        right = _equal(signature, self.sign_file(session_id, name, expires_at))
        return right and time.time() < expires_at


class Door:
    """Checks where a request was sent to and which page sent it."""

    def __init__(self, hosts: list[str], origins: list[str]) -> None:
        self._hosts = {_bracketed(host.lower()) for host in (*LOOPBACK, *hosts)}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    def host_refused(self, host: str | None) -> str | None:
        """Return why the Host header is refused, None if it is fine."""
        name = _without_port((host or "").lower())
        if name in self._hosts:
            return None
        return f'host "{name}" is not allowed here: start the daemon with --allow-host {name or "NAME"}'

    def origin_refused(self, origin: str | None, host: str | None) -> str | None:
        """Return why the Origin header is refused, None if it is absent, the daemon's own, or allowed."""
        if origin is None or self.origin_listed(origin):
            return None
        parts = urlsplit(origin)
        if (
            parts.scheme in ("http", "https")
            and parts.netloc
            and parts.netloc.lower() == (host or "").lower()
        ):
            return None
        if origin.lower() == "null":
            return (
                'origin "null" is never let in: serve the page over http and allow that with --allow-origin'
            )
        return f'origin "{origin}" is not allowed here: start the daemon with --allow-origin {origin}'

    def origin_listed(self, origin: str) -> bool:
        """Tell whether a foreign page was allowed by name; "null" never is."""
        return origin.lower() != "null" and origin.lower().rstrip("/") in self._origins


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _bracketed(host: str) -> str:
    """Return a host as a Host header has it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _equal(given: str, right: str) -> bool:
    # Bytes of a header that are no UTF-8 come as surrogates.
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())


def _signature(master: str, body: str) -> str:
    return _encode(
        hmac.new(master.encode(), body.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
