"""A cluster that is put back to an earlier state, or is another one: Git is applied to it, and loses nothing by it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane, Options
from controller.dev.locate import Programs
from tests.conftest import CRDS
from tests.e2e.sync.manifests import config_map
from tests.support.api import Api
from tests.support.fabrics import Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Launch, Stage, Tandem
from tests.support.tenants import let_reign

NAMESPACE = "shop"


@pytest.fixture
def plane(programs: Programs, tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of the test's own, with Tandem's kinds and a namespace."""
    with ControlPlane(programs, tmp_path / "plane", Options(fsync=False)) as plane:
        furnish(plane)
        yield plane


def furnish(plane: ControlPlane) -> None:
    kubectl = Kubectl.of(plane)
    kubectl("apply", "--server-side", "--filename", str(CRDS))
    kubectl("wait", "--for=condition=Established", "--filename", str(CRDS))
    kubectl("create", "namespace", NAMESPACE)
    let_reign(Api(plane.kubeconfig), NAMESPACE)


@pytest.fixture(params=[""], ids=["sqlite"])
def tandem(request: pytest.FixtureRequest, plane: ControlPlane, tmp_path: Path) -> Iterator[Tandem]:
    """A controller of the test's own; `postgresql` as its parameter gives it that kind of database."""
    database = ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        database = server.url(request.getfixturevalue("postgres_database"))
    tandem = Tandem(Launch(plane.kubeconfig, tmp_path / "tandem", "tandem-system", database=database))
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


def replace_cluster(plane: ControlPlane) -> None:
    """Another cluster at the same address, with the same users and nothing in it."""
    stop_servers(plane)
    shutil.rmtree(plane.folder / "etcd")
    start_servers(plane)
    furnish(plane)


def stop_servers(plane: ControlPlane) -> None:
    plane.apiserver.stop()
    plane.etcd.stop()


def start_servers(plane: ControlPlane) -> None:
    plane.etcd.start()
    plane.apiserver.start()
    plane.wait_ready()


@pytest.mark.parametrize(
    ("tandem", "runs_meanwhile"),
    [("", True), ("postgresql", False)],
    indirect=["tandem"],
    ids=["the controller runs on", "the controller is stopped"],
)
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


OBSERVED = {"propagate": "Observed", "settle": "0s"}


@pytest.mark.parametrize("tandem", ["postgresql"], indirect=True)
def test_another_cluster_under_the_same_kubeconfig(
    plane: ControlPlane, fabrics: Fabrics, tandem: Tandem, repository: Repository
) -> None:
    """Two of its objects have names of ours, and were made by somebody else; the third is missing."""
    kubectl = fabrics.kubectl
    repository.publish({f"{name}.yaml": config_map(name, color="blue") for name in ("equal", "other", "missing")})
    fabrics.apply(repository.url, deletion=OBSERVED)
    fabrics.wait_synced()
    kubectl.patch("configmap", "missing", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "green" in repository.show("missing.yaml"))
    head = repository.head()
    fabrics.wait_synced(revision=head)
    replace_cluster(plane)
    kubectl.apply(config_map("equal", color="blue"))
    kubectl.apply(config_map("other", color="red", mine="kept"))
    fabrics.apply(repository.url, deletion=OBSERVED)
    assert tandem.wait_ended(60) == 1
    assert "another cluster answers at this address" in tandem.logs()
    tandem.start()

    fabrics.wait_applied(head, deadline=60)
    conflict = fabrics.wait_conflict()
    assert (conflict["spec"]["object"]["name"], conflict["spec"]["type"]) == ("other", "AddedInBoth")
    assert kubectl.json("get", "configmap", "other")["data"] == {"color": "red", "mine": "kept"}
    assert kubectl.json("get", "configmap", "missing")["data"] == {"color": "green"}
    assert fabrics.status()["inventory"]["kept"] == 2
    assert repository.head() == head, "nothing is written to Git, and nothing removed from it"
    kubectl.patch("configmap", "equal", {"data": {"color": "gold"}})
    fabrics.eventually(lambda: "gold" in repository.show("equal.yaml"))
