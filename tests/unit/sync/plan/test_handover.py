"""An object that another fabric let go of: whose values give way, and what still has to be decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.sync.plan.model import Action, ConflictType, Rules, Situation
from controller.sync.plan.rows import Row
from tests.support.plan import MANAGER, RULES, TO_CLUSTER, TO_GIT, fabric, planned, situation, spec

FORMER = "tandem:abcd:other/fabric"
DOCUMENT = fabric(vlan=2, size=1)


def met(by: dict[str, list[str]], **facts: Any) -> Situation:
    """The document meets an object with another vlan, and without its size."""
    return situation(None, DOCUMENT, fabric(vlan=1, name="kept"), by, same=False, **facts)


@pytest.mark.parametrize("rules", [RULES, TO_CLUSTER], ids=["both directions", "Git → cluster"])
def test_what_a_former_owner_left_gives_way(rules: Rules) -> None:
    change = planned(met({FORMER: ["/spec/vlan", "/spec/name"]}, takeover=True), rules)
    assert (change.action, change.row) == (Action.TAKE_OVER, Row.DECLARED_OTHERWISE)
    assert spec(change.intended) == {"vlan": 2, "size": 1}
    assert (change.document, change.removals, change.conflict) == (None, (), None)


def test_an_open_conflict_ends_with_the_hand_over() -> None:
    change = planned(met({FORMER: ["/spec/vlan"]}, takeover=True, open_conflict=True))
    assert (change.action, change.resolved) == (Action.TAKE_OVER, True)


@pytest.mark.parametrize(
    "by",
    [
        pytest.param({FORMER: ["/spec/name"], "kubectl-edit": ["/spec/vlan"]}, id="a person's value"),
        pytest.param({FORMER: ["/spec/vlan"], "kubectl-edit": ["/spec/vlan"]}, id="a person's value, co-owned"),
    ],
)
def test_what_a_person_meant_is_still_a_conflict(by: dict[str, list[str]]) -> None:
    change = planned(met(by, takeover=True))
    assert change.conflict is not None
    assert change.conflict.type is ConflictType.ADDED_IN_BOTH


def test_without_a_hand_over_it_is_the_others() -> None:
    told = met({FORMER: ["/spec/vlan"], MANAGER: ["/spec/vlan"]})
    change = planned(told)
    assert change.conflict is not None
    assert change.conflict.type is ConflictType.OWNED_BY_OTHER
    waiting = planned(replace(told, facts=replace(told.facts, handover="it has not planned this commit yet")))
    assert waiting.action is Action.WAIT


def test_the_direction_to_git_overwrites_nothing() -> None:
    change = planned(met({FORMER: ["/spec/vlan"]}, takeover=True), TO_GIT)
    assert change.conflict is not None
    assert change.intended is None
