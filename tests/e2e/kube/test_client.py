"""The client against a real API server and against one on which things go wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane
from controller.kube.apply import Writer
from controller.kube.client import JSON, KubeClient
from controller.kube.config import load_config
from controller.kube.errors import NotFoundError, RefusedError, UnauthorizedError, UnreachableError
from controller.kube.resources import CONFIG_MAPS, NAMESPACES
from tests.e2e.kube.conftest import MakeClient, config_map
from tests.support.audit import AuditLog
from tests.support.fault_rules import request
from tests.support.faults import FaultProxy
from tests.support.kubectl import Kubectl
from tests.support.wait import eventually

VERSION = "/version"


async def test_an_object_and_a_list_are_decoded(client: KubeClient, here: Kubectl, namespace: str) -> None:
    for name in ("a", "b"):
        here("create", "configmap", name, "--from-literal=x=1")
    assert (await client.get(CONFIG_MAPS, namespace, "a"))["data"] == {"x": "1"}
    listed = await client.list_all(CONFIG_MAPS, namespace, "fieldSelector=metadata.name%21%3Dkube-root-ca.crt")
    assert [item["metadata"]["name"] for item in listed] == ["a", "b"]
    with pytest.raises(NotFoundError):
        await client.get(CONFIG_MAPS, namespace, "c")


async def test_the_api_server_sees_who_asks(client: KubeClient, audit_log: AuditLog) -> None:
    mark = audit_log.mark()
    await client.get(NAMESPACES, "", "kube-system")
    (asked,) = await eventually(lambda: audit_log.requests("tandem/", since=mark))
    assert asked.user_agent == client.user_agent
    assert client.user_agent.startswith("tandem/")
    assert asked.user == "admin"


async def test_no_more_requests_are_under_way_than_allowed(faults: FaultProxy, make_client: MakeClient) -> None:
    client: KubeClient = await make_client(faults.kubeconfig, in_flight=3)
    with faults.hold() as gate:
        asking = [asyncio.create_task(client.request("GET", VERSION)) for _ in range(10)]
        await eventually(lambda: len(faults.seen()) == 3)
        for _ in range(100):  # whatever could still be sent is
            await asyncio.sleep(0)
        assert len(faults.seen()) == 3
        gate.open()
        await asyncio.gather(*asking)
    assert len(faults.seen()) == 10


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_names_a_time_is_asked_again_after_it(
    shaky_client: KubeClient, faults: FaultProxy, status: int
) -> None:
    busy = faults.answer(status, times=2, headers={"Retry-After": "1"})
    assert await shaky_client.request("GET", VERSION)
    assert len(busy.hits) == 2


async def test_a_write_that_was_not_let_in_is_sent_again_and_made_once(
    shaky_client: KubeClient, faults: FaultProxy, namespace: str
) -> None:
    busy = faults.answer(429, when=request(method="PATCH"), times=1, headers={"Retry-After": "0"})
    writer = Writer(shaky_client)
    made = await writer.create(CONFIG_MAPS, CONFIG_MAPS.key(namespace, "a"), config_map("a", {"x": "1"}), "test")
    assert made.body["data"] == {"x": "1"}
    assert len(busy.hits) == 1


async def test_a_server_that_stays_busy_is_given_up_within_the_time_out(
    make_client: MakeClient, faults: FaultProxy
) -> None:
    client: KubeClient = await make_client(faults.kubeconfig, timeout=1.5)
    busy = faults.answer(429, headers={"Retry-After": "1"})
    with pytest.raises(UnreachableError, match="429") as caught:
        await client.request("GET", VERSION)
    assert caught.value.status == 429
    assert 1 <= len(busy.hits) <= 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_in_trouble_is_told_at_once(shaky_client: KubeClient, faults: FaultProxy, status: int) -> None:
    trouble = faults.answer(status)
    with pytest.raises(UnreachableError, match=f"{VERSION}: {status}: injected by a test"):
        await shaky_client.request("GET", VERSION)
    assert len(trouble.hits) == 1


async def test_an_answer_that_does_not_come_is_given_up(make_client: MakeClient, faults: FaultProxy) -> None:
    client: KubeClient = await make_client(faults.kubeconfig, timeout=0.5)
    with faults.hold(), pytest.raises(UnreachableError, match="did not answer in time"):
        await client.request("GET", VERSION)


async def test_connections_that_were_given_up_end_with_the_client(faults: FaultProxy) -> None:
    """The server does not say goodbye any more: whoever waited for that would leave them to the garbage collector."""
    client = KubeClient(await load_config(faults.kubeconfig), timeout=0.5)
    with faults.hold():
        with pytest.raises(UnreachableError, match="did not answer in time"):
            await client.request("GET", VERSION)
        assert len(client.sockets.still_open) == 1
        await client.close()
        assert client.sockets.still_open == []


async def test_a_connection_that_is_refused_says_where(shaky_client: KubeClient, faults: FaultProxy) -> None:
    faults.refuse()
    with pytest.raises(UnreachableError, match=f"https://127.0.0.1:{faults.port} cannot be reached"):
        await shaky_client.request("GET", VERSION)


async def test_nobody_listening_is_unreachable(make_client: MakeClient, faults: FaultProxy, tmp_path: Path) -> None:
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(faults.kubeconfig.read_text().replace(f":{faults.port}", ":1"))
    client: KubeClient = await make_client(nowhere)
    with pytest.raises(UnreachableError, match=":1 cannot be reached"):
        await client.request("GET", VERSION)
    with pytest.raises(UnreachableError, match=":1 cannot be reached"):
        async for _ in client.watch(CONFIG_MAPS.path(), "watch=1", 1.0):
            pass


async def test_another_authority_is_not_trusted(
    make_client: MakeClient, controlplane: ControlPlane, tmp_path: Path
) -> None:
    """The client checks the server's certificate against the kubeconfig's CA and nothing else."""
    stranger = tmp_path / "kubeconfig"
    text = controlplane.kubeconfig.read_text()
    lines = [line for line in text.splitlines() if "certificate-authority" not in line]
    stranger.write_text("\n".join(lines))
    assert "\n".join(lines) != text
    client: KubeClient = await make_client(stranger)
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        await client.request("GET", VERSION)


async def test_wrong_credentials_are_told_after_one_more_look(
    make_client: MakeClient, controlplane: ControlPlane, faults: FaultProxy, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    token = controlplane.token_of("admin")
    kubeconfig.write_text(faults.kubeconfig.read_text().replace(token, "wrong"))
    client: KubeClient = await make_client(kubeconfig)
    with pytest.raises(UnauthorizedError, match="does not accept the credentials"):
        await client.get(NAMESPACES, "", "default")
    assert len(faults.seen()) == 2
    with pytest.raises(UnauthorizedError):
        async for _ in client.watch(NAMESPACES.path(), "watch=1", 1.0):
            pass


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A token file whose token has run out."""
    path = tmp_path / "token"
    path.write_text("expired")
    return path


