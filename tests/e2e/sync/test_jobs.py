"""Runs that somebody asks for with a SyncJob: one at a time, to a final phase, with counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG, config_map, several
from tests.support.fabrics import NAME, Fabrics, Json, condition_of
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")

SLOW = {"interval": "1h"}  # nothing is looked for unless somebody asks
FINAL = ("Completed", "PartiallyCompleted", "Failed", "Cancelled")


def make_job(fabrics: Fabrics, name: str = "job", fabric: str = NAME, **spec: Any) -> None:
    job = {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "SyncJob",
        "metadata": {"name": name},
        "spec": {"fabricRef": {"name": fabric}, **spec},
    }
    fabrics.kubectl.apply(json.dumps(job), "--server-side")


def wait_job(fabrics: Fabrics, name: str = "job", *phases: str) -> Json:
    """The job's status, once it is in one of these phases (any final one)."""

    def ended() -> Json:
        status: Json = fabrics.kubectl.json("get", "syncjob", name).get("status", {})
        assert status.get("phase") in (phases or FINAL), f"{name}: {status}"
        return status

    return fabrics.eventually(ended)


def counted(status: Json) -> Json:
    return {name: count for name, count in status["statistics"].items() if count}


def test_a_sync_job_runs_at_once_and_counts(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"all.yaml": several("a", "b", "c"), "x.yaml": config_map("x", key="one")})
    fabrics.apply(repository.url, sync=SLOW)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"all.yaml": several("a", "b", "d"), "x.yaml": config_map("x", key="two")})
    make_job(fabrics, initiatedBy="ada")
    status = wait_job(fabrics)
    assert status["phase"] == "Completed"
    assert counted(status) == {"created": 1, "updated": 1, "deleted": 1, "skipped": 2}
    assert status["progress"] == {"targeted": 5, "processed": 5}
    assert status["operationId"]
    assert status["startTime"] <= status["completionTime"]
    assert {(result["action"], result["outcome"]) for result in status["results"]} == {
        ("create", "Done"),
        ("configure", "Done"),
        ("prune", "Done"),
    }
    assert data(fabrics, "d") == {"key": "value"}
    fabrics.wait_synced(revision=second)
    metadata = fabrics.kubectl.json("get", "syncjob", "job")["metadata"]
    assert metadata["labels"]["tandem.dev/fabric"] == NAME
    assert [(owner["kind"], owner["name"]) for owner in metadata["ownerReferences"]] == [("Fabric", NAME)]


def test_a_job_writes_back_with_its_own_message(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, resources=[{"kind": "ConfigMap", "direction": "ManualOnly"}])
    fabrics.wait_applied(first)
    assert data(fabrics, "web") is None, "such a kind takes part only when somebody asks"
    make_job(fabrics, "first")
    assert counted(wait_job(fabrics, "first")) == {"created": 1}
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    make_job(fabrics, "second", options={"commitMessage": "Paint it green"})
    status = wait_job(fabrics, "second")
    assert (status["phase"], counted(status)) == ("Completed", {"written": 1})
    assert status["commitSHA"] == repository.head()
    assert repository.log()[0].subject == "Paint it green"


def test_a_job_is_for_the_objects_it_names(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"all.yaml": several("web-1", "web-2", "db")})
    fabrics.apply(repository.url, sync=SLOW)
    fabrics.wait_synced(revision=first)
    repository.publish({"all.yaml": several("web-1", "web-2", "db").replace("value", "new")})
    make_job(fabrics, filters={"names": ["web-*"], "kinds": ["ConfigMap"]})
    assert counted(wait_job(fabrics)) == {"updated": 2}
    assert data(fabrics, "web-1") == {"key": "new"}
    fabrics.eventually(lambda: data(fabrics, "db") == {"key": "new"})  # the fabric's own run does the rest


def test_a_job_with_force_lets_one_side_win(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, resources=[{"kind": "ConfigMap", "direction": "ManualOnly"}])
    fabrics.wait_applied(first)
    make_job(fabrics, "first")
    wait_job(fabrics, "first")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
    make_job(fabrics, "second", direction="GitToCluster", options={"force": True})
    status = wait_job(fabrics, "second")
    assert status["phase"] == "Completed"
    assert [result["message"] for result in status["results"]] == ['lost: /data/color: "green"'], "what lost is kept"
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert fabrics.conflicts() == []


def clash(fabrics: Fabrics, repository: Repository, *names: str) -> None:
    """A conflict for each."""
    repository.publish({"all.yaml": several(*names)})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    fabrics.patch({"suspend": True})
    repository.publish({"all.yaml": several(*names).replace("value", "git")})
    for name in names:
        fabrics.kubectl.patch("configmap", name, {"data": {"key": "live"}})
    fabrics.patch({"suspend": False})
    fabrics.eventually(lambda: len(fabrics.conflicts()) == len(names))


def test_a_job_that_meets_conflicts_completes_and_counts_them(fabrics: Fabrics, repository: Repository) -> None:
    clash(fabrics, repository, "a", "b")
    make_job(fabrics)
    status = wait_job(fabrics)
    assert status["phase"] == "Completed"
    assert counted(status) == {"conflictsDetected": 2, "skipped": 2}


