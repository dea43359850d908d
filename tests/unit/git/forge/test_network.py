"""Exchanges with real servers that misbehave: what is not sent, not followed, not read, and what is said of it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from controller.api.v1alpha1.repository import ForgeType
from controller.dev.certificates import Authority
from controller.dev.ports import free_port
from controller.git.errors import ForgeRefusedError
from controller.git.forge.forges import forge_of
from controller.git.forge.keys import App, Keys
from controller.git.forge.model import Forge, Proposal, Request, RequestState
from controller.git.forge.network import MOST_BYTES, Caller, Network
from controller.git.forge.place import ForgePlace
from controller.git.proxy import Proxy
from controller.git.remote import UrlRules
from tests.support.forges import nowhere
from tests.support.github import APP_ID, INSTALLATION
from tests.support.tls import server_context
from tests.unit.git.forge.test_keys import RSA

LOOSE = UrlRules(allow_insecure=True)
TOKEN = "ghp_secret7"
AUTHORIZED = {"authorization": f"token {TOKEN}"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """Answers whatever is asked in one way, and keeps what was asked."""

    url: str
    seen: list[web.Request] = field(default_factory=list)


@asynccontextmanager
async def serving(answer: Handler, authority: Authority | None = None) -> AsyncIterator[Server]:
    app = web.Application(client_max_size=1 << 30)
    context = None if authority is None else server_context(authority)
    server = Server(f"{'http' if context is None else 'https'}://127.0.0.1:{free_port()}")

    async def seen(request: web.Request) -> web.StreamResponse:
        server.seen.append(request)
        return await answer(request)

    app.router.add_route("*", "/{path:.*}", seen)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = int(server.url.rpartition(":")[2])
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield server
    finally:
        await runner.cleanup()


async def fine(request: web.Request) -> web.Response:
    return web.json_response([])


async def refusal(api: str, network: Network = Network(LOOSE), authority: str = "", url: str = "") -> str:  # noqa: B008 - frozen
    caller = Caller(api, network, authority)
    try:
        with pytest.raises(ForgeRefusedError) as caught:
            await caller.exchange("GET", url or f"{api}/repos?token={TOKEN}", AUTHORIZED)
    finally:
        await caller.aclose()
    assert TOKEN not in caught.value.message
    return caught.value.message


async def test_a_redirect_is_not_followed() -> None:
    async with serving(fine) as elsewhere:

        async def moved(request: web.Request) -> web.Response:
            return web.json_response({"message": "Moved"}, status=301, headers={"Location": f"{elsewhere.url}/repos"})

        async with serving(moved) as server:
            assert "was answered 301, saying 'Moved'; redirects are not followed" in await refusal(server.url)
            assert len(server.seen) == 1
        assert elsewhere.seen == []


async def test_only_what_lies_below_the_api_is_asked_for() -> None:
    async with serving(fine) as server, serving(fine) as elsewhere:
        for url in (f"{elsewhere.url}/repos", f"{server.url}.example.com/x"):
            assert "is not below" in await refusal(server.url, url=url)
        assert server.seen == elsewhere.seen == []


async def test_an_answer_has_a_size() -> None:
    async def long(request: web.Request) -> web.Response:
        return web.json_response(["x" * MOST_BYTES])

    async with serving(long) as server:
        assert "more than 4 MiB" in await refusal(server.url)


async def test_nothing_is_unpacked() -> None:
    async def packed(request: web.Request) -> web.Response:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=gzip.compress(b"[" + b" " * (MOST_BYTES * 8) + b"]"), headers=headers)

    async with serving(packed) as server:
        forge = forge_of(place(server.url), Keys(TOKEN), Network(LOOSE), nowhere)
        with pytest.raises(ForgeRefusedError, match="something that is no JSON"):
            await forge.all_open()
        await forge.aclose()
        assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_one_that_does_not_answer_is_given_up() -> None:
    async def never(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(never) as server:
        assert "no answer within 0 s" in await refusal(server.url, Network(LOOSE, timeout=0.2))


@pytest.mark.parametrize(
    ("said", "why"),
    [(b"", {"the connection broke"}), (b"SSH-2.0-OpenSSH_9.2\r\n", {"speaks no HTTP", "the connection broke"})],
)
async def test_one_that_is_no_web_server(said: bytes, why: set[str]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        message = await refusal(f"http://127.0.0.1:{port}")
    assert any(one in message for one in why), message


async def test_nobody_is_there() -> None:
    assert "no connection (Connect" in await refusal(f"http://127.0.0.1:{free_port()}")
    assert "its name does not resolve" in await refusal("http://no-such-host.invalid")


async def test_a_certificate_has_to_be_trusted(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    async with serving(fine, ours) as server:
        for authority in ("", others.certificate.read_text()):
            assert "its certificate is not trusted" in await refusal(server.url, authority=authority)
        caller = Caller(server.url, Network(UrlRules(allow_insecure=True)), ours.certificate.read_text())
        _, answer = await caller.exchange("GET", f"{server.url}/repos", AUTHORIZED)
        await caller.aclose()
        assert answer.body == b"[]"
    async with serving(fine) as plain:
        assert "speaks no TLS" in await refusal(plain.url.replace("http:", "https:"))


@pytest.mark.parametrize("rules", [UrlRules(), UrlRules(allow_insecure=True, refused_hosts=frozenset({"127.0.0.1"}))])
async def test_an_address_of_this_machine_is_not_connected_to(rules: UrlRules) -> None:
    async with serving(fine) as server:
        for host in ("127.0.0.1", "localhost"):
            message = await refusal(server.url.replace("127.0.0.1", host), Network(rules))
            assert "it leads to an address that Tandem does not connect to" in message
        assert server.seen == []


async def test_a_proxy_is_asked_and_led_nowhere_forbidden() -> None:
    async with serving(fine) as proxy:
        through = Network(UrlRules(), Proxy(proxy.url))
        caller = Caller("http://git.invalid/api/v1", through)
        _, answer = await caller.exchange("GET", "http://git.invalid/api/v1/repos", AUTHORIZED)
        await caller.aclose()
        assert answer.body == b"[]"
        assert [str(request.url) for request in proxy.seen] == ["http://git.invalid/api/v1/repos"]
        assert "does not connect to" in await refusal("http://localhost:1/api/v1", through)
        assert len(proxy.seen) == 1
    gone = Network(UrlRules(), Proxy(f"http://127.0.0.1:{free_port()}"))
    assert "the proxy of --git-proxy does not lead there" in await refusal("http://git.invalid/api/v1", gone)


async def test_many_may_ask_at_once_and_nobody_after_the_end() -> None:
    async with serving(fine) as server:
        caller = Caller(server.url, Network(LOOSE))
        await asyncio.gather(*(caller.exchange("GET", f"{server.url}/repos", AUTHORIZED) for _ in range(8)))
        await caller.aclose()
        with pytest.raises(ForgeRefusedError, match="was given up"):
            await caller.exchange("GET", f"{server.url}/repos", AUTHORIZED)
        assert len(server.seen) == 8


# --- answers that are JSON, but of something else ------------------------------------------------------------------


def place(api: str, kind: ForgeType = ForgeType.GITEA) -> ForgePlace:
    return ForgePlace(kind, api, "team", "fleet", "main")


@pytest.fixture(params=[ForgeType.GITEA, ForgeType.GITHUB])
async def odd(request: pytest.FixtureRequest) -> AsyncIterator[Forge]:
    """A forge whose every answer is an odd one."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"hello": "world"}, headers={"x-ratelimit-limit": "many", "link": "<x>; rel=next"})

    async with serving(answer) as server:
        forge = forge_of(place(server.url, request.param), Keys(TOKEN), Network(LOOSE), nowhere)
        yield forge
        await forge.aclose()