@pytest.fixture
async def renewing_client(make_client: MakeClient, controlplane: ControlPlane, token: Path) -> KubeClient:
    """A client that reads the admin's token from the file."""
    config = json.loads(controlplane.kubeconfig.read_text())
    config["users"][0]["user"] = {"tokenFile": str(token)}
    kubeconfig = token.with_name("kubeconfig")
    kubeconfig.write_text(json.dumps(config))
    made: KubeClient = await make_client(kubeconfig)
    return made


async def test_a_token_file_that_was_rewritten_is_read_again_after_a_401(
    renewing_client: KubeClient, controlplane: ControlPlane, token: Path
) -> None:
    with pytest.raises(UnauthorizedError):
        await renewing_client.get(NAMESPACES, "", "default")
    token.write_text(controlplane.token_of("admin"))
    assert (await renewing_client.get(NAMESPACES, "", "default"))["metadata"]["name"] == "default"


async def test_a_watch_that_is_not_let_in_has_the_token_read_again_for_the_next_one(
    renewing_client: KubeClient, controlplane: ControlPlane, token: Path
) -> None:
    token.write_text("expired too")
    with pytest.raises(UnauthorizedError):
        await anext(renewing_client.watch(NAMESPACES.path(), "watch=1", 5.0))
    token.write_text(controlplane.token_of("admin"))
    with pytest.raises(UnauthorizedError):
        await anext(renewing_client.watch(NAMESPACES.path(), "watch=1", 5.0))
    watch = renewing_client.watch(NAMESPACES.path(), "watch=1", 5.0)
    assert await anext(watch) == []
    await watch.aclose()


async def test_proxies_of_the_environment_are_not_asked(client: KubeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await client.request("GET", VERSION)


async def test_a_path_and_a_query_are_sent_as_they_are(shaky_client: KubeClient, faults: FaultProxy) -> None:
    with pytest.raises(RefusedError):
        await shaky_client.request("GET", "/api/v1/configmaps", "limit=1&continue=a%2Bb%3D%3D")
    (seen,) = faults.seen()
    assert seen.query["continue"] == "a+b=="


async def test_an_answer_in_another_form_can_be_asked_for(client: KubeClient) -> None:
    answer = await client.request("GET", "/api/v1/namespaces/default", accept=f"{JSON};as=Table;g=meta.k8s.io;v=v1")
    assert b'"kind":"Table"' in answer
