"""What holds beside the table: annotations, scope, epochs, Secrets, other fabrics, refusals, fights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.errors import Reason
from controller.objects import Json, ObjectKey, decoded
from controller.sync.plan.conflicts import HIDDEN
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.model import (
    Action,
    Ask,
    ConflictType,
    Decision,
    Direction,
    Presence,
    Resolution,
    Rules,
    Severity,
    Situation,
    Strategy,
    Target,
)
from controller.sync.plan.plan import is_steady
from controller.sync.plan.rows import Row
from tests.support.openapi import schema
from tests.support.plan import KEY, MANAGER, RULES, TO_CLUSTER, TO_GIT, asked, fabric, planned, situation, spec

B = fabric(vlan=1)
D = fabric(vlan=2)
EDITED = fabric(vlan=3)
BY = {"kubectl-edit": ["/spec/vlan"]}
BOTH_WAYS = (RULES, TO_CLUSTER, TO_GIT)

# ---- annotations ----


def annotated(name: str, value: str, document: Json) -> Json:
    return {**document, "metadata": {**document["metadata"], "annotations": {f"tandem.dev/{name}": value}}}


SIDES: list[tuple[str, Json, Json]] = [
    ("in the document", annotated("reconcile", "disabled", D), EDITED),
    ("on the object", D, annotated("reconcile", "disabled", EDITED)),
    ("on an undeclared object", None, annotated("reconcile", "disabled", EDITED)),
    ("in the document of a vanished object", annotated("reconcile", "disabled", D), None),
]


@pytest.mark.parametrize("rules", BOTH_WAYS, ids=lambda rules: rules.direction)
@pytest.mark.parametrize(("declared", "actual"), [side[1:] for side in SIDES], ids=[side[0] for side in SIDES])
def test_reconcile_disabled_stops_both_directions(declared: Json, actual: Json, rules: Rules) -> None:
    for base in (B, None):
        change = planned(situation(base, declared, actual, BY), rules)
        assert (change.action, change.row, change.record) == (Action.SKIP, Row.DISABLED, None)


def test_reconcile_disabled_in_the_last_document_keeps_the_object() -> None:
    base = (annotated("reconcile", "disabled", B), B)
    assert planned(situation(base, None, B, BY)).action is Action.SKIP


def test_any_other_value_disables_nothing() -> None:
    assert planned(situation(B, annotated("reconcile", "enabled", D), B, BY)).action is Action.CONFIGURE


def test_if_absent_creates_and_then_leaves_alone() -> None:
    wanted = annotated("apply", "if-absent", D)
    assert planned(situation(None, wanted, None)).action is Action.CREATE
    assert planned(situation(B, wanted, None)).action is Action.CREATE
    for base in (None, B):
        change = planned(situation(base, wanted, EDITED, BY))
        assert (change.action, change.row, change.record) == (Action.UNCHANGED, Row.IF_ABSENT, None)
    change = planned(situation((wanted, EDITED), None, EDITED, BY))
    assert (change.action, change.row) == (Action.FORGET, Row.IF_ABSENT)


def test_a_live_annotation_of_tandem_is_never_an_edit_nor_written_to_git() -> None:
    live = annotated("prune", "disabled", EDITED)
    by = {"kubectl-edit": ["/spec/vlan", "/metadata/annotations/tandem.dev~1prune"]}
    change = planned(situation(B, B, live, by))
    assert (change.action, len(change.edits)) == (Action.WRITE_BACK, 1)
    assert change.document is not None
    assert b"tandem.dev/prune" not in change.document


# ---- directions and scope ----


@pytest.mark.parametrize("base", [None, B], ids=["– D –", "B D A"])
def test_a_kind_takes_part_as_its_direction_says(base: Json) -> None:
    def action(direction: Direction, *, manual: bool) -> Action:
        rules = replace(RULES, directions={KEY.group_kind: direction})
        return planned(situation(base, D, base and B, BY, manual=manual), rules).action

    acts = Action.CREATE if base is None else Action.CONFIGURE
    assert action(Direction.DISABLED, manual=False) is Action.SKIP
    assert action(Direction.DISABLED, manual=True) is Action.SKIP
    assert action(Direction.MANUAL_ONLY, manual=False) is Action.SKIP
    assert action(Direction.MANUAL_ONLY, manual=True) is acts
    assert action(Direction.GIT_TO_CLUSTER, manual=False) is acts


def test_what_left_the_scope_is_forgotten_and_nothing_else_is_touched() -> None:
    for declared in (None, B, D, Presence.UNKNOWN):
        for actual in (None, B, EDITED, Presence.TERMINATING):
            change = planned(situation(B, declared, actual, BY, in_scope=False))
            assert (change.action, change.is_effective) == (Action.FORGET, False)
            change = planned(situation(None, declared, actual, BY, in_scope=False))
            assert (change.action, change.is_effective) == (Action.IGNORE, False)


def test_reasons_of_an_unknown_side_are_passed_on() -> None:
    unknown = situation(B, Presence.UNKNOWN, B)
    unknown = replace(unknown, declared=replace(unknown.declared, reason=Reason.FIELD_REFUSED, message="line 3"))
    change = planned(unknown)
    assert (change.reason, change.message) == (Reason.FIELD_REFUSED, "line 3")


def test_nothing_anywhere_is_nobodys_business() -> None:
    change = planned(situation(None, None, None))
    assert (change.action, change.row) == (Action.IGNORE, Row.NOTHING)


# ---- epochs ----

OLD = "another cluster"


def test_of_another_epoch_git_is_applied_where_no_editor_owns_the_difference() -> None:
    change = planned(situation(B, D, EDITED, {MANAGER: ["/spec/vlan"]}, epoch=OLD))
    assert (change.action, change.row, spec(change.intended)) == (Action.CONFIGURE, Row.UNPROVEN, {"vlan": 2})
    change = planned(situation(B, D, EDITED, {"k9s": ["/spec/size"]}, epoch=OLD))
    assert change.action is Action.CONFIGURE


@pytest.mark.parametrize("manager", ["kubectl-edit", "terraform"])
@pytest.mark.parametrize("rules", [RULES, TO_CLUSTER], ids=lambda rules: rules.direction)
def test_of_another_epoch_an_editors_difference_is_a_conflict(rules: Rules, manager: str) -> None:
    differing = situation(B, D, EDITED, {manager: ["/spec/vlan"]}, epoch=OLD)
    assert asked(differing, rules).ask is Ask.SAME
    change = planned(replace(differing, facts=replace(differing.facts, same=False)), rules)
    assert (change.action, change.row) == (Action.CONFLICT, Row.UNPROVEN)
    same = planned(replace(differing, facts=replace(differing.facts, same=True)), rules)
    assert (same.action, same.record is not None) == (Action.MOVE_BASE, True)


def test_of_another_epoch_what_excluded_managers_hold_is_left() -> None:
    change = planned(situation(B, D, EDITED, {"helm": ["/spec/vlan"]}, epoch=OLD))
    assert (change.action, change.intended) == (Action.MOVE_BASE, None)


def test_of_another_epoch_equal_sides_are_recorded_anew_and_undeclared_edits_absorbed() -> None:
    live = fabric(vlan=1, enabled=True)
    change = planned(situation(B, B, live, {"kubectl-edit": ["/spec/enabled"]}, epoch=OLD))
    assert (change.action, change.document, change.actual is not None) == (Action.MOVE_BASE, None, True)
    assert change.record is not None


def test_of_another_epoch_nothing_is_written_to_the_cluster_that_only_feeds_git() -> None:
    change = planned(situation(B, D, EDITED, {MANAGER: ["/spec/vlan"]}, epoch=OLD, same=False), TO_GIT)
    assert change.action is Action.CONFLICT


def test_of_another_epoch_another_object_is_taken_over() -> None:
    change = planned(situation(B, B, B, BY, epoch=OLD, uid="u2"))
    assert (change.action, change.row) == (Action.TAKE_OVER, Row.UNPROVEN)
    assert planned(situation(B, B, B, BY, epoch=OLD, uid="u2"), TO_GIT).action is Action.MOVE_BASE


def test_of_another_epoch_no_deletion_is_inferred() -> None:
    for declared in (B, D):
        lost = situation(B, declared, None, epoch=OLD, target=Target.THERE)
        assert planned(lost).action is planned(lost, TO_CLUSTER).action is Action.CREATE
        assert planned(lost, TO_GIT).action is Action.IGNORE


def test_of_another_epoch_a_removal_in_git_is_asked_about() -> None:
    lost = situation(B, None, B, BY, epoch=OLD)
    for rules in (RULES, TO_CLUSTER, replace(RULES, strategy=Strategy.GIT_WINS)):
        change = planned(lost, rules)
        assert (change.action, change.row) == (Action.CONFLICT, Row.UNPROVEN_UNDECLARED)
    decided = replace(lost, facts=replace(lost.facts, resolution=Resolution(Strategy.GIT_WINS)))
    assert planned(decided).action is Action.PRUNE


def test_of_another_version_nothing_is_inferred_either() -> None:
    declared = {**B, "apiVersion": "tests.tandem.dev/v2"}
    live = {**B, "apiVersion": "tests.tandem.dev/v2", "spec": {"vlan": 3}}
    change = planned(situation(B, declared, live, BY, same=False))
    assert (change.action, change.row) == (Action.CONFLICT, Row.UNPROVEN)


def test_an_old_epoch_is_never_steady() -> None:
    assert not is_steady(situation(B, B, B, epoch=OLD), RULES)
    assert is_steady(situation(B, B, B), RULES)


# ---- Secrets ----

SECRET = ObjectKey("", "Secret", "shop", "web")


def secret(password: str, **labels: str) -> Json:
    metadata: Json = {"name": "web", "namespace": "shop"} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": password}}


def of_secret(base: Json, declared: Json, actual: Json, **facts: Any) -> Situation:
    by = {"kubectl-edit": ["/data/password", "/metadata/labels/a"]}
    return situation(base, declared, actual, by, key=SECRET, schema=schema("v1", "Secret"), **facts)


ONE, TWO, THREE = secret("b25l"), secret("dHdv"), secret("dGhyZWU=")


def test_a_secret_is_applied_from_git() -> None:
    assert planned(of_secret(None, ONE, None)).action is Action.CREATE
    change = planned(of_secret(ONE, TWO, ONE))
    assert (change.action, change.intended) == (Action.CONFIGURE, change.record)


@pytest.mark.parametrize("rules", [RULES, TO_GIT, replace(RULES, strategy=Strategy.CLUSTER_WINS)], ids=str)
@pytest.mark.parametrize("declared", [ONE, THREE], ids=["D = B", "D ≠ B"])
def test_a_live_edit_of_a_secret_is_never_written_nor_shown(declared: Json, rules: Rules) -> None:
    change = planned(of_secret(ONE, declared, TWO), rules)
    assert (change.action, change.reason) == (Action.SKIP, Reason.ENCRYPTION_REQUIRED)
    assert (change.document, change.intended, change.record) == (None, None, None)
    assert "dHdv" not in f"{change.message}{change.edits}{change.conflict}{change.overruled}"


def test_a_label_of_a_secret_is_not_written_either() -> None:
    assert planned(of_secret(ONE, ONE, secret("b25l", a="b"))).reason is Reason.ENCRYPTION_REQUIRED


def test_a_secret_whose_sides_agree_again_is_in_step() -> None:
    assert planned(of_secret(ONE, TWO, TWO)).action is Action.MOVE_BASE


def test_a_job_may_let_git_win_over_an_edited_secret() -> None:
    for rules in (RULES, TO_GIT):
        change = planned(of_secret(ONE, ONE, TWO, force=Strategy.GIT_WINS), RULES)
        assert rules
        assert change.action is Action.CONFIGURE
        assert [(edit.old, edit.new) for edit in change.corrections] == [(HIDDEN, HIDDEN)]
        assert [(edit.old, edit.new) for edit in change.overruled] == [(HIDDEN, HIDDEN)]


def test_where_git_wins_a_secret_is_put_back() -> None:
    change = planned(of_secret(ONE, ONE, TWO), TO_CLUSTER)
    assert (change.action, change.intended is not None) == (Action.CONFIGURE, True)


def test_gits_edit_of_a_secret_is_not_undone_in_clear() -> None:
    assert planned(of_secret(ONE, TWO, ONE), TO_GIT).reason is Reason.ENCRYPTION_REQUIRED


def test_a_conflict_about_a_secret_shows_only_that_values_differ() -> None:
    change = planned(of_secret(None, ONE, TWO, same=False))
    assert change.conflict is not None
    (field,) = change.conflict.fields
    assert (field.base, field.git, field.cluster) == (None, HIDDEN, HIDDEN)
    other = planned(of_secret(None, ONE, THREE, same=False)).conflict
    assert other is not None
    assert other.token != change.conflict.token
    salted = planned(of_secret(None, ONE, TWO, same=False), replace(RULES, salt=b"salt")).conflict
    assert salted is not None
    assert salted.token != change.conflict.token


def test_a_decision_never_writes_a_secret_to_git() -> None:
    met = of_secret(None, ONE, TWO, same=False, resolution=Resolution(Strategy.CLUSTER_WINS))
    assert planned(met).reason is Reason.RESOLUTION_FAILED
    met = replace(met, facts=replace(met.facts, resolution=Resolution(Strategy.GIT_WINS)))
    assert planned(met).action is Action.CONFIGURE
    lost = of_secret(ONE, None, TWO, resolution=Resolution(Strategy.CLUSTER_WINS))
    assert planned(lost).reason is Reason.RESOLUTION_FAILED
    assert planned(of_secret(ONE, None, TWO), replace(RULES, strategy=Strategy.CLUSTER_WINS)).action is Action.SKIP


def test_a_lost_secret_is_not_written_again() -> None:
    assert planned(of_secret(ONE, None, ONE), TO_GIT).reason is Reason.ENCRYPTION_REQUIRED


def test_a_secret_is_not_imported() -> None:
    rules = replace(RULES, imports=frozenset({SECRET.group_kind}))
    assert planned(of_secret(None, None, ONE), rules).reason is Reason.ENCRYPTION_REQUIRED


ENCRYPTS = replace(RULES, encrypts=True)


def in_sealed_file(found: Situation) -> Situation:
    return replace(found, declared=replace(found.declared, sealed=True))


@pytest.mark.parametrize("rules", [ENCRYPTS, replace(TO_GIT, encrypts=True)], ids=["both", "to Git"])
def test_with_recipients_a_live_edit_of_a_secret_is_written_and_not_shown(rules: Rules) -> None:
    change = planned(of_secret(ONE, ONE, TWO), rules)
    assert (change.action, decoded(change.document or b"")) == (Action.WRITE_BACK, TWO)
    assert [(edit.old, edit.new) for edit in change.edits] == [(HIDDEN, HIDDEN)]


def test_so_it_is_into_a_file_that_is_encrypted_already() -> None:
    change = planned(in_sealed_file(of_secret(ONE, ONE, TWO)))
    assert (change.action, decoded(change.document or b"")) == (Action.WRITE_BACK, TWO)


def test_a_clash_about_an_encrypted_secret_is_a_conflict_without_values() -> None:
    for found, rules in (
        (of_secret(ONE, THREE, TWO, same=False), ENCRYPTS),
        (in_sealed_file(of_secret(ONE, THREE, TWO, same=False)), RULES),
    ):
        change = planned(found, rules)
        assert change.conflict is not None
        (field,) = change.conflict.fields
        assert (field.base, field.git, field.cluster) == (HIDDEN, HIDDEN, HIDDEN)
        decided = replace(found, facts=replace(found.facts, resolution=Resolution(Strategy.CLUSTER_WINS)))
        assert decoded(planned(decided, rules).document or b"") == TWO


def test_a_value_by_hand_does_not_get_into_a_secret() -> None:
    by_hand = Resolution(Strategy.MANUAL, (Decision(parse_path("/data/password"), "Value", "eA=="),))
    change = planned(of_secret(ONE, THREE, TWO, same=False, resolution=by_hand), ENCRYPTS)
    assert change.reason is Reason.RESOLUTION_FAILED
    assert "does not belong into a SyncConflict" in change.message


def test_a_job_that_lets_git_win_puts_an_encrypted_secret_back() -> None:
    change = planned(of_secret(ONE, THREE, TWO, same=False, force=Strategy.GIT_WINS), ENCRYPTS)
    assert (change.action, change.document) == (Action.CONFIGURE, None)


def test_with_recipients_a_lost_secret_is_written_again_and_not_shown() -> None:
    change = planned(of_secret(ONE, None, TWO), replace(TO_GIT, encrypts=True))
    assert (change.action, decoded(change.document or b"")) == (Action.WRITE_BACK, TWO)
    assert {edit.new for edit in change.edits} == {HIDDEN}
    kept = planned(of_secret(ONE, None, TWO, resolution=Resolution(Strategy.CLUSTER_WINS)), ENCRYPTS)
    assert kept.action is Action.WRITE_BACK


def test_with_recipients_a_secret_is_imported_unless_the_fabric_needs_it() -> None:
    rules = replace(ENCRYPTS, imports=frozenset({SECRET.group_kind}))
    change = planned(of_secret(None, None, ONE), rules)
    assert (change.action, decoded(change.document or b"")["data"]) == (Action.IMPORT, {"password": "b25l"})
    assert planned(of_secret(None, None, ONE), replace(rules, kept_out=frozenset({SECRET}))).action is Action.IGNORE
    identity = {**ONE, "data": {"age.agekey": "b25l"}}
    assert planned(of_secret(None, None, identity), rules).action is Action.IGNORE


# ---- other fabrics ----

RIVAL = "tandem:abcd:other/fabric"
WITH_RIVAL = {RIVAL: ["/spec/vlan"], MANAGER: ["/spec/vlan"]}

TOUCHING = [
    ("– D = D", situation(None, B, B, WITH_RIVAL)),
    ("– D ≠ D", situation(None, D, B, WITH_RIVAL, same=False)),
    ("configure", situation(B, D, B, WITH_RIVAL)),
    ("write back", situation(B, B, fabric(vlan=1, size=2), {**WITH_RIVAL, "k9s": ["/spec/size"]})),
    ("take over", situation(B, B, B, WITH_RIVAL, uid="u2")),
]


@pytest.mark.parametrize("told", [case[1] for case in TOUCHING], ids=[case[0] for case in TOUCHING])
def test_nothing_is_forced_over_another_fabric(told: Situation) -> None:
    change = planned(told)
    assert change.conflict is not None
    assert (change.action, change.reason) == (Action.CONFLICT, Reason.OWNED_BY_OTHER)
    assert (change.conflict.type, change.conflict.severity) == (ConflictType.OWNED_BY_OTHER, Severity.CRITICAL)
    assert RIVAL in change.message
    waiting = planned(replace(told, facts=replace(told.facts, handover="other/fabric is suspended")))
    assert (waiting.action, waiting.message) == (Action.WAIT, "other/fabric is suspended")
    assert planned(replace(told, facts=replace(told.facts, takeover=True))).is_effective or told.facts.same is False


def test_an_object_in_step_may_have_another_fabrics_manager() -> None:
    assert planned(situation(B, B, fabric(vlan=1, size=1), WITH_RIVAL)).action is Action.UNCHANGED


def test_what_another_fabric_manages_is_forgotten_not_pruned() -> None:
    change = planned(situation(B, None, B, WITH_RIVAL))
    assert (change.action, change.row) == (Action.FORGET, Row.UNDECLARED)


# ---- refusals ----

REFUSED = (Reason.FIELD_REFUSED, "spec.vlan: must be positive")


def test_a_refused_document_is_not_sent_again() -> None:
    change = planned(situation(B, D, B, BY, refused=REFUSED))
    assert (change.action, change.reason, change.message) == (Action.SKIP, *REFUSED)
    assert (change.intended, change.record) == (None, None)


def test_a_refused_document_does_not_block_the_other_direction() -> None:
    live = fabric(vlan=1, size=2)
    change = planned(situation(B, D, live, {"k9s": ["/spec/size"]}, refused=REFUSED))
    assert (change.action, change.reason) == (Action.WRITE_BACK, Reason.FIELD_REFUSED)
    assert spec(change.document) == {"vlan": 2, "size": 2}
    assert (change.intended, change.record) == (None, None)


def test_a_refusal_does_not_stop_what_sends_nothing() -> None:
    assert planned(situation(B, None, B, BY, refused=REFUSED)).action is Action.PRUNE


# ---- fights ----

FOUGHT: dict[str, Any] = {"fighting": frozenset({"/spec/vlan"})}


def test_a_fought_over_path_is_left_as_it_is() -> None:
    for rules in BOTH_WAYS:
        change = planned(situation(B, B, EDITED, BY, **FOUGHT), rules)
        assert (change.action, change.reason) == (Action.SKIP, Reason.FIGHTING)
        assert "kubectl-edit" in change.message
        assert change.record is None


def test_the_rest_of_a_fought_over_object_goes_on() -> None:
    declared = fabric(vlan=1, zones=["a"])
    change = planned(situation(B, declared, EDITED, BY, **FOUGHT), TO_CLUSTER)
    assert (change.action, change.reason, change.record) == (Action.CONFIGURE, Reason.FIGHTING, None)
    assert spec(change.intended) == {"zones": ["a"]}


def test_a_fight_that_left_no_difference_is_none() -> None:
    change = planned(situation(B, D, B, BY, fighting=frozenset({"/spec/size"})))
    assert (change.action, change.reason) == (Action.CONFIGURE, None)
    assert planned(situation(B, D, EDITED, BY, schema_changed=True, **FOUGHT)).reason is None


def test_a_fight_with_nobody_known() -> None:
    change = planned(
        situation(B, B, fabric(vlan=1, size=1), {"k9s": ["/spec/vlan"]}, fighting=frozenset({"/spec/size"}))
    )
    assert "somebody unknown" in change.message


def test_other_rows_know_no_fights() -> None:
    assert planned(situation(None, D, None, **FOUGHT)).action is Action.CREATE
    assert planned(situation(B, D, None, target=Target.THERE, **FOUGHT), TO_CLUSTER).action is Action.CREATE
