"""Who may come in: tokens, Host, Origin (interface, HTTP)."""

from __future__ import annotations

import asyncio
import base64
import json

import aiohttp
import pytest
from swanbridge_daemon.rpc.auth import WRONG_TOKENS, Door, TokenRefused, Tokens, sign
from swanbridge_protocol import Scope
from swanbridge_testing.daemon import RunningDaemon

from .peer import Refused, connected, http, raw_http

MASTER = "a-start-up-token-of-a-test"
NOW = {"jsonrpc": "2.0", "id": 1, "method": "clock.now"}


async def status(daemon: RunningDaemon, path: str = "/ready", **headers: str) -> tuple[int, str]:
    async with http(daemon, None) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with client.get(path, headers=named, allow_redirects=False) as response:
            return response.status, await response.text()


# --- tokens -----------------------------------------------------------------------------------------------


def test_the_start_up_token_may_do_everything() -> None:
    assert Tokens(MASTER).check(MASTER).scope is Scope.CONTROL


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("app_id", [None, "demo"])
def test_a_signed_token_allows_what_it_says(scope: Scope, app_id: str | None) -> None:
    grant = Tokens(MASTER).check(sign(MASTER, scope, app_id, 60))
    assert (grant.scope, grant.app_id) == (scope, app_id)


def test_a_signed_token_is_good_until_it_expires_only() -> None:
    with pytest.raises(TokenRefused, match="expired") as refused:
        Tokens(MASTER).check(sign(MASTER, Scope.APP, None, -1))
    assert refused.value.status == 401


def test_a_token_signed_by_another_daemon_is_wrong() -> None:
    with pytest.raises(TokenRefused):
        Tokens(MASTER).check(sign(MASTER + "x", Scope.APP))


def test_claims_cannot_be_widened() -> None:
    kind, _, signature = sign(MASTER, Scope.VIEW).split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"s": "control"}).encode()).decode().rstrip("=")
    with pytest.raises(TokenRefused):
        Tokens(MASTER).check(f"{kind}.{forged}.{signature}")


@pytest.mark.parametrize(
    "token", ["", ".", "..", "sb1", "sb1.", "sb1..", "sb1.e30.", "sb1.\udcff.x", "\udcff", "☃", "x" * 10_000]
)
def test_nonsense_is_a_wrong_token(token: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        Tokens(MASTER).check(token)
    assert refused.value.status == 401


def test_after_thirty_wrong_tokens_in_a_minute_only_right_ones_are_heard() -> None:
    tokens = Tokens(MASTER)
    answers = []
    for _ in range(WRONG_TOKENS + 5):
        with pytest.raises(TokenRefused) as refused:
            tokens.check("wrong")
        answers.append(refused.value.status)
    assert answers == [401] * WRONG_TOKENS + [429] * 5
    assert tokens.check(MASTER).scope is Scope.CONTROL
    assert tokens.check(sign(MASTER, Scope.APP)).scope is Scope.APP


def test_a_missing_token_is_no_wrong_one() -> None:
    tokens = Tokens(MASTER)
    for _ in range(WRONG_TOKENS + 5):
        with pytest.raises(TokenRefused) as refused:
            tokens.check(None)
        assert refused.value.status == 401


def test_the_flood_of_wrong_tokens_is_turned_away_at_the_daemon_too() -> None:
    async def knock(daemon: RunningDaemon) -> None:
        seen = [(await status(daemon, Authorization="Bearer wrong"))[0] for _ in range(WRONG_TOKENS + 2)]
        assert seen[0] == 401
        assert seen[-1] == 429
        assert (await status(daemon, Authorization=f"Bearer {daemon.token}"))[0] == 200

    with RunningDaemon() as daemon:  # of its own: the count is the daemon's
        asyncio.run(knock(daemon))


@pytest.mark.parametrize("path", ["/", "/ready", "/metrics", "/openrpc.json", "/events?session=x", "/ws"])
def test_every_route_but_health_needs_a_token(virtual_daemon: RunningDaemon, path: str) -> None:
    assert asyncio.run(status(virtual_daemon, path))[0] == 401


def test_health_needs_none(virtual_daemon: RunningDaemon) -> None:
    assert asyncio.run(status(virtual_daemon, "/health")) == (200, '{"status": "alive"}')


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {}"])
def test_the_token_is_taken_from_the_authorization_header(virtual_daemon: RunningDaemon, form: str) -> None:
    header = form.format(virtual_daemon.token)
    assert asyncio.run(status(virtual_daemon, Authorization=header))[0] == 200


def test_a_token_in_the_query_counts_at_the_console_only(virtual_daemon: RunningDaemon) -> None:
    assert asyncio.run(status(virtual_daemon, f"/ready?token={virtual_daemon.token}"))[0] == 401


def test_a_token_that_is_no_text_is_wrong(virtual_daemon: RunningDaemon) -> None:
    head = b"GET /ready HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer \xff\xfe\r\n"
    assert asyncio.run(raw_http(virtual_daemon, head))[0] == 401


def test_opening_the_console_with_the_token_sets_a_cookie_that_is_a_token(
    virtual_daemon: RunningDaemon,
) -> None:
    async def browse() -> None:
        async with aiohttp.ClientSession(
            virtual_daemon.url, cookie_jar=aiohttp.CookieJar(unsafe=True)
        ) as browser:
            async with browser.get(f"/?token={virtual_daemon.token}", allow_redirects=False) as response:
                assert response.status == 303
                assert response.headers["Location"] == "/"
                cookie = response.headers["Set-Cookie"]
            for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
                assert part in cookie
            async with browser.get("/ready") as response:
                assert response.status == 200
            async with browser.get("/") as response:
                assert response.status == 200
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]

    asyncio.run(browse())


