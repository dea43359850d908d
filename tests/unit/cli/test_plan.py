"""`tandem plan`: its whole output, and its arguments."""

from __future__ import annotations

import argparse
import io
import json

import pytest

from controller.cli.app import parser_of
from controller.cli.plan import _print_plan, plan_json, problem_line
from controller.cli.screen import Screen
from controller.errors import Reason
from controller.sync.declared import Problem
from controller.sync.effects import applied_edits
from controller.sync.plan.explain import explain
from controller.sync.plan.model import Action, Change, Guard
from controller.sync.preview import Preview
from tests.support.plan import KEY, RULES, SCHEMA, fabric, planned, situation

COMMIT = "0123456789abcdef"
PROBLEM = Problem("deploy/web.yaml", 12, Reason.FIELD_REFUSED, "metadata.uid is the server's", "metadata.uid")
SITUATION = situation(fabric(replicas=2), fabric(replicas=3), fabric(replicas=2), by={})
CHANGE = planned(SITUATION)
GUARD = Guard(Reason.EDIT_GUARD, "4f2a91", "too much at once", ((KEY, Action.WRITE_BACK),), edits=1)


def preview(*changes: Change, guards: tuple[Guard, ...] = (), problems: tuple[Problem, ...] = ()) -> Preview:
    return Preview("shop/web", COMMIT, changes, guards, problems, (explain(SITUATION, RULES),))


def printed(found: Preview) -> list[str]:
    entries = [(change, applied_edits(change, SCHEMA)) for change in found.changes if change.is_telling]
    file = io.StringIO()
    _print_plan(Screen(file), found, entries, argparse.Namespace(program="kubectl tandem"))
    return file.getvalue().splitlines()


def test_nothing_to_do_is_two_lines() -> None:
    agreed = Change(KEY, Action.UNCHANGED, "row")
    assert printed(preview(agreed)) == ["Fabric shop/web at 0123456789ab", "", "nothing to do: both sides agree"]
    assert preview(agreed).is_empty


def test_the_whole_plan() -> None:
    found = preview(CHANGE, guards=(GUARD,), problems=(PROBLEM,))
    assert not found.is_empty
    assert printed(found) == [
        "Fabric shop/web at 0123456789ab",
        "",
        "Fabric/shop/web   configure   fabrics/web.yaml:1",
        "  changed in the cluster   [B | ≠ B | = B]",
        "  → cluster",
        "      ~ /spec/replicas: 2 → 3",
        "",
        "deploy/web.yaml:12: metadata.uid FieldRefused: metadata.uid is the server's",
        "",
        "EditGuard: too much at once",
        "  to let it through: kubectl tandem confirm web -n shop 4f2a91",
        "",
        "1 object: 1 configure",
    ]


@pytest.mark.parametrize("found", [preview(guards=(GUARD,)), preview(problems=(PROBLEM,)), preview(CHANGE)])
def test_something_is_to_do_where_anything_is_wrong_too(found: Preview) -> None:
    assert not found.is_empty


def test_json_is_whole_and_can_be_written() -> None:
    found = preview(CHANGE, guards=(GUARD,), problems=(PROBLEM,))
    told = plan_json(found, [(CHANGE, applied_edits(CHANGE, SCHEMA))])
    assert list(told) == ["fabric", "commit", "empty", "changes", "guards", "problems", "explanations"]
    assert json.loads(json.dumps(told)) == told
    assert told["changes"][0]["cluster"] == [{"path": "/spec/replicas", "old": 2, "new": 3}]
    assert told["problems"] == [
        {
            "file": "deploy/web.yaml",
            "line": 12,
            "field": "metadata.uid",
            "object": None,
            "reason": "FieldRefused",
            "message": "metadata.uid is the server's",
        }
    ]


def test_a_branch_that_is_not_made_yet_has_no_commit() -> None:
    assert plan_json(Preview("shop/web", "", (), (), ()), [])["commit"] is None


def test_a_problem_without_a_field() -> None:
    broken = Problem("bad.yaml", 2, Reason.DOCUMENTS_FAILED, "not YAML")
    assert problem_line(broken) == "bad.yaml:2: DocumentsFailed: not YAML"


@pytest.mark.parametrize(
    ("text", "found"),
    [("deployment/web", ("deployment", "web")), ("Deployment.apps/a.b", ("Deployment.apps", "a.b"))],
)
def test_why_takes_a_kind_and_a_name(text: str, found: tuple[str, str]) -> None:
    parser, _ = parser_of("plan")
    assert parser.parse(["web", "--why", text], {}).why == found


@pytest.mark.parametrize("text", ["web", "/web", "deployment/", "a/b/c"])
def test_why_takes_nothing_else(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser, _ = parser_of("plan")
    with pytest.raises(SystemExit) as end:
        parser.parse(["web", "--why", text], {})
    assert end.value.code == 64
    assert f"{text!r} is not KIND/NAME" in capsys.readouterr().err
