"""What an address is, and which URLs are taken at all."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swanbridge_daemon.storage import FetchProblem, classify_address
from swanbridge_daemon.storage.addresses import check_url

SEVERITY = {"public": 0, "private": 1, "refused": 2}


@pytest.mark.parametrize(
    ("expected", "addresses"),
    [
        (
            "public",
            "1.1.1.1 8.8.8.8 172.15.255.255 172.32.0.0 192.167.255.255 100.63.255.255 100.128.0.0 "
            "169.253.255.255 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808",
        ),
        (
            "private",
            "127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 "
            "100.64.0.1 192.0.2.1 198.18.0.1 203.0.113.9 ::1 :: fc00::1 fd12::1 2001:db8::1 100::1 "
            "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::808:808 "
            "2002:808:808::1 2002:7f00:1::1 2001:0:808:808::f7f7:f7f7 ::ffff:0:127.0.0.1",
        ),
        (
            "refused",
            "169.254.0.1 169.254.169.254 fe80::1 fe80::1%eth0 febf::1 fec0::1 ::ffff:169.254.169.254 "
            "::169.254.1.1 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 100.100.100.200 168.63.129.16 "
            "192.0.0.192 fd00:ec2::254 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 ff02::1 "
            "::ffff:224.0.0.1 2001:0:a9fe:a9fe::f7f7:f7f7 2001:0:808:808::5601:5601",
        ),
    ],
)
def test_an_address_is_what_its_registry_says(expected: str, addresses: str) -> None:
    assert {each: classify_address(ip_address(each)) for each in addresses.split()} == dict.fromkeys(
        addresses.split(), expected
    )


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_milder(number: int) -> None:
    plain = SEVERITY[classify_address(IPv4Address(number))]
    for prefix in (0xFFFF << 32, 0x64FF9B << 96, 0x2002 << 112):
        shift = 80 if prefix >> 112 == 0x2002 else 0
        assert SEVERITY[classify_address(IPv6Address(prefix | number << shift))] >= plain


@given(st.ip_addresses())
def test_nothing_that_python_calls_local_is_public(address: IPv4Address | IPv6Address) -> None:
    if address.is_loopback or address.is_link_local or address.is_private or address.is_multicast:
        assert classify_address(address) != "public"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "http:",
        "http://",
        "http:///path",
        "http:host/x",
        "http://host:0x/",
        "http://host:99999/",
        "http://[::1",
        "http://a b/",
        "http://127%2e0.0.1/",
        "http://a\\@b/",
        "http://" + "a" * 9000,
    ],
)
def test_a_malformed_url_is_an_error(url: str) -> None:
    with pytest.raises(FetchProblem):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://h/", "gopher://h/", "unix:///s", "concat:a|b", "//h/x"]
)
def test_other_schemes_are_forbidden(url: str) -> None:
    with pytest.raises(FetchProblem, match="only http and https") as caught:
        check_url(url)
    assert caught.value.kind == "forbidden"


def test_a_url_keeps_all_but_its_fragment() -> None:
    assert str(check_url("HTTPS://u:p@H.test:8443/a%20b?q=1#part")) == "https://u:p@h.test:8443/a%20b?q=1"


@given(st.text(max_size=40))
def test_any_host_gives_a_url_or_a_problem(host: str) -> None:
    try:
        url = check_url(f"http://{host}/")
    except FetchProblem:
        return
    assert url.raw_host
