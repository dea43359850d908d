"""A live edit becomes a commit: the edited lines and no others, and what nobody meant is left where it is."""

from __future__ import annotations

import json

import pytest

from tests.e2e.sync.manifests import CONFIG, DEPLOYMENT, config_map
from tests.support.fabrics import Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")


def data(fabrics: Fabrics, name: str) -> dict[str, str] | None:
    found = fabrics.config_map(name)
    return None if found is None else found.get("data", {})


def test_an_edit_becomes_a_commit_of_one_line(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: repository.head() != first)
    assert repository.changed_lines(first) == ["-  color: blue   # the color", "+  color: green   # the color"]
    (commit,) = repository.log(f"{first}..main")
    found = fabrics.kubectl.json("get", "configmap", "web")["metadata"]
    assert commit.subject == f"Write back 1 object from {fabrics.namespace}/demo"
    assert commit.author == "Tandem <tandem@localhost>"
    assert commit.trailers["Tandem-Fabric"] == [f"{fabrics.namespace}/demo"]
    (named,) = commit.trailers["Tandem-Object"]
    assert named.startswith(f"v1 ConfigMap {fabrics.namespace}/web uid={found['uid']} rv=")
    assert commit.trailers["Field-Manager"] == ["kubectl-patch"]
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.status()["revision"]["pushed"] == repository.head()
    assert fabrics.kubectl.json("get", "configmap", "web")["metadata"]["resourceVersion"] == found["resourceVersion"]


@pytest.mark.parametrize("adopted", [False, True], ids=["created from Git", "adopted from kubectl apply"])
def test_a_field_edited_live_and_then_removed_in_git_is_gone(
    fabrics: Fabrics, repository: Repository, adopted: bool
) -> None:
    if adopted:
        fabrics.kubectl.apply(CONFIG)
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    second = repository.publish({"cm.yaml": config_map("web", size="big")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"size": "big"}


def test_a_field_of_an_adopted_object_that_is_removed_in_git_is_gone(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(CONFIG)
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"cm.yaml": config_map("web", size="big")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"size": "big"}


def test_edits_of_both_sides_in_other_fields_are_merged(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.patch({"suspend": True})
    repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.patch({"suspend": False})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "green", "size": "huge"})
    fabrics.eventually(lambda: "green   # the color" in repository.show("cm.yaml"))
    assert "huge" in repository.show("cm.yaml")
    assert fabrics.conflicts() == []


