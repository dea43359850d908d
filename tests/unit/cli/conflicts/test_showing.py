"""Conflicts in a table, side by side, and what can be typed about them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.text import Text

from controller.api.v1alpha1.fabric import Editors
from controller.api.v1alpha1.syncconflict import ConflictType, SyncConflict
from controller.cli.conflicts.editors import editors_with, escaped
from controller.cli.conflicts.finding import is_about, is_open, object_of
from controller.cli.conflicts.listing import HEADERS, conflict_row
from controller.cli.conflicts.showing import _MEANING, heading, side_by_side, ways_out
from controller.cli.screen import Screen

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
FIELDS = [
    {"path": "/spec/replicas", "base": 2, "git": 3, "cluster": 5, "editor": "kubectl-edit"},
    {"path": "/spec/args", "base": ["a"], "git": ["a", "b"]},
    {"path": "/spec/live", "base": 1, "git": 1, "cluster": 2},
]


def conflict(kind: str = "BothChanged", status: dict[str, Any] | None = None, **spec: Any) -> SyncConflict:
    return SyncConflict.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "SyncConflict",
            "metadata": {"name": "web-1", "namespace": "shop", "creationTimestamp": "2026-01-10T11:00:00Z"},
            "spec": {
                "fabricRef": {"name": "web"},
                "type": kind,
                "object": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
                "fields": FIELDS,
                "stateToken": "t1",
            }
            | spec,
            "status": status or {},
        }
    )


def table(found: SyncConflict) -> list[str]:
    file = io.StringIO()
    Screen(file).show(side_by_side(found))
    return file.getvalue().splitlines()


def test_a_row_has_a_cell_under_every_header() -> None:
    cells = conflict_row(conflict(status={"severity": "High", "state": "Open"}), NOW)
    assert len(cells) == len(HEADERS)
    assert [cell.plain if isinstance(cell, Text) else cell for cell in cells] == [
        "web-1", "web", "Deployment/shop/web", "BothChanged", "High", "Open", "3", "60m",
    ]  # fmt: skip
    assert conflict_row(conflict(), NOW, namespaced=True)[0] == "shop"


def test_one_that_was_only_just_made_is_open() -> None:
    cells = conflict_row(conflict(), NOW)
    assert cells[4] == "–"
    assert isinstance(cells[5], Text)
    assert cells[5].plain == "Open"


@pytest.mark.parametrize(
    ("state", "is_so"),
    [(None, True), ("Open", True), ("Resolving", True), ("Failed", True), ("Resolved", False), ("Superseded", False)],
)
def test_which_wait_for_a_decision(state: str | None, is_so: bool) -> None:
    found = conflict(status={"state": state} if state else {})
    assert is_open(found) is is_so
    assert bool(list(ways_out(found, "tandem"))) is is_so


@pytest.mark.parametrize(
    ("named", "is_so"),
    [
        ("Deployment/web", True),
        ("deployment/web", True),
        ("deployment/shop/web", True),
        ("deployment/blog/web", False),
        ("deployment/webx", False),
        ("job/web", False),
    ],
)
def test_an_object_names_its_conflict(named: str, is_so: bool) -> None:
    assert is_about(conflict(), named) is is_so


def test_an_object_of_the_whole_cluster_has_no_namespace() -> None:
    found = conflict(object={"apiVersion": "v1", "kind": "Namespace", "name": "shop"})
    assert object_of(found) == "Namespace/shop"
    assert is_about(found, "namespace/shop")


def test_every_type_is_explained() -> None:
    assert set(_MEANING) == {kind.value for kind in ConflictType}


def test_the_heading_says_what_and_since_when() -> None:
    found = conflict(status={"state": "Open", "severity": "High"}, gitPath="web.yaml", gitCommit="0123456789abcdef")
    assert [line.plain for line in heading(found, NOW)] == [
        "Deployment/shop/web   fabric web   web-1",
        "BothChanged: both sides changed the same field",
        "Open for 60m, severity High",
        "declared in web.yaml at 0123456789ab",
    ]
    assert [line.plain for line in heading(conflict(gitPath="web.yaml"), NOW)][-1] == "declared in web.yaml"


def test_three_values_side_by_side_and_the_clashing_ones_marked() -> None:
    header, _, *rows = table(conflict())
    assert header.split() == ["FIELD", "BASE", "GIT", "CLUSTER", "EDITED", "BY"]
    assert rows[0].split() == ["*", "/spec/replicas", "2", "3", "5", "kubectl-edit"]
    assert rows[1].split() == ["*", "/spec/args", "-", "a", "-", "a", "–", "–"]
    assert rows[2].split() == ["-", "b"], "a list is YAML, line by line"
    assert rows[3].split() == ["/spec/live", "1", "1", "2", "–"]


def test_what_to_type_names_the_conflict_and_quotes_for_the_shell() -> None:
    keyed = [{"path": "/c/{name=web}/image", "base": "a", "git": "b", "cluster": "c"}]
    text = "\n".join(line.plain for line in ways_out(conflict(fields=keyed), "kubectl tandem"))
    assert "kubectl tandem conflicts resolve web-1 -n shop --git" in text
    assert "--field '/c/{name=web}/image=cluster'" in text
    assert "--state-token t1" in text
    assert "--manager" not in text


def test_an_unknown_editor_can_be_decided_about_for_good() -> None:
    fields = [{"path": "/a", "base": 1, "git": 1, "cluster": 2, "editor": "my tool"}]
    text = "\n".join(line.plain for line in ways_out(conflict("UnknownEditor", fields=fields), "tandem"))
    assert "--manager 'my tool' --as edit" in text


class TestEditors:
    @pytest.mark.parametrize(
        ("include", "exclude", "is_edit", "found"),
        [
            ([], [], True, {"include": ["m"], "exclude": []}),
            ([], [], False, {"include": [], "exclude": ["m"]}),
            (["a", "m"], [], True, {"include": ["a", "m"], "exclude": []}),
            (["a", "m"], ["b"], False, {"include": ["a"], "exclude": ["b", "m"]}),
            ([], ["m", "b"], True, {"include": ["m"], "exclude": ["b"]}),
        ],
    )
    def test_a_manager_is_on_one_side_only(
        self, include: list[str], exclude: list[str], is_edit: bool, found: dict[str, list[str]]
    ) -> None:
        editors = Editors(include=tuple(include), exclude=tuple(exclude))
        assert editors_with(editors, "m", is_edit=is_edit) == found

    def test_a_name_with_globs_in_it_stands_for_itself(self) -> None:
        assert escaped("a*b?[c]") == "a[*]b[?][[]c]"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"editor": "kubectl-edit"}, "kubectl-edit"),
        ({"editor": "kubectl-edit", "editedBy": "ada"}, "ada (kubectl-edit)"),
        ({"editedBy": "ada"}, "ada"),
        ({}, "–"),
    ],
    ids=["the manager", "both", "the user", "nobody"],
)
def test_who_edited(known: dict[str, str], said: str) -> None:
    row = table(conflict(fields=[{"path": "/a", "base": 1, "git": 1, "cluster": 2} | known]))[-1]
    assert row.split("2", 1)[1].strip() == said
