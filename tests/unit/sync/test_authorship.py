"""Who wrote which paths, as a list of commits: everybody's share, in order, and all of them together the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.git.commit import Person
from controller.objects import Json, ObjectKey, Provenance, canonical, decoded
from controller.sync.authorship import PARTS, Part, Sides, Users, author_of, parts_of, together
from controller.sync.plan.diff import diff
from controller.sync.plan.fieldpath import meet, render_path
from controller.sync.plan.model import Action, Change, Deed
from controller.sync.plan.schema import Schema
from controller.sync.profile import Identity, profile_of
from tests.support.plan import KEY, SCHEMA, VERSION, fabric
from tests.unit.sync.plan.test_diff import specs
from tests.unit.sync.test_profile import HERE
from tests.unit.sync.test_profile import fabric as declaring

ALICE, BOB = "alice", "bob"
OTHER = KEY._replace(name="db")
SECRET = ObjectKey("", "Secret", "shop", "web")


def change(
    declared: Json, wanted: Json, by: dict[str, tuple[str, float]], key: ObjectKey = KEY, schema: Schema = SCHEMA
) -> Change:
    """A write-back; `by`: (user, time) of each path, "" and 0 where it says nothing."""
    edits = []
    for edit in diff(declared, wanted, schema):
        user, time = by.get(render_path(edit.path), ("", 0.0))
        edits.append(replace(edit, user=user, edited_at=time))
    return Change(
        key, Action.WRITE_BACK, "row", document=canonical(wanted), edits=tuple(edits), api_version=VERSION,
        origin=Provenance("web.yaml", blob="b1"), actual=canonical(declared),
    )  # fmt: skip


def sides(one: Change) -> Sides:
    """The tests' changes carry what Git declares where others carry the live object."""
    return Sides(one.actual or b"", SCHEMA)


def whole(key: ObjectKey, action: Action, *makers: Deed) -> Change:
    """A change of an object as a whole."""
    document = None if action is Action.REMOVE_DOCUMENT else b"{}"
    return Change(key, action, "row", document=document, makers=makers)


def parts(*changes: Change, **files: Sequence[Change]) -> list[tuple[Users, list[tuple[str, Json]]]]:
    """(users, [(name, spec)]) of each part."""
    return [told(part) for part in parts_of({"web.yaml": changes, **files}, sides)]


def told(part: Part) -> tuple[Users, list[tuple[str, Json]]]:
    return part.users, [
        (key.name, None if one.document is None else decoded(one.document).get("spec"))
        for key, one in part.changes.items()
    ]


def test_everybody_gets_what_they_did_in_the_order_in_which_they_began() -> None:
    by = {"/spec/vlan": (BOB, 2.0), "/spec/size": (ALICE, 1.0)}
    other = change(fabric(vlan=5), fabric(vlan=6), {"/spec/vlan": (BOB, 0.5)}, OTHER)
    assert parts(change(fabric(vlan=1, size=1), fabric(vlan=2, size=2), by), other) == [
        ((BOB,), [("web", {"vlan": 2, "size": 1}), ("db", {"vlan": 6})]),
        ((ALICE,), [("web", {"vlan": 2, "size": 2})]),
    ]


def test_a_part_has_its_own_edits_and_the_time_of_the_last() -> None:
    by = {"/spec/vlan": (BOB, 2.0), "/spec/size": (ALICE, 1.0), "/spec/enabled": (BOB, 3.0)}
    one = change(fabric(vlan=1, size=1, enabled=True), fabric(vlan=2, size=2, enabled=False), by)
    found = parts_of({"web.yaml": [one]}, sides)
    assert [(part.users, part.time) for part in found] == [((ALICE,), 1.0), ((BOB,), 3.0)]
    assert [sorted(render_path(edit.path) for edit in part.changes[KEY].edits) for part in found] == [
        ["/spec/size"],
        ["/spec/enabled", "/spec/vlan"],
    ]


def test_what_nobody_is_known_for_comes_first() -> None:
    by = {"/spec/size": (ALICE, 1.0)}
    assert [users for users, _ in parts(change(fabric(vlan=1, size=1), fabric(vlan=2, size=2), by))] == [
        ("",),
        (ALICE,),
    ]


def test_without_names_there_is_one_part() -> None:
    found = parts(change(fabric(vlan=1), fabric(vlan=2), {}), whole(OTHER, Action.IMPORT))
    assert found == [(("",), [("web", {"vlan": 2}), ("db", None)])]


def test_deletions_and_new_objects_are_their_makers() -> None:
    removed, made = whole(KEY, Action.REMOVE_DOCUMENT, Deed(ALICE, 2.0)), whole(OTHER, Action.IMPORT, Deed(BOB, 1.0))
    assert parts(removed, more=[made]) == [((BOB,), [("db", None)]), ((ALICE,), [("web", None)])]