async def test_odd_answers_are_no_forges(odd: Forge) -> None:
    request = Request(7, "", RequestState.OPEN, "tandem/x", "", "", "")
    for call in (
        lambda: odd.find("tandem/x"),
        lambda: odd.open("tandem/x", Proposal("a", "b")),
        lambda: odd.update(request, Proposal("a", "b")),
        lambda: odd.close(request),
        odd.all_open,
        lambda: odd.comment(request, "a", "b"),
    ):
        with pytest.raises(ForgeRefusedError, match=r"check spec\.repository\.forge\.type"):
            await call()


async def test_an_app_needs_a_token_that_can_be_read() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"token": "ghs_1", "expires_at": "soon"}, status=201)

    async with serving(answer) as server:
        keys = Keys(app=App(APP_ID, INSTALLATION, RSA.decode()))
        forge = forge_of(place(server.url, ForgeType.GITHUB), keys, Network(LOOSE), nowhere)
        with pytest.raises(ForgeRefusedError, match="a token of the App's installation"):
            await forge.all_open()
        await forge.aclose()


async def test_a_token_of_an_app_is_used_until_five_minutes_before_its_end() -> None:
    made: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            made.append(f"ghs_{len(made) + 1}")
            ends = datetime.fromtimestamp(clock[0] + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return web.json_response({"token": made[-1], "expires_at": ends}, status=201)
        assert request.headers["authorization"] == f"token {made[-1]}"
        return web.json_response([])

    start = 1_782_907_200.0
    clock = [start]
    async with serving(answer) as server:
        keys = Keys(app=App(APP_ID, INSTALLATION, RSA.decode()))
        network = Network(LOOSE, wall=lambda: clock[0])
        forge = forge_of(place(server.url, ForgeType.GITHUB), keys, network, nowhere)
        for now, tokens in [(start, 1), (start + 3299, 1), (start + 3300, 2)]:
            clock[0] = now
            await asyncio.gather(forge.all_open(), forge.all_open())
            assert len(made) == tokens
        await forge.aclose()
