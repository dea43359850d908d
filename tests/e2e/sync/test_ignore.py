"""What is left alone because somebody said so: rule, file, annotation, suspension, scope, direction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.sync.looking import data, wait_event
from tests.e2e.sync.manifests import CONFIG, DEPLOYMENT, config_map
from tests.support.fabrics import Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")


def started(fabrics: Fabrics, remote: Repository, files: dict[str, str], **spec: Any) -> str:
    """The first commit, in step."""
    first = remote.publish(files)
    fabrics.apply(remote.url, **spec)
    fabrics.wait_synced(revision=first)
    return first


def settle(fabrics: Fabrics) -> None:
    """Return when a run that begins from here on is over."""
    fabrics.wait_handled(fabrics.request())


# ---- rules of the Fabric ----


def test_an_ignored_path_is_neither_put_back_nor_written(fabrics: Fabrics, repository: Repository) -> None:
    rules = [{"kinds": ["ConfigMap"], "paths": ["/data/color", "/metadata/annotations/example.com~1*"]}]
    first = started(fabrics, repository, {"cm.yaml": CONFIG}, ignore=rules)
    change = {"data": {"color": "red"}, "metadata": {"annotations": {"example.com/seen": "yes"}}}
    fabrics.kubectl.patch("configmap", "web", change)
    settle(fabrics)
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "red", "size": "huge"}
    fabrics.kubectl.patch("configmap", "web", {"data": {"size": "tiny"}})
    fabrics.eventually(lambda: "tiny" in repository.show("cm.yaml"))
    assert repository.changed_lines(first) == ["-  size: big", "+  size: tiny"]


def test_an_ignored_path_of_a_keyed_list_and_of_another_kind(fabrics: Fabrics, repository: Repository) -> None:
    rules = [{"kinds": ["Deployment.apps"], "paths": ["/spec/template/spec/containers/{name=web}/image", "/data"]}]
    first = started(fabrics, repository, {"cm.yaml": CONFIG, "web.yaml": DEPLOYMENT}, ignore=rules)
    fabrics.kubectl("set", "image", "deployment/web", "web=nginx:9")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.eventually(lambda: "red" in repository.show("cm.yaml"))
    assert repository.changed_lines(first, "main", "web.yaml") == []
    fabrics.wait_synced(revision=repository.head())
    containers = fabrics.kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == "nginx:9"


def test_an_ignored_manager_is_not_even_counted(fabrics: Fabrics, repository: Repository) -> None:
    first = started(fabrics, repository, {"cm.yaml": CONFIG}, ignore=[{"managers": ["painter-*"]}])
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}}, "--field-manager=painter-7")
    settle(fabrics)
    assert fabrics.status()["drift"] == {"edits": 0, "byOthers": 0}
    assert fabrics.conflicts() == []
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert repository.head() == first


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "a path that is none": ({"ignore": [{"paths": ["/spec/ports/{port}"]}]}, "spec.ignore[0].paths[0]"),
    "a fabric's manager": ({"ignore": [{"managers": ["tandem:*"]}]}, "spec.ignore[0].managers[0]"),
    "an editor that is a fabric": ({"sync": {"editors": {"include": ["tandem:x"]}}}, "spec.sync.editors.include[0]"),
    "two kinds in one directory": (
        {"resources": [{"kind": "ConfigMap"}, {"kind": "Service", "directory": "configmaps"}]},
        "spec.resources[1].directory",
    ),
}


@pytest.mark.parametrize(("spec", "field"), INVALID.values(), ids=INVALID)
def test_a_spec_that_makes_no_sense_stalls_with_its_field(
    fabrics: Fabrics, repository: Repository, spec: dict[str, Any], field: str
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, **spec)
    said = fabrics.wait_condition("Stalled", "True", "InvalidSpec")
    assert field in said["message"]
    fabrics.wait_condition("Ready", "False", "InvalidSpec")
    wait_event(fabrics, "InvalidSpec", field)
    assert data(fabrics, "web") is None
    fabrics.apply(repository.url, ignore=[], resources=[], sync={"editors": {"include": []}})
    fabrics.wait_synced(revision=first)
    assert fabrics.condition("Stalled") == {}


def test_a_fabric_whose_spec_makes_no_sense_can_be_deleted(fabrics: Fabrics, repository: Repository) -> None:
    started(fabrics, repository, {"cm.yaml": CONFIG})
    fabrics.patch({"ignore": [{"paths": ["/spec/ports/{port}"]}], "deletion": {"onRemoval": "Prune"}})
    fabrics.wait_condition("Stalled", "True", "InvalidSpec")
    fabrics.remove_all()
    assert data(fabrics, "web") is not None


# ---- .tandemignore ----


def test_ignored_files_are_not_read_and_leave_the_scope_without_a_deletion(
    fabrics: Fabrics, repository: Repository
) -> None:
    files = {"a.yaml": config_map("a", key="one"), "drafts/b.yaml": config_map("b", key="one"), "drafts/c.yaml": "[\n"}
    first = started(fabrics, repository, {**files, ".tandemignore": "# not yet\ndrafts/*\n!drafts/b.yaml\n"})
    assert data(fabrics, "b") == {"key": "one"}
    second = repository.publish({".tandemignore": "drafts/\n"})
    fabrics.wait_synced(revision=second)
    wait_event(fabrics, "Forgotten", "1 object", kind="Normal")
    assert data(fabrics, "b") == {"key": "one"}
    assert fabrics.status()["inventory"] == {"declared": 1, "kept": 1, "exceptions": 0}
    fabrics.kubectl.patch("configmap", "b", {"data": {"key": "mine"}})
    settle(fabrics)
    assert repository.changed_lines(first, "main", "drafts") == []
    third = repository.publish({".tandemignore": None, "drafts/b.yaml": config_map("b", key="mine")})
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")  # drafts/c.yaml counts again
    fourth = repository.publish({"drafts/c.yaml": None})
    fabrics.wait_synced(revision=fourth)
    assert fourth != third
    assert fabrics.status()["inventory"]["kept"] == 2


# ---- annotations ----


def annotated(text: str, **annotations: str) -> str:
    """The document with annotations of ours."""
    lines = "".join(f"    tandem.dev/{name}: {value}\n" for name, value in annotations.items())
    return text.replace("metadata:\n", f"metadata:\n  annotations:\n{lines}", 1)


def test_a_disabled_document_flows_in_neither_direction(fabrics: Fabrics, repository: Repository) -> None:
    started(fabrics, repository, {"cm.yaml": CONFIG})
    second = repository.publish({"cm.yaml": annotated(CONFIG, reconcile="disabled").replace("big", "huge")})
    fabrics.wait_applied(second)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    settle(fabrics)
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert repository.head() == second
    third = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "red", "size": "huge"})
    fabrics.eventually(lambda: "red   # the color" in repository.show("cm.yaml"))
    assert repository.head() != third


def test_a_disabled_object_is_left_alone_and_its_annotation_never_written(
    fabrics: Fabrics, repository: Repository
) -> None:
    started(fabrics, repository, {"cm.yaml": CONFIG})
    fabrics.kubectl("annotate", "configmap", "web", "tandem.dev/reconcile=disabled")
    settle(fabrics)
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_applied(second)
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    fabrics.kubectl("annotate", "configmap", "web", "tandem.dev/reconcile-")
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "huge"})
    assert repository.head() == second


@pytest.mark.parametrize("side", ["document", "object"])
def test_what_must_not_be_pruned_is_forgotten(fabrics: Fabrics, repository: Repository, side: str) -> None:
    text = annotated(CONFIG, prune="disabled") if side == "document" else CONFIG
    started(fabrics, repository, {"cm.yaml": text, "other.yaml": config_map("other", key="value")})
    if side == "object":
        fabrics.kubectl("annotate", "configmap", "web", "tandem.dev/prune=disabled")
    second = repository.publish({"cm.yaml": None})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    assert fabrics.status()["inventory"]["kept"] == 1


def test_what_is_applied_if_absent_is_made_once_and_left(fabrics: Fabrics, repository: Repository) -> None:
    once = annotated(CONFIG, apply="if-absent")
    started(fabrics, repository, {"cm.yaml": once})
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    second = repository.publish({"cm.yaml": once.replace("big", "huge")})
    fabrics.wait_synced(revision=second)
    settle(fabrics)
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert repository.head() == second


def test_immutable_fields_are_replaced_where_the_document_allows_it(fabrics: Fabrics, repository: Repository) -> None:
    allowed = annotated(DEPLOYMENT, replace="enabled")
    started(fabrics, repository, {"web.yaml": allowed})
    before = fabrics.kubectl.json("get", "deployment", "web")["metadata"]["uid"]
    second = repository.publish({"web.yaml": allowed.replace("app: web", "app: shop")})
    fabrics.wait_synced(revision=second)
    found = fabrics.kubectl.json("get", "deployment", "web")
    assert found["metadata"]["uid"] != before
    assert found["spec"]["selector"]["matchLabels"] == {"app": "shop"}


# ---- suspension ----


OTHER = config_map("other", key="one")


def test_a_suspended_fabric_does_nothing_until_it_is_resumed(fabrics: Fabrics, repository: Repository) -> None:
    first = started(
        fabrics, repository, {"demo/cm.yaml": CONFIG, "demo/other.yaml": OTHER}, repository={"directory": "demo"}
    )
    fabrics.patch({"suspend": True})
    fabrics.wait(lambda found: found["spec"]["suspend"])
    second = repository.publish({"demo/cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.kubectl.patch("configmap", "other", {"data": {"key": "two"}})
    repository.publish({"probe/cm.yaml": config_map("probe", key="value")})
    fabrics.apply(repository.url, name="probe", repository={"directory": "probe"})  # it shows that time went by
    fabrics.wait_synced("probe")
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    assert fabrics.status()["revision"]["applied"] == first
    shown = fabrics.kubectl("get", "fabric", "demo")
    assert "SUSPENDED" in shown
    assert "true" in shown
    fabrics.patch({"suspend": False})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "huge"})
    fabrics.eventually(lambda: "two" in repository.show("demo/other.yaml"))
    assert second in [commit.id for commit in repository.log()]


# ---- scope and direction ----


@pytest.mark.usefixtures("everywhere")
def test_objects_that_leave_the_scope_are_forgotten_on_both_sides(
    fabrics: Fabrics, repository: Repository, kubectl: Kubectl
) -> None:
    there = f"{fabrics.namespace}-b"
    kubectl("create", "namespace", there)
    try:
        text = config_map("x", key="one").replace("metadata:\n", f"metadata:\n  namespace: {there}\n")
        files = {"a.yaml": config_map("a", key="one"), "x.yaml": text}
        first = started(fabrics, repository, files, target={"namespaces": [fabrics.namespace, there]})
        assert data(fabrics, "a") == {"key": "one"}
        assert kubectl.within(there).json("get", "configmap", "x")["data"] == {"key": "one"}
        fabrics.patch({"target": {"namespaces": [fabrics.namespace]}})
        wait_event(fabrics, "Forgotten", "1 object", kind="Normal")
        fabrics.wait_condition("Ready", "False", "DocumentsFailed")  # its document is out of scope now
        assert kubectl.within(there).json("get", "configmap", "x")["data"] == {"key": "one"}
        assert repository.head() == first
        assert fabrics.status()["inventory"]["kept"] == 1
    finally:
        fabrics.remove_all()
        kubectl("delete", "namespace", there, "--wait=false")


ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: NAME
rules:
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [get]
"""


