"""A cluster that is put back to an earlier state: what it lost comes back from Git, and Git loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane, Options
from controller.dev.locate import Programs
from tests.conftest import CRDS
from tests.e2e.sync.manifests import config_map
from tests.support.fabrics import Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Launch, Stage, Tandem

NAMESPACE = "shop"


@pytest.fixture
def plane(programs: Programs, tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of the test's own, with Tandem's kinds and a namespace."""
    with ControlPlane(programs, tmp_path / "plane", Options(fsync=False)) as plane:
        kubectl = Kubectl.of(plane)
        kubectl("apply", "--server-side", "--filename", str(CRDS))
        kubectl("wait", "--for=condition=Established", "--filename", str(CRDS))
        kubectl("create", "namespace", NAMESPACE)
        yield plane


@pytest.fixture
def tandem(plane: ControlPlane, tmp_path: Path) -> Iterator[Tandem]:
    tandem = Tandem(Launch(plane.kubeconfig, tmp_path / "tandem", "tandem-system"))
    yield tandem
    tandem.stop()


@pytest.fixture
def fabrics(plane: ControlPlane, tandem: Tandem) -> Fabrics:
    stage = Stage()
    stage.enter(tandem)
    return Fabrics(Kubectl.of(plane), NAMESPACE, stage)


def back_up(plane: ControlPlane, place: Path) -> None:
    stop_servers(plane)
    shutil.copytree(plane.folder / "etcd", place)
    start_servers(plane)


def restore(plane: ControlPlane, place: Path) -> None:
    stop_servers(plane)
    shutil.rmtree(plane.folder / "etcd")
    shutil.copytree(place, plane.folder / "etcd")
    start_servers(plane)


def stop_servers(plane: ControlPlane) -> None:
    plane.apiserver.stop()
    plane.etcd.stop()


def start_servers(plane: ControlPlane) -> None:
    plane.etcd.start()
    plane.apiserver.start()
    plane.wait_ready()


@pytest.mark.parametrize("runs_meanwhile", [True, False], ids=["the controller runs on", "the controller is stopped"])
def test_nothing_is_inferred_from_a_restored_cluster(
    plane: ControlPlane,
    fabrics: Fabrics,
    tandem: Tandem,
    repository: Repository,
    tmp_path: Path,
    runs_meanwhile: bool,
) -> None:
    kubectl = fabrics.kubectl
    repository.publish({"a.yaml": config_map("a", color="blue"), "c.yaml": config_map("c", color="blue")})
    fabrics.apply(repository.url, deletion={"propagate": "Observed", "settle": "0s"})
    fabrics.wait_synced()
    kubectl.patch("configmap", "c", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "green" in repository.show("c.yaml"))
    fabrics.wait_synced(revision=repository.head())
    back_up(plane, tmp_path / "backup")

    later = repository.publish(
        {"b.yaml": config_map("b", color="blue"), "a.yaml": config_map("a", color="red")}
        | {"c.yaml": config_map("c", color="red")}
    )
    fabrics.wait_synced(revision=later)
    if not runs_meanwhile:
        tandem.stop()
    restore(plane, tmp_path / "backup")
    if not runs_meanwhile:
        assert kubectl.find("configmap", "b") is None, "the backup is older than this object"
        tandem.start()

    fabrics.eventually(
        lambda: any("was it restored" in str(line.get("event")) for line in tandem.log_lines()), deadline=60
    )
    fabrics.eventually(lambda: kubectl.find("configmap", "b") is not None)
    fabrics.eventually(lambda: kubectl.json("get", "configmap", "a")["data"] == {"color": "red"})
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["object"]["name"] == "c", "an editor owns what differs here"
    assert kubectl.json("get", "configmap", "c")["data"] == {"color": "green"}
    assert repository.head() == later, "nothing is written to Git, and nothing removed from it"
