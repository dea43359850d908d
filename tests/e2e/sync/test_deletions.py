"""Objects and documents that go: by whose will, what stays, and that nothing is lost which nobody gave up."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG, config_map, several
from tests.support.fabrics import Fabrics, Json
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Tandem

pytestmark = pytest.mark.usefixtures("tandem")

FINALIZER = "example.com/hold"
HELD = CONFIG.replace("  name: web\n", f"  name: web\n  finalizers: [{FINALIZER}]\n")
KEEP = config_map("keep", key="value")
NO_FINALIZERS = {"metadata": {"finalizers": None}}


def annotated(name: str, annotation: str, value: str, **fields: str) -> str:
    """A ConfigMap whose document carries one of Tandem's annotations."""
    note = f"  annotations:\n    tandem.dev/{annotation}: {value}\n"
    return config_map(name, **fields).replace("\ndata:\n", f"\n{note}data:\n")


def is_terminating(fabrics: Fabrics, name: str = "web") -> bool:
    found = fabrics.config_map(name)
    return found is not None and "deletionTimestamp" in found["metadata"]


def release(fabrics: Fabrics, name: str = "web") -> None:
    """Let an object go that a finalizer holds."""
    fabrics.kubectl.patch("configmap", name, NO_FINALIZERS)


def wait_exception(fabrics: Fabrics, reason: str, revision: str = "") -> Json:
    """The status, once its one exception has this reason."""

    def found(fabric: Json) -> Json:
        status: Json = fabric.get("status", {})
        assert [one["reason"] for one in status.get("exceptions", [])] == [reason]
        assert revision in ("", status["revision"]["applied"])
        return status

    return fabrics.wait(found)


# ---- gone from Git ----


def test_a_pruned_object_that_a_finalizer_holds_is_waited_for(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": HELD, "keep.yaml": KEEP})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"cm.yaml": None})
    wait_exception(fabrics, "Terminating", second)
    assert is_terminating(fabrics)
    release(fabrics)
    fabrics.wait(lambda found: found["status"]["exceptions"] == [])
    assert fabrics.wait_synced(revision=second)["inventory"] == {"declared": 1, "kept": 1, "exceptions": 0}


@pytest.mark.parametrize(
    "document",
    [pytest.param(CONFIG, id="as it was"), pytest.param(CONFIG.replace("big", "small"), id="with another value")],
)
def test_a_document_that_comes_back_while_its_object_is_held_is_made_again(
    fabrics: Fabrics, repository: Repository, document: str
) -> None:
    first = repository.publish({"cm.yaml": HELD, "keep.yaml": KEEP})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"cm.yaml": None})
    wait_exception(fabrics, "Terminating", second)
    third = repository.publish({"cm.yaml": document})
    wait_exception(fabrics, "Terminating", third)
    assert is_terminating(fabrics)
    release(fabrics)
    fabrics.wait(lambda found: found["status"]["exceptions"] == [])
    fabrics.wait_synced(revision=third)
    assert data(fabrics, "web") == {"color": "blue", "size": "small" if "small" in document else "big"}
    assert fabrics.conflicts() == []


def test_without_prune_the_object_is_given_up_and_stays(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"all.yaml": several("a", "b")})
    fabrics.apply(repository.url, deletion={"prune": False})
    fabrics.wait_synced(revision=first)
    second = repository.publish({"all.yaml": several("a")})
    status = fabrics.wait_synced(revision=second)
    assert status["inventory"]["kept"] == 1
    assert data(fabrics, "b") == {"key": "value"}
    fabrics.kubectl.patch("configmap", "b", {"data": {"key": "mine"}})
    fabrics.wait_handled(fabrics.request())
    assert repository.head() == second, "nobody's business any more"


@pytest.mark.parametrize("where", ["document", "object"])
def test_an_object_that_must_not_be_pruned_stays(fabrics: Fabrics, repository: Repository, where: str) -> None:
    document = annotated("b", "prune", "disabled", key="value") if where == "document" else config_map("b", key="value")
    first = repository.publish({"a.yaml": config_map("a", key="value"), "b.yaml": document})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    if where == "object":
        fabrics.kubectl("annotate", "configmap", "b", "tandem.dev/prune=disabled")
    second = repository.publish({"b.yaml": None})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "b") == {"key": "value"}
    assert repository.head() == second