@pytest.mark.usefixtures("everywhere")
def test_cluster_scoped_objects_take_part_where_the_fabric_lets_them_in(
    fabrics: Fabrics, repository: Repository, kubectl: Kubectl
) -> None:
    name = f"{fabrics.namespace}-reader"
    first = started(fabrics, repository, {"role.yaml": ROLE.replace("NAME", name)}, target={"clusterScoped": True})
    edited = [{"op": "replace", "path": "/rules/0/verbs", "value": ["get", "list"]}]
    kubectl.patch("clusterrole", name, edited)
    fabrics.eventually(lambda: repository.head() != first)
    assert "list" in repository.show("role.yaml")
    second = repository.publish({"role.yaml": None, "cm.yaml": CONFIG})
    fabrics.wait_synced(revision=second)
    assert kubectl.find("clusterrole", name) is None


def test_each_kind_flows_in_its_own_direction(fabrics: Fabrics, repository: Repository) -> None:
    service = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        }
    )
    kinds = [
        {"kind": "ConfigMap", "direction": "GitToCluster"},
        {"kind": "Service", "direction": "Disabled"},
        {"group": "apps", "kind": "Deployment"},
    ]
    files = {"cm.yaml": CONFIG, "service.json": service, "web.yaml": DEPLOYMENT}
    first = started(fabrics, repository, files, resources=kinds)
    assert fabrics.kubectl.find("service", "web") is None
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.kubectl.patch("deployment", "web", {"spec": {"replicas": 3}})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "big"})
    fabrics.eventually(lambda: repository.head() != first)
    assert repository.changed_lines(first) == ["-  replicas: 2", "+  replicas: 3"]
