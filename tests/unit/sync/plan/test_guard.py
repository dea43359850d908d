from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.errors import Reason
from controller.objects import Kind, ObjectKey
from controller.sync.plan.guard import Confirmed, Context, guards_of, token_of
from controller.sync.plan.model import Action, Change, DeletionRules, Guard, Rules
from controller.sync.plan.plan import make_plan
from controller.sync.plan.rows import Row
from tests.support.plan import RULES, TO_GIT

IMPORTING = replace(RULES, imports=frozenset({Kind("", "ConfigMap")}))


def changes(
    count: int, action: Action = Action.PRUNE, kind: str = "ConfigMap", row: Row = Row.UNDECLARED
) -> list[Change]:
    document = b"{}" if action in (Action.WRITE_BACK, Action.MERGE, Action.IMPORT) else None
    keys = (ObjectKey("", kind, "shop", f"n{number:03}") for number in range(count))
    return [Change(key, action, row, document=document) for key in keys]


def guards(planned: list[Change], rules: Rules = RULES, **context: Any) -> tuple[Guard, ...]:
    return guards_of(planned, rules, Context(**{"based": 1000, **context}))


def limited(count: int = 100, percent: int = 50) -> Rules:
    return replace(RULES, deletion=DeletionRules(max_deletions=count, max_deletion_percent=percent))


DELETIONS = [
    ("as many as allowed", 100, 1000, RULES, False),
    ("one more", 101, 1000, RULES, True),
    ("half of all", 10, 20, RULES, False),
    ("more than half", 11, 20, RULES, True),
    ("all, but too few to count in percent", 9, 9, RULES, False),
    ("all of ten", 10, 10, RULES, True),
    ("none allowed", 1, 1000, limited(0), True),
    ("few allowed", 6, 1000, limited(5), True),
    ("any percentage", 100, 100, limited(percent=100), False),
    ("nothing to delete", 0, 0, limited(0, 0), False),
]


@pytest.mark.parametrize(
    ("count", "based", "rules", "trips"), [case[1:] for case in DELETIONS], ids=[case[0] for case in DELETIONS]
)
@pytest.mark.parametrize("action", [Action.PRUNE, Action.REMOVE_DOCUMENT])
def test_deletions_on_either_side(action: Action, count: int, based: int, rules: Rules, trips: bool) -> None:
    found = guards(changes(count, action), rules, based=based)
    assert [guard.reason for guard in found] == ([Reason.DELETION_GUARD] if trips else [])
    if trips:
        assert (found[0].deletions, len(found[0].entries), found[0].edits) == (count, count, 0)
        assert str(count) in found[0].message


def test_deletions_of_both_sides_count_together() -> None:
    mixed = [*changes(60), *changes(60, Action.REMOVE_DOCUMENT, "Secret")]
    assert guards(mixed)[0].deletions == 120