SEVERAL = (Deed(BOB, 1.0), Deed(ALICE, 2.0))


def test_an_object_that_two_made_is_theirs_together() -> None:
    assert parts(whole(KEY, Action.IMPORT, *SEVERAL)) == [((BOB, ALICE), [("web", None)])]


TOGETHER: dict[str, tuple[Json, Json, dict[str, tuple[str, float]]]] = {
    "two halves of a new element": (
        fabric(vlan=1),
        fabric(vlan=1, ports=[{"port": 80, "protocol": "UDP", "mtu": 1}]),
        {
            "/spec/ports/{port=80,protocol=UDP}/port": (ALICE, 1.0),
            "/spec/ports/{port=80,protocol=UDP}/protocol": (ALICE, 1.0),
            "/spec/ports/{port=80,protocol=UDP}/mtu": (BOB, 2.0),
        },
    ),
    "two halves of a new struct": (
        fabric(vlan=1),
        fabric(vlan=1, probe={"path": "/", "period": 5}),
        {"/spec/probe/path": (ALICE, 1.0), "/spec/probe/period": (BOB, 2.0)},
    ),
}


@pytest.mark.parametrize(("declared", "wanted", "by"), TOGETHER.values(), ids=TOGETHER)
def test_what_is_of_one_piece_is_everybodys(declared: Json, wanted: Json, by: dict[str, tuple[str, float]]) -> None:
    assert [users for users, _ in parts(change(declared, wanted, by))] == [(ALICE, BOB)]


APART: dict[str, tuple[Json, Json, dict[str, tuple[str, float]]]] = {
    "two elements of a new list": (
        fabric(vlan=1),
        fabric(vlan=1, zones=["a", "b"]),
        {"/spec/zones/{=a}": (ALICE, 1.0), "/spec/zones/{=b}": (BOB, 2.0)},
    ),
    "two keys of a new map": (
        fabric(vlan=1),
        fabric(vlan=1, tags={"a": "1", "b": "2"}),
        {"/spec/tags/a": (ALICE, 1.0), "/spec/tags/b": (BOB, 2.0)},
    ),
    "two fields of a struct that is there": (
        fabric(probe={"path": "/"}),
        fabric(probe={"path": "/live", "period": 5}),
        {"/spec/probe/path": (ALICE, 1.0), "/spec/probe/period": (BOB, 2.0)},
    ),
}


@pytest.mark.parametrize(("declared", "wanted", "by"), APART.values(), ids=APART)
def test_what_can_stand_alone_is_each_ones_own(declared: Json, wanted: Json, by: dict[str, tuple[str, float]]) -> None:
    found = parts(change(declared, wanted, by))
    assert [users for users, _ in found] == [(ALICE,), (BOB,)]
    assert found[-1][1] == [("web", wanted["spec"])]


def test_labels_of_two_people_come_apart() -> None:
    """A map that both begin is one with any of its keys."""
    labelled = fabric(vlan=1)
    labelled["metadata"] = labelled["metadata"] | {"labels": {"a": "1", "b": "2"}}
    by = {"/metadata/labels/a": (ALICE, 1.0), "/metadata/labels/b": (BOB, 2.0)}
    found = parts_of({"web.yaml": [change(fabric(vlan=1), labelled, by)]}, sides)
    documents = [decoded(part.changes[KEY].document or b"") for part in found]
    assert [one["metadata"]["labels"] for one in documents] == [{"a": "1"}, {"a": "1", "b": "2"}]


def test_a_removal_comes_apart_from_an_edit_elsewhere() -> None:
    by = {"/spec/size": (ALICE, 1.0), "/spec/vlan": (BOB, 2.0)}
    assert parts(change(fabric(vlan=1, size=1), fabric(vlan=2), by)) == [
        ((ALICE,), [("web", {"vlan": 1})]),
        ((BOB,), [("web", {"vlan": 2})]),
    ]


def test_a_document_that_says_more_than_the_edits_is_everybodys() -> None:
    by = {"/spec/vlan": (BOB, 2.0), "/spec/size": (ALICE, 1.0)}
    one = change(fabric(vlan=1, size=1), fabric(vlan=2, size=2), by)
    assert [users for users, _ in parts(replace(one, document=canonical(fabric(vlan=2, size=2, enabled=True))))] == [
        (ALICE, BOB)
    ]


def test_a_secret_is_everybodys() -> None:
    """Its values are not in the edits."""
    by = {"/spec/vlan": (BOB, 2.0), "/spec/size": (ALICE, 1.0)}
    assert [users for users, _ in parts(change(fabric(vlan=1, size=1), fabric(vlan=2, size=2), by, SECRET))] == [
        (ALICE, BOB)
    ]


