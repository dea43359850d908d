"""What somebody may not get by pushing, or by making objects of Tandem's kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import data, wait_error
from tests.e2e.sync.manifests import config_map
from tests.support.audit import AuditLog
from tests.support.fabrics import NAME, Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: not-for-you\n"


def forged(fabrics: Fabrics, name: str, value: str) -> dict[str, Any]:
    """A SyncConflict that somebody makes by hand, with a decision about the ConfigMap `web`."""
    return {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "SyncConflict",
        "metadata": {"name": name, "labels": {"tandem.dev/fabric": NAME}},
        "spec": {
            "fabricRef": {"name": NAME},
            "object": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": fabrics.namespace, "name": "web"},
            "type": "BothChanged",
            "resolution": {
                "strategy": "Manual",
                "decisions": [{"path": "/data/color", "choose": "Value", "value": value}],
            },
        },
    }


def clash(fabrics: Fabrics, repository: Repository) -> dict[str, Any]:
    """Both sides change the color; the conflict that Tandem shows: one made by hand has no status."""
    fabrics.patch({"suspend": True})
    repository.publish({"web.yaml": config_map("web", color="red")})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.patch({"suspend": False})

    def shown() -> dict[str, Any]:
        found = [conflict for conflict in fabrics.conflicts() if "status" in conflict]
        assert len(found) == 1, f"{len(found)} conflicts with a status"
        return found[0]

    return fabrics.eventually(shown)


def test_only_the_conflict_that_is_shown_decides(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    """A decision laid down before there is a conflict, or beside it, decides nothing; the real one still does."""
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.apply(json.dumps(forged(fabrics, "before", "pink")))
    fabrics.wait_handled(fabrics.request())
    shown = clash(fabrics, repository)
    fabrics.kubectl.apply(json.dumps(forged(fabrics, "beside", "black")))
    fabrics.wait_handled(fabrics.request())
    tandem.kill()
    tandem.start()
    fabrics.wait_handled(fabrics.request())
    assert data(fabrics, "web") == {"color": "green"}
    assert "color: red" in repository.show("web.yaml")
    decision = {"spec": {"resolution": {"strategy": "GitWins"}}}
    fabrics.kubectl.patch("syncconflict", shown["metadata"]["name"], decision)
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "red"})


def test_an_unreadable_conflict_of_somebody_stops_no_fabric(
    tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    """The API server takes a moment of the year 0; a controller that starts and cannot read it goes on."""
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    unreadable = forged(fabrics, "unreadable", "pink")
    unreadable["spec"]["fields"] = [{"path": "/data/color", "editedAt": "0000-01-01T00:00:00Z"}]
    fabrics.kubectl.apply(json.dumps(unreadable))
    tandem.kill()
    second = repository.publish({"web.yaml": config_map("web", color="red")})
    tandem.start()
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "red"}


def test_a_settled_conflict_decides_no_later_one(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    """Whoever labels a settled SyncConflict, with its decision still in it, must not decide what comes next."""
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    name = clash(fabrics, repository)["metadata"]["name"]
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "GitWins"}}})
    fabrics.eventually(lambda: fabrics.kubectl.json("get", "syncconflict", name)["status"]["state"] == "Resolved")
    fabrics.kubectl("label", "syncconflict", name, "seen=yes")
    fabrics.wait_handled(fabrics.request())
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "blue"}})
    fabrics.eventually(lambda: "color: blue" in repository.show("web.yaml"))
    clash(fabrics, repository)
    fabrics.wait_handled(fabrics.request())
    assert data(fabrics, "web") == {"color": "green"}


@pytest.mark.usefixtures("tandem")
def test_a_push_cannot_reach_tandems_own_kinds(fabrics: Fabrics, repository: Repository) -> None:
    """Else whoever may push could lift the limits, confirm what a guard stopped, or send credentials elsewhere."""
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url, sync={"conflictStrategy": "GitWins"})
    fabrics.wait_synced(revision=first)
    before = fabrics.get()
    wider = {key: before[key] for key in ("apiVersion", "kind")} | {
        "metadata": {"name": NAME, "annotations": {"tandem.dev/confirm": "all"}},
        "spec": before["spec"] | {"target": {"namespaces": ["kube-system"]}},
    }
    repository.publish({"fabric.json": json.dumps(wider)})
    wait_error(fabrics, file="fabric.json", reason="OutOfScope", message="own kinds")
    after = fabrics.get()
    assert after["spec"] == before["spec"]
    assert "tandem.dev/confirm" not in after["metadata"].get("annotations", {})


@pytest.mark.usefixtures("tandem")
def test_what_cannot_be_in_scope_is_not_even_listed(
    fabrics: Fabrics, repository: Repository, audit_log: AuditLog
) -> None:
    """Else a document could have the controller hold the Secrets or the Events of a whole cluster."""
    mark = audit_log.mark()
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: not-for-you\n"
    secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: not-for-you\n"
    repository.publish({"web.yaml": config_map("web", color="blue"), "others.yaml": f"{role}---\n{secret}"})
    fabrics.apply(repository.url, resources=[{"kind": "ConfigMap"}])
    wait_error(fabrics, file="others.yaml", reason="OutOfScope", object="ClusterRole/not-for-you")
    wait_error(fabrics, file="others.yaml", reason="OutOfScope", object="Secret/")
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue"})
    asked = [str(one) for one in audit_log.requests("tandem/", since=mark)]
    assert any("configmaps" in one for one in asked)
    assert [one for one in asked if "clusterroles" in one or "secrets" in one] == []


def test_a_fabric_that_keeps_to_its_namespace_cannot_hold_the_clusters_objects(
    make_tandem: MakeTandem, stage: Stage, fabrics: Fabrics, repository: Repository
) -> None:
    stage.enter(make_tandem(allow_namespaces=""))
    repository.publish({"namespace.yaml": NAMESPACE})
    fabrics.apply(repository.url, target={"clusterScoped": True})
    said = fabrics.wait_condition("Stalled", "True", "InvalidSpec")
    assert "spec.target.clusterScoped" in said["message"]
    assert fabrics.kubectl.find("namespace", "not-for-you") is None


@pytest.mark.usefixtures("tandem")
def test_a_status_is_written_whatever_a_repository_holds(fabrics: Fabrics, repository: Repository) -> None:
    """Endless names and values are cut: a status that etcd refuses would leave the last one standing for ever."""
    endless = "x" * 500_000
    faults = {f"{n}.yaml": f"apiVersion: '{endless}!'\nkind: A\nmetadata: {{name: a}}\n" for n in range(25)}
    named = {f"named/{n}.yaml": config_map(f"{n}{endless}", a="b") for n in range(25)}
    repository.publish(faults | named | {"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url)
    found = fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert "apiVersion" in found["message"]
    assert fabrics.status()["errorCount"] == 50
    assert data(fabrics, "web") == {"color": "blue"}