def test_an_object_that_is_not_reconciled_is_left_alone_in_both_directions(
    fabrics: Fabrics, repository: Repository
) -> None:
    first = repository.publish({"a.yaml": config_map("a", key="value"), "b.yaml": config_map("b", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("annotate", "configmap", "b", "tandem.dev/reconcile=disabled")
    fabrics.kubectl.patch("configmap", "b", {"data": {"key": "mine"}})
    second = repository.publish({"a.yaml": config_map("a", key="other")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "b") == {"key": "mine"}
    third = repository.publish({"b.yaml": None})
    fabrics.wait_synced(revision=third)
    assert data(fabrics, "b") == {"key": "mine"}
    assert repository.head() == third


def test_an_object_that_is_made_where_absent_is_then_left_alone(fabrics: Fabrics, repository: Repository) -> None:
    document = annotated("b", "apply", "if-absent", key="value")
    first = repository.publish({"a.yaml": config_map("a", key="value"), "b.yaml": document})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    assert data(fabrics, "b") == {"key": "value"}
    fabrics.kubectl.patch("configmap", "b", {"data": {"key": "mine"}})
    second = repository.publish({"b.yaml": document.replace("value", "other")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "b") == {"key": "mine"}
    third = repository.publish({"b.yaml": None})
    fabrics.wait_synced(revision=third)
    assert data(fabrics, "b") == {"key": "mine"}
    assert repository.head() == third


def test_pruning_what_holds_data_is_stopped_whatever_the_number(fabrics: Fabrics, repository: Repository) -> None:
    claim = (
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: disk\nspec:\n"
        "  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      storage: 1Gi\n"
    )
    first = repository.publish({"claim.yaml": claim, "keep.yaml": KEEP})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"claim.yaml": None})
    said = fabrics.wait_condition("Stalled", "True", "DeletionGuard")
    assert "disk" in said["message"]
    fabrics.confirm(fabrics.status()["guards"][0]["token"])
    fabrics.wait_applied(second)
    claims = fabrics.kubectl.json("get", "pvc")["items"]
    assert all("deletionTimestamp" in one["metadata"] for one in claims)


# ---- gone from the cluster ----


def test_a_live_deletion_that_a_finalizer_holds_loses_no_commit_made_meanwhile(
    fabrics: Fabrics, repository: Repository
) -> None:
    first = repository.publish({"cm.yaml": HELD})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", "web", "--wait=false")
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "small")})
    wait_exception(fabrics, "Terminating", second)
    assert fabrics.conflicts() == []
    release(fabrics)
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "DeletedInCluster"
    assert repository.head() == second
    fabrics.kubectl.patch(
        "syncconflict", conflict["metadata"]["name"], {"spec": {"resolution": {"strategy": "GitWins"}}}
    )
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "blue", "size": "small"}


def test_a_deletion_that_the_cluster_wins_removes_the_document(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "keep.yaml": KEEP})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", "web")
    name = fabrics.wait_conflict()["metadata"]["name"]
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "ClusterWins"}}})
    fabrics.eventually(lambda: repository.files() == ["keep.yaml"])
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.kubectl.json("get", "syncconflict", name)["status"]["state"] == "Resolved"


