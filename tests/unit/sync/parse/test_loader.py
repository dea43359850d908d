"""YAML and JSON text to values: what is refused, where, and what is bounded."""

from __future__ import annotations

import pytest

from controller.bounds import Bounds
from controller.sync.parse.loader import UnreadableError, load_json, load_yaml, text_size

BOUNDS = Bounds()
SMALL = Bounds(depth=4, expanded_nodes=100)


def yaml_error(text: str, bounds: Bounds = BOUNDS) -> tuple[int, str]:
    with pytest.raises(UnreadableError) as caught:
        load_yaml(text, bounds)
    return caught.value.line, caught.value.message


def json_error(text: str, bounds: Bounds = BOUNDS) -> tuple[int, str]:
    with pytest.raises(UnreadableError) as caught:
        load_json(text, bounds)
    return caught.value.line, caught.value.message


def test_documents_come_with_the_line_of_their_first_value() -> None:
    loaded = load_yaml("# head\n---\n# about a\na: 1\n---\n---\n\nb: 2\n", BOUNDS)
    assert [(document.value, document.line) for document in loaded] == [({"a": 1}, 4), (None, 6), ({"b": 2}, 8)]


def test_items_of_a_list_come_with_their_lines() -> None:
    (loaded,) = load_yaml("kind: List\nitems:\n- a: 1\n\n-\n  b: 2\n", BOUNDS)
    assert loaded.item_lines == (3, 6)
    assert load_yaml("items: 1", BOUNDS)[0].item_lines == ()
    assert load_yaml("[1]", BOUNDS)[0].item_lines == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [\n", 3, "did not find expected node content"),
        ("a: 1\n  b: 2\n", 2, "mapping values are not allowed"),
        ("a: \x07\n", 1, "control characters are not allowed"),
        ("a: *x\n", 1, "undefined alias"),
        ("a: &x 1\nb: &x 2\n", 2, "duplicate anchor"),
        ("a:\n  b: 1\n  b: 2\n", 3, 'the key "b" is there twice'),
        ("a:\n  1: x\n  '1': y\n", 3, 'the key "1" is there twice'),
        ("a: 1\nb: .inf\n", 2, "JSON cannot hold"),
        ("a: 1\nb: !!int x\n", 2, "not a whole number"),
        ("a: 1\n? [b]\n: 1\n", 2, "cannot be a map's key"),
        ("a: 1\n~: 1\n", 2, "cannot be a map's key"),
        ("a: 1\n!!null '': 1\n", 2, "cannot be a map's key"),
        ("a: 1\n<<: 1\n", 2, "<< merges a map"),
        ("a: 1\n<<: [{b: 1}, 1]\n", 2, "<< merges a map"),
        ("a: &x [*x]\n", 1, "nested deeper than 64 levels, or an anchor holds itself"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, line: int, message: str) -> None:
    found = yaml_error(text)
    assert found[0] == line
    assert message in found[1]


def test_nesting_is_bounded() -> None:
    assert load_yaml("a: [[[1]]]", SMALL)[0].value == {"a": [[[1]]]}
    assert yaml_error("a: [[[[1]]]]", SMALL) == (1, "nested deeper than 4 levels, or an anchor holds itself")


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too many values once every alias is written out" in yaml_error("\n".join(lines))[1]


def test_a_merge_bomb_is_refused() -> None:
    lines = ["a0: &a0 {b: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    assert "too many values" in yaml_error("\n".join(lines))[1]


def test_a_long_text_behind_many_aliases_is_refused() -> None:
    text = f"a: &a {'x' * 1000}\nb: [{', '.join(['*a'] * 9)}]\n"
    assert load_yaml(text, Bounds(file_bytes=10_002))
    assert yaml_error(text, Bounds(file_bytes=10_001)) == (1, "too much text once every alias is written out")


def test_the_size_of_a_value_counts_keys_and_texts() -> None:
    assert text_size({"ab": ["cd", 1, None, {"e": "f"}]}) == 6


def test_a_stream_without_documents_is_empty() -> None:
    assert load_yaml("", BOUNDS) == []
    assert load_yaml("# only a comment\n", BOUNDS) == []


def test_json_reads_numbers_as_the_server_does() -> None:
    loaded = load_json('\n\n{"a": 1.0, "b": 1e3, "c": 12345678901234567890123, "d": 0.5, "e": -1}', BOUNDS)
    assert loaded.value == {"a": 1, "b": 1000, "c": 1.2345678901234568e22, "d": 0.5, "e": -1}
    assert isinstance(loaded.value["a"], int)
    assert loaded.line == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"a": 1,\n"b": }', 2, "expecting value"),
        ('{"a": 1,\n "a": 2}', 1, 'the key "a" is there twice'),
        ('{"a": NaN}', 1, "JSON cannot hold"),
        ('{"a": -Infinity}', 1, "JSON cannot hold"),
        ('{"a": 1} {"b": 2}', 1, "extra data"),
        ("[" * 100_000, 1, "recursion"),
        ("[" * 66 + "]" * 66, 1, "nested too deep"),
    ],
)
def test_json_that_cannot_be_read_is_named(text: str, line: int, message: str) -> None:
    found = json_error(text)
    assert found[0] == line
    assert message in found[1]
