"""`plan --why`: B, D, A, owners, and the row."""

from __future__ import annotations

import io

from controller.cli.reasons import difference_table, differences_of, reason_json, reason_lines
from controller.cli.screen import Screen
from controller.objects import Provenance
from controller.sync.plan.explain import Explanation, explain
from controller.sync.plan.model import Ask, Presence, Question, Situation
from tests.support.plan import KEY, RULES, fabric, situation

BASE = fabric(replicas=2)
EDITED = situation(BASE, fabric(replicas=3), fabric(replicas=5), by={"kubectl-edit": ("/spec/replicas",)}, same=False)


def lines(situation: Situation) -> list[str]:
    return [line.plain for line in reason_lines(explain(situation, RULES))]


def table(explanation: Explanation) -> list[list[str]]:
    file = io.StringIO()
    Screen(file).show(difference_table(differences_of(explanation)))
    return [line.split() for line in file.getvalue().splitlines()]


def test_the_three_sides_and_the_row_of_a_conflict() -> None:
    first, base, declared, actual, row, why = lines(EDITED)
    assert first == "Fabric/shop/web"
    assert base == "  B  base       agreed on fabrics/web.yaml:1, uid u1, rv 7"
    assert declared == "  D  declared   declared in fabrics/web.yaml:1"
    assert actual == "  A  actual     in the cluster, uid u1, rv 8"
    assert row == "  row [B | ≠ B | ≠ B, ≠ D]  → conflict: waits for a decision"
    assert why.startswith("  ConflictsOpen: ")


def test_the_table_names_every_side_the_owners_and_whose_change_it_is() -> None:
    header, _, line = table(explain(EDITED, RULES))
    assert header == ["FIELD", "BASE", "GIT", "CLUSTER", "OWNERS", "COUNTS", "AS"]
    assert line == ["/spec/replicas", "2", "3", "5", "kubectl-edit", "Git", "changed", "it;", "edit"]


def test_a_change_of_one_side_is_only_its_own() -> None:
    (_, _, by_git) = table(explain(situation(BASE, fabric(replicas=3), BASE, by={}), RULES))
    assert by_git[:4] == ["/spec/replicas", "2", "3", "2"]
    assert by_git[-3:] == ["Git", "changed", "it"]


def test_a_side_without_the_field_and_without_owners_is_a_dash() -> None:
    (_, _, line) = table(explain(situation(BASE, fabric(), BASE, by={}), RULES))
    assert line[:4] == ["/spec/replicas", "2", "–", "2"]


def test_what_is_absent_or_unknown_is_said_in_words() -> None:
    assert lines(situation(None, BASE, None))[1:4] == [
        "  B  base       none: the sides have not agreed on it yet",
        "  D  declared   declared in fabrics/web.yaml:1",
        "  A  actual     not in the cluster",
    ]
    gone = lines(situation(BASE, None, Presence.UNKNOWN))
    assert gone[2] == "  D  declared   not in Git"
    assert gone[3].startswith("  A  actual     unknown")


def test_without_a_base_the_conflict_s_fields_are_shown() -> None:
    both = situation(None, fabric(replicas=3), fabric(replicas=5), by={"kubectl-edit": ("/spec/replicas",)}, same=False)
    explanation = explain(both, RULES)
    assert explanation.differences == ()
    (_, _, line) = table(explanation)
    assert line[:4] == ["/spec/replicas", "–", "3", "5"]
    (told,) = reason_json(explanation)["differences"]
    assert told["git"] == 3
    assert "base" not in told


def test_a_question_that_nobody_has_answered_is_said() -> None:
    question = Question(KEY, Ask.SAME, b"{}")
    last = [line.plain for line in reason_lines(Explanation(EDITED, question))][-1]
    assert last == "  the API server has to be asked first: same"
    told = reason_json(Explanation(EDITED, question))
    assert (told["row"], told["action"], told["differences"]) == (None, None, [])


def test_programs_get_the_same() -> None:
    told = reason_json(explain(EDITED, RULES))
    assert told["object"] == "Fabric/shop/web"
    assert told["action"] == "conflict"
    assert told["row"] == "B | ≠ B | ≠ B, ≠ D"
    assert told["base"].startswith("agreed on fabrics/web.yaml:1")
    assert told["differences"] == [
        {
            "path": "/spec/replicas",
            "base": 2,
            "git": 3,
            "cluster": 5,
            "owners": ["kubectl-edit"],
            "verdict": "edit",
            "byGit": True,
        }
    ]


def test_a_place_is_a_file_and_a_line() -> None:
    assert str(Provenance("deploy/web.yaml", 12)) == "deploy/web.yaml:12"
