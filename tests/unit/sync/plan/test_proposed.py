"""What is kept of edits that wait: what a change asks for, what a plan leaves, what Git shall say, how it is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.objects import Json, canonical, decoded
from controller.sync.plan.fieldpath import Item, Keys, Path
from controller.sync.plan.model import Action, Change, Declared, FieldEdit, Pending, Presence
from controller.sync.plan.pending import digest, document, is_part, proposed, restored, standing, stored
from tests.support.plan import KEY, SCHEMA, fabric, spec

VLAN = FieldEdit(("spec", "vlan"), 1, 2, manager="kubectl-edit")
ENABLED = FieldEdit(("spec", "enabled"), None, True, old_present=False, manager="kubectl-edit")
BOTH = Pending((VLAN, ENABLED))
D = Declared(Presence.PRESENT, content=canonical(fabric(vlan=1, zones=["a"])))


def change(action: Action = Action.UNCHANGED, *pending: FieldEdit, uid: str = "u1") -> Change:
    return Change(KEY, action, "", pending=pending, uid=uid)


def test_a_change_asks_for_its_edits_or_the_removal() -> None:
    write = Change(KEY, Action.WRITE_BACK, "", proposed=(VLAN, ENABLED), omitted=(ENABLED.path,))
    assert proposed(write) == Pending((VLAN, ENABLED), (ENABLED.path,))
    assert proposed(change(Action.REMOVE_DOCUMENT)) == Pending((), deleted=True)


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (BOTH, change(Action.UNCHANGED, VLAN, ENABLED), BOTH),
        (BOTH, change(Action.CONFIGURE, ENABLED), Pending((ENABLED,))),
        (BOTH, change(Action.MOVE_BASE), None),
        (replace(BOTH, omitted=(ENABLED.path,)), change(Action.UNCHANGED, ENABLED), None),
        (replace(BOTH, rejected="closed"), change(Action.UNCHANGED, VLAN, ENABLED), None),
        (Pending((), deleted=True), change(uid=""), Pending((), deleted=True)),
        (Pending((), deleted=True), change(Action.FORGET, uid=""), None),
        (Pending((), deleted=True), change(Action.TAKE_OVER), None),
    ],
    ids=["all", "one", "none", "only what need not be said", "rejected", "removal", "removed", "made anew"],
)
def test_what_a_plan_leaves(before: Pending, change: Change, after: Pending | None) -> None:
    assert standing(before, change) == after


def test_what_git_shall_say() -> None:
    gone = FieldEdit(("spec", "zones"), ["a"], new_present=False)
    assert spec(document(D, Pending((VLAN, ENABLED, gone), (ENABLED.path,)), SCHEMA)) == {"vlan": 2}
    assert document(D, Pending((), deleted=True), SCHEMA) is None
    whole = Pending((FieldEdit((), None, fabric(vlan=1, enabled=True), old_present=False),), (ENABLED.path,))
    assert spec(document(Declared(), whole, SCHEMA)) == {"vlan": 1}
    assert spec(canonical(whole.edits[0].new)) == {"vlan": 1, "enabled": True}, "what is kept stays as it is"


def test_a_part_asks_for_nothing_else() -> None:
    moved = Pending((replace(VLAN, old=7, manager="k9s"),))
    assert is_part(moved, BOTH)
    assert not is_part(BOTH, moved)
    assert not is_part(Pending((replace(VLAN, new=3),)), BOTH)
    assert not is_part(Pending((), deleted=True), BOTH)


def test_a_digest_tells_proposals_apart() -> None:
    both = digest({KEY: BOTH}, {KEY: "b1"})
    assert both == digest({KEY: BOTH}, {KEY: "b1"})
    assert digest({}, {}) == ""
    assert len({both, digest({KEY: BOTH}, {KEY: "b2"}), digest({KEY: Pending((VLAN,))}, {KEY: "b1"}), ""}) == 4


NUMBERS = st.integers(-(2**53), 2**53)  # as JSON holds them
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
SEGMENTS = (
    st.text(max_size=5)
    | st.builds(lambda name, value: Keys(((name, value),)), st.from_regex(r"[a-z]{1,5}", fullmatch=True), NUMBERS)
    | st.builds(Item, st.text(max_size=5))
)
PATHS = st.lists(SEGMENTS, max_size=3).map(tuple)


@given(st.lists(st.tuples(PATHS, VALUES, VALUES, st.booleans(), st.booleans(), st.text(max_size=5)), max_size=3))
def test_what_is_stored_is_what_comes_back(edits: list[tuple[Path, Json, Json, bool, bool, str]]) -> None:
    kept = Pending(
        tuple(
            FieldEdit(path, old if was else None, new if now else None, was, now, manager)
            for path, old, new, was, now, manager in edits
        ),
        omitted=tuple(path for path, *_ in edits),
        deleted=not edits,
        rejected="closed",
    )
    assert restored(decoded(canonical(stored(kept))), "closed") == kept
