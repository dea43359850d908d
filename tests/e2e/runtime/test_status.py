"""The status writer on the real API server: what a request does there, and when there is none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.dev.controlplane import ControlPlane
from controller.kube.client import KubeClient
from controller.kube.config import load_config
from controller.kube.resources import Resource
from controller.objects import Json
from controller.runtime.status import StatusWriter, status_replacer
from controller.runtime.tasks import Supervisor
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("crds")

FABRICS = Resource("tandem.dev", "v1alpha1", "Fabric", "fabrics", namespaced=True)


def condition(kind: str, status: str, at: str, message: str) -> Json:
    time = f"2026-01-01T{at}:00Z"
    return {"type": kind, "status": status, "reason": "Synced", "message": message, "lastTransitionTime": time}


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """kubectl in a namespace with the Fabric `web`."""
    here = kubectl.within(namespace)
    make(here)
    return here


def make(here: Kubectl) -> None:
    spec = {"repository": {"url": "https://git.example/fleet.git"}}
    body = {"apiVersion": "tandem.dev/v1alpha1", "kind": "Fabric", "metadata": {"name": "web"}, "spec": spec}
    here("create", "-f", "-", stdin=json.dumps(body))


def seen(here: Kubectl) -> Json:
    body = here.find("fabric", "web")
    assert body is not None
    return body


@pytest.fixture
def gone() -> list[Any]:
    return []


@pytest.fixture
async def client(controlplane: ControlPlane) -> AsyncIterator[KubeClient]:
    config = await load_config(controlplane.kubeconfig_of("admin"))
    async with KubeClient(config, component="status-test") as client:
        yield client


@pytest.fixture
async def writer(client: KubeClient, gone: list[Any]) -> AsyncIterator[StatusWriter]:
    supervisor = Supervisor()
    yield StatusWriter(status_replacer(client, "tandem-test"), supervisor, gone=lambda *what: gone.append(what))
    await supervisor.stop()


async def test_it_stands_there_and_is_not_written_again(
    writer: StatusWriter, client: KubeClient, here: Kubectl, audit_log: AuditLog
) -> None:
    since = audit_log.mark()
    body = seen(here)
    desired = {"observedGeneration": 1, "conditions": [condition("Ready", "True", "12:00", "at 1a2b3c4")]}
    assert await writer.write(FABRICS, body, desired)
    assert seen(here)["status"] == desired
    later = {**desired, "conditions": [condition("Ready", "True", "13:00", "at 1a2b3c4")]}
    for as_seen in (body, seen(here)):
        assert not await writer.write(FABRICS, as_seen, later)
    requests = [request for request in audit_log.requests(client.user_agent, since) if request.verb == "patch"]
    assert [request.path.rpartition("/fabrics/")[2] for request in requests] == ["web/status"]


async def test_what_is_no_longer_said_is_taken_out(writer: StatusWriter, here: Kubectl) -> None:
    ready = condition("Ready", "False", "12:00", "…")
    stalled = condition("Stalled", "True", "12:00", "…")
    await writer.write(FABRICS, seen(here), {"observedGeneration": 1, "conditions": [ready, stalled]})
    await writer.write(FABRICS, seen(here), {"conditions": [{**ready, "status": "True"}]})
    assert seen(here)["status"] == {"conditions": [{**ready, "status": "True"}]}


async def test_the_spec_is_not_touched(writer: StatusWriter, here: Kubectl) -> None:
    before = seen(here)
    await writer.write(FABRICS, before, {"observedGeneration": 1})
    after = seen(here)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


async def test_an_object_that_was_deleted_is_left(writer: StatusWriter, here: Kubectl, gone: list[Any]) -> None:
    body = seen(here)
    here("delete", "fabric", "web")
    assert not await writer.write(FABRICS, body, {"observedGeneration": 1})
    assert [uid for _, uid in gone] == [body["metadata"]["uid"]]


async def test_an_object_that_was_made_again_is_not_mistaken(
    writer: StatusWriter, here: Kubectl, gone: list[Any]
) -> None:
    body = seen(here)
    here("delete", "fabric", "web")
    make(here)
    assert not await writer.write(FABRICS, body, {"observedGeneration": 1})
    assert [uid for _, uid in gone] == [body["metadata"]["uid"]]
    assert "status" not in seen(here)
    assert await writer.write(FABRICS, seen(here), {"observedGeneration": 1})
