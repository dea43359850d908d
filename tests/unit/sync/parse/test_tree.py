"""Where each value stands in a text."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.bounds import Bounds
from controller.objects import Json, canonical
from controller.sync.parse.loader import load_json, load_yaml
from controller.sync.parse.render import Renderer, Style, json_text
from controller.sync.parse.stream import FileText, documents_of
from controller.sync.parse.tree import (
    Span,
    column,
    json_tree,
    json_unit,
    line_end,
    line_start,
    skip_blanks,
    yaml_tree,
)
from tests.support.edits import FILES
from tests.support.scalars import TABLE, document

BOUNDS = Bounds()


def said(text: str, span: Span) -> str:
    return text[span.start : span.end]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_tree_of_a_file_says_what_the_loader_reads(path: Path) -> None:
    text = FileText.of(path.read_bytes()).text
    if path.suffix == ".json":
        assert json_tree(text).value == load_json(text, BOUNDS).value
    for part in documents_of(text):
        (loaded,) = load_yaml(part, BOUNDS)
        assert loaded.value is None or canonical(yaml_tree(part).value) == canonical(loaded.value)


def test_the_tree_takes_everything_for_what_the_loader_takes_it_for() -> None:
    pieces = [piece["yaml"] for piece in orjson.loads(TABLE.read_bytes()) if not piece.get("refused")]
    texts = [document(piece) for piece in pieces]
    differ = [text for text in texts if canonical(yaml_tree(text).value) != canonical(load_yaml(text, BOUNDS)[0].value)]
    assert differ == []
    assert len(texts) > 200


@pytest.mark.parametrize(
    ("text", "body", "style"),
    [
        ("a: plain # c", "plain", ""),
        ("a: plain\n  goes on\nb: 1", "plain\n  goes on", ""),
        ("a: 'it''s'", "'it''s'", "'"),
        ('a: "x\\\n  y"', '"x\\\n  y"', '"'),
        ("a: |\n  x\n\n  y\n\nb: 1", "|\n  x\n\n  y", "|"),
        ("a: |+\n  x\n\nb: 1", "|+\n  x\n", "|"),
        ("a: |+\n  x\n\n", "|+\n  x\n", "|"),
        ("a: |+\n  x", "|+\n  x", "|"),
        ("a: >- # + no\n  x\n  y\n\n\n", ">- # + no\n  x\n  y", ">"),
        ("a: |\nb: 1", "|", "|"),
        ("a: |\n  x \n\nb: 1", "|\n  x ", "|"),
        ("a: |1-\n\n \t\nb: 1", "|1-\n\n \t", "|"),
        ("a: |\n  x\n     \nb: 1", "|\n  x\n     ", "|"),
        ("a: |\n  x\u00a0\nb: 1", "|\n  x\u00a0", "|"),
        ("a: |\n  x\n  ", "|\n  x", "|"),
        ("a:\nb: 1", "", ""),
        ("a: ! 12\nb: 1", "12", ""),
        ("a: &x !!str 12\nb: 1", "12", ""),
        ("a: &x\nb: 1", "", ""),
    ],
)
def test_a_scalar_ends_with_its_last_character(text: str, body: str, style: str) -> None:
    span = yaml_tree(text).entries[0].value
    assert text[span.body : span.end] == body
    assert span.style == style


def test_an_alias_has_the_value_that_it_refers_to() -> None:
    text = "a: &x {b: 1}\nc: *x\nd: [*x, 2]\n"
    anchored, alias, items = (entry.value for entry in yaml_tree(text).entries)
    assert (anchored.anchor, anchored.tangled) == ("x", True)
    assert (said(text, alias), alias.value, alias.refers_to) == ("*x", {"b": 1}, anchored)
    assert items.tangled
    assert not items.items[1].value.tangled


def test_a_merge_is_an_entry_like_others_that_brings_values() -> None:
    root = yaml_tree("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: {'<<': 1}\nf: {<<: [*x, {b: 9, z: 0}]}\n")
    assert root.value["d"] == {"b": 1, "c": 3}
    assert root.value["e"] == {"<<": 1}
    assert root.value["f"] == {"b": 1, "c": 2, "z": 0}
    assert [entry.merges for entry in root.entries[1].value.entries] == [True, False]


@pytest.mark.parametrize(
    ("text", "key", "rest"),
    [
        ("a: 1", "a", " 1"),
        ("a : 1", "a", " 1"),
        ("'a': 1", "a", " 1"),
        ("{a: 1}", "a", " 1}"),
        ('{"a":1}', "a", "1}"),
        ('{"a"  : 1}', "a", " 1}"),
        ("{a, b}", "a", None),
        ("? a\n: 1", "a", None),
        ("{? a : 1}", "a", None),
        ("yes: 1", "true", " 1"),
        ("0o17: 1", "15", " 1"),
        ("!!int '1': 1", "1", " 1"),
    ],
)
def test_an_entry_knows_its_key_and_its_colon(text: str, key: str, rest: str | None) -> None:
    entry = yaml_tree(text).entries[0]
    assert entry.key == key
    assert rest is None or (entry.colon is not None and text[entry.colon :] == rest)
    assert (entry.colon is None) == (rest is None)


def test_a_key_may_be_an_alias() -> None:
    root = yaml_tree("a: &x 1\n*x : b\nc: &y text\n*y : d\n")
    assert [entry.key for entry in root.entries] == ["a", "1", "c", "text"]


@pytest.mark.parametrize(
    ("text", "dashes"),
    [
        ("- a\n- b\n", [0, 4]),
        ("-\n  a: 1\n# - no\n-   # no - either\n  b\n", [0, 16]),
        ("- - 1\n  - 2\n- 3", [0, 12]),
        ("-\n-\n- &x\n", [0, 2, 4]),
        ("- |\n  x\n\n- >+\n  y\n\n- z", [0, 9, 19]),
        ("[a,  b]", [1, 5]),
    ],
)
def test_an_item_knows_its_dash(text: str, dashes: list[int]) -> None:
    assert [item.dash for item in yaml_tree(text).items] == dashes


def test_only_the_first_document_counts_and_directives_do_not() -> None:
    assert yaml_tree("%YAML 1.1\n--- # x\na: 1\n").value == {"a": 1}


@pytest.mark.parametrize(
    ("text", "unit"),
    [('{"a": 1}', ""), ('{\n  "a": 1\n}', "  "), ('{\n\t"a": 1\n}', "\t"), ("{}", ""), ('{"a": {\n  "b": 1}}', "")],
)
def test_json_has_a_unit_of_indent(text: str, unit: str) -> None:
    assert json_unit(json_tree(text), text) == unit


def test_positions_know_their_lines() -> None:
    text = "ab\ncd"
    assert [line_start(text, position) for position in range(6)] == [0, 0, 0, 3, 3, 3]
    assert [line_end(text, position) for position in range(6)] == [2, 2, 2, 5, 5, 5]
    assert [column(text, position) for position in range(6)] == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("text", "rest"), [("  a", "a"), (" # x\n\n  a", "a"), ("#a\n", ""), ("b", "b"), ("\t#\r\na", "a")]
)
def test_blanks_and_comments_are_skipped(text: str, rest: str) -> None:
    assert text[skip_blanks(text, 0) :] == rest


TEXTS = st.text("ab \"'\\:#-\n\té", max_size=5) | st.sampled_from(["yes", "1_0", "~", "2001-01-01"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(
    value=st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), offset=st.integers(0, 2), quote=st.sampled_from("'\"")
)
@example(value={"": ":\n"}, offset=0, quote="'")
def test_the_tree_of_whatever_is_written_says_it(value: dict[str, Json], offset: int, quote: str) -> None:
    render = Renderer(Style(list_offset=offset, quote=quote))
    wanted = load_yaml(json_text(value), BOUNDS)[0].value  # a float without a fraction is a whole number
    lines = "".join(f"{line}\n" for line in render.map_lines(value, 0))  # a block scalar has its last line's end
    for text in (lines, render.flow(value)):
        root = yaml_tree(text)
        assert canonical(root.value) == canonical(wanted)
        assert said(text, root).strip() == text.strip()
    for text in (json_text(value), json_text(value, "", "  ")):
        root = json_tree(text)
        assert canonical(root.value) == canonical(wanted)
        assert said(text, root) == text
