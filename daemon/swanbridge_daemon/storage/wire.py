"""One guarded GET: every hop's address is checked, on the address that is really connected to.

Two pools of connections: one that can only reach public addresses, one that can only reach private ones.
Which of them answered says what the server is, whatever its name resolves to a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from .addresses import (
    Address,
    AddressClass,
    AddressRefused,
    GuardedResolver,
    check_url,
    classify_address,
    literal,
)
from .problems import FetchProblem, quoted

__all__ = ["Answer", "Limits", "NetworkPolicy", "Wire", "explain", "status_problem"]

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
Reach = Literal["public", "private"]


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What `--private-network` says: whether a program may itself name private addresses."""

    private: Literal["allow", "deny"] = "allow"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of fetching. Full: the fetch ends with a `FetchProblem`, the cache drops its least recent."""

    connect_seconds: float = 10.0  # from looking the name up to being connected
    stall_seconds: float = 20.0  # without a byte
    redirects: int = 5
    size_bytes: int = 512 << 20  # of one file
    cache_bytes: int = 1 << 30  # of all complete files that nobody has open
    cache_files: int = 64  # each holds a descriptor


@dataclass(frozen=True, slots=True)
class Answer:
    """A response whose body isn't read yet; `public_only` holds for what the same chain asks next."""

    response: aiohttp.ClientResponse
    url: URL
    public_only: bool
    redirected: bool


class Wire:
    """The HTTP client behind the fetcher. Sends no cookies, trusts no proxy setting, verifies certificates.

    `resolver` and `classify` are the system's and the real table unless a test brings its own. Connections
    are made lazily, inside a running loop. `close` ends them.
    """

    def __init__(
        self,
        policy: NetworkPolicy,
        limits: Limits,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
        classify: Callable[[Address], AddressClass] = classify_address,
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._resolver = resolver
        self._classify = classify
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    async def get(self, url: URL, headers: Mapping[str, str], *, public_only: bool = False) -> Answer:
        """Ask, and follow redirects by hand; the caller closes the response. Raises `FetchProblem`.

        Once a public server has answered, private addresses are out of reach for the rest of the chain.
        """
        redirected = False
        for _ in range(self._limits.redirects + 1):
            response, reach = await self._ask(url, headers, public_only, redirected)
            public_only = public_only or reach == "public"
            if response.status not in _REDIRECTS:
                return Answer(response, url, public_only, redirected)
            response.close()
            target = response.headers.get("Location", "")
            if not target:
                raise FetchProblem("network", f"{url.host} redirects to nowhere")
            try:
                url = check_url(url.join(URL(target)))
            except ValueError as error:
                raise FetchProblem("network", f"{url.host} redirects to a malformed URL") from error
            redirected = True
        raise FetchProblem("network", f"more than {self._limits.redirects} redirects, the last by {url.host}")

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    async def _ask(
        self, url: URL, headers: Mapping[str, str], public_only: bool, redirected: bool
    ) -> tuple[aiohttp.ClientResponse, Reach]:
        """Send one request to a public address, or to a private one where that is in order."""
        host = url.raw_host or ""
        address = literal(host)
        known = None if address is None else self._classify(address)
        if known == "refused":
            raise self._refusal(host, "is a link-local, multicast or reserved one: never connected to")
        if known != "private":
            try:
                return await self._send("public", url, headers), "public"
            except AddressRefused:
                pass  # the name has no public address
        if public_only and redirected:
            raise self._refusal(host, "is not public, and a public server redirects there: never followed")
        if public_only:
            raise self._refusal(host, "is not public any more")
        if self._policy.private == "deny":
            raise self._refusal(host, "is not public, and --private-network is deny")
        try:
            return await self._send("private", url, headers), "private"
        except AddressRefused as error:
            raise self._refusal(host, "is one that is never connected to, such as link-local") from error

    async def _send(self, reach: Reach, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Send one request through one pool; `AddressRefused` when the pool may not reach the host."""
        try:
            return await self._session(reach).get(url, headers=headers, allow_redirects=False)
        except AddressRefused:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
                raise error.os_error from error
            raise explain(error, url.host, self._limits) from error

    def _session(self, reach: Reach) -> aiohttp.ClientSession:
        if reach not in self._sessions:

            def admits(address: Address) -> bool:
                return self._classify(address) == reach

            def make_socket(info: Any) -> socket.socket:
                # The last word: literal addresses never pass a resolver.
                family, kind, protocol, _, target = info
                if not admits(ipaddress.ip_address(target[0])):
                    raise AddressRefused(f"{target[0]} may not be connected to")
                return socket.socket(family, kind, protocol)

            self._sessions[reach] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=GuardedResolver(self._resolver(), admits),
                    socket_factory=make_socket,
                    use_dns_cache=False,
                    limit=0,  # waiting for a connection would count as connecting
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=self._limits.connect_seconds,
                    sock_connect=self._limits.connect_seconds,
                    sock_read=self._limits.stall_seconds,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "swanbridge", "Accept": "*/*", "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._sessions[reach]

    def _refusal(self, host: str, why: str) -> FetchProblem:
        return FetchProblem("forbidden", f"the address of {quoted(host)} {why}")


def explain(error: Exception, host: str | None, limits: Limits) -> FetchProblem:
    """Word what the network did; never with aiohttp's own text, which may repeat a whole URL."""
    shown = quoted(host or "")
    if isinstance(error, aiohttp.SocketTimeoutError):
        return FetchProblem("network", f"{shown} sent nothing for {limits.stall_seconds:g} s")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return FetchProblem("network", f"{shown} took no connection within {limits.connect_seconds:g} s")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return FetchProblem(
            "network", f"no trustworthy TLS connection to {shown}: its certificate or handshake"
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FetchProblem("network", f"the name {shown} can't be resolved")
    if isinstance(error, aiohttp.ClientConnectorError):
        return FetchProblem("network", f"no connection to {shown}: {error.os_error.strerror or 'refused'}")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return FetchProblem("network", f"{shown} closed the connection before the end")
    return FetchProblem("network", f"reading from {shown} failed: {type(error).__name__}")


def status_problem(status: int, host: str | None) -> FetchProblem:
    """Word an HTTP status that brings no bytes."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return FetchProblem("network", f"{quoted(host or '')} answered {status} {phrase}".rstrip())