def test_a_wrong_token_at_the_console_sets_no_cookie(virtual_daemon: RunningDaemon) -> None:
    assert asyncio.run(status(virtual_daemon, "/?token=wrong"))[0] == 401


def test_a_narrow_token_may_look_but_not_touch(virtual_daemon: RunningDaemon) -> None:
    async def look() -> None:
        async with connected(virtual_daemon, sign(virtual_daemon.token, Scope.VIEW)) as peer:
            assert (await peer.call("clock.now"))["mode"] == "virtual"
            assert "sessions" in await peer.call("session.list")
            for method in ("session.open", "clock.advance", "innerAudioContext.create"):
                with pytest.raises(Refused) as refused:
                    await peer.call(method)
                assert refused.value.code == -32002

    asyncio.run(look())


def test_a_program_s_token_moves_no_clock(virtual_daemon: RunningDaemon) -> None:
    async def play() -> None:
        async with connected(virtual_daemon, sign(virtual_daemon.token, Scope.APP, expires_in=60)) as peer:
            await peer.open()
            with pytest.raises(Refused) as refused:
                await peer.call("clock.advance", seconds=1)
            assert refused.value.code == -32002
            assert "control" in refused.value.error["data"]["errMsg"]

    asyncio.run(play())


def test_a_token_for_one_program_is_for_no_other(virtual_daemon: RunningDaemon) -> None:
    async def play() -> None:
        token = sign(virtual_daemon.token, Scope.APP, "mine")
        async with connected(virtual_daemon) as other, connected(virtual_daemon, token) as peer:
            theirs = await other.open("theirs")
            with pytest.raises(Refused) as refused:
                await peer.open("theirs")
            assert refused.value.code == -32002
            mine = await peer.open("mine")
            listed = await peer.call("session.list")
            assert mine["sessionId"] in [one["sessionId"] for one in listed["sessions"]]
            assert {one["appId"] for one in listed["sessions"]} == {"mine"}
            for method in ("session.snapshot", "journal.read", "session.close"):
                with pytest.raises(Refused) as refused:
                    await peer.call(method, sessionId=theirs["sessionId"])
                assert refused.value.code in (-32602, -32002)

    asyncio.run(play())


def test_a_program_is_not_told_the_session_of_another(virtual_daemon: RunningDaemon) -> None:
    async def play() -> None:
        token = sign(virtual_daemon.token, Scope.APP)
        async with connected(virtual_daemon) as other, connected(virtual_daemon, token) as peer:
            await other.open("theirs")
            mine = await peer.open("mine")
            listed = await peer.call("session.list")
            assert [one["sessionId"] for one in listed["sessions"]] == [mine["sessionId"]]

    asyncio.run(play())


def test_an_upload_into_another_program_s_session_is_refused(virtual_daemon: RunningDaemon) -> None:
    async def upload() -> None:
        async with connected(virtual_daemon) as other:
            header = {"Swanbridge-Session": (await other.open("theirs"))["sessionId"]}
            for scope, app_id, expected in (
                (Scope.VIEW, None, 403),
                (Scope.APP, "mine", 404),
                (Scope.APP, "theirs", 201),
            ):
                async with http(virtual_daemon, sign(virtual_daemon.token, scope, app_id)) as client:
                    async with client.post("/files", data=b"x", headers=header) as response:
                        assert response.status == expected

    asyncio.run(upload())


# --- Host and Origin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7667", "127.0.0.1:1", "[::1]", "[::1]:80"])
def test_loopback_names_are_our_host(host: str) -> None:
    assert Door([], []).host_refused(host) is None


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "localhost.evil.example:7667", "127.0.0.1.nip.io", "[::2]", "127.0.0.10"],
)
def test_other_hosts_are_refused_with_the_setting_s_name(host: str | None) -> None:
    refused = Door([], []).host_refused(host)
    assert refused is not None
    assert "--allow-host" in refused


