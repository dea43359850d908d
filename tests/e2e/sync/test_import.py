"""Live objects become documents: where they are wanted, in their own files, and nothing that the system made."""

from __future__ import annotations

import pytest

from tests.e2e.sync.looking import data, wait_error
from tests.e2e.sync.manifests import CONFIG, DEPLOYMENT, config_map, several
from tests.support.fabrics import Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")

IMPORTED = {"kind": "ConfigMap", "import": True}
CLUSTER_TO_GIT = {"direction": "ClusterToGit"}


def test_objects_go_into_their_kinds_directory_in_one_commit(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(several("a", "b") + "---\n" + DEPLOYMENT)
    first = repository.publish({"fleet/README.md": "ours\n", "outside.yaml": config_map("never", key="value")})
    kinds = [IMPORTED, {"group": "apps", "kind": "Deployment", "import": True, "directory": "work/loads"}]
    fabrics.apply(repository.url, repository={"directory": "fleet"}, resources=kinds)
    fabrics.eventually(lambda: "fleet/work/loads/web.yaml" in repository.files())
    status = fabrics.wait_synced(revision=repository.head())
    assert repository.files() == [
        "fleet/README.md",
        "fleet/configmaps/a.yaml",
        "fleet/configmaps/b.yaml",
        "fleet/work/loads/web.yaml",
        "outside.yaml",
    ]
    (commit,) = repository.log(f"{first}..main")
    assert len(commit.trailers["Tandem-Object"]) == 3
    made = config_map("a", key="value").replace("  name: a\n", f"  name: a\n  namespace: {fabrics.namespace}\n")
    assert repository.show("fleet/configmaps/a.yaml") == made
    assert status["inventory"] == {"declared": 3, "kept": 3, "exceptions": 0}
    assert data(fabrics, "never") is None
    fabrics.kubectl.patch("configmap", "a", {"data": {"key": "edited"}})
    fabrics.eventually(lambda: "edited" in repository.show("fleet/configmaps/a.yaml"))
    fabrics.kubectl.apply(config_map("c", key="later"))
    fabrics.eventually(lambda: "fleet/configmaps/c.yaml" in repository.files())
    last = repository.publish({"fleet/configmaps/b.yaml": None})
    fabrics.wait_synced(revision=last)
    assert data(fabrics, "b") is None, "an imported object is kept in step like any other"


def test_only_kinds_that_are_imported_are(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(several("a", "b"))
    first = repository.publish({"web.yaml": CONFIG})
    fabrics.apply(repository.url, resources=[{"kind": "ConfigMap"}])
    fabrics.wait_synced(revision=first)
    fabrics.apply(repository.url, resources=[])
    fabrics.wait_synced(revision=first)
    fabrics.apply(repository.url, resources=[{**IMPORTED, "direction": "GitToCluster"}])
    fabrics.wait_synced(revision=first)
    assert repository.head() == first


STAMPED = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: helm
  annotations: {meta.helm.sh/release-name: x}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kept
  annotations: {tandem.dev/prune: disabled}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  ownerReferences:
    - {apiVersion: v1, kind: ConfigMap, name: helm, uid: UID}
"""


def test_what_somebody_else_made_is_not_imported(fabrics: Fabrics, repository: Repository) -> None:
    first, _, owned = STAMPED.rpartition("---\n")
    fabrics.kubectl.apply(first)
    uid = fabrics.kubectl.json("get", "configmap", "helm")["metadata"]["uid"]
    fabrics.kubectl.apply(owned.replace("UID", uid))
    fabrics.kubectl.apply(config_map("mine", key="value"))
    repository.publish({"web.yaml": CONFIG})
    fabrics.apply(repository.url, resources=[IMPORTED])
    fabrics.eventually(lambda: "configmaps/mine.yaml" in repository.files())
    fabrics.wait_synced(revision=repository.head())
    assert repository.files() == ["configmaps/mine.yaml", "web.yaml"]


def test_a_file_that_holds_something_else_is_not_overwritten(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(several("a", "b"))
    other = "# notes, no object\ntitle: hello\n"
    repository.publish({"configmaps/a.yaml": other, "web.yaml": CONFIG})
    fabrics.apply(repository.url, resources=[IMPORTED])
    fabrics.eventually(lambda: "configmaps/b.yaml" in repository.files())
    error = wait_error(fabrics, file="configmaps/a.yaml", reason="FieldRefused")
    assert "rename it" in error["message"]
    assert repository.show("configmaps/a.yaml") == other


@pytest.mark.usefixtures("everywhere")
def test_several_namespaces_get_a_folder_each(fabrics: Fabrics, repository: Repository, kubectl: Kubectl) -> None:
    there = f"{fabrics.namespace}-b"
    kubectl("create", "namespace", there)
    try:
        fabrics.kubectl.apply(config_map("a", key="here"))
        kubectl.within(there).apply(config_map("a", key="there"))
        repository.publish({"README.md": "ours\n"})
        fabrics.apply(repository.url, target={"namespaces": [fabrics.namespace, there]}, resources=[IMPORTED])
        fabrics.eventually(lambda: repository.files() != ["README.md"])
        folders = [f"configmaps/{fabrics.namespace}", f"configmaps/{there}"]
        assert set(repository.files()) == {"README.md", *(f"{folder}/a.yaml" for folder in folders)}
        assert f"namespace: {there}" in repository.show(f"configmaps/{there}/a.yaml")
        fabrics.wait_synced(revision=repository.head())
    finally:
        fabrics.remove_all()
        kubectl("delete", "namespace", there, "--wait=false")


PLACES = {
    "an empty repository": (None, ""),
    "a missing directory": ({"README.md": "ours\n"}, "deep/down"),
    "a missing branch": ({"README.md": "ours\n"}, ""),
}


@pytest.mark.parametrize(("files", "directory"), PLACES.values(), ids=PLACES)
def test_the_first_commit_makes_what_is_missing(
    fabrics: Fabrics,
    repository: Repository,
    files: dict[str, str] | None,
    directory: str,
    request: pytest.FixtureRequest,
) -> None:
    fabrics.kubectl.apply(several("a", "b"))
    branch = "trunk" if "branch" in request.node.name else "main"
    if files:
        repository.publish(files)
    where = {"branch": branch} | ({"directory": directory} if directory else {})
    fabrics.apply(repository.url, repository=where, resources=[IMPORTED], sync=CLUSTER_TO_GIT)
    fabrics.eventually(lambda: fabrics.status().get("inventory", {}).get("kept") == 2)
    assert fabrics.status()["revision"]["pushed"]
    repository.branch = branch
    root = f"{directory}/" if directory else ""
    made = {f"{root}configmaps/a.yaml", f"{root}configmaps/b.yaml"}
    assert set(repository.files()) == made | (set(files) if files and branch == "main" else set())
    fabrics.wait_synced(revision=repository.head())
    fabrics.kubectl.patch("configmap", "a", {"data": {"key": "edited"}})
    fabrics.eventually(lambda: "edited" in repository.show(f"{root}configmaps/a.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.conflicts() == []


def test_where_the_cluster_is_the_source_git_is_put_right(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(several("a", "b"))
    fabrics.apply(repository.url, resources=[IMPORTED], sync=CLUSTER_TO_GIT)
    fabrics.eventually(lambda: repository.head() != "")
    fabrics.wait_synced(revision=repository.head())
    made = repository.show("configmaps/a.yaml")
    repository.publish({"configmaps/a.yaml": made.replace("value", "other"), "configmaps/b.yaml": None})
    fabrics.eventually(lambda: repository.show("configmaps/a.yaml") == made)
    fabrics.eventually(lambda: "configmaps/b.yaml" in repository.files())
    fabrics.wait_synced(revision=repository.head())
    assert data(fabrics, "a") == {"key": "value"}
    assert data(fabrics, "b") == {"key": "value"}


def test_where_the_cluster_is_the_source_it_is_never_written_to(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(config_map("a", key="value"))
    fabrics.apply(repository.url, resources=[IMPORTED], sync=CLUSTER_TO_GIT)
    fabrics.eventually(lambda: repository.head() != "")
    fabrics.wait_synced(revision=repository.head())
    before = fabrics.kubectl.json("get", "configmap", "a")["metadata"]["resourceVersion"]
    repository.publish({"new.yaml": config_map("new", key="value")})
    fabrics.kubectl.apply(config_map("b", key="value"))
    fabrics.eventually(lambda: "configmaps/b.yaml" in repository.files())
    fabrics.wait_synced(revision=repository.head())
    assert data(fabrics, "new") is None
    assert fabrics.kubectl.json("get", "configmap", "a")["metadata"]["resourceVersion"] == before
