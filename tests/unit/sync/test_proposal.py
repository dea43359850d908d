"""What a pull request says: objects, fields and managers, whatever they are called, and no values."""

from __future__ import annotations

from controller.objects import ObjectKey
from controller.sync.plan.model import FieldEdit, Pending
from controller.sync.proposal import LONGEST_NAME, MOST_FIELDS, MOST_OBJECTS, proposal_of

WEB = ObjectKey("", "ConfigMap", "shop", "web")
COLOR = FieldEdit(("data", "color"), "blue", "canary-red", manager="kubectl-edit")


def body(wanted: dict[ObjectKey, Pending], *, is_second_choice: bool = False) -> str:
    return proposal_of("shop/demo", "main", wanted, is_second_choice=is_second_choice).body


def test_it_names_objects_fields_and_managers_but_no_values() -> None:
    said = proposal_of("shop/demo", "main", {WEB: Pending((COLOR,))}, is_second_choice=False)
    assert said.title == "Write back 1 object from shop/demo"
    assert "- `ConfigMap/shop/web`: `/data/color`, by `kubectl-edit`" in said.body.splitlines()
    assert "canary" not in said.body
    assert "does not take commits" not in said.body
    assert "`main` does not take commits" in body({WEB: Pending((COLOR,))}, is_second_choice=True)


def test_new_documents_and_removals_are_told() -> None:
    other = WEB._replace(name="other")
    said = body({WEB: Pending((), deleted=True), other: Pending((FieldEdit((), None, {}, old_present=False),))})
    assert "- `ConfigMap/shop/web`: deleted in the cluster; its document is removed" in said
    assert "- `ConfigMap/shop/other`: made in the cluster; its document is added" in said
    assert "2 objects" in said


def test_what_need_not_be_said_is_not_told() -> None:
    default = FieldEdit(("data", "default"), None, "x", old_present=False)
    assert "default" not in body({WEB: Pending((COLOR, default), (default.path,))})


def test_hostile_names_are_shown_as_they_are() -> None:
    edit = FieldEdit(("data", "`@all\n# big [x](y)"), 1, 2, manager="closes #1`\r\n" + "x" * 1000)
    (line,) = [line for line in body({WEB: Pending((edit,))}).splitlines() if line.startswith("- ")]
    assert line.count("`") == 6
    assert "`/data/@all# big [x](y)`" in line
    assert len(line) < 2 * LONGEST_NAME + 100


def test_it_is_bounded() -> None:
    many = {WEB._replace(name=f"n{number:03}"): Pending((COLOR,)) for number in range(MOST_OBJECTS + 7)}
    assert "- and 7 more" in body(many)
    edits = tuple(FieldEdit(("data", f"k{number:03}"), 1, 2, manager="") for number in range(MOST_FIELDS + 3))
    assert "`/data/k019` and 3 more" in body({WEB: Pending(edits)})
