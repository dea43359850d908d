"""One side lost the object: the deletion rule, pruning, and who decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.errors import Reason
from controller.objects import Json, ObjectKey
from controller.sync.plan.deletions import in_one_wave
from controller.sync.plan.model import (
    Action,
    Change,
    ConflictType,
    Deed,
    DeletionRules,
    Pending,
    Propagate,
    Resolution,
    Rules,
    Severity,
    Strategy,
    Target,
)
from controller.sync.plan.rows import Row
from tests.support.plan import RULES, TO_CLUSTER, TO_GIT, fabric, planned, situation, spec

B = fabric(vlan=1)
D = fabric(vlan=2)
EDITED = fabric(vlan=3)
BY = {"kubectl-edit": ["/spec/vlan"]}
BY_ALICE = Deed("alice", 1.0)


def propagating(propagate: Propagate, rules: Rules = RULES) -> Rules:
    return replace(rules, deletion=DeletionRules(propagate=propagate, settle=timedelta(seconds=30)))


def vanished(rules: Rules = RULES, declared: Json = B, base: Json = B, **facts: Any) -> Change:
    return planned(situation(base, declared, None, target=Target.THERE, **facts), rules)


# ---- the deletion rule ----


def test_a_deletion_by_nobody_known_is_a_conflict() -> None:
    change = vanished()
    assert change.conflict is not None
    assert (change.conflict.type, change.conflict.severity) == (ConflictType.DELETED_IN_CLUSTER, Severity.CRITICAL)
    assert change.conflict.suggested is Strategy.GIT_WINS
    assert not change.conflict.auto_resolvable


@pytest.mark.parametrize("rules", [RULES, TO_GIT], ids=["both directions", "cluster → Git only"])
@pytest.mark.parametrize("propagate", [Propagate.CONFLICT, Propagate.OBSERVED], ids=str)
def test_a_deletion_by_a_known_editor_removes_the_document(propagate: Propagate, rules: Rules) -> None:
    change = vanished(propagating(propagate, rules), deletion=BY_ALICE)
    assert (change.action, change.message) == (Action.REMOVE_DOCUMENT, "deleted by alice")
    assert change.makers == (BY_ALICE,)


@pytest.mark.parametrize(
    ("gone_for", "action"),
    [(None, Action.REMOVE_DOCUMENT), (timedelta(), Action.WAIT), (timedelta(seconds=1), Action.REMOVE_DOCUMENT)],
    ids=["not seen", "just now", "stayed away"],
)
def test_a_deletion_by_a_person_may_be_half_a_replacement(gone_for: timedelta | None, action: Action) -> None:
    change = vanished(deletion=BY_ALICE, gone_for=gone_for)
    assert (change.action, change.reason is Reason.PROGRESSING) == (action, action is Action.WAIT)


@pytest.mark.parametrize("user", ["system:serviceaccount:ci:robot", "system:node:n1", "system:admin"])
def test_a_deletion_by_a_program_is_nobodys_wish(user: str) -> None:
    change = vanished(deletion=Deed(user, 1.0))
    assert change.conflict is not None
    assert change.conflict.message == f"deleted in the cluster by {user}, a program"
    observed = vanished(propagating(Propagate.OBSERVED), deletion=Deed(user, 1.0), gone_for=timedelta(seconds=30))
    assert (observed.action, observed.makers) == (Action.REMOVE_DOCUMENT, ())


def test_a_deletion_by_a_person_is_put_back_where_git_alone_decides() -> None:
    assert vanished(TO_CLUSTER, deletion=BY_ALICE).action is Action.CREATE


def test_a_deletion_by_a_person_of_what_git_changed_is_a_conflict() -> None:
    change = vanished(declared=D, deletion=BY_ALICE)
    assert change.conflict is not None
    assert change.conflict.type is ConflictType.DELETED_IN_CLUSTER


OBSERVED = [
    (None, Action.CONFLICT, Reason.CONFLICTS_OPEN),
    (timedelta(seconds=29), Action.WAIT, Reason.PROGRESSING),
    (timedelta(seconds=30), Action.REMOVE_DOCUMENT, None),
]


@pytest.mark.parametrize(("gone_for", "action", "reason"), OBSERVED, ids=["not seen", "settling", "settled"])
def test_a_deletion_that_was_observed(gone_for: timedelta | None, action: Action, reason: Reason | None) -> None:
    change = vanished(propagating(Propagate.OBSERVED), gone_for=gone_for)
    assert (change.action, change.reason) == (action, reason)


def test_a_deletion_is_not_observed_where_the_fabric_does_not_say_so() -> None:
    assert vanished(gone_for=timedelta(hours=1)).action is Action.CONFLICT


def test_never_creates_it_again() -> None:
    assert vanished(propagating(Propagate.NEVER), deletion=BY_ALICE).action is Action.CREATE
    change = vanished(propagating(Propagate.NEVER, TO_GIT))
    assert (change.action, change.intended) == (Action.IGNORE, None)


def owned(document: Json) -> Json:
    references = [{"uid": "x", "kind": "Job", "name": "j", "apiVersion": "batch/v1"}]
    return {**document, "metadata": {**document["metadata"], "ownerReferences": references}}


def test_what_the_system_deletes_by_itself_is_created_again() -> None:
    rules = propagating(Propagate.OBSERVED)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}
    lost = situation(
        pod, pod, None, key=ObjectKey("", "Pod", "shop", "web"), target=Target.THERE, gone_for=timedelta(hours=1)
    )
    assert planned(lost, rules).action is Action.CREATE
    assert vanished(rules, base=owned(B), gone_for=timedelta(hours=1)).action is Action.CONFLICT  # Git changed it
    same = owned(B)
    assert vanished(rules, same, same, gone_for=timedelta(hours=1)).action is Action.CREATE
    assert vanished(RULES, same, same, deletion=BY_ALICE).action is Action.CREATE


def test_a_job_that_ended_is_neither_made_again_nor_undeclared() -> None:
    change = vanished(propagating(Propagate.OBSERVED), job_ended=True, gone_for=timedelta(hours=1), deletion=BY_ALICE)
    assert (change.action, change.row) == (Action.UNCHANGED, Row.VANISHED)


def test_deleted_live_and_changed_in_git_is_a_conflict_whatever_propagates() -> None:
    for propagate in Propagate:
        change = vanished(propagating(propagate), D, gone_for=timedelta(hours=1))
        assert (change.action, change.row) == (Action.CONFLICT, Row.VANISHED_AND_DECLARED_ANEW)
        assert change.conflict is not None
        assert [field.git for field in change.conflict.fields] == [2]


# ---- pruning ----


KEPT: list[tuple[str, Rules, Json, dict[str, Any]]] = [
    ("annotated live", RULES, fabric({"tandem.dev/prune": "disabled"}, vlan=1), {}),
    ("prune is off", replace(RULES, deletion=DeletionRules(prune=False)), B, {}),
    ("declared by another fabric", RULES, B, {"declared_elsewhere": True}),
]


@pytest.mark.parametrize(("rules", "live", "facts"), [k[1:] for k in KEPT], ids=[k[0] for k in KEPT])
def test_what_is_kept_is_forgotten_instead_of_pruned(rules: Rules, live: Json, facts: dict[str, Any]) -> None:
    change = planned(situation(B, None, live, BY, **facts), rules)
    assert (change.action, change.row, bool(change.message)) == (Action.FORGET, Row.UNDECLARED, True)


def test_the_last_documents_annotation_counts_too() -> None:
    base = (fabric({"tandem.dev/prune": "disabled"}, vlan=1), B)
    assert planned(situation(base, None, B, BY)).action is Action.FORGET


def test_pruning_waits_for_a_hand_over() -> None:
    change = planned(situation(B, None, B, BY, handover="shop/other has not planned this commit"))
    assert (change.action, change.reason) == (Action.WAIT, Reason.OWNED_BY_OTHER)
    assert change.message == "shop/other has not planned this commit"


def test_prune_carries_what_a_delete_needs() -> None:
    change = planned(situation(B, None, B, BY))
    assert (change.uid, change.resource_version, change.actual is not None) == ("u1", "8", True)


def test_undecided_managers_make_a_loss_a_conflict_and_excluded_ones_do_not() -> None:
    assert planned(situation(B, None, EDITED, {"terraform": ["/spec/vlan"]})).action is Action.CONFLICT
    assert planned(situation(B, None, EDITED, {"helm": ["/spec/vlan"]})).action is Action.PRUNE
    assert planned(situation(B, None, EDITED, {RULES.manager: ["/spec/vlan"]})).action is Action.PRUNE


def test_pruned_with_an_edit_reports_the_drift() -> None:
    change = planned(situation(B, None, EDITED, BY), TO_CLUSTER)
    assert (change.action, change.drift.edits) == (Action.PRUNE, 1)


# ---- who decides ----

IN_GIT = situation(B, None, EDITED, BY)
IN_CLUSTER = situation(B, D, None, target=Target.THERE)

DECIDED = [
    (IN_GIT, Strategy.GIT_WINS, Action.PRUNE, Action.PRUNE),
    (IN_GIT, Strategy.CLUSTER_WINS, Action.WRITE_BACK, Action.WRITE_BACK),
    (IN_GIT, Strategy.MERGE, Action.CONFLICT, Action.CONFLICT),
    (IN_GIT, Strategy.TIMESTAMP_WINS, Action.CONFLICT, Action.CONFLICT),
    (IN_CLUSTER, Strategy.GIT_WINS, Action.CREATE, Action.CREATE),
    (IN_CLUSTER, Strategy.CLUSTER_WINS, Action.CONFLICT, Action.REMOVE_DOCUMENT),
    (IN_CLUSTER, Strategy.MERGE, Action.CONFLICT, Action.CONFLICT),
]


@pytest.mark.parametrize(
    ("lost", "strategy", "standing", "asked_for"), DECIDED, ids=[f"{s.declared.presence} {t}" for s, t, _, _ in DECIDED]
)
def test_a_loss_by_strategy(lost: Any, strategy: Strategy, standing: Action, asked_for: Action) -> None:
    """What vanished is never given up by a standing strategy; a job or a person may."""
    assert planned(lost, replace(RULES, strategy=strategy)).action is standing
    assert planned(replace(lost, facts=replace(lost.facts, force=strategy))).action is asked_for
    decided = planned(replace(lost, facts=replace(lost.facts, resolution=Resolution(strategy))))
    assert decided.action is asked_for
    if asked_for is Action.CONFLICT:
        assert decided.reason is Reason.RESOLUTION_FAILED


def test_the_document_is_written_again_with_the_clusters_edits() -> None:
    change = planned(replace(IN_GIT, facts=replace(IN_GIT.facts, resolution=Resolution(Strategy.CLUSTER_WINS))))
    assert spec(change.document) == spec(change.record) == {"vlan": 3}
    assert change.origin is not None


def test_a_loss_has_a_token_of_both_sides() -> None:
    shown = planned(IN_GIT).conflict
    assert shown is not None
    resolved = replace(IN_GIT, facts=replace(IN_GIT.facts, resolution=Resolution(Strategy.GIT_WINS, (), shown.token)))
    assert planned(resolved).action is Action.PRUNE
    moved = replace(resolved, actual=replace(resolved.actual, content=resolved.actual.content.replace(b"3", b"4")))
    change = planned(moved)
    assert (change.action, change.reason) == (Action.CONFLICT, Reason.STALE)


FORBIDDEN = [
    ("create, cluster → Git only", situation(B, D, None, target=Target.THERE), TO_GIT, Strategy.GIT_WINS),
    ("write, Git → cluster only", situation(B, None, B, BY, epoch="old"), TO_CLUSTER, Strategy.CLUSTER_WINS),
]


@pytest.mark.parametrize(("lost", "rules", "strategy"), [f[1:] for f in FORBIDDEN], ids=[f[0] for f in FORBIDDEN])
def test_a_direction_forbids_what_it_never_writes(lost: Any, rules: Rules, strategy: Strategy) -> None:
    change = planned(replace(lost, facts=replace(lost.facts, resolution=Resolution(strategy))), rules)
    assert (change.action, change.reason) == (Action.CONFLICT, Reason.RESOLUTION_FAILED)
    assert "never writes" in change.message


def test_the_cluster_may_win_a_loss_in_cluster_to_git() -> None:
    lost = situation(B, D, None, target=Target.THERE, resolution=Resolution(Strategy.CLUSTER_WINS))
    assert planned(lost, TO_GIT).action is Action.REMOVE_DOCUMENT


def test_a_removal_on_its_way_is_waited_for() -> None:
    pending = Pending((), deleted=True)
    change = planned(situation(B, B, None, target=Target.THERE, pending=pending))
    assert (change.action, change.row) == (Action.UNCHANGED, Row.GONE)


def test_people_s_deletions_go_together() -> None:
    """One of them may still come back: the others wait, so that a guard counts them all."""
    deed = Deed("alice", 1.0)
    due, fresh = (
        planned(situation(B, B, None, target=Target.THERE, deletion=deed, gone_for=timedelta(seconds=seconds)))
        for seconds in (2, 0.5)
    )
    by_rule = replace(due, makers=())
    assert [change.action for change in in_one_wave([due, by_rule])] == [Action.REMOVE_DOCUMENT] * 2
    held, passed, waiting = in_one_wave([due, by_rule, fresh])
    assert (held.action, held.reason, waiting.action) == (Action.WAIT, Reason.PROGRESSING, Action.WAIT)
    assert passed.action is Action.REMOVE_DOCUMENT, "what was observed to be gone has waited on its own"
