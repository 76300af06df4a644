"""Where fetching may lead: redirects, private addresses, names that lie, certificates."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from swanbridge_daemon.storage import FetchProblem, NetworkPolicy, classify_address

if TYPE_CHECKING:
    from tests.storage.conftest import Answer, Lab

PRIVATE, PUBLIC = "127.0.0.1", "127.0.0.2"
DENY = NetworkPolicy("deny")


def redirect_to(target: str, status: int = 302) -> Answer:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": target})

    return answer


async def ok(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=b"ok")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_the_credentials_of_the_first_url(lab: Lab, status: int) -> None:
    async def work() -> None:
        async with lab.site(ok) as target, lab.site(redirect_to(target.url("/x"), status)) as site:
            async with lab.fetcher() as fetcher:
                with await fetcher.open(site.url().replace("://", "://me:secret@")) as download:
                    await download.finished()
                    assert lab.content(download) == b"ok"
                assert "Authorization" in site.requests[0].headers
                assert "Authorization" not in target.requests[0].headers

    lab.run(work)


def test_further_ranges_go_to_where_the_redirect_led(lab: Lab) -> None:
    data = bytes(1 << 20)
    first = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.http_range.start == 0:
            response = web.StreamResponse(status=206)
            response.headers["Content-Range"] = f"bytes 0-{len(data) - 1}/{len(data)}"
            await response.prepare(request)
            await response.write(data[:10])
            await first.wait()
            return response
        return await lab.ranged(data)(request)

    async def work() -> None:
        async with lab.site(answer) as target, lab.site(redirect_to(target.url())) as site:
            async with lab.fetcher() as fetcher:
                with await fetcher.open(site.url()) as download:
                    download.want(900_000)
                    await download.wait_for(900_000)
                assert (len(site.requests), len(target.requests)) == (1, 2)

    lab.run(work)


@pytest.mark.parametrize(
    ("target", "kind", "sentence"),
    [
        ("file:///etc/passwd", "forbidden", "only http and https"),
        ("ftp://host/x", "forbidden", "only http and https"),
        ("http://169.254.169.254/latest", "forbidden", "never connected to"),
        ("http://2130706433/", "forbidden", "four decimal numbers"),
        ("http://host:99999/", "network", "malformed"),
        ("", "network", "nowhere"),
        ("/again", "network", "more than 5 redirects"),
    ],
)
def test_a_redirect_that_leads_nowhere_good_is_an_error(
    lab: Lab, target: str, kind: str, sentence: str
) -> None:
    async def work() -> None:
        async with lab.site(redirect_to(target)) as site, lab.fetcher() as fetcher:
            with pytest.raises(FetchProblem, match=sentence) as caught:
                await fetcher.open(site.url())
            assert caught.value.kind == kind

    lab.run(work)


@pytest.mark.parametrize("host", [PRIVATE, "inside.test", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_a_public_server_cannot_redirect_to_a_private_one(lab: Lab, host: str) -> None:
    async def work() -> None:
        async with lab.site(ok) as inside:
            bounce = redirect_to(inside.url(host=host))
            async with lab.site(bounce, host=PUBLIC) as outside:
                async with lab.fetcher(names={"inside.test": [[PRIVATE]]}) as fetcher:
                    with pytest.raises(FetchProblem, match="a public server redirects there") as caught:
                        await fetcher.open(outside.url())
                    assert caught.value.kind == "forbidden"
                    assert inside.requests == []

    lab.run(work)


def test_a_private_server_may_redirect_to_a_private_and_to_a_public_one(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(ok, host=PUBLIC) as outside, lab.site(redirect_to(outside.url())) as middle:
            async with lab.site(redirect_to(middle.url())) as inside, lab.fetcher() as fetcher:
                with await fetcher.open(inside.url()) as download:
                    await download.finished()

    lab.run(work)


def test_a_private_server_cannot_be_reached_again_by_way_of_a_public_one(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(ok) as last, lab.site(redirect_to(last.url()), host=PUBLIC) as outside:
            async with lab.site(redirect_to(outside.url())) as first, lab.fetcher() as fetcher:
                with pytest.raises(FetchProblem, match="a public server redirects there"):
                    await fetcher.open(first.url())
                assert last.requests == []

    lab.run(work)


@pytest.mark.parametrize("host", [PRIVATE, "inside.test", "localhost", "localhost.", "[::1]", "0.0.0.0"])
def test_private_addresses_can_be_denied(lab: Lab, host: str) -> None:
    names = {name: [[PRIVATE]] for name in ("inside.test", "localhost", "localhost.")}

    async def work() -> None:
        async with lab.site(ok) as site, lab.fetcher(DENY, names=names) as fetcher:
            with pytest.raises(FetchProblem, match="--private-network is deny") as caught:
                await fetcher.open(site.url(host=host))
            assert caught.value.kind == "forbidden"
            assert site.requests == []

    lab.run(work)


def test_public_addresses_are_reached_when_private_ones_are_denied(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(ok, host=PUBLIC) as site:
            async with lab.fetcher(DENY, names={"out.test": [[PRIVATE, PUBLIC]]}) as fetcher:
                with await fetcher.open(site.url(host="out.test")) as download:
                    await download.finished()

    lab.run(work)


def test_a_name_that_changes_its_address_between_check_and_connection_gains_nothing(lab: Lab) -> None:
    """The first look-up tells a public address, every later one loopback, and the other way round."""
    book = {
        "rebound.test": [[PUBLIC], [PRIVATE]],
        "flip.test": [[PRIVATE], [PUBLIC], [PRIVATE]],
    }

    async def work() -> None:
        async with lab.site(ok) as inside:
            bounce = redirect_to(f"http://rebound.test:{inside.port}/")
            async with lab.site(bounce, host=PUBLIC) as outside, lab.fetcher(DENY, names=book) as fetcher:
                with pytest.raises(FetchProblem):
                    await fetcher.open(outside.url())
                with pytest.raises(FetchProblem):
                    await fetcher.open(inside.url(host="rebound.test"))
                with pytest.raises(FetchProblem):
                    await fetcher.open(inside.url(host="flip.test"))
                assert inside.requests == []

    lab.run(work)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.1.1]", "linklocal.test", "[fd00:ec2::254]"]
)
def test_link_local_and_metadata_addresses_are_never_connected_to(lab: Lab, host: str) -> None:
    names = {"linklocal.test": [["169.254.169.254", "fe80::1%1"]]}

    async def work() -> None:
        async with lab.fetcher(names=names) as fetcher:
            with pytest.raises(FetchProblem, match="never connected to") as caught:
                await fetcher.open(f"http://{host}/latest/meta-data")
            assert caught.value.kind == "forbidden"

    lab.run(work)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "0x7f000001"])
def test_addresses_in_disguise_are_refused_whatever_the_policy(lab: Lab, host: str) -> None:
    async def work() -> None:
        async with lab.site(ok) as site, lab.fetcher() as fetcher:
            with pytest.raises(FetchProblem, match="four decimal numbers") as caught:
                await fetcher.open(site.url(host=host))
            assert caught.value.kind == "forbidden"
            assert site.requests == []

    lab.run(work)


def test_a_name_nobody_knows_and_a_port_nobody_has_are_errors(lab: Lab) -> None:
    async def work() -> None:
        async with lab.site(ok) as site:
            unused = site.url()
        async with lab.fetcher() as fetcher:
            with pytest.raises(FetchProblem, match="can't be resolved"):
                await fetcher.open("http://nowhere.test/")
            with pytest.raises(FetchProblem, match="no connection to"):
                await fetcher.open(unused)

    lab.run(work)


def test_the_systems_resolver_and_the_real_classes_are_the_default(tmp_path: Path, lab: Lab) -> None:
    from swanbridge_daemon.storage import Fetcher

    async def work() -> None:
        async with lab.site(ok) as site:
            strict, free = Fetcher(tmp_path, DENY), Fetcher(tmp_path)
            try:
                with pytest.raises(FetchProblem, match="--private-network is deny"):
                    await strict.open(site.url(host="localhost"))
                with await free.open(site.url(host="localhost")) as download:
                    await download.finished()
            finally:
                await strict.close()
                await free.close()

    lab.run(work)


def test_a_certificate_that_nobody_vouches_for_is_refused(lab: Lab, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("making a certificate needs the openssl command")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = (
        f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        f" -addext subjectAltName=IP:127.0.0.1 -keyout {key.name} -out {certificate.name}"
    )
    subprocess.run([openssl, *request.split()], check=True, capture_output=True, cwd=tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def work() -> None:
        async with lab.site(ok, ssl_context=context) as site, lab.fetcher() as fetcher:
            with pytest.raises(FetchProblem, match="certificate"):
                await fetcher.open(site.url().replace("http:", "https:"))
            assert site.requests == []

    lab.run(work)


def test_the_labs_public_address_is_really_private() -> None:
    from ipaddress import ip_address

    assert classify_address(ip_address(PUBLIC)) == "private"