@pytest.mark.parametrize("allowed", ["fd00::7", "[fd00::7]"])
def test_an_ipv6_address_is_allowed_with_and_without_brackets(allowed: str) -> None:
    assert Door([allowed], []).host_refused("[fd00::7]:7667") is None


def test_a_rebound_name_reaches_nothing_even_with_the_token(virtual_daemon: RunningDaemon) -> None:
    given = f"Bearer {virtual_daemon.token}"
    answered = asyncio.run(status(virtual_daemon, Authorization=given, Host="rebound.example:7667"))
    assert answered == (
        403,
        'host "rebound.example" is not allowed here: start the daemon with --allow-host rebound.example\n',
    )


def test_a_host_that_is_no_text_is_refused(virtual_daemon: RunningDaemon) -> None:
    answered, body = asyncio.run(raw_http(virtual_daemon, b"GET /health HTTP/1.1\r\nHost: \xff\xfe\r\n"))
    assert answered in (400, 403)
    assert b"Traceback" not in body


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_page_of_another_port_is_another_origin(virtual_daemon: RunningDaemon, shift: int) -> None:
    base, _, port = virtual_daemon.url.rpartition(":")
    given = f"Bearer {virtual_daemon.token}"
    for origin, expected in ((f"{base}:{int(port) + shift}", 403), (f"{base}:{port}", 200)):
        answered, body = asyncio.run(status(virtual_daemon, Authorization=given, Origin=origin))
        assert answered == expected
        assert expected == 200 or "--allow-origin" in body


@pytest.mark.parametrize(
    "origin", ["null", "NULL", "", "https://evil.example", "file://", "http://localhost.evil.example"]
)
def test_foreign_origins_are_refused(origin: str) -> None:
    assert Door([], []).origin_refused(origin, "localhost:7667") is not None


def test_null_stays_refused_even_if_somebody_allows_it() -> None:
    assert Door([], ["null"]).origin_refused("null", "localhost:7667") is not None


def test_an_allowed_origin_gets_its_preflight_and_its_header() -> None:
    async def ask(daemon: RunningDaemon) -> None:
        origin = "https://simulator.example"
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with http(daemon, None) as client:
            async with client.options("/rpc", headers=preflight) as response:
                assert response.status == 204
                assert response.headers["Access-Control-Allow-Origin"] == origin
                assert "POST" in response.headers["Access-Control-Allow-Methods"]
                for header in ("Authorization", "Content-Type", "Swanbridge-Session", "Last-Event-ID"):
                    assert header in response.headers["Access-Control-Allow-Headers"]
            async with client.options(
                "/rpc", headers={**preflight, "Origin": "https://x.example"}
            ) as response:
                assert response.status == 403
                assert "Access-Control-Allow-Origin" not in response.headers
            async with client.post("/rpc", headers={"Origin": origin}) as response:
                assert response.status == 401
                assert response.headers["Access-Control-Allow-Origin"] == origin
        async with http(daemon) as client:
            async with client.post("/rpc", json=NOW, headers={"Origin": origin}) as response:
                assert response.status == 200
                assert response.headers["Access-Control-Allow-Origin"] == origin
                assert response.headers["Vary"] == "Origin"
        # A Host that was allowed, too.
        given = f"Bearer {daemon.token}"
        assert (await status(daemon, Authorization=given, Host="lab.example:7667"))[0] == 200

    with RunningDaemon(
        arguments=["--allow-origin", "https://Simulator.example/", "--allow-host", "lab.example"]
    ) as daemon:
        asyncio.run(ask(daemon))


def test_the_socket_of_a_foreign_page_is_refused(virtual_daemon: RunningDaemon) -> None:
    async def open_socket() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(
                    virtual_daemon.ws,
                    protocols=("swanbridge.v1", f"bearer.{virtual_daemon.token}"),
                    origin="https://evil.example",
                )
            assert refused.value.status == 403

    asyncio.run(open_socket())


def test_the_client_library_is_public_to_pages_of_any_origin(virtual_daemon: RunningDaemon) -> None:
    async def fetch(path: str) -> tuple[int, str | None, str]:
        async with http(virtual_daemon, None) as client:
            async with client.get(path, headers={"Origin": "https://any.example"}) as response:
                allowed = response.headers.get("Access-Control-Allow-Origin")
                return response.status, allowed, response.content_type

    answered, allowed, kind = asyncio.run(fetch("/client/index.js"))
    assert (answered, allowed) == (200, "*")
    assert "javascript" in kind


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2fpackage.json", "%2e%2e/%2e%2e/package.json", "%2fetc%2fpasswd", "index.js%00", "nope.js"],
)
def test_nothing_else_can_be_named_under_client(virtual_daemon: RunningDaemon, path: str) -> None:
    head = f"GET /client/{path} HTTP/1.1\r\nHost: HOST\r\n".encode()
    assert asyncio.run(raw_http(virtual_daemon, head))[0] in (400, 401, 404)
