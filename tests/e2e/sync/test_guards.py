"""What stops a whole plan: the numbers, nothing done on either side, and on again once it is put right or confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.sync.looking import data, wait_event
from tests.e2e.sync.manifests import CONFIG, config_map, several
from tests.support.fabrics import Fabrics, Json
from tests.support.repository import Repository
from tests.support.tandem import Tandem

CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: disk
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
"""


def wait_guard(fabrics: Fabrics, reason: str) -> Json:
    """The one guard that stops the plan."""
    fabrics.wait_condition("Stalled", "True", reason)
    (guard,) = fabrics.status()["guards"]
    assert guard["reason"] == reason
    return dict(guard)


def started(fabrics: Fabrics, repository: Repository, files: dict[str, str], **spec: Any) -> str:
    """The first commit, in step."""
    first = repository.publish(files)
    fabrics.apply(repository.url, **spec)
    fabrics.wait_synced(revision=first)
    return first


def test_an_emptied_source_goes_on_when_it_is_put_right(
    tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    first = started(fabrics, repository, {"all.yaml": several("a", "b"), "README.md": "hello\n"})
    repository.publish({"all.yaml": None})
    guard = wait_guard(fabrics, "EmptySource")
    assert (guard["deletions"], guard["edits"]) == (2, 0)
    assert guard["objects"] == [f"prune ConfigMap/{fabrics.namespace}/{name}" for name in "ab"]
    fabrics.wait_condition("Ready", "False", "EmptySource")
    wait_event(fabrics, "EmptySource", "2 objects")
    assert fabrics.status()["revision"]["applied"] == first
    third = repository.publish({"all.yaml": several("a", "b", "c")})
    status = fabrics.wait_synced(revision=third)
    assert status["guards"] == []
    assert fabrics.condition("Stalled") == {}
    assert all(data(fabrics, name) is not None for name in "abc")


def test_a_mass_deletion_waits_for_its_own_token(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    names = [f"n{number:02}" for number in range(12)]
    started(fabrics, repository, {"all.yaml": several(*names), "x.yaml": config_map("x", key="one")})
    repository.publish({"all.yaml": several("n00", "n01"), "x.yaml": config_map("x", key="two")})
    guard = wait_guard(fabrics, "DeletionGuard")
    assert guard["deletions"] == 10
    assert len(guard["objects"]) == 10
    assert data(fabrics, "x") == {"key": "one"}, "the whole plan is stopped"
    fabrics.confirm("0123456789abcdef")
    fabrics.wait_handled(fabrics.request())
    assert data(fabrics, "n11") is not None, "another token lets nothing through"
    more = repository.publish({"all.yaml": several("n00")})
    fabrics.wait(lambda found: found["status"]["guards"][0]["deletions"] == 11)
    fabrics.confirm(guard["token"])
    fabrics.wait_handled(fabrics.request())
    assert data(fabrics, "n11") is not None, "a token stands for what it was shown with"
    fabrics.confirm(f"{guard['token']},{wait_guard(fabrics, 'DeletionGuard')['token']}")
    fabrics.wait_synced(revision=more)
    assert [data(fabrics, name) for name in names[1:]] == [None] * 11
    assert data(fabrics, "x") == {"key": "two"}


def test_a_number_of_deletions_stops_by_itself(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    started(fabrics, repository, {"all.yaml": several("a", "b", "c", "d")}, deletion={"maxDeletions": 1})
    second = repository.publish({"all.yaml": several("a", "b")})
    said = fabrics.wait_condition("Stalled", "True", "DeletionGuard")
    assert "2 objects would be deleted; spec.deletion.maxDeletions is 1" in said["message"]
    assert data(fabrics, "c") is not None
    fabrics.patch({"deletion": {"maxDeletions": 2}})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "c") is None


def test_what_holds_others_is_not_pruned_unasked(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    started(fabrics, repository, {"cm.yaml": CONFIG, "disk.yaml": CLAIM})
    second = repository.publish({"disk.yaml": None})
    guard = wait_guard(fabrics, "DeletionGuard")
    assert guard["objects"] == [f"prune PersistentVolumeClaim/{fabrics.namespace}/disk"]
    assert fabrics.kubectl.find("pvc", "disk") is not None
    fabrics.confirm(guard["token"])
    fabrics.wait_applied(second)
    fabrics.eventually(lambda: "deletionTimestamp" in (fabrics.kubectl.find("pvc", "disk") or GONE)["metadata"])


GONE = {"metadata": {"deletionTimestamp": "now"}}


def edit_all(fabrics: Fabrics, *names: str) -> None:
    """Live edits that one plan finds together."""
    fabrics.patch({"suspend": True})
    for name in names:
        fabrics.kubectl.patch("configmap", name, {"data": {"key": "edited"}})
    fabrics.patch({"suspend": False})


@pytest.mark.parametrize("way_out", ["confirmed", "put right", "allowed"])
def test_a_mass_edit_stays_live_and_out_of_git_until_somebody_says_so(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, way_out: str
) -> None:
    first = started(fabrics, repository, {"all.yaml": several("a", "b", "c")}, sync={"maxEdits": 2})
    edit_all(fabrics, "a", "b", "c")
    guard = wait_guard(fabrics, "EditGuard")
    assert (guard["edits"], guard["deletions"]) == (3, 0)
    said = fabrics.condition("Stalled")["message"]
    assert "3 objects with edits would be written to Git; spec.sync.maxEdits is 2" in said
    wait_event(fabrics, "EditGuard", "3 objects")
    assert repository.head() == first
    assert data(fabrics, "a") == {"key": "edited"}
    match way_out:
        case "confirmed":
            fabrics.confirm(guard["token"])
        case "put right":
            fabrics.kubectl.patch("configmap", "c", {"data": {"key": "value"}})
        case "allowed":
            fabrics.patch({"sync": {"maxEdits": 3}})
    fabrics.eventually(lambda: repository.head() != first)
    (commit,) = repository.log(f"{first}..main")
    assert len(commit.trailers["Tandem-Object"]) == (2 if way_out == "put right" else 3)
    fabrics.wait_synced(revision=repository.head())


def rewrite(repository: Repository, files: dict[str, str]) -> str:
    """Another first commit in place of all history."""
    repository.clone("checkout", "--quiet", "--orphan", "other")
    repository.clone("rm", "-r", "--quiet", "--force", ".")
    commit = repository.clone.commit(files, "begin anew")
    repository.clone.push("--force")
    return commit


def test_rewritten_history_that_misses_objects_is_stopped(
    tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    first = started(fabrics, repository, {"all.yaml": several("a", "b")})
    second = rewrite(repository, {"all.yaml": several("a")})
    guard = wait_guard(fabrics, "HistoryRewritten")
    assert guard["objects"] == [f"prune ConfigMap/{fabrics.namespace}/b"]
    assert data(fabrics, "b") is not None
    assert fabrics.status()["revision"]["applied"] == first
    fabrics.confirm(guard["token"])
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "b") is None
    assert data(fabrics, "a") is not None


def test_rewritten_history_that_misses_nothing_goes_on(
    tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    started(fabrics, repository, {"all.yaml": several("a", "b")})
    second = rewrite(repository, {"moved/all.yaml": several("a", "b", "c")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "c") is not None
    fabrics.kubectl.patch("configmap", "a", {"data": {"key": "edited"}})
    fabrics.eventually(lambda: "edited" in repository.show("moved/all.yaml"))


@pytest.mark.parametrize("where", [{"directory": "other"}, {"branch": "other"}], ids=["directory", "branch"])
def test_another_place_that_misses_objects_is_stopped(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, where: dict[str, str]
) -> None:
    started(fabrics, repository, {"all.yaml": several("a", "b"), "other/a.yaml": config_map("c", key="value")})
    repository.clone("push", "--quiet", "origin", "HEAD:refs/heads/other")
    if "branch" in where:
        repository.clone.commit({"all.yaml": several("a")})
        repository.clone("push", "--quiet", "origin", "HEAD:refs/heads/other")
    fabrics.patch({"repository": where})
    guard = wait_guard(fabrics, "HistoryRewritten")
    assert f"prune ConfigMap/{fabrics.namespace}/b" in guard["objects"]
    assert data(fabrics, "b") is not None
    fabrics.confirm(guard["token"])
    fabrics.wait_synced()
    assert data(fabrics, "b") is None


@pytest.mark.parametrize("way_out", ["decided", "allowed"])
def test_an_object_that_had_its_commits_of_this_hour_is_asked_about(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, way_out: str
) -> None:
    first = started(fabrics, repository, {"cm.yaml": CONFIG}, sync={"maxCommitsPerHour": 2})
    for color in ("green", "red"):
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": color}})
        fabrics.eventually(lambda color=color: color in repository.show("cm.yaml"))  # type: ignore[misc]
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "pink"}})
    conflict = fabrics.wait_conflict()
    (ready,) = [said for said in conflict["status"]["conditions"] if said["type"] == "Ready"]
    assert ready["reason"] == "TooManyCommits"
    assert "spec.sync.maxCommitsPerHour" in ready["message"]
    fabrics.wait_condition("Ready", "False", "ConflictsOpen")
    assert len(repository.log(f"{first}..main")) == 2
    if way_out == "decided":
        decision = {"spec": {"resolution": {"strategy": "ClusterWins"}}}
        fabrics.kubectl.patch("syncconflict", conflict["metadata"]["name"], decision)
    else:
        fabrics.patch({"sync": {"maxCommitsPerHour": 3}})
    fabrics.eventually(lambda: "pink" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    fabrics.wait_condition("Conflicted", "False", "NoConflicts")


def test_a_stopped_plan_is_still_stopped_after_a_restart(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    started(fabrics, repository, {"all.yaml": several("a", "b"), "README.md": "hello\n"})
    second = repository.publish({"all.yaml": None})
    guard = wait_guard(fabrics, "EmptySource")
    own_tandem.restart()
    fabrics.wait_handled(fabrics.request())
    assert wait_guard(fabrics, "EmptySource")["token"] == guard["token"]
    assert data(fabrics, "a") is not None
    fabrics.confirm(guard["token"])
    fabrics.wait_applied(second)
    assert data(fabrics, "a") is None
