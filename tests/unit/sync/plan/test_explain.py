from __future__ import annotations

from controller.objects import Json
from controller.sync.plan.conflicts import HIDDEN
from controller.sync.plan.explain import explain
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Action, Change, Question
from tests.support.plan import RULES, fabric, situation
from tests.unit.sync.plan.test_exceptions import ONE, THREE, TWO, of_secret

B = fabric(vlan=1, size=1)
BY = {"kubectl-edit": ["/spec/vlan"], "helm": ["/spec/size"], "k9s": ["/spec/vlan"]}


def test_every_difference_is_told_with_its_owners_and_what_it_counts_as() -> None:
    declared: Json = fabric(vlan=2, size=1, enabled=True)
    explained = explain(situation(B, declared, fabric(vlan=3, size=9), BY, same=False), RULES)
    told = [(render_path(d.field.path), d.owners, d.verdict, d.by_git, d.field.clashing) for d in explained.differences]
    assert told == [
        ("/spec/enabled", (), "", True, False),
        ("/spec/size", ("helm",), "excluded", False, False),
        ("/spec/vlan", ("kubectl-edit", "k9s"), "edit", True, True),
    ]
    vlan = explained.differences[2].field
    assert (vlan.base, vlan.git, vlan.cluster) == (1, 2, 3)
    assert isinstance(explained.result, Change)
    assert (explained.result.action, explained.result.row) == (Action.CONFLICT, "B | ≠ B | ≠ B, ≠ D")


def test_a_question_is_told_as_one() -> None:
    assert isinstance(explain(situation(B, fabric(vlan=2), fabric(vlan=3), BY), RULES).result, Question)


def test_where_a_side_is_missing_there_is_nothing_to_compare() -> None:
    for told in (situation(None, B, B), situation(B, None, B), situation(B, B, None)):
        assert explain(told, RULES).differences == ()


def test_a_secrets_values_are_hidden() -> None:
    explained = explain(of_secret(ONE, THREE, TWO), RULES)
    (difference,) = explained.differences
    assert (difference.field.base, difference.field.git, difference.field.cluster) == (HIDDEN, HIDDEN, HIDDEN)