def test_a_file_that_is_written_at_once_is_everybodys() -> None:
    changes = [
        change(fabric(vlan=1), fabric(vlan=2), {"/spec/vlan": (BOB, 2.0)}),
        change(fabric(vlan=1), fabric(vlan=2), {"/spec/vlan": (ALICE, 1.0)}, OTHER),
    ]
    [part] = parts_of({"web.yaml": changes}, sides, {"web.yaml"})
    assert (part.users, len(part.changes), part.time) == ((ALICE, BOB), 2, 2.0)


def test_together_everybody_is_named_and_the_last_edit_dates_it() -> None:
    by = {"/spec/vlan": (BOB, 2.0), "/spec/size": (ALICE, 1.0)}
    one = change(fabric(vlan=1, size=1), fabric(vlan=2, size=2), by)
    part = together([one, whole(OTHER, Action.IMPORT, Deed("carol", 3.0))])
    assert (part.users, part.time) == ((ALICE, BOB, "carol"), 3.0)
    assert part.changes[KEY] == one


def test_more_people_than_commits_share_the_last() -> None:
    keys = [KEY._replace(name=f"web-{number}") for number in range(PARTS + 5)]
    changes = [
        change(fabric(vlan=1), fabric(vlan=2), {"/spec/vlan": (f"user-{number:02}", float(number))}, key)
        for number, key in enumerate(keys)
    ]
    found = parts_of({"web.yaml": changes}, sides)
    assert [len(part.users) for part in found] == [1] * (PARTS - 1) + [6]
    assert sum(len(part.changes) for part in found) == len(keys)


WHO = st.lists(st.tuples(st.sampled_from(["", ALICE, BOB, "carol"]), st.floats(0, 9)), min_size=12, max_size=12)


@given(specs, specs, WHO)
def test_the_parts_are_the_change(before: Json, after: Json, who: list[tuple[str, float]]) -> None:
    """Every edit is in one part, part by part the document gets there, and nobody has another's edit."""
    declared, wanted = fabric(**before), fabric(**after)
    paths = [render_path(edit.path) for edit in diff(declared, wanted, SCHEMA)]
    one = change(declared, wanted, dict(zip(paths, who, strict=False)))
    if not one.edits:
        return
    found = parts_of({"web.yaml": [one]}, sides)
    divided = [render_path(edit.path) for part in found for edit in part.changes[KEY].edits]
    assert sorted(divided) == sorted(paths)
    assert found[-1].changes[KEY].document == one.document
    for part in found:
        assert {edit.user for edit in part.changes[KEY].edits} <= set(part.users)
    if len(found) > 1:
        so_far = canonical(declared)
        for part in found:
            document = part.changes[KEY].document or b""
            theirs = [edit.path for edit in part.changes[KEY].edits]
            moved = diff(decoded(so_far), decoded(document), SCHEMA)  # what is emptied by a removal goes with it
            assert all(any(meet(edit.path, path) for path in theirs) for edit in moved)
            so_far = document


# ---- authors ----

TANDEM = Person("Fabric's", "fabric@example.com")
ENCODED = "%E2%80%AEalice"
AUTHORS: dict[str, tuple[Users, Person]] = {
    "nobody": (("",), TANDEM),
    "no one at all": ((), TANDEM),
    "two": ((ALICE, BOB), TANDEM),
    "one known to Git": ((ALICE,), Person("Alice Liddell", "alice@wonder.land")),
    "a program known to Git": (("system:serviceaccount:ci:known",), Person("CI", "ci@example.com")),
    "a program": (("system:serviceaccount:ci:robot",), TANDEM),
    "a person": ((BOB,), Person("bob", "bob@users.noreply.invalid")),
    "an address": (("bob@example.com",), Person("bob@example.com", "bob%40example.com@users.noreply.invalid")),
    "other letters": (("zoë",), Person("zoë", "zo%C3%AB@users.noreply.invalid")),
    "a line of its own": (("a\nb",), Person("a%0Ab", "a%0Ab@users.noreply.invalid")),
    "another's address": (("a <b@c>",), Person("a%20%3Cb%40c%3E", "a%20%3Cb%40c%3E@users.noreply.invalid")),
    "spaces around": ((" alice",), Person("%20alice", "%20alice@users.noreply.invalid")),
    "written backwards": (("\u202ealice",), Person(ENCODED, f"{ENCODED}@users.noreply.invalid")),
}


@pytest.mark.parametrize(("users", "author"), AUTHORS.values(), ids=AUTHORS)
def test_the_author(users: Users, author: Person) -> None:
    profile = profile_of(declaring(repository={"author": {"name": TANDEM.name, "email": TANDEM.email}}), HERE)
    known = {
        ALICE: Identity("Alice Liddell", "alice@wonder.land"),
        "system:serviceaccount:ci:known": Identity("CI", "ci@example.com"),
    }
    assert author_of(replace(profile, identities=known), users) == author
