"""Conflicts: what is shown, who decides, and what a decision does on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.errors import Reason
from controller.objects import Json
from controller.sync.plan.fieldpath import parse_path, render_path
from controller.sync.plan.model import (
    Action,
    Change,
    ConflictType,
    Decision,
    Resolution,
    Rules,
    Severity,
    Situation,
    Strategy,
)
from tests.support.plan import RULES, TO_CLUSTER, TO_GIT, fabric, planned, situation, spec

BASE = fabric(vlan=1, subnets=["1"], tags={"t": "1"}, size=1)
GIT = fabric(vlan=2, subnets=["1", "3"], tags={"t": "1", "owner": "alice"}, size=1)
CLUSTER = fabric(vlan=3, subnets=["1", "2"], tags={"t": "1"}, size=2)
BY = {"kubectl-edit": ["/spec/vlan", "/spec/subnets", "/spec/size", "/spec/tags/t"]}


def clash(cluster: Json = CLUSTER, **facts: Any) -> Situation:
    return situation(BASE, GIT, cluster, BY, same=False, **facts)


def decided(
    *decisions: Decision, strategy: Strategy = Strategy.MANUAL, token: str = "", rules: Rules = RULES
) -> Change:
    return planned(clash(resolution=Resolution(strategy, decisions, token)), rules)


def choice(path: str, choose: str, value: Json = None, *, present: bool = True) -> Decision:
    return Decision(parse_path(path), choose, value, present)


# ---- what is shown ----


def test_every_path_that_a_side_moved_is_shown_the_clashing_ones_first() -> None:
    conflict = planned(clash()).conflict
    assert conflict is not None
    shown = [(render_path(f.path), f.clashing, f.base, f.git, f.cluster) for f in conflict.fields]
    assert shown == [
        ("/spec/subnets", True, ["1"], ["1", "3"], ["1", "2"]),
        ("/spec/vlan", True, 1, 2, 3),
        ("/spec/size", False, 1, 1, 2),
        ("/spec/tags/owner", False, None, "alice", None),
    ]
    owner = conflict.fields[3]
    assert (owner.in_base, owner.in_git, owner.in_cluster) == (False, True, False)
    assert conflict.fields[0].editor == "kubectl-edit"
    assert (conflict.type, conflict.severity, conflict.auto_resolvable) == (
        ConflictType.BOTH_CHANGED,
        Severity.MEDIUM,
        False,
    )


def test_the_object_is_left_alone_as_a_whole() -> None:
    change = planned(clash())
    assert (change.action, change.intended, change.document, change.record) == (Action.CONFLICT, None, None, None)
    assert (change.edits, change.removals, change.corrections) == ((), (), ())
    assert change.reason is Reason.CONFLICTS_OPEN


SEVERITIES = [
    (["subnets"], Severity.LOW, True),
    (["vlan"], Severity.MEDIUM, False),
    (["subnets", "vlan"], Severity.MEDIUM, False),
    (["a", "b", "c", "d", "e"], Severity.MEDIUM, False),
    (["a", "b", "c", "d", "e", "f"], Severity.HIGH, False),
]


@pytest.mark.parametrize(
    ("names", "severity", "simple"), SEVERITIES, ids=[",".join(names) for names, _, _ in SEVERITIES]
)
def test_severity_counts_the_clashing_fields(names: list[str], severity: Severity, simple: bool) -> None:
    def side(value: int) -> Json:
        extra = {name: value for name in names if len(name) == 1}
        known = {"subnets": [str(value)], "vlan": value}
        return fabric(extra=extra, **{name: known[name] for name in names if name in known})

    by = {"k9s": ["/spec/vlan", "/spec/subnets", "/spec/extra"]}
    conflict = planned(situation(side(1), side(2), side(3), by, same=False)).conflict
    assert conflict is not None
    assert (conflict.severity, conflict.auto_resolvable) == (severity, simple)
    assert conflict.suggested is (Strategy.MERGE if simple else None)


def test_the_token_changes_with_every_value_shown_and_with_nothing_else() -> None:
    def token(situation: Situation, rules: Rules = RULES) -> str:
        conflict = planned(situation, rules).conflict
        assert conflict is not None
        return conflict.token

    first = token(clash())
    assert first == token(clash())
    assert first == token(replace(clash(), actual=replace(clash().actual, resource_version="9999")))
    assert first != token(clash({**CLUSTER, "spec": {**CLUSTER["spec"], "vlan": 4}}))
    assert first != token(clash({**CLUSTER, "spec": {**CLUSTER["spec"], "size": 4}}))
    assert first != token(clash(), replace(RULES, salt=b"another installation"))


def test_gone_and_null_are_two_things_in_a_token() -> None:
    null, gone = fabric(vlan=None), fabric()
    tokens = set()
    for live in (null, gone):
        by = {"k9s": ["/spec/vlan"]}
        conflict = planned(situation(fabric(vlan=1), fabric(vlan=2), live, by, same=False)).conflict
        assert conflict is not None
        tokens.add(conflict.token)
    assert len(tokens) == 2


# ---- standing strategies ----

STRATEGIES: list[tuple[Strategy, dict[str, Any], Json | None]] = [
    (Strategy.USER_GUIDED, {}, None),
    (Strategy.GIT_WINS, {}, {"vlan": 2, "subnets": ["1", "3"], "tags": {"t": "1", "owner": "alice"}, "size": 2}),
    (Strategy.CLUSTER_WINS, {}, {"vlan": 3, "subnets": ["1", "2"], "tags": {"t": "1", "owner": "alice"}, "size": 2}),
    (Strategy.MERGE, {}, None),
    (Strategy.TIMESTAMP_WINS, {}, None),
    (
        Strategy.TIMESTAMP_WINS,
        {"git_changed_at": 20.0},
        {"vlan": 2, "subnets": ["1", "3"], "tags": {"t": "1", "owner": "alice"}, "size": 2},
    ),
    (
        Strategy.TIMESTAMP_WINS,
        {"git_changed_at": 5.0},
        {"vlan": 3, "subnets": ["1", "2"], "tags": {"t": "1", "owner": "alice"}, "size": 2},
    ),
    (Strategy.TIMESTAMP_WINS, {"git_changed_at": 10.0}, None),
]


@pytest.mark.parametrize(("strategy", "facts", "expected"), STRATEGIES, ids=[f"{s} {f}" for s, f, _ in STRATEGIES])
@pytest.mark.parametrize("forced", [False, True], ids=["of the fabric", "of a job"])
def test_a_strategy_decides_what_clashes_and_the_rest_merges(
    strategy: Strategy, facts: dict[str, Any], expected: Json, forced: bool
) -> None:
    told = clash(**facts, force=strategy) if forced else clash(**facts)
    told = replace(told, actual=replace(told.actual, seen_live=10.0))
    change = planned(told, RULES if forced else replace(RULES, strategy=strategy))
    if expected is None:
        assert change.action is Action.CONFLICT
    else:
        assert spec(change.intended) == spec(change.record) == expected
        assert change.action is Action.MERGE


def test_merge_unites_unkeyed_lists_on_both_sides() -> None:
    live = {**CLUSTER, "spec": {**CLUSTER["spec"], "vlan": 1}}
    change = planned(clash(live), replace(RULES, strategy=Strategy.MERGE))
    assert spec(change.document)["subnets"] == spec(change.intended)["subnets"] == ["1", "2", "3"]
    assert {edit.path[1] for edit in change.edits} == {"subnets", "size"}


def test_what_lost_is_kept_with_the_change() -> None:
    change = planned(clash(), replace(RULES, strategy=Strategy.GIT_WINS))
    assert {(edit.path[1], str(edit.new)) for edit in change.overruled} == {("vlan", "3"), ("subnets", "['1', '2']")}
    assert {edit.path[1] for edit in change.corrections} == {"vlan", "subnets"}
    change = planned(clash(), replace(RULES, strategy=Strategy.CLUSTER_WINS))
    assert {edit.path[1] for edit in change.overruled} == {"vlan", "subnets"}
    assert change.corrections == ()


def test_auto_resolve_simple_resolves_what_has_no_scalar_clash() -> None:
    rules = replace(RULES, auto_resolve_simple=True)
    live = {**CLUSTER, "spec": {**CLUSTER["spec"], "vlan": 1}}
    assert spec(planned(clash(live), rules).document)["subnets"] == ["1", "2", "3"]
    assert planned(clash(), rules).action is Action.CONFLICT
    more = situation(None, fabric(vlan=1, zones=["a"]), fabric(vlan=1), BY, same=False)
    assert planned(more, rules).action is Action.CONFIGURE
    assert planned(more).action is Action.CONFLICT


def test_auto_resolve_simple_never_decides_about_an_unknown_manager() -> None:
    rules = replace(RULES, auto_resolve_simple=True)
    live = fabric(**{**BASE["spec"], "subnets": ["9"]})
    change = planned(situation(BASE, BASE, live, {"terraform": ["/spec/subnets"]}), rules)
    assert change.action is Action.CONFLICT


UNKNOWN = [
    (Strategy.GIT_WINS, Action.CONFIGURE),
    (Strategy.CLUSTER_WINS, Action.WRITE_BACK),
    (Strategy.MERGE, Action.CONFLICT),
    (Strategy.USER_GUIDED, Action.CONFLICT),
]


@pytest.mark.parametrize(("strategy", "action"), UNKNOWN)
def test_an_unknown_managers_change_by_strategy(strategy: Strategy, action: Action) -> None:
    live = fabric(**{**BASE["spec"], "vlan": 9})
    told = situation(BASE, BASE, live, {"terraform": ["/spec/vlan"]})
    assert planned(told, replace(RULES, strategy=strategy)).action is action


def test_a_clash_and_an_unknown_manager_are_one_conflict() -> None:
    live = fabric(**{**BASE["spec"], "vlan": 3, "size": 9})
    by = {"kubectl-edit": ["/spec/vlan"], "terraform": ["/spec/size"]}
    conflict = planned(situation(BASE, GIT, live, by, same=False)).conflict
    assert conflict is not None
    assert conflict.type is ConflictType.BOTH_CHANGED
    assert [render_path(field.path) for field in conflict.fields if field.clashing] == ["/spec/size", "/spec/vlan"]


def test_an_unknown_managers_change_is_asked_about_in_cluster_to_git_too() -> None:
    live = fabric(**{**BASE["spec"], "vlan": 9, "size": 7})
    by = {"terraform": ["/spec/vlan"], "k9s": ["/spec/size"]}
    change = planned(situation(BASE, BASE, live, by), TO_GIT)
    assert change.conflict is not None
    assert change.conflict.type is ConflictType.UNKNOWN_EDITOR
    solved = planned(situation(BASE, BASE, live, by, resolution=Resolution(Strategy.CLUSTER_WINS)), TO_GIT)
    assert (solved.action, spec(solved.document)["vlan"]) == (Action.WRITE_BACK, 9)


# ---- a person's decision ----


def test_each_path_is_decided_by_itself() -> None:
    change = decided(choice("/spec/vlan", "Git"), choice("/spec/subnets", "MergeBoth"))
    assert spec(change.document) == spec(change.intended) == {
        "vlan": 2, "subnets": ["1", "2", "3"], "tags": {"t": "1", "owner": "alice"}, "size": 2,
    }  # fmt: skip
    change = decided(choice("/spec/vlan", "Cluster"), choice("/spec/subnets", "Value", ["9"]))
    assert spec(change.document)["subnets"] == spec(change.intended)["subnets"] == ["9"]
    assert spec(change.document)["vlan"] == 3


def test_a_value_may_be_that_the_field_is_gone() -> None:
    change = decided(choice("/spec/vlan", "Value", present=False), choice("/spec/subnets", "Git"))
    assert "vlan" not in spec(change.document)
    assert ("spec", "vlan") in change.removals


def test_a_value_that_the_cluster_has_already_is_not_applied_for_itself() -> None:
    live = fabric(**{**BASE["spec"], "vlan": 3})
    told = situation(BASE, fabric(**{**BASE["spec"], "vlan": 2}), live, BY, same=False)
    solved = planned(
        replace(
            told, facts=replace(told.facts, resolution=Resolution(Strategy.MANUAL, (choice("/spec/vlan", "Value", 3),)))
        )
    )
    assert spec(solved.document)["vlan"] == 3


def test_a_decision_above_the_fields_decides_them_all() -> None:
    assert spec(decided(choice("/spec", "Cluster")).document) == CLUSTER["spec"]
    assert spec(decided(choice("/spec", "Git")).intended) == GIT["spec"]
    assert spec(decided(choice("/spec", "Value", {"vlan": 7})).document) == {"vlan": 7}


def test_what_only_one_side_changed_can_be_decided_too() -> None:
    scalars = (choice("/spec/vlan", "Git"), choice("/spec/subnets", "Git"))
    change = decided(*scalars, choice("/spec/tags/owner", "Cluster"), choice("/spec/size", "Git"))
    assert spec(change.document or change.intended)["size"] == 1
    assert spec(change.record)["tags"] == {"t": "1"}
    assert {edit.path[1] for edit in change.corrections} == {"vlan", "subnets", "size"}
    both = decided(*scalars, choice("/spec/tags/owner", "MergeBoth"), choice("/spec/size", "MergeBoth"))
    assert spec(both.record)["tags"] == {"t": "1", "owner": "alice"}
    assert spec(both.record)["size"] == 2


def test_merge_with_decisions_for_what_it_cannot_decide() -> None:
    change = decided(choice("/spec/vlan", "Cluster"), strategy=Strategy.MERGE)
    assert spec(change.document)["vlan"] == 3
    assert spec(change.document)["subnets"] == ["1", "2", "3"]


@pytest.mark.parametrize("strategy", [Strategy.GIT_WINS, Strategy.CLUSTER_WINS])
def test_one_strategy_for_one_conflict(strategy: Strategy) -> None:
    assert decided(strategy=strategy).record == planned(clash(), replace(RULES, strategy=strategy)).record


FAILING = [
    ("nothing decided", [], "/spec/subnets, /spec/vlan"),
    ("something left open", [choice("/spec/subnets", "Git")], "/spec/vlan"),
    ("no field of the conflict", [choice("/spec/enabled", "Git")], "/spec/enabled is not a field of this conflict"),
    ("scalars merged", [choice("/spec/vlan", "MergeBoth"), choice("/spec/subnets", "Git")], "only lists can be merged"),
    ("no choice", [choice("/spec/vlan", "Neither")], "'Neither' is no choice"),
]


@pytest.mark.parametrize(("decisions", "message"), [case[1:] for case in FAILING], ids=[case[0] for case in FAILING])
def test_a_decision_that_cannot_be_carried_out_says_why(decisions: list[Decision], message: str) -> None:
    change = decided(*decisions)
    assert (change.action, change.reason) == (Action.CONFLICT, Reason.RESOLUTION_FAILED)
    assert message in change.message


def test_a_decision_about_other_values_is_stale() -> None:
    shown = planned(clash()).conflict
    assert shown is not None
    resolution = Resolution(Strategy.GIT_WINS, token=shown.token)
    assert planned(clash(resolution=resolution)).action is Action.MERGE
    moved = {**CLUSTER, "spec": {**CLUSTER["spec"], "vlan": 4}}
    change = planned(clash(moved, resolution=resolution))
    assert (change.action, change.reason) == (Action.CONFLICT, Reason.STALE)
    assert change.conflict is not None
    assert change.conflict.token != shown.token


def test_a_direction_forbids_what_it_never_writes() -> None:
    met = situation(None, fabric(vlan=1), fabric(vlan=2), BY, same=False, resolution=Resolution(Strategy.CLUSTER_WINS))
    change = planned(met, TO_CLUSTER)
    assert (change.reason, "never writes to Git" in change.message) == (Reason.RESOLUTION_FAILED, True)
    met = replace(met, facts=replace(met.facts, resolution=Resolution(Strategy.GIT_WINS)))
    change = planned(met, TO_GIT)
    assert (change.reason, "never writes to the cluster" in change.message) == (Reason.RESOLUTION_FAILED, True)


def test_a_job_decides_before_a_person() -> None:
    change = planned(clash(resolution=Resolution(Strategy.CLUSTER_WINS), force=Strategy.GIT_WINS))
    assert spec(change.record)["vlan"] == 2


def test_a_settled_conflict_is_told() -> None:
    assert planned(clash(open_conflict=True, resolution=Resolution(Strategy.GIT_WINS))).resolved
    assert not planned(clash(open_conflict=True)).resolved
    assert planned(situation(BASE, BASE, BASE, BY, open_conflict=True)).resolved
    assert not planned(situation(BASE, BASE, BASE, BY)).resolved


def test_a_person_may_leave_an_unknown_managers_value_out() -> None:
    live = fabric(**{**BASE["spec"], "vlan": 9})
    told = situation(BASE, BASE, live, {"terraform": ["/spec/vlan"]}, resolution=Resolution(Strategy.GIT_WINS))
    change = planned(told)
    assert (change.action, spec(change.intended)["vlan"]) == (Action.CONFIGURE, 1)


# ---- floods ----


def test_an_object_that_had_its_commits_waits_for_a_person() -> None:
    live = fabric(**{**BASE["spec"], "vlan": 9})
    flooded = situation(BASE, BASE, live, BY, flooded=True)
    for rules in (RULES, replace(RULES, strategy=Strategy.CLUSTER_WINS), TO_GIT):
        change = planned(flooded, rules)
        assert (change.action, change.reason) == (Action.CONFLICT, Reason.TOO_MANY_COMMITS)
    solved = replace(flooded, facts=replace(flooded.facts, resolution=Resolution(Strategy.CLUSTER_WINS)))
    assert planned(solved).action is Action.WRITE_BACK
    undone = replace(flooded, facts=replace(flooded.facts, resolution=Resolution(Strategy.GIT_WINS)))
    assert planned(undone).action is Action.CONFIGURE


def test_a_flooded_object_takes_gits_changes_all_the_same() -> None:
    assert planned(situation(BASE, GIT, BASE, BY, flooded=True)).action is Action.CONFIGURE


def test_a_flooded_object_does_not_have_gits_edits_undone_either() -> None:
    flooded = situation(BASE, GIT, BASE, BY, flooded=True)
    change = planned(flooded, TO_GIT)
    assert (change.action, change.reason) == (Action.CONFLICT, Reason.TOO_MANY_COMMITS)
    solved = replace(flooded, facts=replace(flooded.facts, resolution=Resolution(Strategy.CLUSTER_WINS)))
    assert spec(planned(solved, TO_GIT).document) == BASE["spec"]
