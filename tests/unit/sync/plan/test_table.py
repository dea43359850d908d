# ruff: noqa: E501 - tables read as tables
"""The decision table: one test a row and direction, named by the row as the documentation prints it.

Git holds `vlan`, the cluster `vlan` and more; a person edits with kubectl.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from controller.errors import Reason
from controller.objects import Json
from controller.sync.plan.model import Action, Ask, ConflictType, Presence, Rules, Strategy, Target
from controller.sync.plan.plan import plan_object
from controller.sync.plan.rows import Row
from tests.support.plan import KEY, RULES, TO_CLUSTER, TO_GIT, asked, fabric, planned, situation, spec

B = fabric(vlan=1, enabled=True)
BA = fabric(vlan=1, enabled=True, size="set by the server")
D = fabric(vlan=2, enabled=True)
EDITED = fabric(vlan=1, enabled=False, size="set by the server")
CLASHING = fabric(vlan=3, enabled=True, size="set by the server")
MET = fabric(vlan=2, enabled=True, size="set by the server")
BY = {"kubectl-edit": ["/spec/vlan", "/spec/enabled"]}
UNKNOWN, TERMINATING = Presence.UNKNOWN, Presence.TERMINATING
THERE = {"target": Target.THERE}
DIFFERS = {"same": False}
ALL = (RULES, TO_CLUSTER, TO_GIT)
NAMES = {id(RULES): "both directions", id(TO_CLUSTER): "Git → cluster only", id(TO_GIT): "cluster → Git only"}


@dataclass(frozen=True)
class Case:
    """A row in a direction: its sides, and what has to come of it."""

    row: str
    rules: Rules
    base: Json | None
    declared: Any
    actual: Any
    action: Action
    facts: dict[str, Any] = field(default_factory=dict)
    uid: str = "u1"
    conflict: ConflictType | None = None
    reason: Reason | None = None
    note: str = ""


def rows() -> list[Case]:
    both, to_cluster, to_git = ALL
    imports = frozenset({KEY.group_kind})
    table: list[Case] = []
    for rules in ALL:
        table += [
            Case("any | unknown | any", rules, (B, BA), UNKNOWN, BA, Action.SKIP),
            Case("any | unknown | any", rules, None, UNKNOWN, None, Action.SKIP, note="no base"),
            Case("any | any | unknown", rules, (B, BA), D, UNKNOWN, Action.SKIP),
            Case("any | any | unknown", rules, None, D, UNKNOWN, Action.SKIP, note="no base"),
            Case("any | any | terminating", rules, (B, BA), D, TERMINATING, Action.WAIT, reason=Reason.TERMINATING),
            Case("– | – | A", rules, None, None, BA, Action.IGNORE),
            Case("B | – | –", rules, (B, BA), None, None, Action.FORGET),
            Case("B | = B | = B", rules, (B, BA), B, BA, Action.UNCHANGED),
            Case("B | ≠ B | A = D", rules, (B, BA), D, MET, Action.MOVE_BASE),
            Case("– | D | = D", rules, None, D, MET, Action.ADOPT),
            Case("– | D | = D", rules, None, D, CLASHING, Action.ADOPT, {"same": True}, note="as the dry-run says"),
        ]
    for rules in (both, to_cluster):
        table += [
            Case("– | D | –", rules, None, D, None, Action.CREATE),
            Case(
                "– | D | ≠ D", rules, None, D, CLASHING, Action.CONFLICT, DIFFERS, conflict=ConflictType.ADDED_IN_BOTH
            ),
            Case(
                "– | D | ≠ D",
                replace(rules, strategy=Strategy.GIT_WINS),
                None,
                D,
                CLASHING,
                Action.CONFIGURE,
                DIFFERS,
                note="GitWins",
            ),
            Case(
                "– | D | ≠ D",
                replace(rules, strategy=Strategy.MERGE),
                None,
                fabric(vlan=3, zones=["a"]),
                CLASHING,
                Action.CONFIGURE,
                DIFFERS,
                note="Merge: a union",
            ),
            Case(
                "– | D | ≠ D",
                replace(rules, strategy=Strategy.MERGE),
                None,
                D,
                CLASHING,
                Action.CONFLICT,
                DIFFERS,
                conflict=ConflictType.ADDED_IN_BOTH,
                note="Merge: a clash stays open",
            ),
            Case(
                "– | D | ≠ D",
                replace(rules, strategy=Strategy.TIMESTAMP_WINS),
                None,
                D,
                CLASHING,
                Action.CONFLICT,
                DIFFERS,
                conflict=ConflictType.ADDED_IN_BOTH,
                note="TimestampWins: times not known",
            ),
            Case("B | D | other uid than B's", rules, (B, BA), B, BA, Action.TAKE_OVER, uid="u2"),
            Case("B | – | = B", rules, (B, BA), None, BA, Action.PRUNE),
            Case("B | ≠ B | = B", rules, (B, BA), D, BA, Action.CONFIGURE),
        ]
    table += [
        Case("– | D | ≠ D", replace(to_cluster, strategy=Strategy.CLUSTER_WINS), None, D, CLASHING, Action.CONFLICT, DIFFERS, conflict=ConflictType.ADDED_IN_BOTH, note="ClusterWins"),
        Case("– | D | ≠ D", replace(both, strategy=Strategy.CLUSTER_WINS), None, D, CLASHING, Action.WRITE_BACK, DIFFERS, note="ClusterWins"),
        Case("B | D = B | –", to_cluster, (B, BA), B, None, Action.CREATE, THERE),
        Case("B | D = B | –", both, (B, BA), B, None, Action.CONFLICT, THERE, conflict=ConflictType.DELETED_IN_CLUSTER),
        Case("B | D ≠ B | –", to_cluster, (B, BA), D, None, Action.CREATE, THERE),
        Case("B | D ≠ B | –", both, (B, BA), D, None, Action.CONFLICT, THERE, conflict=ConflictType.DELETED_IN_CLUSTER),
        Case("B | – | other uid than B's", to_cluster, (B, BA), None, BA, Action.FORGET, uid="u2"),
        Case("B | – | other uid than B's", both, (B, BA), None, BA, Action.CONFLICT, uid="u2", conflict=ConflictType.DELETED_IN_GIT),
        Case("B | – | ≠ B", to_cluster, (B, BA), None, EDITED, Action.PRUNE),
        Case("B | – | ≠ B", both, (B, BA), None, EDITED, Action.CONFLICT, conflict=ConflictType.DELETED_IN_GIT),
        Case("– | – | A", replace(both, imports=imports), None, None, BA, Action.IMPORT, note="imported kind"),
        Case("– | – | A", replace(to_git, imports=imports), None, None, BA, Action.IMPORT, note="imported kind"),
        Case("– | – | A", replace(to_cluster, imports=imports), None, None, BA, Action.IGNORE, note="imported kind"),
        Case("B | = B | ≠ B", to_cluster, (B, BA), B, EDITED, Action.CONFIGURE),
        Case("B | = B | ≠ B", both, (B, BA), B, EDITED, Action.WRITE_BACK),
        Case("B | = B | ≠ B", to_git, (B, BA), B, EDITED, Action.WRITE_BACK),
        Case("B | ≠ B | ≠ B, ≠ D", to_cluster, (B, BA), D, CLASHING, Action.CONFIGURE, note="one field"),
        Case("B | ≠ B | ≠ B, ≠ D", to_cluster, (B, BA), D, EDITED, Action.CONFIGURE, note="disjoint"),
        Case("B | ≠ B | ≠ B, ≠ D", both, (B, BA), D, EDITED, Action.MERGE, note="disjoint"),
        Case("B | ≠ B | ≠ B, ≠ D", both, (B, BA), D, CLASHING, Action.CONFLICT, DIFFERS, conflict=ConflictType.BOTH_CHANGED, note="one field"),
        Case("B | ≠ B | ≠ B, ≠ D", to_git, (B, BA), D, CLASHING, Action.WRITE_BACK, note="one field"),
        Case("B | ≠ B | ≠ B, ≠ D", to_git, (B, BA), D, EDITED, Action.WRITE_BACK, note="disjoint"),
        Case("– | D | –", to_git, None, D, None, Action.IGNORE),
        Case("– | D | ≠ D", to_git, None, D, CLASHING, Action.CONFLICT, DIFFERS, conflict=ConflictType.ADDED_IN_BOTH),
        Case("– | D | ≠ D", to_git, None, fabric(vlan=3, zones=["a"]), CLASHING, Action.CONFLICT, DIFFERS, conflict=ConflictType.ADDED_IN_BOTH, note="Git has more"),
        Case("– | D | ≠ D", replace(to_git, strategy=Strategy.CLUSTER_WINS), None, fabric(vlan=2, zones=["a"]), CLASHING, Action.WRITE_BACK, DIFFERS, note="ClusterWins"),
        Case("– | D | ≠ D", replace(to_git, strategy=Strategy.GIT_WINS), None, D, CLASHING, Action.CONFLICT, DIFFERS, conflict=ConflictType.ADDED_IN_BOTH, note="GitWins never writes to the cluster"),
        Case("B | D = B | –", to_git, (B, BA), B, None, Action.CONFLICT, THERE, conflict=ConflictType.DELETED_IN_CLUSTER),
        Case("B | D ≠ B | –", to_git, (B, BA), D, None, Action.CONFLICT, THERE, conflict=ConflictType.DELETED_IN_CLUSTER),
        Case("B | D | other uid than B's", to_git, (B, BA), B, EDITED, Action.WRITE_BACK, uid="u2"),
        Case("B | – | other uid than B's", to_git, (B, BA), None, BA, Action.WRITE_BACK, uid="u2"),
        Case("B | – | = B", to_git, (B, BA), None, BA, Action.WRITE_BACK),
        Case("B | – | ≠ B", to_git, (B, BA), None, EDITED, Action.WRITE_BACK),
        Case("B | ≠ B | = B", to_git, (B, BA), D, BA, Action.WRITE_BACK),
    ]  # fmt: skip
    return table


TABLE = rows()


def name_of(case: Case) -> str:
    direction = next(NAMES[id(rules)] for rules in ALL if rules.direction is case.rules.direction)
    return " · ".join(part for part in (case.row, direction, case.note) if part)


@pytest.mark.parametrize("case", TABLE, ids=name_of)
def test_row(case: Case) -> None:
    change = planned(situation(case.base, case.declared, case.actual, BY, uid=case.uid, **case.facts), case.rules)
    assert (change.row, change.action) == (case.row, case.action)
    assert (change.conflict.type if change.conflict else None) == case.conflict
    if case.reason is not None:
        assert change.reason is case.reason


def test_every_row_of_the_table_is_tested_in_every_direction() -> None:
    table = [
        row.value for row in Row if row.value.count(" | ") == 2 and not row.value.startswith(("B of", "– | – | –"))
    ]
    tested = {(case.row, case.rules.direction) for case in TABLE}
    assert tested >= {(row, rules.direction) for row in table for rules in ALL}


# ---- what the rows do ----


def test_create_applies_the_document_and_records_it() -> None:
    change = planned(situation(None, D, None))
    assert spec(change.intended) == spec(change.record) == D["spec"]
    assert (change.uid, change.resource_version, change.removals) == ("", "", ())
    assert change.origin is not None


def test_configure_applies_git_and_leaves_what_is_not_declared() -> None:
    change = planned(situation((B, BA), D, BA, BY))
    assert spec(change.intended) == {"vlan": 2, "enabled": True}
    assert (change.document, change.edits) == (None, ())
    assert (change.uid, change.resource_version) == ("u1", "8")


def test_write_back_writes_the_edit_and_touches_nothing_else() -> None:
    change = planned(situation((B, BA), B, EDITED, BY))
    assert spec(change.document) == spec(change.record) == {"vlan": 1, "enabled": False}
    assert change.intended is None
    assert [(edit.path, edit.old, edit.new, edit.manager) for edit in change.edits] == [
        (("spec", "enabled"), True, False, "kubectl-edit")
    ]
    assert change.drift.edits == 1


def test_merge_brings_each_sides_change_to_the_other() -> None:
    change = planned(situation((B, BA), D, EDITED, BY))
    assert spec(change.intended) == spec(change.document) == spec(change.record) == {"vlan": 2, "enabled": False}


def test_git_to_cluster_corrects_declared_paths_and_absorbs_the_others() -> None:
    live = fabric(vlan=1, enabled=False, size="set by the server", tags={"by": "hand"})
    by = {"kubectl-edit": ["/spec/enabled", "/spec/tags/by"]}
    change = planned(situation((B, BA), B, live, by), TO_CLUSTER)
    assert spec(change.intended) == B["spec"]
    assert [(edit.path, edit.old, edit.new, edit.manager) for edit in change.corrections] == [
        (("spec", "enabled"), False, True, "kubectl-edit")
    ]
    assert change.removals == ()
    assert change.drift.edits == 2
    absorbed = planned(situation((B, BA), B, BA | {"spec": {**BA["spec"], "tags": {"by": "hand"}}}, by), TO_CLUSTER)
    assert (absorbed.action, absorbed.row, absorbed.drift.edits) == (Action.MOVE_BASE, Row.EDITED, 1)


def test_git_to_cluster_puts_back_what_somebody_removed() -> None:
    live = fabric(vlan=1, size="set by the server")
    change = planned(situation((B, BA), B, live, BY), TO_CLUSTER)
    assert spec(change.intended) == B["spec"]
    assert [(edit.path, edit.old_present, edit.new) for edit in change.corrections] == [
        (("spec", "enabled"), False, True)
    ]


def test_git_to_cluster_lets_an_edit_be_that_says_what_git_says() -> None:
    base = (B, fabric(vlan=9, enabled=True))  # a webhook had changed it
    change = planned(situation(base, B, B, BY), TO_CLUSTER)
    assert (change.action, change.corrections) == (Action.MOVE_BASE, ())


def test_git_to_cluster_lets_git_win_the_same_field_and_keeps_what_lost() -> None:
    change = planned(situation((B, BA), D, CLASHING, BY), TO_CLUSTER)
    assert spec(change.intended)["vlan"] == 2
    assert [(edit.path, edit.new) for edit in change.overruled] == [(("spec", "vlan"), 3)]


def test_cluster_to_git_takes_gits_edits_back() -> None:
    change = planned(situation((B, BA), fabric(vlan=2, zones=["a"]), BA, BY), TO_GIT)
    assert spec(change.document) == B["spec"]
    assert change.intended is None
    assert {edit.path[1] for edit in change.edits} == {"vlan", "zones", "enabled"}
    assert {edit.path[1] for edit in change.overruled} == {"vlan", "zones", "enabled"}


def test_cluster_to_git_writes_the_clusters_value_where_both_moved() -> None:
    assert spec(planned(situation((B, BA), D, CLASHING, BY), TO_GIT).document)["vlan"] == 3
    assert spec(planned(situation((B, BA), D, EDITED, BY), TO_GIT).document) == {"vlan": 1, "enabled": False}


def test_cluster_to_git_writes_a_lost_document_again() -> None:
    change = planned(situation((B, BA), None, EDITED, BY), TO_GIT)
    assert spec(change.document) == spec(change.record) == {"vlan": 1, "enabled": False}
    assert change.origin is not None


def test_cluster_to_git_takes_a_value_under_our_own_name_for_the_clusters() -> None:
    change = planned(situation((B, BA), B, EDITED, {TO_GIT.manager: ["/spec/enabled"]}), TO_GIT)
    assert (change.action, spec(change.document)["enabled"]) == (Action.WRITE_BACK, False)


def test_cluster_wins_at_the_first_meeting_takes_the_clusters_values_and_applies_what_only_git_has() -> None:
    rules = replace(RULES, strategy=Strategy.CLUSTER_WINS)
    change = planned(situation(None, fabric(vlan=2, zones=["a"]), CLASHING, BY, same=False), rules)
    assert change.action is Action.MERGE
    assert spec(change.document) == spec(change.intended) == {"vlan": 3, "zones": ["a"]}


def test_a_union_of_lists_at_the_first_meeting_goes_to_both_sides() -> None:
    rules = replace(RULES, strategy=Strategy.MERGE)
    change = planned(situation(None, fabric(subnets=["g"]), fabric(subnets=["c"]), BY, same=False), rules)
    assert spec(change.document) == spec(change.intended) == {"subnets": ["c", "g"]}
    to_cluster = planned(
        situation(None, fabric(subnets=["g"]), fabric(subnets=["c"]), BY, same=False),
        replace(TO_CLUSTER, strategy=Strategy.MERGE),
    )
    assert to_cluster.action is Action.CONFLICT


def test_adoption_without_an_apply_where_the_cluster_is_never_written() -> None:
    change = planned(situation(None, D, MET, BY), TO_GIT)
    assert (change.action, change.intended) == (Action.ADOPT, None)
    assert change.record is not None
    assert planned(situation(None, D, MET, BY)).intended is not None


def test_take_over_owns_the_object_and_keeps_what_was_changed_with_it() -> None:
    change = planned(situation((B, BA), D, EDITED, BY, uid="u2"))
    assert (change.action, change.uid) == (Action.TAKE_OVER, "u2")
    assert spec(change.intended) == spec(change.document) == {"vlan": 2, "enabled": False}


def test_a_document_that_only_reads_otherwise_is_applied_once() -> None:
    base = fabric(ports=[{"port": 1}, {"port": 2}])
    turned = fabric(ports=[{"port": 2}, {"port": 1}])
    change = planned(situation((base, base), turned, base, BY))
    assert (change.action, change.row) == (Action.CONFIGURE, Row.DECLARED_ANEW)
    assert spec(change.intended) == turned["spec"]
    assert planned(situation((base, base), turned, base, BY), TO_GIT).action is Action.MOVE_BASE


def test_an_explicit_default_is_applied_so_that_it_is_owned() -> None:
    change = planned(situation((B, BA), fabric(**BA["spec"]), BA, BY))
    assert (change.action, change.row) == (Action.CONFIGURE, Row.DECLARED_ANEW)


def test_a_moved_file_moves_the_base() -> None:
    moved = situation((B, BA), B, BA, BY)
    assert moved.declared.origin is not None
    moved = replace(
        moved, declared=replace(moved.declared, origin=replace(moved.declared.origin, path="elsewhere.yaml"))
    )
    change = planned(moved)
    assert (change.action, change.row) == (Action.MOVE_BASE, Row.STEADY)
    assert change.origin is not None
    assert change.origin.path == "elsewhere.yaml"


def test_removed_in_git_is_removed_in_the_cluster() -> None:
    change = planned(situation((B, BA), fabric(vlan=1), BA, BY))
    assert (change.action, change.removals) == (Action.CONFIGURE, (("spec", "enabled"),))


def test_removed_live_is_removed_in_git() -> None:
    change = planned(situation((B, BA), B, fabric(vlan=1, size="set by the server"), BY))
    assert (change.action, spec(change.document)) == (Action.WRITE_BACK, {"vlan": 1})
    assert change.edits[0].manager == "unknown"


# ---- questions ----


def test_whether_differing_values_are_the_same_is_asked_at_the_first_meeting() -> None:
    question = asked(situation(None, D | {"status": {"old": 1}}, CLASHING, BY))
    assert question.ask is Ask.SAME
    assert spec(question.content) == D["spec"]
    assert b"status" not in question.content


def test_whether_clashing_values_are_the_same_is_asked_with_all_else_as_it_is_live() -> None:
    declared = fabric(vlan=2, enabled=True, zones=["new"])
    live = fabric(vlan=3, enabled=False, size="set by the server")
    question = asked(situation((B, BA), declared, live, BY))
    assert spec(question.content) == {"vlan": 2, "enabled": False}
    change = planned(situation((B, BA), declared, live, BY, same=True))
    assert spec(change.document) == {"vlan": 2, "enabled": False, "zones": ["new"]}
    assert planned(situation((B, BA), D, CLASHING, BY, same=True)).row == "B | ≠ B | A = D"


def test_what_one_side_removed_and_the_other_changed_is_never_the_same() -> None:
    removed = planned(situation((B, BA), fabric(enabled=True), CLASHING, BY, same=True))
    assert removed.conflict is not None
    assert [shown.path for shown in removed.conflict.fields] == [("spec", "vlan")]
    assert planned(situation((B, BA), D, fabric(enabled=True, size="set by the server"), BY)).conflict is not None


def test_what_git_put_into_a_list_survives_that_somebody_made_the_list() -> None:
    change = planned(
        situation(B, fabric(**B["spec"], zones=["a"]), fabric(**B["spec"], zones=[]), {"k9s": ["/spec/zones"]})
    )
    assert (change.action, spec(change.intended)["zones"]) == (Action.CONFIGURE, ["a"])


def test_an_element_that_only_git_added_is_taken_back_whole() -> None:
    added = fabric(**B["spec"], ports=[{"port": 1, "mtu": 2}])
    assert spec(planned(situation((B, BA), added, BA, BY), TO_GIT).document) == B["spec"]


def test_nothing_is_asked_where_no_answer_would_matter() -> None:
    for rules in (TO_CLUSTER, TO_GIT):
        assert planned(situation((B, BA), D, CLASHING, BY), rules)
    assert planned(situation((B, BA), D, EDITED, BY))


@pytest.mark.parametrize("rules", ALL, ids=lambda rules: NAMES[id(rules)])
@pytest.mark.parametrize("declared", [B, D], ids=["D = B", "D ≠ B"])
def test_a_vanished_object_makes_ask_for_its_namespace_first(declared: Json, rules: Rules) -> None:
    assert asked(situation((B, BA), declared, None), rules).ask is Ask.TARGET
    change = planned(situation((B, BA), declared, None, target=Target.GONE), rules)
    assert (change.action, change.reason) == (Action.SKIP, Reason.TARGET_GONE)


def test_a_missing_namespace_is_told_where_no_base_exists() -> None:
    change = planned(situation(None, D, None, target=Target.GONE))
    assert (change.action, change.reason) == (Action.SKIP, Reason.NAMESPACE_NOT_FOUND)


# ---- the same inputs give the same answer ----


@pytest.mark.parametrize("case", TABLE, ids=name_of)
def test_the_same_situation_gives_the_same_change(case: Case) -> None:
    first, second = (
        plan_object(situation(case.base, case.declared, case.actual, BY, uid=case.uid, **case.facts), case.rules)
        for _ in range(2)
    )
    assert first == second