@pytest.mark.parametrize(("strategy", "value"), [("GitWins", "git"), ("ClusterWins", "live")])
def test_a_job_resolves_open_conflicts(fabrics: Fabrics, repository: Repository, strategy: str, value: str) -> None:
    clash(fabrics, repository, "a", "b", "c")
    make_job(fabrics, type="ResolveConflicts", conflictResolution={"strategy": strategy}, filters={"names": ["a", "b"]})
    status = wait_job(fabrics)
    assert status["phase"] == "Completed"
    assert status["statistics"]["conflictsResolved"] == 2
    for name in ("a", "b"):
        fabrics.eventually(lambda name=name: data(fabrics, name) == {"key": value})  # type: ignore[misc]
    fabrics.eventually(lambda: len(fabrics.conflicts()) == 1)
    assert data(fabrics, "c") == {"key": "live"}, "nobody asked for it"
    assert repository.show("all.yaml").count("key: live") == (2 if value == "live" else 0)


def test_a_job_that_a_document_stands_in_the_way_of_is_partially_completed(
    fabrics: Fabrics, repository: Repository
) -> None:
    first = repository.publish({"a.yaml": config_map("a", key="one")})
    fabrics.apply(repository.url, sync=SLOW)
    fabrics.wait_synced(revision=first)
    bad = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bad\ndatum: {}\n"
    repository.publish({"a.yaml": config_map("a", key="two"), "bad.yaml": bad})
    make_job(fabrics, "first")
    make_job(fabrics, "second")
    for name in ("first", "second"):  # the second one finds the refusal in its memory
        status = wait_job(fabrics, name)
        assert status["phase"] == "PartiallyCompleted"
        assert status["statistics"]["failed"] == 1
        (error,) = status["errors"]
        assert (error["reason"], error["file"]) == ("UnknownField", "bad.yaml")
        assert condition_of({"status": status}, "Ready")["reason"] == "UnknownField"
    assert data(fabrics, "a") == {"key": "two"}


def test_a_job_that_a_guard_stops_has_failed_and_says_which(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"all.yaml": several("a", "b"), "README.md": "hello\n"})
    fabrics.apply(repository.url, sync=SLOW)
    fabrics.wait_synced()
    repository.publish({"all.yaml": None})
    make_job(fabrics)
    status = wait_job(fabrics)
    assert status["phase"] == "Failed"
    ready = condition_of({"status": status}, "Ready")
    assert ready["reason"] == "EmptySource"
    assert "2 objects" in ready["message"]


def test_a_job_whose_remote_is_gone_has_failed_and_says_why(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync=SLOW)
    fabrics.wait_synced()
    repository.bare.rename(repository.bare.with_suffix(".away"))
    make_job(fabrics)
    status = wait_job(fabrics)
    assert status["phase"] == "Failed"
    assert [error["reason"] for error in status["errors"]] == ["RepositoryNotFound"]


def wait_waiting(fabrics: Fabrics, text: str, name: str = "job") -> None:
    status = wait_job(fabrics, name, "Pending")
    assert text in condition_of({"status": status}, "Reconciling")["message"]


def test_a_job_for_a_missing_fabric_waits_for_it(fabrics: Fabrics, repository: Repository) -> None:
    make_job(fabrics)
    wait_waiting(fabrics, "there is no Fabric of this name in this namespace")
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    assert wait_job(fabrics)["phase"] == "Completed"
    fabrics.wait_synced(revision=first)


def test_a_job_for_a_suspended_fabric_waits_until_it_is_resumed(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, suspend=True)
    make_job(fabrics)
    wait_waiting(fabrics, "suspended")
    assert data(fabrics, "web") is None
    fabrics.patch({"suspend": False})
    assert wait_job(fabrics)["phase"] == "Completed"
    assert data(fabrics, "web") is not None


def test_a_job_for_a_fabric_with_an_invalid_spec_waits_and_says_what_is_wrong(
    fabrics: Fabrics, repository: Repository
) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, ignore=[{"paths": ["/spec/{nothing}"]}])
    make_job(fabrics)
    wait_waiting(fabrics, "spec.ignore[0].paths[0]")
    fabrics.patch({"ignore": []})
    assert wait_job(fabrics)["phase"] == "Completed"


def test_of_two_jobs_each_runs_in_its_turn(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"all.yaml": several("a", "b")})
    fabrics.apply(repository.url, sync=SLOW, suspend=True)
    make_job(fabrics, "one")
    make_job(fabrics, "two")
    fabrics.patch({"suspend": False})
    ended = [wait_job(fabrics, name) for name in ("one", "two")]
    assert [status["phase"] for status in ended] == ["Completed", "Completed"]
    assert ended[0]["operationId"] != ended[1]["operationId"]
    assert counted(ended[1]) == {"skipped": 2}


def test_a_cancelled_job_ends_as_such(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, suspend=True)
    make_job(fabrics)
    wait_waiting(fabrics, "suspended")
    fabrics.kubectl("annotate", "syncjob", "job", "tandem.dev/cancel=keep")
    fabrics.patch({"suspend": False})
    assert wait_job(fabrics)["phase"] == "Cancelled"
    fabrics.wait_synced()


def test_a_job_deleted_before_its_end_leaves_no_trace_and_its_name_can_be_used_again(
    fabrics: Fabrics, repository: Repository
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync=SLOW)
    fabrics.wait_synced(revision=first)
    for color in ("red", "green"):
        second = repository.publish({"cm.yaml": CONFIG.replace("blue", color)})
        make_job(fabrics)
        fabrics.kubectl("delete", "syncjob", "job")
    make_job(fabrics)
    assert wait_job(fabrics)["phase"] == "Completed"
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "green", "size": "big"}


def test_a_finished_job_goes_with_its_fabric(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    make_job(fabrics)
    wait_job(fabrics)
    fabrics.remove_all()
    fabrics.kubectl("wait", "--for=delete", "syncjob/job", "--timeout=30s")
