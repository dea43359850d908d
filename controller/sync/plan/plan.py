"""The way in: one situation to a change, all changes to a plan, and one situation explained.

An unchanged object costs a comparison of bytes and nothing is decoded; ten thousand of them are planned in the time of
one request.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.sync.plan.decide import decide
from controller.sync.plan.deletions import in_one_wave
from controller.sync.plan.guard import Context, guards_of
from controller.sync.plan.model import Action, Change, Plan, Presence, Question, Rules, Situation
from controller.sync.plan.order import in_order
from controller.sync.plan.rows import Row
from controller.sync.plan.view import View


def plan_object(situation: Situation, rules: Rules) -> Change | Question:
    """What to do about one object; a Question where the API server has to be asked first.

    Pure: the same situation and rules give the same answer. Put a Question's answer into `facts` and plan again.
    """
    if is_steady(situation, rules):
        return Change(situation.key, Action.UNCHANGED, Row.STEADY)
    return decide(View(situation, rules))


def is_steady(situation: Situation, rules: Rules) -> bool:
    """Whether both sides are byte for byte what the base holds, and nothing else is known of the object."""
    base, declared, actual, facts = situation.base, situation.declared, situation.actual, situation.facts
    return (
        base is not None
        and actual.content == base.actual
        and declared.content == base.declared
        and actual.uid == base.uid
        and actual.presence is Presence.PRESENT
        and declared.presence is Presence.PRESENT
        and base.epoch == rules.epoch
        and situation.pending is None
        and facts.in_scope
        and not facts.open_conflict
        and (declared.origin is None or declared.origin.path == base.origin.path)
    )


def make_plan(changes: Iterable[Change], rules: Rules, context: Context) -> Plan:
    """The changes in the order of their execution, with the guards that stop them all until confirmed.

    Deterministic, whatever the order in which changes are given.
    """
    ordered = in_order(in_one_wave(list(changes)))
    return Plan(ordered, guards_of(ordered, rules, context))
