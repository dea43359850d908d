"""A server that forgot: compacted away for real, or restored from an earlier state. On a control plane of their own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.dev.controlplane import ControlPlane, Options
from controller.dev.locate import Programs
from controller.kube.client import KubeClient
from controller.kube.errors import GoneError
from controller.kube.resources import CONFIG_MAPS
from controller.kube.watch import Reflector
from tests.e2e.kube.conftest import IMPATIENT, MakeClient
from tests.e2e.kube.test_reflector import Witness
from tests.support.fault_rules import WATCHES, request
from tests.support.faults import FaultProxy
from tests.support.kubectl import Kubectl
from tests.support.wait import eventually

FORGETFUL = ("--etcd-compaction-interval=1s", "--watch-cache=false")


def plane_with(programs: Programs, tmp_path_factory: pytest.TempPathFactory, *flags: str) -> ControlPlane:
    options = Options(controllers=(), fsync=False, apiserver_flags=flags)
    return ControlPlane(programs, tmp_path_factory.mktemp("plane"), options)


@pytest.fixture(scope="module")
def forgetful(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that compacts its history every second and keeps none of it in memory."""
    with plane_with(programs, tmp_path_factory, *FORGETFUL) as plane:
        yield plane


async def test_deletions_that_were_compacted_away_arrive(forgetful: ControlPlane, make_client: MakeClient) -> None:
    kubectl = Kubectl.of(forgetful)
    for name in ("a", "b"):
        kubectl("create", "configmap", name, "--from-literal=x=1")
    straight: KubeClient = await make_client(forgetful.kubeconfig)
    with FaultProxy(forgetful) as faults:
        client: KubeClient = await make_client(faults.kubeconfig, timeout=60.0)
        reflector = Reflector(client, CONFIG_MAPS, "default", timing=replace(IMPATIENT, inactivity=60.0))
        witness = Witness(reflector)
        reflector.start()
        await reflector.wait_synced()
        gate = faults.hold(when=WATCHES)
        faults.cut()
        await eventually(lambda: gate.arrived)
        kubectl("delete", "configmap", "a", "b")
        kubectl("create", "configmap", "b", "--from-literal=x=2")
        # Of the last change, not of what the watch goes on from: one revision less would leave the watch all of them.
        position = kubectl.json("get", "configmap", "b")["metadata"]["resourceVersion"]

        async def is_compacted() -> bool:
            kubectl("create", "configmap", "tick")  # time alone compacts nothing
            kubectl("delete", "configmap", "tick")
            query = f"resourceVersion={position}&resourceVersionMatch=Exact"
            try:
                await straight.request("GET", CONFIG_MAPS.path("default"), query)
            except GoneError:
                return True
            return False

        await eventually(is_compacted, deadline=30)
        witness.forget()
        lists = len(faults.seen(request(watch=False)))
        gate.open()
        await witness.sees(("a", "gone", "list"), ("b", "gone", "list"), ("b", "new", "list"))
        await eventually(lambda: reflector.synced)
        assert len(faults.seen(request(watch=False))) == lists + 1
        await reflector.stop()


async def test_a_server_that_was_restored_from_an_earlier_state_is_believed(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, make_client: MakeClient
) -> None:
    """Its resourceVersions start again from an earlier one, and may soon mean other objects than before."""
    plane = plane_with(programs, tmp_path_factory)
    etcd, backup = plane.folder / "etcd", plane.folder / "backup"
    kubectl = Kubectl.of(plane)
    with plane:
        kubectl("create", "configmap", "before")
    shutil.copytree(etcd, backup)
    plane.start()
    reflector = Reflector(await make_client(plane.kubeconfig), CONFIG_MAPS, "default", timing=IMPATIENT)
    witness = Witness(reflector)
    try:
        for number in range(30):
            kubectl("create", "configmap", f"later-{number}")
        reflector.start()
        await reflector.wait_synced()
        advanced = reflector.list_resource_version
        await asyncio.to_thread(plane.stop)
        await eventually(lambda: not reflector.synced)
        shutil.rmtree(etcd)
        backup.rename(etcd)
        plane.start()
        await eventually(lambda: reflector.synced and reflector.get("default", "later-0") is None, deadline=60)
        assert reflector.get("default", "before") is not None
        assert int(reflector.list_resource_version) < int(advanced)
        kubectl("create", "configmap", "after")
        await eventually(lambda: reflector.get("default", "after") is not None)
        assert sum(1 for _, kind, source in witness.told if (kind, source) == ("gone", "list")) == 30
    finally:
        await reflector.stop()
        plane.stop()