def test_an_observed_deletion_removes_one_document_of_a_file(fabrics: Fabrics, repository: Repository) -> None:
    documents = [config_map("a", key="one"), f"# about b\n{config_map('b', key='two')}", config_map("c", key="three")]
    first = repository.publish({"all.yaml": "---\n".join(documents)})
    fabrics.apply(repository.url, deletion={"propagate": "Observed", "settle": "0s"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", "b")
    fabrics.eventually(lambda: repository.head() != first)
    assert repository.show("all.yaml") == "---\n".join([documents[0], documents[2]])
    fabrics.wait_synced(revision=repository.head())
    assert [data(fabrics, name) is not None for name in "abc"] == [True, False, True]


def test_an_object_that_comes_back_before_it_settled_is_kept(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "keep.yaml": KEEP})
    fabrics.apply(repository.url, deletion={"propagate": "Observed", "settle": "1h"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", "web")
    wait_exception(fabrics, "Progressing")
    fabrics.kubectl.apply(CONFIG)
    fabrics.wait(lambda found: found["status"]["exceptions"] == [])
    fabrics.wait_synced(revision=first)
    assert repository.head() == first
    second = repository.publish({"cm.yaml": None})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") is None, "the new object is Tandem's as the old one was"


def test_a_mass_deletion_in_the_cluster_does_not_empty_git(fabrics: Fabrics, repository: Repository) -> None:
    names = [f"n{number}" for number in range(14)]
    first = repository.publish({"all.yaml": several(*names)})
    fabrics.apply(
        repository.url, deletion={"propagate": "Observed", "settle": "0s"}, sync={"interval": "1s", "batchWindow": "5s"}
    )
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", *names[2:])
    said = fabrics.wait_condition("Stalled", "True", "DeletionGuard")
    assert "12 objects of 14" in said["message"]
    assert repository.head() == first


@pytest.fixture
def elsewhere(kubectl: Kubectl) -> Iterator[str]:
    """Another namespace, for a test that deletes it."""
    name = f"test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.mark.usefixtures("everywhere")
def test_a_deleted_namespace_empties_no_git(
    fabrics: Fabrics, repository: Repository, kubectl: Kubectl, elsewhere: str
) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": KEEP})
    rules = {"propagate": "Observed", "settle": "0s"}
    fabrics.apply(repository.url, target={"namespaces": [elsewhere]}, deletion=rules)
    fabrics.wait_synced(revision=first)
    kubectl("delete", "namespace", elsewhere, timeout=120)

    def gone(found: Json) -> bool:
        return {one["reason"] for one in found["status"]["exceptions"]} == {"TargetGone"}

    fabrics.wait(gone)
    assert repository.head() == first
    kubectl("create", "namespace", elsewhere)
    fabrics.wait_synced(revision=first)
    found = kubectl.within(elsewhere).json("get", "configmap", "web", "keep")["items"]
    assert [one["data"] for one in found] == [{"color": "blue", "size": "big"}, {"key": "value"}]
    assert repository.head() == first, "nobody deleted these objects, so their documents stay, and they are made again"


# ---- the Fabric itself goes ----


def test_a_removed_fabric_prunes_what_is_its_own(fabrics: Fabrics, repository: Repository) -> None:
    documents = {
        "gone.yaml": config_map("gone", key="value"),
        "stays.yaml": annotated("stays", "prune", "disabled", key="value"),
        "once.yaml": annotated("once", "apply", "if-absent", key="value"),
        "left.yaml": config_map("left", key="value"),
    }
    first = repository.publish(documents)
    fabrics.apply(repository.url, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("annotate", "configmap", "left", "tandem.dev/reconcile=disabled")
    fabrics.remove_all()
    assert {name: data(fabrics, name) is not None for name in ("gone", "stays", "once", "left")} == {
        "gone": False,
        "stays": True,
        "once": True,
        "left": True,
    }
    assert repository.head() == first


def test_a_removed_fabric_stays_until_its_objects_are_gone(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": HELD})
    fabrics.apply(repository.url, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "fabric", "demo", "--wait=false")
    fabrics.eventually(lambda: is_terminating(fabrics))
    assert "deletionTimestamp" in fabrics.get()["metadata"]
    release(fabrics)
    fabrics.remove_all()
    assert data(fabrics, "web") is None


GIZMOS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.example.com
spec:
  group: example.com
  scope: Namespaced
  names: {{plural: {plural}, singular: {singular}, kind: {kind}}}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-preserve-unknown-fields: true
"""


@pytest.fixture
def gizmos(kubectl: Kubectl) -> Iterator[str]:
    """A kind of the test's own; the name of its definition."""
    tag = secrets.token_hex(3)
    kubectl.apply(GIZMOS.format(plural=f"gizmo{tag}s", singular=f"gizmo{tag}", kind=f"Gizmo{tag}"))
    name = f"gizmo{tag}s.example.com"
    kubectl("wait", "--for=condition=Established", "crd", name)
    yield name
    kubectl("delete", "crd", name, "--ignore-not-found")


def test_a_removed_fabric_does_not_wait_for_a_kind_that_is_gone(
    fabrics: Fabrics, repository: Repository, kubectl: Kubectl, gizmos: str
) -> None:
    kind = gizmos.partition("s.")[0].capitalize()
    first = repository.publish({"g.yaml": f"apiVersion: example.com/v1\nkind: {kind}\nmetadata:\n  name: g\n"})
    fabrics.apply(repository.url, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    kubectl("delete", "crd", gizmos)
    fabrics.wait(lambda found: found["status"]["inventory"]["exceptions"] == 1)
    fabrics.remove_all()


def test_a_suspended_fabric_can_be_removed(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    fabrics.patch({"suspend": True})
    fabrics.remove_all()
    assert data(fabrics, "web") is None


def test_a_fabric_is_made_anew_without_forgetting_whose_its_objects_are(
    fabrics: Fabrics, repository: Repository, tandem: Tandem
) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "keep.yaml": KEEP})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.remove_all()
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.apply(repository.url)
    assert fabrics.wait_conflict()["spec"]["type"] == "AddedInBoth"
    assert data(fabrics, "web") == {"color": "green", "size": "big"}
    fabrics.remove_all()
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "blue"}})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"cm.yaml": None})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") is None
