"""A session lent to a library reaches the API server as we do, and tells what was asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from controller.dev.controlplane import ControlPlane
from controller.kube.config import ClusterConfig, load_config
from controller.kube.session import Lender, lent_server
from tests.support.audit import AuditLog

AGENT = "tandem-test (lent)"


@pytest.fixture
async def config(controlplane: ControlPlane) -> ClusterConfig:
    return await load_config(controlplane.kubeconfig_of("admin"))


async def ask(config: ClusterConfig, path: str, seen: list[tuple[str, str, int]], authorization: str | None) -> int:
    lender = Lender(
        config,
        user_agent=AGENT,
        answered=lambda method, url, status: seen.append((method, str(url.relative()), status)),
    )
    try:
        async with lender.lend(authorization).get(lent_server(config) + path) as response:
            return response.status
    finally:
        await lender.close()


async def test_it_carries_credentials_and_tells_what_was_answered(config: ClusterConfig, audit_log: AuditLog) -> None:
    seen: list[tuple[str, str, int]] = []
    since = audit_log.mark()
    header = await config.credentials.header()
    assert await ask(config, "/api/v1/namespaces?limit=1", seen, header) == 200
    assert await ask(config, "/api/v1/nothing", seen, header) == 404
    assert await ask(config, "/api/v1/namespaces", seen, None) in {401, 403}
    assert [(method, path) for method, path, _ in seen] == [
        ("GET", "/api/v1/namespaces?limit=1"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v1/namespaces"),
    ]
    assert [status for _, _, status in seen][:2] == [200, 404]
    assert {request.user for request in audit_log.requests(AGENT, since)} >= {"admin"}


async def test_without_a_name_of_its_own_the_servers_address_is_used(config: ClusterConfig) -> None:
    assert lent_server(config) == config.server


async def test_the_certificate_is_checked_for_the_name_that_is_given(config: ClusterConfig) -> None:
    """kubeconfig's tls-server-name: the server is reached by one name and proves another."""
    seen: list[tuple[str, str, int]] = []
    header = await config.credentials.header()
    port = config.server.rpartition(":")[2]
    right, wrong = replace(config, server_name="localhost"), replace(config, server_name="other.example")
    assert lent_server(right) == f"https://localhost:{port}"
    assert await ask(right, "/version", seen, header) == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError, match=r"other\.example"):
        await ask(wrong, "/version", seen, header)


async def test_a_name_for_the_default_port(config: ClusterConfig) -> None:
    assert lent_server(replace(config, server="https://10.0.0.1", server_name="k8s")) == "https://k8s:443"


def test_a_loop_that_ends_leaves_no_connection_open(config: ClusterConfig) -> None:
    """A watch that is given up in the middle says goodbye in the background, for which an ending loop does not wait."""

    async def give_up_a_watch() -> list[int]:
        lender = Lender(config, user_agent=AGENT, answered=lambda *_: None)
        session = lender.lend(await config.credentials.header())
        response = await session.get(f"{lent_server(config)}/api/v1/namespaces?watch=1")
        await response.content.readany()
        response.close()
        before = len(lender.sockets.still_open)
        await lender.close()
        return [before, len(lender.sockets.still_open)]

    with asyncio.Runner() as runner:
        assert runner.run(give_up_a_watch()) == [1, 0]
