"""Secrets come from Git and never go there, and no value of theirs is shown anywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.e2e.sync.looking import wait_error, wait_event
from tests.e2e.sync.manifests import CONFIG
from tests.support.fabrics import Fabrics, condition_of
from tests.support.repository import Repository
from tests.support.tandem import Tandem

DECLARED = "declared-value-61c4"
EDITED = "edited-value-8b0e"
NEXT = "next-value-2f77"
OUTLAWED = "outlawed-value-93aa"

SECRET = f"""\
apiVersion: v1
kind: Secret
metadata:
  name: token
stringData:
  key: {DECLARED}   # the key
data:
  other: {base64.b64encode(b"other").decode()}
"""


@pytest.fixture
def watched(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> Iterator[Fabrics]:
    """Fabrics of which nothing that anybody can see may hold a value of these Secrets."""
    yield fabrics
    shown = {
        "logs": tandem.logs(lines=100_000),
        "metrics": tandem.probe("/metrics")[1],
        "Fabrics": json.dumps(fabrics.kubectl.json("get", "fabrics")),
        "Events": json.dumps(fabrics.kubectl.json("get", "events")),
        "conflicts": json.dumps(fabrics.kubectl.json("get", "syncconflicts")),
        "jobs": json.dumps(fabrics.kubectl.json("get", "syncjobs")),
        "commits": "\n".join(commit.message for commit in repository.log()),
    }
    for value in (DECLARED, EDITED, NEXT, OUTLAWED):
        for text in (value, base64.b64encode(value.encode()).decode()):
            for where, said in shown.items():
                assert text not in said, f"{value} is in the {where}"


def value(fabrics: Fabrics, key: str = "key") -> str | None:
    found = fabrics.kubectl.find("secret", "token")
    encoded = (found or {}).get("data", {}).get(key)
    return None if encoded is None else base64.b64decode(encoded).decode()


def started(fabrics: Fabrics, repository: Repository) -> str:
    first = repository.publish({"secret.yaml": SECRET, "cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    return first


def edit(fabrics: Fabrics) -> None:
    fabrics.kubectl.patch("secret", "token", {"stringData": {"key": EDITED}})


def test_a_secret_follows_git(watched: Fabrics, repository: Repository) -> None:
    started(watched, repository)
    assert (value(watched), value(watched, "other")) == (DECLARED, "other")
    fabrics = watched
    second = repository.publish({"secret.yaml": SECRET.replace(DECLARED, NEXT)})
    fabrics.wait_synced(revision=second)
    assert value(fabrics) == NEXT
    third = repository.publish({"secret.yaml": SECRET.replace("  other: b3RoZXI=\n", "  more: eA==\n")})
    fabrics.wait_synced(revision=third)
    assert (value(fabrics), value(fabrics, "other"), value(fabrics, "more")) == (DECLARED, None, "x")
    fourth = repository.publish({"secret.yaml": None})
    fabrics.wait_synced(revision=fourth)
    assert fabrics.kubectl.find("secret", "token") is None


def test_a_steady_secret_with_string_data_is_no_work(watched: Fabrics, repository: Repository) -> None:
    started(watched, repository)
    before = watched.kubectl.json("get", "secret", "token")["metadata"]["resourceVersion"]
    status = watched.wait_handled(watched.request())
    assert status["drift"] == {"edits": 0, "byOthers": 0}
    assert watched.kubectl.json("get", "secret", "token")["metadata"]["resourceVersion"] == before


def test_a_live_edit_of_a_secret_needs_encryption(watched: Fabrics, repository: Repository) -> None:
    first = started(watched, repository)
    edit(watched)
    error = wait_error(watched, reason="EncryptionRequired", file="secret.yaml")
    assert error["object"] == f"Secret/{watched.namespace}/token"
    watched.wait_condition("Ready", "False", "DocumentsFailed")
    wait_event(watched, "EncryptionRequired")
    assert value(watched) == EDITED, "it is left alone"
    assert repository.head() == first
    watched.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    watched.eventually(lambda: "green" in repository.show("cm.yaml"))
    assert repository.show("secret.yaml") == SECRET
    watched.kubectl.patch("secret", "token", {"stringData": {"key": DECLARED}})
    watched.wait_synced(revision=repository.head())


def test_git_wins_over_a_live_edit_when_a_job_says_so(watched: Fabrics, repository: Repository) -> None:
    started(watched, repository)
    edit(watched)
    wait_error(watched, reason="EncryptionRequired")
    job = {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "SyncJob",
        "metadata": {"name": "again"},
        "spec": {
            "fabricRef": {"name": "demo"},
            "direction": "GitToCluster",
            "options": {"force": True},
            "filters": {"kinds": ["Secret"]},
        },
    }
    watched.kubectl.apply(json.dumps(job))
    watched.eventually(lambda: value(watched) == DECLARED)
    watched.wait_synced()


def test_a_secret_that_was_there_before_is_a_conflict_without_values(watched: Fabrics, repository: Repository) -> None:
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"key": EDITED}}
    watched.kubectl.apply(json.dumps(live))
    first = repository.publish({"secret.yaml": SECRET})
    watched.apply(repository.url)
    conflict = watched.wait_conflict()
    shown = {side: field[side] for field in conflict["spec"]["fields"] for side in ("git", "cluster") if side in field}
    assert set(shown.values()) == {"(hidden)"}
    name = conflict["metadata"]["name"]
    watched.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "ClusterWins"}}})

    def refused() -> bool:
        ready = condition_of(watched.kubectl.json("get", "syncconflict", name), "Ready")
        return ready["reason"] == "ResolutionFailed" and "never written to Git in clear" in ready["message"]

    watched.eventually(refused)
    assert value(watched) == EDITED
    watched.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "GitWins"}}})
    watched.eventually(lambda: value(watched) == DECLARED)
    watched.wait_synced(revision=first)


def test_a_live_edit_and_a_commit_wait_for_each_other(watched: Fabrics, repository: Repository) -> None:
    started(watched, repository)
    watched.patch({"suspend": True})
    second = repository.publish({"secret.yaml": SECRET.replace(DECLARED, NEXT)})
    edit(watched)
    watched.patch({"suspend": False})
    wait_error(watched, reason="EncryptionRequired")
    assert value(watched) == EDITED
    watched.kubectl.patch("secret", "token", {"stringData": {"key": DECLARED}})  # taken back
    watched.eventually(lambda: value(watched) == NEXT)
    watched.wait_synced(revision=second)


def test_a_refused_secret_is_told_without_its_values(watched: Fabrics, repository: Repository) -> None:
    started(watched, repository)
    repository.publish({"secret.yaml": SECRET.replace("  key:", "  not/a/key:").replace(DECLARED, OUTLAWED)})
    error = wait_error(watched, file="secret.yaml", reason="FieldRefused")
    assert error["line"] == 1
    assert value(watched) == DECLARED
    watched.wait_condition("Ready", "False", "DocumentsFailed")


def test_an_undecodable_value_is_told_without_it(watched: Fabrics, repository: Repository) -> None:
    started(watched, repository)
    repository.publish({"secret.yaml": SECRET.replace("b3RoZXI=", f"'{OUTLAWED}!'")})
    wait_error(watched, file="secret.yaml")
    assert value(watched, "other") == "other"


def test_live_secrets_are_never_imported(watched: Fabrics, repository: Repository) -> None:
    edit_secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "live"}, "stringData": {"key": EDITED}}
    watched.kubectl.apply(json.dumps(edit_secret))
    repository.publish({"cm.yaml": CONFIG})
    watched.apply(repository.url, resources=[{"kind": "ConfigMap"}, {"kind": "Secret", "import": True}])
    wait_event(watched, "EncryptionRequired", "Secret/")
    assert repository.files() == ["cm.yaml"]
    assert watched.kubectl.find("secret", "live") is not None
