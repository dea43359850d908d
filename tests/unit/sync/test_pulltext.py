"""What is said on a request about its plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.errors import Reason
from controller.git.forge.model import CommitState
from controller.git.forge.words import LONGEST_TEXT, marked
from controller.objects import ObjectKey, Provenance, canonical
from controller.sync.declared import Problem
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.model import (
    Action,
    Change,
    Conflict,
    ConflictField,
    ConflictType,
    FieldEdit,
    Guard,
    Plan,
    Severity,
)
from controller.sync.plan.schema import Schema
from controller.sync.pulltext import MOST_EDITS, Told, told_conflicts, told_failure, told_nothing, told_plan
from tests.support.openapi import schema

WEB = ObjectKey("", "ConfigMap", "shop", "web")
KINDS = schema("v1", "ConfigMap")


def schemas(api_version: str, kind: str) -> Schema:
    return KINDS


def document(key: ObjectKey = WEB, **data: str) -> bytes:
    metadata = {"name": key.name, "namespace": key.namespace}
    return canonical({"apiVersion": "v1", "kind": key.kind, "metadata": metadata, "data": data})


def configured(key: ObjectKey = WEB, **changes: Any) -> Change:
    change = Change(
        key,
        Action.CONFIGURE,
        "B ≠B =B",
        intended=document(key, size="huge", fresh="1"),
        actual=document(key, size="big"),
        api_version="v1",
        origin=Provenance("deploy/web.yaml", 3),
    )
    return replace(change, **changes)


def told(
    *changes: Change, problems: tuple[Problem, ...] = (), guards: tuple[Guard, ...] = (), values: bool = True
) -> Told:
    return told_plan("shop/demo", Plan(changes, guards), problems, schemas, values=values)


def test_a_change_is_told_field_by_field() -> None:
    found = told(configured(), replace(configured(), key=WEB._replace(name="same"), action=Action.UNCHANGED))
    assert (found.state, found.line, found.silent) == (CommitState.SUCCESS, "1 object: 1 configure", False)
    assert found.text == (
        "**Tandem** plans this request for `shop/demo`:\n\n"
        "```\n1 object: 1 configure\n```\n\n"
        "```diff\n"
        f"# {WEB}   configure: changed in the cluster   deploy/web.yaml:3\n"
        "    → cluster\n"
        '!     /data/size: "big" → "huge"\n'
        '+     /data/fresh: "1"\n'
        "```"
    )


def test_a_request_that_changes_nothing_says_so() -> None:
    found = told(configured(action=Action.UNCHANGED))
    assert (found.state, found.line) == (CommitState.SUCCESS, "nothing to do: both sides agree")
    assert "diff" not in found.text


def test_values_of_secrets_are_hidden() -> None:
    found = told(configured(WEB._replace(kind="Secret"), edits=(edit("/data/size", "old", "new"),)))
    assert "/data/size" in found.text
    for value in ("huge", "big", '"old"', '"new"'):
        assert value not in found.text


def test_of_a_fork_no_value_is_shown() -> None:
    sides: dict[str, Any] = {"git": "huge", "in_git": True, "cluster": "live-7", "in_cluster": True}
    clash = ConflictField(parse_path("/data/size"), **sides, clashing=True)
    conflict = Conflict(ConflictType.BOTH_CHANGED, (clash,), Severity.MEDIUM, auto_resolvable=False, token="t")
    change = configured(
        edits=(edit("/data/size", "live-7", None),), conflict=conflict, reason=Reason.FIGHTING, message="about live-7"
    )
    shown, closed = told(change), told(change, values=False)
    assert "live-7" in shown.text
    assert "no values are shown" not in shown.text
    for value in ("huge", "big", "live-7"):
        assert value not in closed.text
    for path in (
        "!     /data/size",
        "+     /data/fresh",
        "-     /data/size",
        "conflict BothChanged: /data/size",
        "Fighting",
    ):
        assert path in closed.text
    assert closed.text.endswith("The request comes from a fork, so no values are shown.")


def test_faults_and_guards_fail_the_commit() -> None:
    first = Problem("a.yaml", 7, Reason.FIELD_REFUSED, "mapping values are not allowed here", "/data")
    second = replace(first, path="b.yaml", field="")
    found = told(configured(), problems=(first, second))
    assert found.state is CommitState.FAILURE
    assert found.line == "a.yaml:7: FieldRefused: mapping values are not allowed here (and 1 more)"
    assert "! a.yaml:7: /data FieldRefused: mapping" in found.text
    assert "! b.yaml:7: FieldRefused: mapping" in found.text
    assert told(configured(), problems=(first,)).line.endswith("here")
    guard = Guard(Reason.DELETION_GUARD, "a-token", "deletes 12 of 20 objects", (), deletions=12)
    found = told(configured(), guards=(guard,))
    assert (found.state, found.line) == (CommitState.FAILURE, "DeletionGuard would stop it: deletes 12 of 20 objects")
    assert "a-token" not in found.text


def test_nothing_in_it_ends_its_block() -> None:
    hostile = "```\n</details><script>\u202e\x1b[31m"
    found = told(configured(intended=document(WEB, size=hostile), origin=Provenance("a```b.yaml", 1)))
    assert found.text.count("````") == 4
    assert "\x1b" not in found.text
    assert "\u202e" not in found.text
    problem = Problem("a\n```\n# b.yaml", 1, Reason.FIELD_REFUSED, "x\n```\n@everyone")
    inside = told(problems=(problem,)).text.split("````")
    assert "everyone" in inside[1] + inside[3]
    assert "everyone" not in inside[0] + inside[2] + inside[4]


def test_it_has_an_end() -> None:
    many = {f"key-{number:04}": "x" * 500 for number in range(MOST_EDITS + 7)}
    intended = document(WEB, **many)
    found = told(configured(intended=intended))
    assert "and 7 more" in found.text
    lots = [configured(WEB._replace(name=f"web-{number}"), intended=intended) for number in range(40)]
    whole = told(*lots).text
    assert "… and more" in whole
    assert len(marked("m" * 100, whole)) < LONGEST_TEXT
    assert whole.count("```") == 4


def test_what_is_not_planned() -> None:
    about = told_nothing("shop/demo", "deploy")
    assert (about.state, about.line, about.silent) == (CommitState.SUCCESS, "nothing below deploy changes", True)
    assert told_nothing("shop/demo", "").line == "nothing below the root changes"
    clash = told_conflicts("shop/demo", "main", ["a", "b", "c", "d"])
    assert clash.state is CommitState.FAILURE
    assert clash.line == "it cannot be merged into main: both changed a, b, c and 1 more"
    assert "! d" in clash.text
    failed = told_failure("shop/demo", "holds a Chart.yaml")
    assert (failed.state, failed.line, failed.silent) == (CommitState.FAILURE, "holds a Chart.yaml", False)
    assert "! holds a Chart.yaml" in failed.text


def edit(path: str, old: str, new: str | None) -> FieldEdit:
    return FieldEdit(parse_path(path), old=old, new=new, new_present=new is not None)
