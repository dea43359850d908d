"""Somebody else's server, which has every reason to be no API server: what it cannot do to the controller."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from controller.dev.certificates import Authority
from controller.kube import client as module
from controller.kube.client import KubeClient
from controller.kube.errors import UnreachableError
from controller.kube.kubeconfig import cluster_config, kubeconfig_of

MOST = 1 << 20
Connect = Callable[[str], KubeClient]


async def endless(_: web.Request) -> web.StreamResponse:
    """One line that is many times as long as what is taken."""
    return web.Response(body=b"x" * (8 * MOST))


async def elsewhere(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/endless")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """Its address."""
    Authority(tmp_path).issue("server", ["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    app = web.Application()
    app.add_routes([web.get("/endless", endless), web.get("/elsewhere", elsewhere)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def client(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeClient]:
    monkeypatch.setattr(module, "FOREIGN_BYTES", MOST)
    authority = base64.b64encode((tmp_path / "ca.crt").read_bytes()).decode()
    text = f"""
apiVersion: v1
kind: Config
current-context: x
clusters: [{{name: x, cluster: {{server: "{server}", certificate-authority-data: {authority}}}}}]
users: [{{name: x, user: {{token: t}}}}]
contexts: [{{name: x, context: {{cluster: x, user: x}}}}]
"""
    config = cluster_config(kubeconfig_of({"value": text.encode()}, "Secret a/b"), "Secret a/b", lambda _: "")
    async with KubeClient(config, timeout=30.0) as client:
        yield client


async def watched(client: KubeClient) -> None:
    async for _ in client.watch("/endless", "", inactivity=30.0):
        pass


@pytest.mark.parametrize("ask", [lambda client: client.request("GET", "/endless"), watched], ids=["answer", "watch"])
async def test_an_answer_without_end_is_given_up(
    client: KubeClient, ask: Callable[[KubeClient], Awaitable[object]]
) -> None:
    async with asyncio.timeout(60):
        with pytest.raises(UnreachableError, match=f"one answer has more than {MOST} bytes") as raised:
            await ask(client)
    assert "127.0.0.1" not in raised.value.message


async def test_a_redirect_is_not_followed(client: KubeClient) -> None:
    with pytest.raises(UnreachableError, match="302"):
        await client.request("GET", "/elsewhere")
