"""What the documentation says of the code is so: rows of the decision table, actions, defaults, rights, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from controller.cli.permissions import needed_rights
from controller.sync.plan.editors import DEFAULT_EDITORS
from controller.sync.plan.model import Action
from controller.sync.plan.rows import Row

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def test_every_row_of_the_decision_table_is_explained() -> None:
    text = (DOCS / "sync.md").read_text().replace("\\|", "|")
    assert [row for row in Row if f"| `{row}` |" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = set(re.findall(r"`((?:[\w.-]+/)*\w+\.py)\b", page.read_text()))
    there = [
        f"/{path.relative_to(ROOT)}" for folder in ("controller", "tests") for path in (ROOT / folder).rglob("*.py")
    ]
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in there)] == []


def test_every_action_is_in_the_glossary() -> None:
    text = (DOCS / "glossary.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("| **action** |"))
    listed = line.removesuffix(" |").partition(": ")[2].split(", ")
    assert sorted(listed) == sorted(action.value for action in Action)


def test_every_default_editor_is_named() -> None:
    text = (DOCS / "sync.md").read_text()
    assert [glob for glob in DEFAULT_EDITORS if f"`{glob}`" not in text] == []


def test_the_glossary_is_in_order() -> None:
    lines = (DOCS / "glossary.md").read_text().splitlines()
    words = [line.split("**")[1].removeprefix("the ") for line in lines if line.startswith("| **")]
    assert words == sorted(words)


def test_the_manifest_grants_what_the_doctor_asks_for() -> None:
    granted = set()
    for document in yaml.safe_load_all((ROOT / "manifests" / "rbac.yaml").read_text()):
        if document["metadata"]["name"] in {"tandem-controller", "tandem-install"} and "rules" in document:
            namespace = document["metadata"].get("namespace", "")
            for rule in document["rules"]:
                (group,) = rule["apiGroups"]
                granted |= {(verb, group, what, namespace) for verb in rule["verbs"] for what in rule["resources"]}
    assert granted == {
        (right.verb, right.group, "/".join(filter(None, (right.resource, right.subresource))), right.namespace)
        for right in needed_rights("tandem-system")
    }
