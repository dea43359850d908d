"""The pages of docs/spec: every field is listed, explained and shown, and the examples are what the schema allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.meta import OBJECT_ANNOTATIONS, Resource
from controller.api.reference import field_rows
from controller.api.v1alpha1 import KINDS
from controller.api.v1alpha1.fabric import Fabric

PAGES = Path(__file__).parents[3] / "docs" / "spec"
_EXAMPLE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_WHOLE = re.compile(r"<!-- example: whole -->\n\n```yaml\n(.*?)```", re.DOTALL)


def text_of(kind: type[Resource]) -> str:
    return (PAGES / f"{kind.__name__.lower()}.md").read_text()


def paths_in(value: Any, above: str = "") -> Iterator[str]:
    """The paths of a value, written as the tables write them."""
    if isinstance(value, dict):
        for name, below in value.items():
            path = f"{above}.{name}" if above else name
            yield path
            yield from paths_in(below, path)
    elif isinstance(value, list):
        for item in value:
            yield from paths_in(item, f"{above}[]")


def test_there_is_one_page_for_each_kind() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {kind.__name__.lower() for kind in KINDS}


@pytest.mark.parametrize("part", ["spec", "status"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_listed_and_explained(kind: type[Resource], part: str) -> None:
    table = text_of(kind).partition(f"<!-- {part}:")[2].partition(f"<!-- end of {part} -->")[0]
    rows = field_rows(kind, part)
    assert rows
    listed = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert listed == [row.path for row in rows]
    assert [row.path for row in rows if not row.meaning] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_the_spec_is_in_the_example(kind: type[Resource]) -> None:
    found = _WHOLE.search(text_of(kind))
    assert found is not None
    shown = set(paths_in(yaml.safe_load(found.group(1))["spec"]))
    assert {row.path for row in field_rows(kind, "spec")} - shown == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_examples_are_read_without_loss(kind: type[Resource]) -> None:
    """A field with a wrong name would be ignored by the model, and so be missing from what it writes."""
    known = {row.path for row in field_rows(kind, "spec")}
    examples = [yaml.safe_load(text) for text in _EXAMPLE.findall(text_of(kind))]
    assert examples
    for example in examples:
        kind.from_object(example)
        assert set(paths_in(example["spec"])) - known == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_column_is_listed(kind: type[Resource]) -> None:
    for column in kind.columns:
        assert f"| {column.name.upper()} | `{column.path}` |" in text_of(kind)


def test_every_annotation_of_an_object_is_explained() -> None:
    for name in OBJECT_ANNOTATIONS:
        assert f"| `{name}` |" in text_of(Fabric)
