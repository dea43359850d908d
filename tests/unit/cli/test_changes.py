"""A plan's changes as people and programs read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.text import Text

from controller.cli.changes import change_json, change_lines, edit_line, guard_json, guard_lines
from controller.errors import Reason
from controller.objects import ObjectKey, Provenance, canonical
from controller.sync.effects import MEANINGS, applied_edits, summary
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.model import Action, Change, FieldEdit, Guard, Presence
from tests.support.openapi import schema
from tests.support.plan import KEY, RULES, SCHEMA, fabric, planned, situation

SECRET = ObjectKey("", "Secret", "shop", "keys")
EDITOR = {"kubectl-edit": ("/spec/replicas",)}


def edit(path: str, **values: Any) -> FieldEdit:
    """`old` and `new` where they are given; the manager."""
    return FieldEdit(
        parse_path(path),
        old=values.get("old"),
        new=values.get("new"),
        old_present="old" in values,
        new_present="new" in values,
        manager=values.get("manager", ""),
    )


def lines(change: Change, *applied: FieldEdit) -> list[str]:
    return [line.plain for line in change_lines(change, applied)]


def shown(change: Change) -> list[str]:
    """The lines of a change with what it applies, as `tandem plan` prints them."""
    return lines(change, *applied_edits(change, SCHEMA))


def test_every_action_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Action)


class TestEdits:
    @pytest.mark.parametrize(
        ("made", "line"),
        [
            (edit("/spec/a", new=1), "+ /spec/a: 1"),
            (edit("/spec/a", old="x"), '- /spec/a: "x"'),
            (edit("/spec/a", old="x", new=None), '~ /spec/a: "x" → null'),
            (edit("/spec/a", old=None, new=2, manager="kubectl-edit"), "~ /spec/a: null → 2   (kubectl-edit)"),
            (edit("/spec/c/{name=web}/image", old="a", new="b"), '~ /spec/c/{name=web}/image: "a" → "b"'),
            (edit("", new={"a": 1}), '+ /: {"a":1}'),
        ],
        ids=["added", "removed", "to null", "by a manager", "in a keyed list", "the whole object"],
    )
    def test_one_line_each(self, made: FieldEdit, line: str) -> None:
        assert edit_line(made).plain == line

    def test_a_long_value_does_not_fill_the_screen(self) -> None:
        assert len(edit_line(edit("/data/x", old="y" * 5_000, new="z" * 5_000)).plain) < 150


class TestLines:
    def test_a_change_of_git_says_what_it_does_to_the_cluster(self) -> None:
        old, new = fabric(replicas=2, paused=True), fabric(replicas=3)
        change = planned(situation(old, new, old, by={RULES.manager: ("/spec/replicas", "/spec/paused")}))
        assert shown(change) == [
            "Fabric/shop/web   configure   fabrics/web.yaml:1",
            "  changed in the cluster   [B | ≠ B | = B]",
            "  → cluster",
            "      ~ /spec/replicas: 2 → 3",
            "      - /spec/paused: true",
        ]

    def test_a_new_document_shows_its_fields_without_its_name(self) -> None:
        change = planned(situation(None, fabric(replicas=2), None))
        assert shown(change)[2:] == ["  → cluster", "      + /spec/replicas: 2"]

    def test_a_live_edit_says_which_file_it_goes_to_and_whose_it_is(self) -> None:
        base = fabric(replicas=2)
        change = planned(situation(base, base, fabric(replicas=5), by=EDITOR))
        assert shown(change) == [
            "Fabric/shop/web   write-back   fabrics/web.yaml:1",
            "  the live edit is written to Git   [B | = B | ≠ B]",
            "  → Git fabrics/web.yaml",
            "      ~ /spec/replicas: 2 → 5   (kubectl-edit)",
        ]

    def test_a_conflict_shows_three_values_and_marks_the_clash(self) -> None:
        git, live = fabric(replicas=3, paused=False), fabric(replicas=5, paused=True)
        owned = {"kubectl-edit": ("/spec/replicas", "/spec/paused")}
        change = planned(situation(fabric(replicas=2, paused=False), git, live, by=owned, same=False))
        text = shown(change)
        assert text[0] == "Fabric/shop/web   conflict   fabrics/web.yaml:1"
        assert "  conflict BothChanged, severity medium" in text
        assert "    * /spec/replicas   base 2   git 3   cluster 5" in text
        assert "      /spec/paused   base false   git false   cluster true" in text

    def test_a_side_that_lacks_the_field_is_a_dash(self) -> None:
        base = fabric(replicas=2)
        change = planned(situation(base, fabric(), fabric(replicas=5), by=EDITOR))
        assert any("base 2   git –   cluster 5" in line for line in shown(change))

    def test_what_is_pruned_is_one_thing(self) -> None:
        base = fabric(replicas=2)
        change = planned(situation(base, None, base))
        assert shown(change) == [
            "Fabric/shop/web   prune   fabrics/web.yaml:1",
            "  deleted from the cluster   [B | – | = B]",
        ]

    def test_what_cannot_be_known_says_why(self) -> None:
        waiting = situation(fabric(), fabric(), Presence.UNKNOWN)
        change = planned(
            replace(waiting, actual=replace(waiting.actual, reason=Reason.FORBIDDEN, message="may not list fabrics"))
        )
        assert change.action in {Action.SKIP, Action.WAIT}
        assert "  Forbidden: may not list fabrics" in shown(change)

    @pytest.mark.parametrize(
        ("reason", "message", "line"),
        [
            (Reason.FIGHTING, "", "  Fighting"),
            (None, "left for now", "  left for now"),
            (Reason.FIGHTING, "with hpa", "  Fighting: with hpa"),
        ],
    )
    def test_reason_and_message_stand_alone_too(self, reason: Reason | None, message: str, line: str) -> None:
        assert line in lines(Change(KEY, Action.SKIP, "row", reason, message))

    def test_what_lost_is_shown(self) -> None:
        lost = edit("/spec/replicas", old=2, new=9, manager="kubectl-edit")
        text = lines(Change(KEY, Action.CONFIGURE, "row", overruled=(lost,)))
        assert text[-2:] == ["  does not stand", "      ~ /spec/replicas: 2 → 9   (kubectl-edit)"]

    def test_a_place_without_a_file_is_left_out(self) -> None:
        assert lines(Change(KEY, Action.IMPORT, "row", origin=Provenance("")))[0] == "Fabric/shop/web   import"


def test_a_secret_s_values_are_not_shown() -> None:
    def secret(value: str) -> dict[str, Any]:
        names = {"name": "keys", "namespace": "shop"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": names, "data": {"password": value}}

    kinds = schema("v1", "Secret")
    old, new = secret("b2xk"), secret("bmV3")
    changed = Change(SECRET, Action.CONFIGURE, "row", intended=canonical(new), actual=canonical(old))
    made = replace(changed, actual=b"")
    for change in (changed, made):
        edits = applied_edits(change, kinds)
        assert edits, "that it changes is shown"
        told = "".join([*lines(change, *edits), str(change_json(change, edits))])
        assert "b2xk" not in told
        assert "bmV3" not in told


class TestJson:
    def test_values_that_are_absent_have_no_key(self) -> None:
        edits = (edit("/spec/a", new=None), edit("/spec/b", old=1), edit("/spec/c", old=1, new=2, manager="m"))
        change = Change(
            KEY, Action.WRITE_BACK, "row", edits=edits, origin=Provenance("web.yaml", 7), api_version="x/v1"
        )
        told = change_json(change, ())
        assert told["git"] == [
            {"path": "/spec/a", "new": None},
            {"path": "/spec/b", "old": 1},
            {"path": "/spec/c", "old": 1, "new": 2, "manager": "m"},
        ]
        assert (told["file"], told["line"]) == ("web.yaml", 7)
        assert told["object"] == {
            "group": "tests.tandem.dev",
            "kind": "Fabric",
            "namespace": "shop",
            "name": "web",
            "apiVersion": "x/v1",
        }
        assert told["reason"] is None
        assert told["conflict"] is None

    def test_a_conflict_tells_each_side_it_has(self) -> None:
        base = fabric(replicas=2)
        change = planned(situation(base, fabric(), fabric(replicas=5), by=EDITOR))
        told = change_json(change, ())["conflict"]
        assert told["type"] == "BothChanged"
        (field,) = told["fields"]
        assert field == {"path": "/spec/replicas", "clashing": True, "base": 2, "cluster": 5}


GUARD = Guard(
    Reason.DELETION_GUARD, "4f2a91", "12 of 14 would go", ((KEY, Action.PRUNE), (SECRET, Action.PRUNE)), deletions=2
)


def test_a_guard_says_how_to_let_it_through() -> None:
    text = [line.plain for line in guard_lines([GUARD], "tandem confirm web -n shop")]
    assert text == [
        "DeletionGuard: 12 of 14 would go",
        "  to let it through: tandem confirm web -n shop 4f2a91",
    ]
    told = guard_json(GUARD)
    assert (told["token"], told["deletions"], told["edits"]) == ("4f2a91", 2, 0)
    assert told["objects"][0]["action"] == "prune"
    assert told["objects"][1]["object"] == {"group": "", "kind": "Secret", "namespace": "shop", "name": "keys"}


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ([], "nothing to do: both sides agree"),
        ([Action.UNCHANGED, Action.IGNORE], "nothing to do: both sides agree"),
        ([Action.CREATE], "1 object: 1 create"),
        ([Action.PRUNE, Action.CREATE, Action.CREATE, Action.UNCHANGED], "3 objects: 2 create, 1 prune"),
    ],
)
def test_the_summary_counts_what_there_is_to_tell(actions: list[Action], said: str) -> None:
    assert summary(Change(KEY, action, "row") for action in actions) == said


def test_colours_are_styles_not_characters() -> None:
    (first, *_) = change_lines(Change(KEY, Action.PRUNE, "row"), ())
    assert isinstance(first, Text)
    assert "\x1b" not in first.plain
    assert any(span.style == "red" for span in first.spans)
