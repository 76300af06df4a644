"""Files of a session over HTTP: uploads, signed URLs, Range."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest
from swanbridge_daemon.rpc.auth import Tokens
from swanbridge_testing.daemon import RunningDaemon

from .peer import Peer, Refused, http, in_session

CONTENT = bytes(range(256)) * 40


async def upload(
    daemon: RunningDaemon, peer: Peer, data: bytes | aiohttp.FormData, name: str = ""
) -> dict[str, Any]:
    session = (await peer.call("session.snapshot"))["sessionId"]
    async with http(daemon) as client:
        async with client.post(
            "/files", params={"name": name}, data=data, headers={"Swanbridge-Session": session}
        ) as response:
            assert response.status == 201, await response.text()
            made: dict[str, Any] = await response.json()
            return made


async def download(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Fetch without any token: the signature is the authority."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, await response.read(), dict(response.headers)


def changed(url: str, **query: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **query})).geturl()


def test_what_is_uploaded_comes_back_by_its_signed_url(virtual_daemon: RunningDaemon) -> None:
    async def there_and_back() -> None:
        async with in_session(virtual_daemon) as peer:
            made = await upload(virtual_daemon, peer, CONTENT, "picture.tar.PNG")
            assert made["filePath"].startswith("bdfile://")
            assert made["filePath"].endswith(".png")
            assert made["size"] == len(CONTENT)
            url = (await peer.call("file.url", filePath=made["filePath"]))["url"]
            assert url.startswith(virtual_daemon.url)
            status, body, headers = await download(url)
            assert (status, body, headers["Content-Type"]) == (200, CONTENT, "image/png")
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert (await download(url, Origin="https://any.example"))[0] == 200

    asyncio.run(there_and_back())


def test_a_form_s_first_file_is_taken(virtual_daemon: RunningDaemon) -> None:
    async def there_and_back() -> None:
        async with in_session(virtual_daemon) as peer:
            form = aiohttp.FormData()
            form.add_field("note", "no file")
            form.add_field("file", CONTENT, filename="../../etc/sound.mp3")
            made = await upload(virtual_daemon, peer, form)
            assert made["filePath"].endswith(".mp3")
            assert "/" not in made["filePath"].removeprefix("bdfile://")
            url = (await peer.call("file.url", filePath=made["filePath"]))["url"]
            assert (await download(url))[1] == CONTENT

    asyncio.run(there_and_back())


@pytest.mark.parametrize(
    "name", ["", "a", "a.", "a.b/c", "a.x\n", "a.☃", "a." + "x" * 500, "../../x", "%00.png\0", ".."]
)
def test_odd_names_make_files_without_a_suffix(virtual_daemon: RunningDaemon, name: str) -> None:
    async def there() -> None:
        async with in_session(virtual_daemon) as peer:
            made = await upload(virtual_daemon, peer, b"x", name)
            assert "." not in made["filePath"]

    asyncio.run(there())


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=10000-", 206, CONTENT[10000:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        (f"bytes={len(CONTENT)}-", 416, None),
    ],
)
def test_a_range_of_a_file_can_be_fetched(
    virtual_daemon: RunningDaemon, asked: str, status: int, expected: bytes | None
) -> None:
    async def fetch() -> None:
        async with in_session(virtual_daemon) as peer:
            made = await upload(virtual_daemon, peer, CONTENT)
            url = (await peer.call("file.url", filePath=made["filePath"]))["url"]
            answered, body, headers = await download(url, Range=asked)
            assert answered == status
            assert expected is None or body == expected
            assert headers["Content-Range"].endswith(f"/{len(CONTENT)}")

    asyncio.run(fetch())


def test_a_url_is_good_for_its_file_its_session_and_its_time_only(virtual_daemon: RunningDaemon) -> None:
    async def fetch() -> None:
        async with in_session(virtual_daemon) as peer, in_session(virtual_daemon) as other:
            first = await upload(virtual_daemon, peer, CONTENT)
            second = await upload(virtual_daemon, peer, b"other")
            url = (await peer.call("file.url", filePath=first["filePath"], expiresIn=60))["url"]
            theirs = (await other.call("session.snapshot"))["sessionId"]
            name, wrong = (one["filePath"].removeprefix("bdfile://") for one in (first, second))
            for forged in (
                changed(url, expires="99999999999"),
                changed(url, signature="x"),
                changed(url, signature=""),
                changed(url, signature="☃"),
                changed(url, session=theirs),
                changed(url, expires="x"),
                url.replace(name, wrong),
                url.partition("?")[0],
            ):
                assert (await download(forged))[0] == 403
            # Signed rightly, but the time is over.
            session = dict(parse_qsl(urlsplit(url).query))["session"]
            past = Tokens(virtual_daemon.token).sign_file(session, name, 1)
            assert (await download(changed(url, expires="1", signature=past)))[0] == 403
            assert (await download(url))[0] == 200
            await peer.call("session.close")
            assert (await download(url))[0] == 404

    asyncio.run(fetch())


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/one.wav", -32602),
        ("file:///etc/passwd", -32602),
        ("bdfile://", 2001),
        ("bdfile://../../../etc/passwd", 2001),
        ("bdfile://tmp_0000", 2001),
        ("bdfile://\u0000", 2001),
        ("bdfile:///etc/passwd", 2001),
    ],
)
def test_no_url_is_signed_for_what_is_not_the_session_s(
    virtual_daemon: RunningDaemon, path: str, code: int
) -> None:
    async def ask() -> None:
        async with in_session(virtual_daemon) as peer:
            with pytest.raises(Refused) as refused:
                await peer.call("file.url", filePath=path)
            assert refused.value.code == code

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("header", "status"),
    [({}, 400), ({"Swanbridge-Session": "s999999"}, 404), ({"Swanbridge-Session": ""}, 404)],
)
def test_an_upload_must_name_an_open_session(
    virtual_daemon: RunningDaemon, header: dict[str, str], status: int
) -> None:
    async def send() -> None:
        async with http(virtual_daemon) as client:
            async with client.post("/files", data=b"x", headers=header) as response:
                assert response.status == status

    asyncio.run(send())


def test_a_broken_form_is_a_bad_request(virtual_daemon: RunningDaemon) -> None:
    async def send() -> None:
        async with in_session(virtual_daemon) as peer, http(virtual_daemon) as client:
            session = (await peer.call("session.snapshot"))["sessionId"]
            for kind, body in (
                ("multipart/form-data", b"x"),
                ("multipart/form-data; boundary=b", b"nothing of the kind"),
                ("multipart/form-data; boundary=b", b"--b\r\n\r\nno file\r\n--b--\r\n"),
                ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="x"\r\n'),
            ):
                header = {"Swanbridge-Session": session, "Content-Type": kind}
                async with client.post("/files", data=body, headers=header) as response:
                    assert response.status == 400

    asyncio.run(send())


def test_an_upload_over_the_session_s_quota_is_refused_and_leaves_nothing() -> None:
    async def send(daemon: RunningDaemon) -> None:
        async with in_session(daemon) as peer, http(daemon) as client:
            header = {"Swanbridge-Session": (await peer.call("session.snapshot"))["sessionId"]}
            for size, status in ((900, 201), (900, 507), (100, 201)):
                async with client.post("/files", data=b"x" * size, headers=header) as response:
                    assert response.status == status

    daemon = RunningDaemon(arguments=["--temp-quota", "1000"])
    (daemon.package_dir / "tones").mkdir(parents=True)
    with daemon:
        asyncio.run(send(daemon))
