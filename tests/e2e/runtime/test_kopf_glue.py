"""kopf on the real API server: it tells of every change, writes nothing, and comes back whatever happens to it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.dev.controlplane import ControlPlane, Options
from controller.dev.locate import Programs
from controller.kube.client import KubeClient
from controller.kube.config import load_config
from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey
from controller.runtime.configs import Change, ConfigCache
from controller.runtime.kopf_glue import KopfOperator
from controller.runtime.queue import WorkQueue
from controller.runtime.tasks import Supervisor
from tests.conftest import CRDS
from tests.support.audit import AuditLog
from tests.support.fault_rules import request
from tests.support.faults import FaultProxy
from tests.support.kubectl import Kubectl
from tests.support.wait import eventually

FABRICS = Resource("tandem.dev", "v1alpha1", "Fabric", "fabrics", namespaced=True)
AGENT = "tandem-test (kopf)"
KOPF_WATCH = request(path="*/fabrics", watch=True, user_agent=AGENT)
KOPF_LIST = request(path="*/fabrics", watch=False, user_agent=AGENT)
DEADLINE = 30.0
PATIENCE = 5.0  # seconds for what takes kopf a fifth of one

pytestmark = pytest.mark.usefixtures("crds")


def fabric(name: str, branch: str = "main") -> str:
    return json.dumps(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "Fabric",
            "metadata": {"name": name},
            "spec": {"repository": {"url": "https://git.example/fleet.git", "branch": branch}},
        }
    )


class Glue:
    """The glue under test, with everything it told."""

    def __init__(self, resource: Resource, scopes: tuple[str, ...]) -> None:
        self.restarts: list[str] = []
        self.supervisor = Supervisor(restarted=self.restarts.append)
        self.changes: list[Change] = []
        self.queue: WorkQueue[ObjectKey] = WorkQueue()
        self.cache = ConfigCache(resource, self.on_change, scopes or ("",))
        self.task: asyncio.Task[None] | None = None

    def on_change(self, change: Change) -> None:
        self.changes.append(change)
        self.queue.add(change.key)

    def key(self, namespace: str, name: str) -> ObjectKey:
        return self.cache.resource.key(namespace, name)

    def get(self, namespace: str, name: str) -> Json | None:
        return self.cache.get(self.key(namespace, name))

    def told(self, namespace: str, name: str) -> list[Change]:
        return [change for change in self.changes if change.key == self.key(namespace, name)]


def at_branch(glue: Glue, namespace: str, branch: str) -> bool:
    body = glue.get(namespace, "web")
    return body is not None and body["spec"]["repository"]["branch"] == branch


Run = Callable[..., AbstractAsyncContextManager[Glue]]


@pytest.fixture
def run(controlplane: ControlPlane) -> Run:
    """`async with run() as glue`: the glue, kept up, against the control plane or through a proxy."""

    @asynccontextmanager
    async def run_glue(
        kubeconfig: Path | None = None, namespaces: tuple[str, ...] = (), resource: Resource = FABRICS
    ) -> AsyncIterator[Glue]:
        config = await load_config(kubeconfig or controlplane.kubeconfig_of("admin"))
        glue = Glue(resource, namespaces)
        async with KubeClient(config, component="kopf-test") as client:
            operator = KopfOperator(
                config,
                [glue.cache],
                client.list_all,
                glue.supervisor,
                namespaces=namespaces,
                user_agent=AGENT,
                patience=PATIENCE,
            )
            glue.task = glue.supervisor.keep_up("kopf", operator.run, cap=1.0)
            try:
                yield glue
            finally:
                await glue.supervisor.stop(grace=10)

    return run_glue


async def test_creation_change_and_deletion_reach_the_queue(run: Run, kubectl: Kubectl, namespace: str) -> None:
    here = kubectl.within(namespace)
    handled: list[ObjectKey] = []

    async def handle(key: ObjectKey) -> None:
        handled.append(key)

    async with run() as glue:
        await eventually(lambda: glue.cache.filled, DEADLINE)
        worker = asyncio.create_task(glue.queue.run(2, handle))
        key = glue.key(namespace, "web")

        here.apply(fabric("web"))
        await eventually(lambda: handled.count(key) == 1, DEADLINE)
        body = glue.cache.get(key)
        assert body is not None
        assert body["spec"]["repository"]["branch"] == "main"
        assert "managedFields" not in body["metadata"]

        here.apply(fabric("web", branch="next"))
        await eventually(lambda: handled.count(key) == 2, DEADLINE)
        body = glue.cache.get(key)
        assert body is not None
        assert body["spec"]["repository"]["branch"] == "next"

        here("delete", "fabric", "web")
        await eventually(lambda: handled.count(key) == 3, DEADLINE)
        assert glue.cache.get(key) is None

        assert [(c.before is None, c.after is None) for c in glue.told(namespace, "web")] == [
            (True, False),
            (False, False),
            (False, True),
        ]
        await glue.queue.stop(drain=1)
        await worker


async def test_what_was_there_before_is_found(run: Run, kubectl: Kubectl, namespace: str) -> None:
    kubectl.within(namespace).apply(fabric("web"))
    async with run() as glue:
        await eventually(lambda: glue.cache.filled, DEADLINE)
        assert glue.get(namespace, "web") is not None


async def test_a_status_that_is_written_is_kept_but_tells_nobody(run: Run, kubectl: Kubectl, namespace: str) -> None:
    here = kubectl.within(namespace)
    here.apply(fabric("web"))
    async with run() as glue:
        await eventually(lambda: glue.get(namespace, "web"), DEADLINE)
        here.patch("fabric", "web", {"status": {"observedGeneration": 1}}, "--subresource=status")
        await eventually(lambda: (glue.get(namespace, "web") or {}).get("status"), DEADLINE)
        here("annotate", "fabric", "web", "tandem.dev/requestedAt=now")
        await eventually(lambda: len(glue.told(namespace, "web")) > 1, DEADLINE)
        creation, annotation = glue.told(namespace, "web")
        assert creation.before is None
        assert annotation.by_somebody


async def test_kopf_writes_nothing(run: Run, kubectl: Kubectl, namespace: str, audit_log: AuditLog) -> None:
    here = kubectl.within(namespace)
    since = audit_log.mark()
    async with run() as glue:
        await eventually(lambda: glue.cache.filled, DEADLINE)
        here.apply(fabric("web"))
        await eventually(lambda: glue.get(namespace, "web"), DEADLINE)
        for branch in "abc":
            here.apply(fabric("web", branch))
            await eventually(partial(at_branch, glue, namespace, branch), DEADLINE)
        live = here.find("fabric", "web")
        assert live is not None
        assert list(live["metadata"]["annotations"]) == ["kubectl.kubernetes.io/last-applied-configuration"]
        assert "finalizers" not in live["metadata"]
        assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {"kubectl-client-side-apply"}
        here("delete", "fabric", "web")
        await eventually(lambda: glue.get(namespace, "web") is None, DEADLINE)
    asked = audit_log.requests(AGENT, since)
    assert {seen.verb for seen in asked} == {"get", "list", "watch"}
    watched = [seen for seen in asked if seen.verb in {"list", "watch"}]
    assert {seen.path for seen in watched} == {"/apis/tandem.dev/v1alpha1/fabrics"}, "no CRDs, no namespaces, no peers"


async def test_only_the_namespaces_it_is_given_are_watched(
    run: Run, kubectl: Kubectl, namespace: str, audit_log: AuditLog
) -> None:
    since = audit_log.mark()
    kubectl.apply(fabric("outside"))
    try:
        async with run(namespaces=(namespace,)) as glue:
            await eventually(lambda: glue.cache.filled, DEADLINE)
            kubectl.within(namespace).apply(fabric("inside"))
            await eventually(lambda: glue.get(namespace, "inside"), DEADLINE)
            assert [key.name for key in glue.cache] == ["inside"]
    finally:
        kubectl("delete", "fabric", "outside")
    watched = [seen for seen in audit_log.requests(AGENT, since) if seen.verb in {"list", "watch"}]
    assert {seen.path for seen in watched} == {f"/apis/tandem.dev/v1alpha1/namespaces/{namespace}/fabrics"}


async def test_it_ends_when_it_is_stopped_and_takes_nothing_with_it(run: Run) -> None:
    ours = asyncio.create_task(asyncio.Event().wait())
    async with run() as glue:
        await eventually(lambda: glue.cache.filled, DEADLINE)
        assert "kopf" in {thread.name for thread in threading.enumerate()}
    assert glue.task is not None
    assert glue.task.cancelled()
    assert glue.restarts == []
    await eventually(lambda: "kopf" not in {thread.name for thread in threading.enumerate()})
    assert not ours.done()
    assert not ours.cancelling()
    ours.cancel()


async def test_it_survives_a_restart_of_the_api_server(run: Run, programs: Programs, tmp_path: Path) -> None:
    """On a control plane of its own.

    An API server that starts serves our kinds a moment after its own: of a namespace whose deletion ends in that moment
    the Fabrics would stay, for every test to come.
    """
    with ControlPlane(programs, tmp_path / "plane", Options(fsync=False)) as plane:
        kubectl = Kubectl.of(plane)
        kubectl("apply", "--server-side", "--filename", str(CRDS))
        kubectl("wait", "--for=condition=Established", "--filename", str(CRDS))
        async with run(plane.kubeconfig) as glue:
            await eventually(lambda: glue.cache.filled, DEADLINE)
            kubectl.apply(fabric("before"))
            await eventually(lambda: glue.get("default", "before"), DEADLINE)
            plane.apiserver.stop()
            plane.apiserver.start()
            await asyncio.to_thread(plane.wait_ready)
            kubectl("delete", "fabric", "before")
            kubectl.apply(fabric("after"))
            await eventually(lambda: glue.get("default", "after"), 60)
            await eventually(lambda: glue.get("default", "before") is None, DEADLINE)
            assert glue.restarts == [], "kopf itself waited for the server"


async def test_what_is_deleted_while_kopf_lists_anew_is_gone(
    run: Run, kubectl: Kubectl, namespace: str, faults: FaultProxy
) -> None:
    """A 410 makes kopf list again, and it compares that list with nothing."""
    here = kubectl.within(namespace)
    here.apply(fabric("stays"))
    here.apply(fabric("goes"))
    async with run(faults.kubeconfig) as glue:
        await eventually(lambda: faults.streams(KOPF_WATCH), DEADLINE)
        assert glue.get(namespace, "goes") is not None
        with faults.hold(when=KOPF_LIST) as gate:
            assert faults.expire(KOPF_WATCH) == 1
            await eventually(lambda: gate.arrived, DEADLINE)
            here("delete", "fabric", "goes")
            here.apply(fabric("comes"))
        await eventually(lambda: glue.get(namespace, "comes"), DEADLINE)
        await eventually(lambda: glue.get(namespace, "goes") is None, DEADLINE)
        assert glue.get(namespace, "stays") is not None
        assert glue.told(namespace, "goes")[-1].after is None
        assert len(glue.told(namespace, "stays")) == 1
        assert glue.restarts == []


async def test_kopf_is_started_again_when_it_dies(
    run: Run, kubectl: Kubectl, namespace: str, faults: FaultProxy
) -> None:
    """Any error of a watch but 410 ends the whole operator."""
    here = kubectl.within(namespace)
    here.apply(fabric("goes"))
    with capture_logs() as logs:
        async with run(faults.kubeconfig) as glue:
            await eventually(lambda: faults.streams(KOPF_WATCH), DEADLINE)
            faults.answer(404, when=KOPF_WATCH, times=1)
            faults.end(KOPF_WATCH)
            await eventually(lambda: glue.restarts == ["kopf"], DEADLINE)
            here("delete", "fabric", "goes")
            here.apply(fabric("comes"))
            await eventually(lambda: glue.get(namespace, "comes"), DEADLINE)
            assert glue.get(namespace, "goes") is None
            await eventually(lambda: faults.streams(KOPF_WATCH), DEADLINE)
            here.apply(fabric("comes", branch="next"))
            await eventually(lambda: len(glue.told(namespace, "comes")) == 2, DEADLINE)
    assert "a background task failed and is started again" in {line["event"] for line in logs}


async def test_kopf_is_started_again_when_it_overlooks_a_kind(
    run: Run, kubectl: Kubectl, namespace: str, faults: FaultProxy
) -> None:
    """It asks once which kinds there are; an API server that is starting does not know ours yet."""
    overlooked = faults.answer(404, when=request(path="/apis/tandem.dev/v1alpha1", user_agent=AGENT), times=1)
    async with run(faults.kubeconfig) as glue:
        await eventually(lambda: glue.restarts == ["kopf"], DEADLINE)
        assert len(overlooked.hits) == 1
        await eventually(lambda: faults.streams(KOPF_WATCH), DEADLINE)
        kubectl.within(namespace).apply(fabric("web"))
        await eventually(lambda: glue.get(namespace, "web"), DEADLINE)
        assert glue.restarts == ["kopf"]


async def test_rejected_credentials_are_read_anew(
    run: Run, kubectl: Kubectl, namespace: str, faults: FaultProxy
) -> None:
    async with run(faults.kubeconfig) as glue:
        await eventually(lambda: faults.streams(KOPF_WATCH), DEADLINE)
        faults.answer(401, when=KOPF_WATCH, times=1)
        faults.end(KOPF_WATCH)
        kubectl.within(namespace).apply(fabric("web"))
        await eventually(lambda: glue.get(namespace, "web"), DEADLINE)
        assert glue.restarts == []


@pytest.mark.parametrize("fault", ["cut", "half_close", "end"])
async def test_a_watch_that_breaks_is_opened_again(
    run: Run, kubectl: Kubectl, namespace: str, faults: FaultProxy, fault: str
) -> None:
    async with run(faults.kubeconfig) as glue:
        await eventually(lambda: faults.streams(KOPF_WATCH), DEADLINE)
        assert getattr(faults, fault)(KOPF_WATCH) == 1
        kubectl.within(namespace).apply(fabric("web"))
        await eventually(lambda: glue.get(namespace, "web"), DEADLINE)
        assert glue.restarts == []


async def test_errors_of_the_server_are_waited_out(
    run: Run, kubectl: Kubectl, namespace: str, faults: FaultProxy
) -> None:
    async with run(faults.kubeconfig) as glue:
        await eventually(lambda: faults.streams(KOPF_WATCH), DEADLINE)
        faults.answer(500, when=KOPF_WATCH, times=2)
        faults.answer(403, when=KOPF_WATCH, times=1)
        faults.cut(KOPF_WATCH)
        kubectl.within(namespace).apply(fabric("web"))
        await eventually(lambda: glue.get(namespace, "web"), DEADLINE)
        assert glue.restarts == []


async def test_a_kind_that_comes_and_goes(run: Run, kubectl: Kubectl, namespace: str) -> None:
    """Its definition is made after the start, deleted with its objects, and made again."""
    group = f"{namespace}.example"
    resource = Resource(group, "v1", "Widget", "widgets", namespaced=True)
    definition = json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
    )
    widget = json.dumps({"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "one"}})
    here = kubectl.within(namespace)
    with capture_logs():
        async with run(resource=resource) as glue:
            await eventually(lambda: len(glue.restarts) >= 2, DEADLINE)
            assert not glue.cache.filled
            for _ in range(2):
                kubectl.apply(definition)
                kubectl("wait", "--for=condition=Established", f"crd/widgets.{group}")
                await eventually(lambda: here.apply(widget), DEADLINE)
                await eventually(lambda: glue.get(namespace, "one"), DEADLINE)
                kubectl("delete", "crd", f"widgets.{group}")
                await eventually(lambda: glue.get(namespace, "one") is None, DEADLINE)
