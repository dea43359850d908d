"""Names of conflicts, and values that may be null or absent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.v1alpha1.syncconflict import (
    Choice,
    ConflictState,
    Decision,
    FieldConflict,
    SyncConflict,
    conflict_name,
)
from controller.api.v1alpha1.syncjob import JobPhase, SyncJob
from controller.objects import ObjectKey

NAMES = st.text("aZ09-.:_/", min_size=1, max_size=300)
WEB = ObjectKey("apps", "Deployment", "shop", "web")


def test_the_name_tells_fabric_kind_and_object_and_ends_in_a_hash() -> None:
    # first 8 hex of sha256("uid-1/apps/Deployment/shop/web")
    assert conflict_name("fleet", "uid-1", WEB) == "fleet-deployment-web-bbaf3e21"


@pytest.mark.parametrize(
    "other",
    [
        ObjectKey("extensions", "Deployment", "shop", "web"),
        ObjectKey("apps", "Deployment", "other", "web"),
        ObjectKey("apps", "Deployment", "", "web"),
    ],
)
def test_what_the_readable_part_does_not_tell_the_hash_does(other: ObjectKey) -> None:
    first, second = conflict_name("fleet", "uid-1", WEB), conflict_name("fleet", "uid-1", other)
    assert first.rpartition("-")[0] == second.rpartition("-")[0]
    assert first != second


def test_fabrics_of_one_name_have_conflicts_of_their_own() -> None:
    assert conflict_name("fleet", "uid-1", WEB) != conflict_name("fleet", "uid-2", WEB)


def test_names_that_kubernetes_would_not_take_are_made_fit() -> None:
    key = ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "system:node:Über")
    assert conflict_name("fleet", "u", key).startswith("fleet-clusterrole-system-node-ber-")


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True), st.text(min_size=1, max_size=300) | NAMES)
def test_every_name_is_a_dns_subdomain(fabric: str, name: str) -> None:
    made = conflict_name(fabric, "u", ObjectKey("", "ConfigMap", "ns", name))
    assert len(made) <= 253
    label = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    assert re.fullmatch(rf"{label}(\.{label})*", made)
    assert made == conflict_name(fabric, "u", ObjectKey("", "ConfigMap", "ns", name))


VALUES: dict[str, dict[str, Any]] = {
    "all three": {"path": "/a", "base": 1, "git": 2, "cluster": 3},
    "null is a value": {"path": "/a", "base": None, "git": None, "cluster": 3},
    "absent is not null": {"path": "/a", "git": None},
    "structures": {"path": "/a", "base": {"x": [1, None]}, "git": [], "cluster": ""},
    "none": {"path": "/a"},
}


@pytest.mark.parametrize("row", VALUES)
def test_values_come_back_as_they_were(row: str) -> None:
    content = VALUES[row]
    read = FieldConflict.model_validate(content)
    assert read.to_json() == content
    for side in ("base", "git", "cluster"):
        assert read.has(side) is (side in content)


def test_a_field_made_in_code_writes_only_what_was_given() -> None:
    assert FieldConflict(path="/a", git=None, editor="kubectl").to_json() == {
        "path": "/a",
        "git": None,
        "editor": "kubectl",
    }


def test_a_decision_for_no_value_differs_from_one_for_null() -> None:
    removed = Decision(path="/a", choose=Choice.VALUE)
    nothing = Decision(path="/a", choose=Choice.VALUE, value=None)
    assert (removed.has("value"), nothing.has("value")) == (False, True)
    assert removed.to_json() == {"path": "/a", "choose": "Value"}
    assert nothing.to_json() == {"path": "/a", "choose": "Value", "value": None}


def test_a_whole_conflict_comes_back_as_it_was_written() -> None:
    content = {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "SyncConflict",
        "metadata": {"name": "c", "namespace": "n"},
        "spec": {
            "fabricRef": {"name": "fleet"},
            "object": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "u"},
            "type": "BothChanged",
            "fields": [{"path": "/spec/replicas", "base": 1, "cluster": None, "editedAt": "2026-01-15T09:30:00Z"}],
            "stateToken": "t",
            "resolution": {"strategy": "Manual", "decisions": [{"path": "/spec/replicas", "choose": "Git"}]},
        },
    }
    assert SyncConflict.from_object(content).spec.to_json() == content["spec"]


def test_states_that_are_final() -> None:
    assert {state for state in ConflictState if state.is_final} == {ConflictState.RESOLVED, ConflictState.SUPERSEDED}
    final = {JobPhase.COMPLETED, JobPhase.PARTIALLY_COMPLETED, JobPhase.FAILED, JobPhase.CANCELLED}
    assert {phase for phase in JobPhase if phase.is_final} == final


def test_a_job_keeps_for_a_week() -> None:
    job = SyncJob.from_object({"kind": "SyncJob", "metadata": {"name": "j"}, "spec": {"fabricRef": {"name": "f"}}})
    assert job.spec.ttl_seconds_after_finished == 604_800
    assert job.spec.to_json() == {
        "fabricRef": {"name": "f"},
        "type": "Sync",
        "trigger": "Manual",
        "ttlSecondsAfterFinished": 604_800,
    }
