"""Which addresses of the network may be reached: what a URL says, and what an address is.

Pure functions but for `GuardedResolver`; whoever connects asks them about the address really connected to.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from .problems import FetchProblem, quoted

__all__ = [
    "Address",
    "AddressClass",
    "AddressRefused",
    "GuardedResolver",
    "check_url",
    "classify_address",
    "literal",
]

Address = IPv4Address | IPv6Address
AddressClass = Literal["public", "private", "refused"]

LONGEST_URL: Final = 8192  # characters

# Written out, since what `ipaddress` calls global differs between Python versions.
_REFUSED: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        "169.254.0.0/16",  # link-local, with the metadata servers of most clouds
        "fe80::/10",
        "fec0::/10",
        "100.100.100.200/32",  # metadata at Alibaba
        "192.0.0.192/32",  # metadata at Oracle
        "168.63.129.16/32",  # metadata at Azure, though public by its number
        "fd00:ec2::254/128",  # metadata at Amazon
        "fd20:ce::254/128",  # metadata at Google
        "224.0.0.0/4",  # multicast
        "ff00::/8",
        "240.0.0.0/4",  # reserved, with the broadcast address
    )
)
_PRIVATE: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",  # this machine: connecting to 0.0.0.0 reaches loopback
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
    )
)
_PUBLIC_IPV6: Final = ipaddress.ip_network("2000::/3")
_PRIVATE_IPV6: Final = tuple(
    ipaddress.ip_network(each) for each in ("2001::/23", "2001:db8::/32", "3fff::/20")
)
# Prefixes whose last 32 bits are an IPv4 address that the packets end up at.
_IPV4_AT_THE_END: Final = tuple(
    ipaddress.ip_network(each) for each in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_LEGACY_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


class AddressRefused(OSError):
    """An address that may not be connected to; an OSError, so that it passes through aiohttp."""


def classify_address(address: Address) -> AddressClass:
    """Say what an address is: "refused" (link-local, metadata, multicast, reserved), "private" or "public".

    Loopback, unspecified and documentation addresses count as private. IPv6 forms that carry an IPv4
    address (mapped, compatible, NAT64, 6to4, Teredo) are never milder than that address.
    """
    if isinstance(address, IPv6Address):
        return _classify_ipv6(address)
    if any(address in network for network in _REFUSED):
        return "refused"
    return "private" if any(address in network for network in _PRIVATE) else "public"


def _classify_ipv6(address: IPv6Address) -> AddressClass:
    plain = IPv6Address(int(address))  # without its scope, which would keep it out of every network
    if int(plain) <= 1:
        return "private"
    if any(plain in network for network in _REFUSED):
        return "refused"
    if any(plain in network for network in _IPV4_AT_THE_END):
        return classify_address(IPv4Address(int(plain) & 0xFFFFFFFF))
    carried = plain.teredo or ((plain.sixtofour,) if plain.sixtofour is not None else None)
    if carried is not None:  # relics: nothing that a program wants is there
        inner = {classify_address(each) for each in carried}
        return "refused" if "refused" in inner else "private"
    if plain not in _PUBLIC_IPV6 or any(plain in network for network in _PRIVATE_IPV6):
        return "private"
    return "public"


def literal(host: str) -> Address | None:
    """Give the address that a host is written as, None for a name."""
    try:
        return ipaddress.ip_address(host.replace("%25", "%"))
    except ValueError:
        return None


def check_url(text: str | URL) -> URL:
    """Give the URL of an http or https address, without fragment.

    Raises `FetchProblem`: "malformed", or "forbidden" for other schemes and for addresses written as
    anything but four decimal numbers or plain IPv6 (`2130706433`, `0x7f.1`, `127.1`, `010.0.0.1`).
    """
    try:
        if len(str(text)) > LONGEST_URL:
            raise FetchProblem("malformed", f"a URL may have {LONGEST_URL} characters")
        url = URL(text).with_fragment(None) if isinstance(text, str) else text.with_fragment(None)
        host, port = url.raw_host, url.port
    except (ValueError, TypeError) as error:
        raise FetchProblem("malformed", "the URL is malformed") from error
    if url.scheme not in ("http", "https"):
        raise FetchProblem("forbidden", f"only http and https are fetched, not {quoted(url.scheme)}")
    if not host or not port or re.search(r"[\x00-\x20%\x7f\\]", host.replace("%25", "")):
        raise FetchProblem("malformed", "the URL names no valid host and port")
    if literal(host) is None and _LEGACY_LABEL.fullmatch(host.rstrip(".").rsplit(".", 1)[-1]):
        raise FetchProblem(
            "forbidden", f"the address {quoted(host)} must be written as four decimal numbers between dots"
        )
    return url


class GuardedResolver(AbstractResolver):
    """Gives of another resolver's answers those that `admits` accepts, or raises `AddressRefused`."""

    def __init__(self, inner: AbstractResolver, admits: Callable[[Address], bool]) -> None:
        self._inner = inner
        self._admits = admits

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve, and keep what may be connected to."""
        answers = await self._inner.resolve(host, port, family)
        admitted = [each for each in answers if self._admits(ipaddress.ip_address(each["host"]))]
        if answers and not admitted:
            raise AddressRefused(f"no address of {host} may be connected to")
        return admitted

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._inner.close()
