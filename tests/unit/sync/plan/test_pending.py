"""Pending edits: on their way to Git, so reverted in no direction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.errors import Reason
from controller.objects import Json, canonical
from controller.sync.plan.fieldpath import Path
from controller.sync.plan.model import (
    Action,
    Change,
    ConflictType,
    DeletionRules,
    FieldEdit,
    Pending,
    Resolution,
    Rules,
    Situation,
    Strategy,
    Target,
)
from controller.sync.plan.rows import Row
from tests.support.plan import KEY, MANAGER, RULES, TO_CLUSTER, fabric, planned, situation, spec

B = fabric(vlan=1)
LIVE = fabric(vlan=2)
BY = {"kubectl-edit": ["/spec/vlan", "/spec/enabled"]}
EDIT = FieldEdit(("spec", "vlan"), 1, 2, manager="kubectl-edit")
P = Pending((EDIT,))


def change(
    declared: Json, live: Json, by: Any = None, rules: Rules = RULES, pending: Pending = P, **facts: Any
) -> Change:
    return planned(situation(B, declared, live, BY if by is None else by, pending=pending, **facts), rules)


def paths(edits: tuple[FieldEdit, ...]) -> list[Path]:
    return [edit.path for edit in edits]


def test_a_pending_edit_costs_nothing() -> None:
    steady = change(B, LIVE)
    assert (steady.action, steady.document, steady.intended, steady.record) == (Action.UNCHANGED, None, None, None)
    assert steady.pending == (EDIT,)


def test_a_pending_edit_stands_whoever_holds_it_now() -> None:
    assert change(B, LIVE, {MANAGER: ["/spec/vlan"]}).action is Action.UNCHANGED
    assert change(B, LIVE, {"terraform": ["/spec/vlan"]}).action is Action.UNCHANGED


def test_a_pending_edit_is_not_put_back_where_git_wins() -> None:
    kept = change(B, LIVE, rules=TO_CLUSTER)
    assert (kept.action, kept.corrections, kept.pending) == (Action.UNCHANGED, (), (EDIT,))


def test_git_moves_on_around_a_pending_edit() -> None:
    moved = change(fabric(vlan=1, zones=["a"]), LIVE)
    assert moved.action is Action.CONFIGURE
    assert spec(moved.intended) == {"vlan": 2, "zones": ["a"]}
    assert (moved.document, moved.record, moved.pending) == (None, None, (EDIT,))
    to_cluster = change(fabric(vlan=1, zones=["a"]), LIVE, rules=TO_CLUSTER)
    assert spec(to_cluster.intended) == {"vlan": 2, "zones": ["a"]}


def test_a_further_edit_amends() -> None:
    more = change(B, fabric(vlan=2, enabled=True))
    assert (more.action, spec(more.document)) == (Action.WRITE_BACK, {"vlan": 2, "enabled": True})
    assert sorted(paths(more.edits)) == [("spec", "enabled"), ("spec", "vlan")]
    assert (more.record, more.pending) == (None, (EDIT,))


def test_another_value_at_the_same_path_amends() -> None:
    again = change(B, fabric(vlan=3))
    assert (again.action, spec(again.document), again.pending) == (Action.WRITE_BACK, {"vlan": 3}, ())


def test_a_value_that_is_nobodys_edit_does_not_overtake() -> None:
    held = change(B, fabric(vlan=3), {"helm": ["/spec/vlan"]})
    assert (held.action, held.pending) == (Action.UNCHANGED, (EDIT,))


def test_an_edit_taken_back_is_withdrawn() -> None:
    back = change(B, B)
    assert (back.action, back.document, back.pending) == (Action.UNCHANGED, None, ())


def test_one_of_two_taken_back_leaves_the_other() -> None:
    two = Pending((EDIT, FieldEdit(("spec", "enabled"), None, True, old_present=False)))
    back = change(B, fabric(vlan=2), pending=two)
    assert (back.action, back.document, back.record, back.pending) == (Action.UNCHANGED, None, None, (EDIT,))


def test_git_reaching_the_value_moves_the_base() -> None:
    landed = change(LIVE, LIVE)
    assert (landed.action, landed.row, landed.pending) == (Action.MOVE_BASE, Row.MET, ())
    assert landed.record == canonical(LIVE)


def test_git_moving_a_pending_path_elsewhere_is_a_conflict() -> None:
    clash = change(fabric(vlan=9), LIVE, same=False)
    assert clash.conflict is not None
    assert clash.conflict.type is ConflictType.BOTH_CHANGED
    assert clash.pending == (EDIT,)
    decided = change(fabric(vlan=9), LIVE, same=False, resolution=Resolution(Strategy.CLUSTER_WINS))
    assert (decided.action, spec(decided.document), decided.pending) == (Action.WRITE_BACK, {"vlan": 2}, ())
    assert [(edit.path, edit.old, edit.new) for edit in decided.proposed] == [(EDIT.path, 9, 2)]


def test_a_rejected_edit_is_never_opened_again_by_itself() -> None:
    rejected = replace(P, rejected="request 7 was closed")
    for strategy in (Strategy.USER_GUIDED, Strategy.CLUSTER_WINS):
        shown = change(B, LIVE, pending=rejected, rules=replace(RULES, strategy=strategy))
        assert shown.conflict is not None
        assert (shown.action, shown.reason) == (Action.CONFLICT, Reason.CONFLICTS_OPEN)
        assert (shown.conflict.type, shown.conflict.message) == (ConflictType.REJECTED, "request 7 was closed")
    again = change(B, LIVE, pending=rejected, resolution=Resolution(Strategy.CLUSTER_WINS))
    assert (again.action, spec(again.document)) == (Action.WRITE_BACK, {"vlan": 2})
    undone = change(B, LIVE, pending=rejected, resolution=Resolution(Strategy.GIT_WINS))
    assert (undone.action, spec(undone.intended)) == (Action.CONFIGURE, {"vlan": 1})


def test_a_rejected_edit_that_is_gone_by_itself_is_no_conflict() -> None:
    assert change(B, B, pending=replace(P, rejected="closed")).action is Action.UNCHANGED


def test_a_new_document_on_its_way() -> None:
    rules = replace(RULES, imports=frozenset({KEY.group_kind}))
    pending = Pending((FieldEdit((), None, B, old_present=False),))
    waiting = planned(situation(None, None, B, BY, pending=pending), rules)
    assert (waiting.action, waiting.row) == (Action.UNCHANGED, Row.ACTUAL_ONLY)
    changed = planned(situation(None, None, LIVE, BY, pending=pending), rules)
    assert (changed.action, changed.proposed[0].path, changed.proposed[0].new["spec"]) == (
        Action.IMPORT,
        (),
        {"vlan": 2},
    )


WHOLE = Pending((FieldEdit((), None, B, old_present=False),))
CLOSED = "request 7 was closed"
IMPORTING = replace(RULES, imports=frozenset({KEY.group_kind}))
REMOVAL = Pending((), deleted=True)
UNDECIDED = {
    "a new document": (situation(None, None, B, BY, pending=replace(WHOLE, rejected=CLOSED)), IMPORTING),
    "a document again": (situation(B, None, B, BY, pending=replace(WHOLE, rejected=CLOSED)), RULES),
    "a removal": (situation(B, B, None, target=Target.THERE, pending=replace(REMOVAL, rejected=CLOSED)), RULES),
}
OUTCOMES = [
    ("a new document", Strategy.CLUSTER_WINS, Action.IMPORT),
    ("a new document", Strategy.GIT_WINS, Action.PRUNE),
    ("a document again", Strategy.CLUSTER_WINS, Action.WRITE_BACK),
    ("a document again", Strategy.GIT_WINS, Action.PRUNE),
    ("a removal", Strategy.CLUSTER_WINS, Action.REMOVE_DOCUMENT),
    ("a removal", Strategy.GIT_WINS, Action.CREATE),
]


def with_facts(found: Situation, **facts: Any) -> Situation:
    return replace(found, facts=replace(found.facts, **facts))


@pytest.mark.parametrize("what", UNDECIDED)
def test_what_was_rejected_whole_is_decided_by_a_person(what: str) -> None:
    found, rules = UNDECIDED[what]
    for strategy in (Strategy.USER_GUIDED, Strategy.CLUSTER_WINS, Strategy.GIT_WINS):
        shown = planned(found, replace(rules, strategy=strategy))
        assert shown.conflict is not None
        assert (shown.conflict.type, shown.message) == (ConflictType.REJECTED, CLOSED)
        assert shown.api_version
    stale = planned(with_facts(found, resolution=Resolution(Strategy.CLUSTER_WINS, token="old")), rules)
    assert stale.reason is Reason.STALE
    merged = planned(with_facts(found, resolution=Resolution(Strategy.MERGE)), rules)
    assert (merged.reason, "GitWins or ClusterWins" in merged.message) == (Reason.RESOLUTION_FAILED, True)


@pytest.mark.parametrize(("what", "strategy", "action"), OUTCOMES, ids=[f"{one[0]}, {one[1]}" for one in OUTCOMES])
def test_a_decision_about_what_was_rejected_whole(what: str, strategy: Strategy, action: Action) -> None:
    found, rules = UNDECIDED[what]
    token = planned(found, rules).conflict.token  # type: ignore[union-attr]
    for facts in ({"resolution": Resolution(strategy, token=token)}, {"force": strategy}):
        assert planned(with_facts(found, **facts), rules).action is action


def test_git_cannot_win_over_an_object_that_stays() -> None:
    found, _ = UNDECIDED["a new document"]
    keeping = replace(IMPORTING, deletion=DeletionRules(prune=False))
    refused = planned(with_facts(found, resolution=Resolution(Strategy.GIT_WINS)), keeping)
    assert refused.reason is Reason.RESOLUTION_FAILED
    assert "spec.deletion.prune is off" in refused.message


def test_an_object_whose_document_is_on_its_way_again_is_not_pruned() -> None:
    waiting = planned(situation(B, None, B, BY, pending=WHOLE))
    assert (waiting.action, waiting.message) == (Action.UNCHANGED, "its document is on its way")
    amended = planned(situation(B, None, LIVE, BY, pending=WHOLE))
    assert (amended.action, spec(amended.document)) == (Action.WRITE_BACK, {"vlan": 2})


def test_a_side_that_is_unknown_keeps_what_is_pending() -> None:
    unknown = planned(situation(B, None, None, pending=P))
    assert unknown.action is Action.FORGET
    assert planned(situation(B, B, LIVE, BY, pending=P, in_scope=False)).action is Action.FORGET
