"""What is known of an object whose record was lost, and what a plan makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.objects import Base, Json, Provenance, canonical, decoded
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.model import Action, Change, Conflict, ConflictType, Direction, Resolution, Strategy, Target
from controller.sync.plan.rebuild import NO_EPOCH, ShownConflict, rebuilt
from controller.sync.plan.rows import Row
from controller.sync.plan.tree import ABSENT
from tests.support.plan import EPOCH, KEY, MANAGER, RULES, SCHEMA, TO_CLUSTER, fabric, planned, situation, spec

OURS = {MANAGER: ["/spec/vlan"]}
EDITORS = {"kubectl-edit": ["/spec/vlan"], MANAGER: ["/spec/enabled"]}


def base_of(
    document: Json | None, live: Json | None, by: Any = OURS, shown: ShownConflict | None = None
) -> Base | None:
    """The base rebuilt from the applied document and the live object."""
    sides = situation(None, document, live, by)
    return rebuilt(KEY, sides.declared, sides.actual, shown, RULES, SCHEMA)


def replanned(
    document: Json | None, declared: Json | None, live: Json | None, by: Any = OURS, **options: Any
) -> Change:
    """The plan after the loss: `document` is the applied commit's, `declared` today's."""
    rules, shown = options.pop("rules", RULES), options.pop("shown", None)
    sides = situation(None, declared, live, by, **options)
    return planned(replace(sides, base=base_of(document, live, by, shown)), rules)


# ---- without a conflict ----


def test_an_object_with_our_name_on_it_was_in_step_with_the_applied_document() -> None:
    base = base_of(fabric(vlan=1), fabric(vlan=3, size="s"))
    assert base is not None
    assert (spec(base.declared), spec(base.actual)) == ({"vlan": 1}, {"vlan": 3, "size": "s"})
    assert (base.epoch, base.uid, base.origin.path) == (NO_EPOCH, "u1", "fabrics/web.yaml")


@pytest.mark.parametrize(
    ("document", "live", "by"),
    [
        (fabric(vlan=1), None, b"[]"),
        (None, fabric(vlan=1), OURS),
        (None, None, b"[]"),
        (fabric(vlan=1), fabric(vlan=1), {"kubectl-edit": ["/spec/vlan"]}),
        (fabric(vlan=1), fabric(vlan=1), {f"{MANAGER}2": ["/spec/vlan"]}),
    ],
    ids=["gone", "never declared", "neither", "somebody else's", "another fabric's"],
)
def test_of_anything_else_nothing_is_known(document: Json | None, live: Json | None, by: Any) -> None:
    assert base_of(document, live, by) is None


def test_what_git_changed_since_is_applied() -> None:
    change = replanned(fabric(vlan=1), fabric(vlan=2), fabric(vlan=1))
    assert (change.action, spec(change.intended)) == (Action.CONFIGURE, {"vlan": 2})


def test_what_git_changed_since_is_applied_over_an_edit_that_was_in_git() -> None:
    """The value is the editor's and the applied document's: it was written back before the loss."""
    change = replanned(fabric(vlan=1), fabric(vlan=2), fabric(vlan=1), EDITORS)
    assert (change.action, spec(change.intended)) == (Action.CONFIGURE, {"vlan": 2})


def test_what_git_removed_since_is_removed() -> None:
    both = {"kubectl-edit": ["/spec/enabled"], MANAGER: ["/spec/vlan", "/spec/enabled"]}
    change = replanned(fabric(vlan=1, enabled=True), fabric(vlan=1), fabric(vlan=1, enabled=True), both)
    assert (change.action, spec(change.intended), change.removals) == (
        Action.CONFIGURE,
        {"vlan": 1},
        (parse_path("/spec/enabled"),),
    )


def test_what_git_removed_since_and_an_editor_changed_is_left() -> None:
    change = replanned(
        fabric(vlan=1, enabled=True), fabric(vlan=1), fabric(vlan=1, enabled=False), {"k9s": ["/spec/enabled"], **OURS}
    )
    assert (change.action, change.document) == (Action.MOVE_BASE, None)


def test_what_only_we_hold_and_nobody_declares_is_dropped_by_an_apply() -> None:
    ours = {MANAGER: ["/spec/vlan", "/spec/enabled"]}
    change = replanned(fabric(vlan=1), fabric(vlan=1), fabric(vlan=1, enabled=True), ours)
    assert (change.action, spec(change.intended)) == (Action.CONFIGURE, {"vlan": 1})


def test_what_an_editor_changed_meanwhile_is_a_conflict() -> None:
    change = replanned(fabric(vlan=1), fabric(vlan=1), fabric(vlan=3), EDITORS, same=False)
    assert (change.action, change.row) == (Action.CONFLICT, Row.UNPROVEN)


def test_what_only_an_editor_knows_is_absorbed() -> None:
    live = fabric(vlan=1, enabled=True)
    change = replanned(fabric(vlan=1), fabric(vlan=1), live, {"kubectl-edit": ["/spec/enabled"], **OURS})
    assert (change.action, change.document, change.actual) == (Action.MOVE_BASE, None, canonical(live))


def test_what_git_gave_up_meanwhile_is_asked_about() -> None:
    change = replanned(fabric(vlan=1), None, fabric(vlan=1))
    assert (change.action, change.row) == (Action.CONFLICT, Row.UNPROVEN_UNDECLARED)
    kept = fabric({"tandem.dev/prune": "disabled"}, vlan=1)
    assert replanned(kept, None, kept).action is Action.FORGET


# ---- with an open conflict ----

CLASH = ShownConflict(ConflictType.BOTH_CHANGED, ((parse_path("/spec/vlan"), 1),), path="fabrics/web.yaml")


def shown_of(change: Change) -> Conflict:
    assert change.conflict is not None
    return change.conflict


def test_an_open_conflict_is_the_same_afterwards() -> None:
    before = planned(situation(fabric(vlan=1), fabric(vlan=2), fabric(vlan=3), EDITORS, same=False))
    after = replanned(fabric(vlan=2), fabric(vlan=2), fabric(vlan=3), EDITORS, shown=CLASH, same=False)
    assert shown_of(after) == shown_of(before)


def test_an_unknown_editors_conflict_is_the_same_afterwards() -> None:
    by = {"terraform": ["/spec/vlan"], MANAGER: ["/spec/enabled"]}
    before = planned(situation(fabric(vlan=1), fabric(vlan=1), fabric(vlan=3), by))
    doubt = replace(CLASH, type=ConflictType.UNKNOWN_EDITOR)
    after = replanned(fabric(vlan=1), fabric(vlan=1), fabric(vlan=3), by, shown=doubt)
    assert shown_of(after) == shown_of(before)
    assert shown_of(after).type is ConflictType.UNKNOWN_EDITOR


def test_an_edit_made_meanwhile_joins_the_conflict() -> None:
    by = {"kubectl-edit": ["/spec/vlan", "/spec/enabled"], MANAGER: ["/spec/vlan"]}
    git, live = fabric(vlan=2, enabled=True), fabric(vlan=3, enabled=False)
    after = replanned(git, git, live, by, shown=CLASH, same=False)
    assert [field.path for field in shown_of(after).fields] == [parse_path("/spec/vlan"), parse_path("/spec/enabled")]


def test_a_field_that_the_base_did_not_have() -> None:
    added = replace(CLASH, bases=((parse_path("/spec/vlan"), ABSENT),))
    base = base_of(fabric(vlan=2, enabled=True), fabric(vlan=3, enabled=True), EDITORS, added)
    assert base is not None
    assert (spec(base.declared), spec(base.actual)) == ({"enabled": True}, {"enabled": True})
    assert base.epoch == EPOCH


def test_a_conflict_that_does_not_show_everything_is_asked_anew() -> None:
    base = base_of(fabric(vlan=2), fabric(vlan=3), EDITORS, replace(CLASH, is_whole=False))
    assert base is not None
    assert base.epoch == NO_EPOCH
    after = replanned(
        fabric(vlan=2), fabric(vlan=2), fabric(vlan=3), EDITORS, shown=replace(CLASH, is_whole=False), same=False
    )
    assert after.action is Action.CONFLICT


@pytest.mark.parametrize("kind", [ConflictType.ADDED_IN_BOTH, ConflictType.OWNED_BY_OTHER])
def test_conflicts_about_an_object_that_nobody_recorded(kind: ConflictType) -> None:
    assert base_of(fabric(vlan=2), fabric(vlan=3), EDITORS, replace(CLASH, type=kind)) is None


def test_an_object_that_vanished_stays_in_conflict() -> None:
    """Without one it would be made again: nothing is inferred. With one somebody is about to decide."""
    vanished = ShownConflict(ConflictType.DELETED_IN_CLUSTER)
    facts = {"shown": vanished, "open_conflict": True, "target": Target.THERE}
    after = replanned(fabric(vlan=1), fabric(vlan=1), None, b"[]", **facts)
    assert (after.action, shown_of(after).type) == (Action.CONFLICT, ConflictType.DELETED_IN_CLUSTER)
    made = replanned(fabric(vlan=1), fabric(vlan=1), None, b"[]", resolution=Resolution(Strategy.GIT_WINS), **facts)
    assert made.action is Action.CREATE
    dropped = replanned(
        fabric(vlan=1), fabric(vlan=1), None, b"[]", resolution=Resolution(Strategy.CLUSTER_WINS), **facts
    )
    assert dropped.action is Action.REMOVE_DOCUMENT
    assert replanned(fabric(vlan=1), fabric(vlan=1), None, b"[]", rules=TO_CLUSTER, **facts).action is Action.CREATE


def test_an_object_that_git_gave_up_stays_in_conflict() -> None:
    given_up = ShownConflict(ConflictType.DELETED_IN_GIT, path="old/web.yaml")
    base = base_of(None, fabric(vlan=3), EDITORS, given_up)
    assert base is not None
    assert (decoded(base.declared), base.origin) == (fabric(vlan=3), Provenance("old/web.yaml"))
    after = replanned(None, None, fabric(vlan=3), EDITORS, shown=given_up, open_conflict=True)
    assert (after.action, shown_of(after).type) == (Action.CONFLICT, ConflictType.DELETED_IN_GIT)
    kept = replanned(
        None, None, fabric(vlan=3), EDITORS, shown=given_up, open_conflict=True,
        resolution=Resolution(Strategy.CLUSTER_WINS),
    )  # fmt: skip
    assert (kept.action, spec(kept.document)) == (Action.WRITE_BACK, {"vlan": 3})
    assert kept.origin == Provenance("old/web.yaml")


@pytest.mark.parametrize("kind", [ConflictType.BOTH_CHANGED, ConflictType.DELETED_IN_GIT])
def test_a_conflict_about_what_neither_side_has_any_more(kind: ConflictType) -> None:
    assert base_of(None, None, b"[]", replace(CLASH, type=kind)) is None
    assert base_of(fabric(vlan=1), None, b"[]", CLASH) is None


def test_to_git_only_nothing_is_written_to_the_cluster() -> None:
    rules = replace(RULES, direction=Direction.CLUSTER_TO_GIT)
    ours = {MANAGER: ["/spec/vlan", "/spec/enabled"]}
    change = replanned(fabric(vlan=1, enabled=True), fabric(vlan=1), fabric(vlan=1, enabled=True), ours, rules=rules)
    assert change.intended is None
