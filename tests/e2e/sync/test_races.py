"""Somebody writes in the very moment in which the controller does: nothing of either is lost."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from controller.dev.controlplane import ControlPlane
from controller.dev.gitserver import GitServer
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import CONFIG, DEPLOYMENT, config_map
from tests.support.audit import AuditedRequest, AuditLog
from tests.support.churn import Churn
from tests.support.fabrics import Fabrics
from tests.support.fault_rules import When, request
from tests.support.faults import FaultProxy
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem

GRACE = "terminationGracePeriodSeconds"


@pytest.fixture
def slow_tandem(make_tandem: MakeTandem, stage: Stage, faults: FaultProxy) -> Tandem:
    """A ready controller that speaks to the API server through the fault proxy."""
    made = make_tandem(through=faults)
    stage.enter(made)
    return made


def write_of(fabrics: Fabrics, kind: str, name: str, method: str = "PATCH") -> When:
    """Tells the requests that write one object."""
    return request(method=method, path=f"*/namespaces/{fabrics.namespace}/{kind}/{name}")


def data(fabrics: Fabrics, name: str = "web") -> dict[str, str] | None:
    found = fabrics.config_map(name)
    return None if found is None else found.get("data", {})


# ---- between plan and apply ----


def test_an_object_made_between_plan_and_apply_is_a_conflict(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    with faults.hold(when=write_of(fabrics, "configmaps", "web")) as gate:
        fabrics.apply(repository.url)
        gate.wait()
        fabrics.kubectl.apply(config_map("web", color="red", mine="kept"))
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "AddedInBoth"
    assert data(fabrics) == {"color": "red", "mine": "kept"}, "nothing was merged into it"
    assert repository.head() == first


def test_an_equal_object_made_between_plan_and_apply_is_adopted(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    with faults.hold(when=write_of(fabrics, "configmaps", "web")) as gate:
        fabrics.apply(repository.url)
        gate.wait()
        fabrics.kubectl.apply(CONFIG + "  mine: kept\n")
    fabrics.wait_synced(revision=first)
    assert data(fabrics) == {"color": "blue", "size": "big", "mine": "kept"}


def test_an_edit_of_the_same_field_between_plan_and_apply_is_a_conflict(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with faults.hold(when=write_of(fabrics, "configmaps", "web")) as gate:
        second = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
        gate.wait()
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    conflict = fabrics.wait_conflict()
    (field,) = conflict["spec"]["fields"]
    assert (field["base"], field["git"], field["cluster"]) == ("blue", "red", "green")
    assert data(fabrics) == {"color": "green", "size": "big"}
    assert repository.head() == second


def test_an_edit_of_another_field_between_plan_and_apply_is_merged(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with faults.hold(when=write_of(fabrics, "configmaps", "web")) as gate:
        second = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
        gate.wait()
        fabrics.kubectl.patch("configmap", "web", {"data": {"size": "small"}})
    fabrics.eventually(lambda: data(fabrics) == {"color": "red", "size": "small"})
    fabrics.eventually(lambda: repository.head() != second)
    assert repository.changed_lines(second) == ["-  size: big", "+  size: small"]
    fabrics.wait_synced(revision=repository.head())


def test_a_commit_between_plan_and_push_is_built_upon(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": config_map("other", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.patch({"suspend": True})
    repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    with faults.hold(when=write_of(fabrics, "configmaps", "web")) as gate:
        fabrics.patch({"suspend": False})
        gate.wait()
        files = {"cm.yaml": CONFIG.replace("big", "vast"), "other.yaml": config_map("other", key="new")}
        third = repository.publish(files, "somebody was faster")
    fabrics.eventually(lambda: data(fabrics) == {"color": "green", "size": "vast"})
    fabrics.eventually(lambda: repository.head() != third)
    assert repository.changed_lines(third) == ["-  color: blue   # the color", "+  color: green   # the color"]
    fabrics.wait_synced(revision=repository.head())
    assert data(fabrics, "other") == {"key": "new"}
    assert fabrics.conflicts() == []


def test_an_object_deleted_between_plan_and_apply_is_not_made_again(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with faults.hold(when=write_of(fabrics, "configmaps", "web")) as gate:
        repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
        gate.wait()
        fabrics.kubectl("delete", "configmap", "web")
    assert fabrics.wait_conflict()["spec"]["type"] == "DeletedInCluster"
    assert data(fabrics) is None


def test_an_edit_between_plan_and_prune_is_a_conflict(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "keep.yaml": config_map("keep", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with faults.hold(when=write_of(fabrics, "configmaps", "web", "DELETE")) as gate:
        repository.publish({"cm.yaml": None})
        gate.wait()
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    assert fabrics.wait_conflict()["spec"]["type"] == "DeletedInGit"
    assert data(fabrics) == {"color": "green", "size": "big"}


def test_a_watch_that_shows_nothing_does_not_make_the_controller_ask_on_and_on(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy, git_server: GitServer
) -> None:
    first = repository.publish({"other.yaml": config_map("other", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    faults.freeze(request(path=f"*/namespaces/{fabrics.namespace}/configmaps", watch=True))
    fabrics.kubectl.apply(config_map("web", color="red"))
    tried = write_of(fabrics, "configmaps", "web")
    repository.publish({"cm.yaml": CONFIG})
    fabrics.eventually(lambda: faults.seen(tried))
    wait_polls(fabrics, git_server, repository, 3)
    assert len(faults.seen(tried)) < 60, "8 tries a turn, and the turns at the back-off"
    assert data(fabrics) == {"color": "red"}
    faults.thaw()
    assert fabrics.wait_conflict()["spec"]["type"] == "AddedInBoth"


# ---- a status that never stands still ----


@pytest.fixture
def churning(tandem: Tandem, fabrics: Fabrics, repository: Repository, controlplane: ControlPlane) -> Churn:
    """Writes the status of a Deployment that is in step; a test enters it."""
    first = repository.publish({"deployment.yaml": DEPLOYMENT, "keep.yaml": config_map("keep", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    return Churn(controlplane, status_path(fabrics), "observedGeneration")


def status_path(fabrics: Fabrics) -> str:
    return f"/apis/apps/v1/namespaces/{fabrics.namespace}/deployments/web/status"


def pod_spec(fabrics: Fabrics) -> dict[str, Any]:
    found: dict[str, Any] = fabrics.kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]
    return found


def test_an_object_whose_status_never_stands_still_is_updated(
    churning: Churn, fabrics: Fabrics, repository: Repository
) -> None:
    with churning:
        second = repository.publish({"deployment.yaml": DEPLOYMENT.replace("1.27", "1.28")})
        fabrics.wait_synced(revision=second)
        fabrics.kubectl("set", "image", "deployment/web", "web=nginx:1.29")
        fabrics.eventually(lambda: "nginx:1.29" in repository.show("deployment.yaml"))
        third = repository.publish({"deployment.yaml": DEPLOYMENT.replace("1.27", "1.30")})
        fabrics.wait_synced(revision=third)
        written = churning.writes
    assert "nginx:1.30" in str(pod_spec(fabrics))
    assert written >= 10
    assert fabrics.conflicts() == []
    assert repository.head() == third


def test_an_object_whose_status_never_stands_still_is_pruned(
    churning: Churn, fabrics: Fabrics, repository: Repository
) -> None:
    with churning:
        second = repository.publish({"deployment.yaml": None})
        fabrics.wait_synced(revision=second)
    assert fabrics.kubectl.find("deployment", "web") is None


def test_an_update_that_always_comes_late_is_made_by_the_old_values(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy, controlplane: ControlPlane
) -> None:
    first = repository.publish({"deployment.yaml": with_grace(45)})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("deployment", "web", {"spec": {"template": {"spec": {GRACE: 30}}}})
    fabrics.eventually(lambda: f"{GRACE}: 30" in repository.show("deployment.yaml"))
    fabrics.wait_synced(revision=repository.head())
    writes = write_of(fabrics, "deployments", "web")
    faults.late(0.1, when=writes)
    before = len(faults.seen(writes))
    with Churn(controlplane, status_path(fabrics), "observedGeneration"):
        second = repository.publish({"deployment.yaml": DEPLOYMENT.replace("1.27", "1.28")})
        fabrics.wait_synced(revision=second)
    assert len(faults.seen(writes)) - before == 10, "8 tries, a patch that tests values, and an apply that owns them"
    assert "nginx:1.28" in str(pod_spec(fabrics))
    assert repository.head() == second


def test_an_edit_before_an_update_by_values_is_written_back(
    slow_tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy, controlplane: ControlPlane
) -> None:
    first = repository.publish({"deployment.yaml": DEPLOYMENT})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    writes = write_of(fabrics, "deployments", "web")
    faults.late(0.1, when=writes)
    number = itertools.count(1)
    with Churn(controlplane, status_path(fabrics), "observedGeneration"):
        with faults.hold(when=lambda one: writes(one) and next(number) == 9) as ninth:
            repository.publish({"deployment.yaml": DEPLOYMENT.replace("1.27", "1.28")})
            ninth.wait(30)
            fabrics.kubectl("set", "env", "deployment/web", "MODE=dark")
        fabrics.eventually(lambda: "MODE" in repository.show("deployment.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert "nginx:1.28" in repository.show("deployment.yaml")
    (container,) = pod_spec(fabrics)["containers"]
    assert (container["image"], container["env"]) == ("nginx:1.28", [{"name": "MODE", "value": "dark"}])


# ---- removals ----


def with_grace(seconds: int) -> str:
    return DEPLOYMENT.replace("    spec:\n", f"    spec:\n      {GRACE}: {seconds}\n")


@pytest.mark.parametrize(
    ("declared", "edited"),
    [
        pytest.param(30, 45, id="to another value than the default"),
        pytest.param(45, 30, id="to the default"),
    ],
)
def test_a_field_with_a_default_is_removed_by_one_patch(
    tandem: Tandem,
    fabrics: Fabrics,
    repository: Repository,
    audit_log: AuditLog,
    git_server: GitServer,
    declared: int,
    edited: int,
) -> None:
    first = repository.publish({"deployment.yaml": with_grace(declared)})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("deployment", "web", {"spec": {"template": {"spec": {GRACE: edited}}}})
    fabrics.eventually(lambda: f"{GRACE}: {edited}" in repository.show("deployment.yaml"))
    fabrics.wait_synced(revision=repository.head())
    start = audit_log.mark()
    second = repository.publish({"deployment.yaml": DEPLOYMENT})
    fabrics.wait_synced(revision=second)
    wait_polls(fabrics, git_server, repository, 3)
    assert pod_spec(fabrics)[GRACE] == 30, "what the server fills in"
    about = [one for one in audit_log.requests("tandem", start) if is_about(one, fabrics, "deployments/web")]
    assert [one.verb for one in about] == ["patch", "patch"], "an apply, and one JSON patch"
    assert repository.head() == second


def is_about(one: AuditedRequest, fabrics: Fabrics, what: str) -> bool:
    return one.path.endswith(f"/namespaces/{fabrics.namespace}/{what}")


def wait_polls(fabrics: Fabrics, server: GitServer, repository: Repository, count: int) -> None:
    """Wait until the controller has looked at the branch `count` times more."""
    path = f"/{repository.name}.git/info/refs"

    def looks() -> int:
        return sum(one.path == path for one in server.log.requests)

    before = looks()
    fabrics.eventually(lambda: looks() >= before + count)