def make_conflict(fabrics: Fabrics, repository: Repository) -> str:
    """Both sides change `color`; the name of the SyncConflict."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.patch({"suspend": True})
    repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.patch({"suspend": False})
    conflict = fabrics.wait_conflict()
    (field,) = conflict["spec"]["fields"]
    assert (field["path"], field["base"], field["git"], field["cluster"]) == ("/data/color", "blue", "red", "green")
    assert (field["editor"], field["author"]) == ("kubectl-patch", "Ada <ada@example.com>")
    assert field["commit"] == conflict["spec"]["gitCommit"] == repository.head()
    assert conflict["spec"]["type"] == "BothChanged"
    name: str = conflict["metadata"]["name"]
    return name


@pytest.mark.parametrize(
    ("resolution", "color"),
    [
        pytest.param({"strategy": "GitWins"}, "red", id="Git wins"),
        pytest.param({"strategy": "ClusterWins"}, "green", id="the cluster wins"),
        pytest.param(
            {"strategy": "Manual", "decisions": [{"path": "/data/color", "choose": "Value", "value": "gold"}]},
            "gold",
            id="a value of its own",
        ),
    ],
)
def test_a_clash_is_a_conflict_that_kubectl_resolves(
    fabrics: Fabrics, repository: Repository, resolution: dict[str, object], color: str
) -> None:
    name = make_conflict(fabrics, repository)
    assert data(fabrics, "web") == {"color": "green", "size": "big"}, "left alone as a whole"
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": resolution}})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": color, "size": "big"})
    fabrics.eventually(lambda: f"color: {color}" in repository.show("cm.yaml"))
    fabrics.eventually(lambda: fabrics.kubectl.json("get", "syncconflict", name)["status"]["state"] == "Resolved")
    fabrics.wait_synced()


def test_a_conflict_whose_sides_agree_again_is_superseded(fabrics: Fabrics, repository: Repository) -> None:
    name = make_conflict(fabrics, repository)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.eventually(lambda: fabrics.kubectl.json("get", "syncconflict", name)["status"]["state"] == "Superseded")
    fabrics.wait_synced()


def test_a_decision_on_values_that_moved_since_is_stale(fabrics: Fabrics, repository: Repository) -> None:
    name = make_conflict(fabrics, repository)
    token = fabrics.kubectl.json("get", "syncconflict", name)["spec"]["stateToken"]
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "brown"}})
    fabrics.eventually(lambda: fabrics.kubectl.json("get", "syncconflict", name)["spec"]["stateToken"] != token)
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "GitWins", "stateToken": token}}})

    def stale() -> bool:
        found = fabrics.kubectl.json("get", "syncconflict", name)
        reasons = {condition["reason"] for condition in found["status"]["conditions"]}
        return "resolution" not in found["spec"] and found["status"]["state"] == "Open" and "Stale" in reasons

    fabrics.eventually(stale)
    assert data(fabrics, "web") == {"color": "brown", "size": "big"}


def test_a_conflict_that_was_deleted_by_hand_is_made_again(fabrics: Fabrics, repository: Repository) -> None:
    name = make_conflict(fabrics, repository)
    before = fabrics.kubectl.json("get", "syncconflict", name)["metadata"]["uid"]
    fabrics.kubectl("delete", "syncconflict", name)
    again = fabrics.wait_conflict()
    assert again["metadata"]["name"] == name
    assert again["metadata"]["uid"] != before


def test_replicas_that_a_controller_sets_survive_another_image(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"deployment.yaml": DEPLOYMENT})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("deployment", "web", {"spec": {"replicas": 7}}, "--field-manager=kube-controller-manager")
    fabrics.eventually(lambda: fabrics.status()["drift"]["byOthers"] == 1)
    second = repository.publish({"deployment.yaml": DEPLOYMENT.replace("1.27", "1.28")})
    fabrics.wait_synced(revision=second)
    spec = fabrics.kubectl.json("get", "deployment", "web")["spec"]
    assert spec["replicas"] == 7
    assert spec["template"]["spec"]["containers"][0]["image"] == "nginx:1.28"
    assert repository.head() == second, "nothing was written to Git"


def test_an_edit_of_a_keyed_list_changes_its_lines_only(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"deployment.yaml": DEPLOYMENT})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("set", "image", "deployment/web", "web=nginx:1.29")
    fabrics.eventually(lambda: repository.head() != first)
    assert repository.changed_lines(first) == [
        "-          image: nginx:1.27   # pinned",
        "+          image: nginx:1.29   # pinned",
    ]
    second = repository.head()
    fabrics.kubectl("set", "env", "deployment/web", "MODE=dark")
    fabrics.eventually(lambda: repository.head() != second)
    added = repository.changed_lines(second)
    assert all(line.startswith("+") for line in added)
    assert {line.strip("+ ") for line in added} == {"env:", "- name: MODE", "value: dark"}


def test_an_unknown_manager_is_a_conflict_until_it_is_named(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}}, "--field-manager=somebody")
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "UnknownEditor"
    (field,) = conflict["spec"]["fields"]
    assert field["editor"] == "somebody"
    assert field["editedAt"], "a watch saw it"
    assert "commit" not in field, "Git did not change"
    assert repository.head() == first
    fabrics.patch({"sync": {"editors": {"include": ["somebody"]}}})
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    name = conflict["metadata"]["name"]
    fabrics.eventually(lambda: fabrics.kubectl.json("get", "syncconflict", name)["status"]["state"] == "Superseded")


def test_an_edit_that_its_unknown_manager_takes_back_is_superseded(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}}, "--field-manager=somebody")
    name = fabrics.wait_conflict()["metadata"]["name"]
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "blue"}}, "--field-manager=somebody")
    fabrics.eventually(lambda: fabrics.kubectl.json("get", "syncconflict", name)["status"]["state"] == "Superseded")
    assert repository.head() == first


def test_a_deletion_in_the_cluster_is_a_conflict(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", "web")
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "DeletedInCluster"
    assert conflict["status"]["severity"] == "Critical"
    fabrics.kubectl.patch(
        "syncconflict", conflict["metadata"]["name"], {"spec": {"resolution": {"strategy": "GitWins"}}}
    )
    fabrics.eventually(lambda: data(fabrics, "web") is not None)


def test_an_observed_deletion_removes_the_document(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": config_map("other", key="value")})
    fabrics.apply(repository.url, deletion={"propagate": "Observed", "settle": "1s"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", "web")
    fabrics.eventually(lambda: repository.files() == ["other.yaml"])
    fabrics.wait_synced(revision=repository.head())


def test_a_deletion_that_never_propagates_is_undone(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, deletion={"propagate": "Never"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("delete", "configmap", "web")
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "big"})


def test_objects_are_imported_without_what_the_server_made(fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(DEPLOYMENT)
    repository.publish({"cm.yaml": CONFIG})
    kinds = [
        {"group": "", "kind": "ConfigMap"},
        {"group": "apps", "kind": "Deployment", "import": True, "directory": "workloads"},
    ]
    fabrics.apply(repository.url, resources=kinds)
    fabrics.eventually(lambda: "workloads/web.yaml" in repository.files())
    text = repository.show("workloads/web.yaml")
    for made in ("uid", "status", "strategy", "terminationGracePeriodSeconds", "managedFields", "creationTimestamp"):
        assert made not in text
    assert "image: nginx:1.27" in text
    fabrics.wait_synced(revision=repository.head())


def test_a_secret_is_applied_and_never_written_back(fabrics: Fabrics, repository: Repository, kubectl: Kubectl) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\nstringData:\n  key: first-value\n"
    first = repository.publish({"secret.yaml": secret})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("secret", "token", {"stringData": {"key": "canary-7f3a"}})
    said = fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert "EncryptionRequired" in said["message"]
    assert repository.head() == first
    everything = json.dumps(fabrics.get()) + json.dumps(fabrics.events()) + json.dumps(fabrics.conflicts())
    assert "canary-7f3a" not in everything