PRECIOUS = [("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "PersistentVolumeClaim")]


@pytest.mark.parametrize(("group", "kind"), PRECIOUS, ids=[kind for _, kind in PRECIOUS])
def test_what_holds_others_is_guarded_whatever_the_number(group: str, kind: str) -> None:
    key = ObjectKey(group, kind, "", "shop")
    pruned = [Change(key, Action.PRUNE, Row.UNDECLARED), *changes(3)]
    (guard,) = guards(pruned)
    assert (guard.reason, guard.entries) == (Reason.DELETION_GUARD, ((key, Action.PRUNE),))
    assert "shop" in guard.message
    assert guards([Change(key, Action.REMOVE_DOCUMENT, Row.VANISHED)]) == ()
    assert guards([Change(key, Action.FORGET, Row.GONE)]) == ()


def test_an_empty_source_names_what_would_go() -> None:
    planned = [*changes(2), Change(ObjectKey("", "Pod", "a", "b"), Action.FORGET, Row.GONE)]
    (guard,) = guards(planned, source_empty=True)
    assert (guard.reason, len(guard.entries), guard.deletions) == (Reason.EMPTY_SOURCE, 3, 2)


def test_an_empty_source_stands_for_the_mass_deletion_it_is() -> None:
    assert [guard.reason for guard in guards(changes(500), source_empty=True)] == [Reason.EMPTY_SOURCE]


def test_an_empty_source_with_nothing_recorded() -> None:
    assert [guard.reason for guard in guards([], source_empty=True, based=0)] == [Reason.EMPTY_SOURCE]
    assert guards([], TO_GIT, source_empty=True, based=0) == ()
    assert guards([], IMPORTING, source_empty=True, based=0) == ()
    assert [guard.reason for guard in guards([], IMPORTING, source_empty=True, based=1)] == [Reason.EMPTY_SOURCE]
    assert [guard.reason for guard in guards([], TO_GIT, source_empty=True, based=1)] == [Reason.EMPTY_SOURCE]


def test_edits_above_the_limit() -> None:
    rules = replace(RULES, max_edits=2)
    assert guards(changes(2, Action.WRITE_BACK), rules) == ()
    (guard,) = guards([*changes(2, Action.WRITE_BACK), *changes(1, Action.MERGE, "Secret")], rules)
    assert (guard.reason, guard.edits, len(guard.entries)) == (Reason.EDIT_GUARD, 3, 3)
    assert guards(changes(9, Action.IMPORT), rules) == ()
    assert guards(changes(9, Action.CONFIGURE), rules) == ()


def test_a_rewritten_history_trips_only_if_something_vanished() -> None:
    kept = changes(3, Action.CONFIGURE, row=Row.DECLARED_ANEW)
    assert guards(kept, history_rewritten=True) == ()
    for row in (Row.UNDECLARED, Row.UNDECLARED_AND_EDITED, Row.UNDECLARED_OTHER_UID, Row.GONE):
        (guard,) = guards([*kept, Change(ObjectKey("", "Pod", "a", "b"), Action.FORGET, row)], history_rewritten=True)
        assert (guard.reason, len(guard.entries)) == (Reason.HISTORY_REWRITTEN, 1)
    assert guards(changes(1)) == ()


def confirmed(guard: Guard, *, less: int = 0) -> Confirmed:
    return Confirmed(guard.reason, frozenset(guard.entries[: len(guard.entries) - less]))


def test_a_confirmed_guard_admits_every_later_plan_whose_entries_are_among_its_own() -> None:
    (guard,) = guards(changes(150))
    assert guards(changes(150), confirmed=(confirmed(guard),)) == ()
    assert guards(changes(120), confirmed=(confirmed(guard),)) == ()
    assert len(guards(changes(151), confirmed=(confirmed(guard),))) == 1
    assert len(guards(changes(150), confirmed=(confirmed(guard, less=1),))) == 1
    assert len(guards(changes(150), confirmed=(replace(confirmed(guard), reason=Reason.EDIT_GUARD),))) == 1
    assert len(guards(changes(150, Action.REMOVE_DOCUMENT), confirmed=(confirmed(guard),))) == 1


def test_a_token_stands_for_its_entries_in_any_order() -> None:
    (guard,) = guards(changes(150))
    assert guard.token == guards(changes(150)[::-1])[0].token
    assert guard.token == token_of(RULES.manager, guard.reason, reversed(guard.entries))
    others = {
        guards(changes(151))[0].token,
        guards(changes(150, Action.REMOVE_DOCUMENT))[0].token,
        guards(changes(150), replace(RULES, manager="tandem:abcd:shop/other"))[0].token,
        guards(changes(150), source_empty=True)[0].token,
    }
    assert guard.token not in others
    assert len(others) == 4


def test_several_guards_are_told_together() -> None:
    planned = [*changes(150), *changes(3, Action.WRITE_BACK, "Secret", Row.EDITED)]
    plan = make_plan(planned, replace(RULES, max_edits=1), Context(based=1000, history_rewritten=True))
    assert [guard.reason for guard in plan.guards] == [
        Reason.HISTORY_REWRITTEN,
        Reason.DELETION_GUARD,
        Reason.EDIT_GUARD,
    ]


def test_one_object_is_one_object() -> None:
    assert "1 object " in guards(changes(1), history_rewritten=True)[0].message
