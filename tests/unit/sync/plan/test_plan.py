from __future__ import annotations

import pytest

from controller.sync.plan.guard import Context
from controller.sync.plan.model import Action, Change, Pending, Situation
from controller.sync.plan.plan import is_steady, make_plan
from controller.sync.plan.rows import Row
from tests.support.plan import KEY, RULES, fabric, planned, situation, spec

B = fabric(vlan=1)


def test_a_steady_object_is_not_even_decoded() -> None:
    steady = situation(B, B, B)
    broken = steady.declared.content.replace(b"{", b"")
    assert steady.base is not None
    object.__setattr__(steady.base, "declared", broken)
    object.__setattr__(steady.declared, "content", broken)
    assert planned(steady).action is Action.UNCHANGED


UNSTEADY = [
    ("Git moved", situation(B, fabric(vlan=2), B)),
    ("the cluster moved", situation(B, B, fabric(vlan=2))),
    ("another object", situation(B, B, B, uid="u2")),
    ("no base", situation(None, B, B)),
    ("no document", situation(B, None, B)),
    ("no object", situation(B, B, None)),
    ("something is pending", situation(B, B, B, pending=Pending(()))),
    ("out of scope", situation(B, B, B, in_scope=False)),
    ("a conflict is open", situation(B, B, B, open_conflict=True)),
    ("another epoch", situation(B, B, B, epoch="old")),
]


@pytest.mark.parametrize("told", [case[1] for case in UNSTEADY], ids=[case[0] for case in UNSTEADY])
def test_what_is_not_steady(told: Situation) -> None:
    assert not is_steady(told, RULES)


def test_an_edit_that_git_says_already_is_not_among_the_edits() -> None:
    base = (fabric(vlan=1), fabric(vlan=9))  # a webhook had changed it, a person put it back
    change = planned(situation(base, B, fabric(vlan=1, enabled=True), {"k9s": ["/spec/vlan", "/spec/enabled"]}))
    assert spec(change.document) == {"vlan": 1, "enabled": True}
    assert [edit.path for edit in change.edits] == [("spec", "enabled")]


TELLING = {Action.UNCHANGED: False, Action.IGNORE: False, Action.CREATE: True, Action.SKIP: True, Action.CONFLICT: True}


@pytest.mark.parametrize(("action", "expected"), TELLING.items())
def test_what_is_worth_telling(action: Action, expected: bool) -> None:
    assert Change(KEY, action, Row.STEADY).is_telling is expected


EFFECTS = [
    (Change(KEY, Action.CREATE, Row.DECLARED_ONLY, intended=b"{}"), True),
    (Change(KEY, Action.WRITE_BACK, Row.EDITED, document=b"{}"), True),
    (Change(KEY, Action.PRUNE, Row.UNDECLARED), True),
    (Change(KEY, Action.REMOVE_DOCUMENT, Row.VANISHED), True),
    (Change(KEY, Action.FORGET, Row.GONE), False),
    (Change(KEY, Action.MOVE_BASE, Row.MET), False),
]


@pytest.mark.parametrize(("change", "expected"), EFFECTS, ids=[change.action for change, _ in EFFECTS])
def test_what_touches_a_side(change: Change, expected: bool) -> None:
    assert change.is_effective is expected


def test_a_plan_of_nothing() -> None:
    plan = make_plan([], RULES, Context())
    assert (plan.changes, plan.guards) == ((), ())
