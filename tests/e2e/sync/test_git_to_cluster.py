"""A commit becomes live objects: created, changed, adopted, pruned, and nothing but what it says."""

from __future__ import annotations

import pytest

from tests.e2e.sync.manifests import CONFIG, DEPLOYMENT, config_map, several
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Tandem

pytestmark = pytest.mark.usefixtures("tandem")


def data(fabrics: Fabrics, name: str) -> dict[str, str] | None:
    found = fabrics.config_map(name)
    return None if found is None else found.get("data", {})


def test_a_commit_becomes_live_objects(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "deep/down/deployment.yaml": DEPLOYMENT})
    fabrics.apply(repository.url)
    status = fabrics.wait_synced(revision=first)
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    assert status["inventory"] == {"declared": 2, "kept": 2, "exceptions": 0}
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "blue", "size": "huge"}


def test_a_removed_document_prunes_its_object_only(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"all.yaml": several("a", "b", "c")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"all.yaml": several("a", "c")})
    fabrics.wait_synced(revision=second)
    assert [data(fabrics, name) is not None for name in "abc"] == [True, False, True]


def test_an_equal_object_is_adopted_and_its_own_fields_are_left(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(CONFIG + "  extra: mine\n")
    revision = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=revision)
    assert data(fabrics, "web") == {"color": "blue", "size": "big", "extra": "mine"}
    assert repository.head() == revision, "nothing was written back"


def test_a_different_object_that_was_there_before_is_a_conflict(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(config_map("web", color="red"))
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "AddedInBoth"
    assert data(fabrics, "web") == {"color": "red"}


def test_a_broken_file_of_eight_documents_prunes_none(fabrics: Fabrics, repository: Repository) -> None:
    names = [f"n{number}" for number in range(8)]
    first = repository.publish({"all.yaml": several(*names), "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    broken = several(*names[:4]) + "---\nthis: [is: broken\n"
    repository.publish({"all.yaml": broken, "other.yaml": config_map("other", key="two")})
    said = fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert "all.yaml" in said["message"]
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "two"})
    assert all(data(fabrics, name) is not None for name in names)
    (error,) = fabrics.status()["errors"]
    assert error["file"] == "all.yaml"
    third = repository.publish({"all.yaml": several(*names[1:])})
    fabrics.wait_synced(revision=third)
    assert data(fabrics, "n0") is None


def test_a_file_renamed_and_broken_in_one_commit_prunes_nothing(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"old.yaml": several("a", "b")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    repository.publish({"old.yaml": None, "new.yaml": several("a") + "---\n[broken\n"})
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert data(fabrics, "a") is not None
    assert data(fabrics, "b") is not None
    third = repository.publish({"new.yaml": several("a")})
    fabrics.wait_synced(revision=third)
    assert data(fabrics, "b") is None


@pytest.mark.parametrize(
    ("document", "reason", "field"),
    [
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: elsewhere\n",
            "OutOfScope",
            "/metadata/namespace",
            id="outside the scope",
        ),
        pytest.param(
            "apiVersion: example.com/v1\nkind: Gizmo\nmetadata:\n  name: x\n",
            "KindUnknown",
            "/apiVersion",
            id="unknown kind",
        ),
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndatum:\n  a: b\n",
            "UnknownField",
            "/datum",
            id="unknown field",
        ),
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: x-\n", "FieldRefused", "", id="no name"
        ),
    ],
)
def test_a_refused_document_is_named_and_stops_nothing_else(
    fabrics: Fabrics, repository: Repository, document: str, reason: str, field: str
) -> None:
    repository.publish({"bad.yaml": f"# first line\n{document}", "good.yaml": config_map("good", key="value")})
    fabrics.apply(repository.url)
    fabrics.eventually(lambda: data(fabrics, "good") == {"key": "value"})

    def named() -> bool:
        errors = fabrics.status().get("errors", [])
        return any(e["reason"] == reason and e["file"] == "bad.yaml" and field in e.get("field", "") for e in errors)

    fabrics.eventually(named)


def test_the_same_object_declared_twice_is_left_alone(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"a.yaml": config_map("x", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    repository.publish({"b.yaml": config_map("x", key="two")})
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert data(fabrics, "x") == {"key": "one"}
    third = repository.publish({"a.yaml": None})
    fabrics.wait_synced(revision=third)
    assert data(fabrics, "x") == {"key": "two"}


def test_drift_is_corrected_where_git_alone_decides(fabrics: Fabrics, repository: Repository) -> None:
    revision = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync={"direction": "GitToCluster"})
    fabrics.wait_synced(revision=revision)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red", "mine": "kept"}})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "big", "mine": "kept"})
    assert repository.head() == revision


def test_an_emptied_directory_is_stopped_until_it_is_confirmed(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"all.yaml": several("a", "b"), "README.md": "hello\n"})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    repository.publish({"all.yaml": None})
    fabrics.wait_condition("Stalled", "True", "EmptySource")
    assert data(fabrics, "a") is not None
    (guard,) = fabrics.status()["guards"]
    fabrics.confirm(guard["token"])
    fabrics.eventually(lambda: data(fabrics, "a") is None and data(fabrics, "b") is None)


def test_a_mass_deletion_is_stopped_with_its_numbers(fabrics: Fabrics, repository: Repository) -> None:
    names = [f"n{number}" for number in range(14)]
    first = repository.publish({"all.yaml": several(*names)})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    repository.publish({"all.yaml": several("n0", "n1")})
    said = fabrics.wait_condition("Stalled", "True", "DeletionGuard")
    assert "12 objects of 14" in said["message"]
    assert data(fabrics, "n9") is not None
    third = repository.publish({"all.yaml": several(*names[:12])})
    fabrics.wait_synced(revision=third)
    assert data(fabrics, "n13") is None
    assert data(fabrics, "n11") is not None


def test_a_deletion_that_a_finalizer_holds_loses_no_commit_made_meanwhile(
    fabrics: Fabrics, repository: Repository
) -> None:
    held = CONFIG.replace("  name: web\n", "  name: web\n  finalizers: [example.com/hold]\n")
    first = repository.publish({"cm.yaml": held})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    repository.publish({"cm.yaml": None, "keep.yaml": config_map("keep", key="value")})
    fabrics.eventually(lambda: "deletionTimestamp" in fabrics.kubectl.json("get", "configmap", "web")["metadata"])
    again = repository.publish({"cm.yaml": CONFIG.replace("big", "small")})
    fabrics.kubectl.patch("configmap", "web", {"metadata": {"finalizers": None}})
    fabrics.wait_synced(revision=again)
    assert data(fabrics, "web") == {"color": "blue", "size": "small"}


def test_deleting_a_fabric_deletes_nothing_else(fabrics: Fabrics, repository: Repository, tandem: Tandem) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.remove_all()
    assert data(fabrics, "web") is not None
    fabrics.apply(repository.url, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    fabrics.remove_all()
    assert data(fabrics, "web") is None
