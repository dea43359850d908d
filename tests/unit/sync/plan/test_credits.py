"""Whose write moved a path: the last one that touched it, and nobody's where that is in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.objects import canonical, decoded
from controller.sync.plan.credits import NOBODY, credit_of, makers_of
from controller.sync.plan.fieldpath import Path, meet, parse_path
from controller.sync.plan.model import ConflictType, Credit, Deed, FieldEdit, Pending
from controller.sync.plan.pending import restored, stored
from tests.support.plan import fabric, planned, situation

ALICE, BOB = "alice", "bob"
VLAN = "/spec/vlan"


def writes(*told: tuple[str, str]) -> tuple[Credit, ...]:
    """Writes in order: (user, path)."""
    return tuple(
        Credit(user, (parse_path(path),), number, float(number)) for number, (user, path) in enumerate(told, 10)
    )


LAST = {
    "nobody wrote": ((), VLAN, ""),
    "somewhere else": (((ALICE, "/spec/mtu"),), VLAN, ""),
    "the only one": (((ALICE, VLAN),), VLAN, ALICE),
    "the last of two": (((ALICE, VLAN), (BOB, VLAN)), VLAN, BOB),
    "somebody unknown came after": (((ALICE, VLAN), ("", VLAN)), VLAN, ""),
    "somebody unknown came before": ((("", VLAN), (ALICE, VLAN)), VLAN, ALICE),
    "another field after": (((ALICE, VLAN), (BOB, "/spec/mtu")), VLAN, ALICE),
    "below the path": (((ALICE, "/spec/ports/{name=a}/speed"),), "/spec/ports/{name=a}", ALICE),
    "the whole object": (((ALICE, ""),), VLAN, ALICE),
    "the whole object, then the field": (((ALICE, ""), (BOB, VLAN)), VLAN, BOB),
    "around it, after another": (((ALICE, VLAN), (BOB, "/spec")), VLAN, ""),
    "around it, after oneself": (((ALICE, VLAN), (ALICE, "/spec")), VLAN, ALICE),
}


@pytest.mark.parametrize(("told", "path", "user"), LAST.values(), ids=LAST)
def test_the_last_write_that_touched_it(told: tuple[tuple[str, str], ...], path: str, user: str) -> None:
    assert credit_of(writes(*told), parse_path(path)).user == user


MAKERS = {
    "nobody": ((), ()),
    "one": (((ALICE, ""), (ALICE, VLAN)), (Deed(ALICE, 11.0),)),
    "two, in the order of their last writes": (
        ((ALICE, ""), (BOB, VLAN), (ALICE, VLAN)),
        (Deed(BOB, 11.0), Deed(ALICE, 12.0)),
    ),
    "one unknown": (((ALICE, ""), ("", VLAN)), ()),
}


@pytest.mark.parametrize(("told", "deeds"), MAKERS.values(), ids=MAKERS)
def test_who_made_the_object(told: tuple[tuple[str, str], ...], deeds: tuple[Deed, ...]) -> None:
    assert makers_of(writes(*told)) == deeds


PATHS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(tuple)
WRITES = st.lists(st.tuples(st.sampled_from(["", ALICE, BOB]), st.lists(PATHS, min_size=1, max_size=3)), max_size=6)


@given(WRITES, PATHS)
def test_nobody_is_named_who_did_not_touch_it_last(told: list[tuple[str, list[Path]]], path: Path) -> None:
    followed = [Credit(user, tuple(paths), number) for number, (user, paths) in enumerate(told)]
    named = credit_of(followed, path)
    touching = [credit for credit in followed if any(meet(touched, path) for touched in credit.paths)]
    assert named in (NOBODY, *touching[-1:])
    if any(path in credit.paths for credit in touching[-1:]):
        assert named == touching[-1]


# ---- in the plan ----


def test_the_edit_bears_the_users_name() -> None:
    edited = situation(
        fabric(vlan=1), fabric(vlan=1), fabric(vlan=2), {"kubectl-edit": [VLAN]}, credits=writes((ALICE, VLAN))
    )
    [edit] = planned(edited).edits
    assert (edit.manager, edit.user, edit.edited_at) == ("kubectl-edit", ALICE, 10.0)


def test_a_user_makes_no_manager_an_editor() -> None:
    scaled = situation(
        fabric(vlan=1), fabric(vlan=1), fabric(vlan=2), {"my-controller": [VLAN]}, credits=writes((ALICE, VLAN))
    )
    assert planned(scaled).edits == ()


def test_a_pending_edit_keeps_the_name_that_it_went_with() -> None:
    pending = Pending((FieldEdit((*parse_path(VLAN),), 1, 2, manager="kubectl-edit", user=ALICE, edited_at=3.0),))
    edited = situation(
        fabric(vlan=1, mtu=1), fabric(vlan=1, mtu=1), fabric(vlan=2, mtu=2),
        {"kubectl-edit": [VLAN, "/spec/mtu"]}, pending=pending, credits=writes((BOB, VLAN), (BOB, "/spec/mtu")),
    )  # fmt: skip
    assert {edit.path[-1]: edit.user for edit in planned(edited).edits} == {"vlan": ALICE, "mtu": BOB}


def test_a_conflict_names_the_user_beside_the_manager() -> None:
    clash = situation(
        fabric(vlan=1), fabric(vlan=3), fabric(vlan=2), {"kubectl-edit": [VLAN]}, same=False,
        credits=writes((ALICE, VLAN)),
    )  # fmt: skip
    conflict = planned(clash).conflict
    assert conflict is not None
    [field] = conflict.fields
    assert (conflict.type, field.editor, field.user) == (ConflictType.BOTH_CHANGED, "kubectl-edit", ALICE)


def test_who_made_what_is_kept_while_it_waits_in_a_request() -> None:
    edit = FieldEdit(parse_path(VLAN), 1, 2, manager="kubectl-edit", user=ALICE, edited_at=3.5)
    for pending in (Pending((edit,)), Pending((), deleted=True, makers=(Deed(BOB, 4.5),))):
        assert restored(decoded(canonical(stored(pending))), "") == pending
