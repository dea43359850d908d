"""Values to text: what is written is what is read, by the API server's rules and by other readers'."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from controller.bounds import Bounds
from controller.objects import Json, canonical
from controller.sync.parse.loader import load_json, load_yaml
from controller.sync.parse.render import (
    AwkwardError,
    Renderer,
    Style,
    is_plain,
    json_text,
    literal_block,
    ordered,
    quoted,
)
from tests.support.edits import AWKWARD
from tests.support.scalars import NUMBERS, WORDS

BOUNDS = Bounds()
RENDER = Renderer(Style())
CAREFUL = Renderer(Style(careful=True))

HARMLESS = ("it's", 'say "x"', "é ü", "\N{ROCKET}", "v1.2.3", "C:\\temp\\new", "x" * 200)

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([*AWKWARD, *WORDS, *NUMBERS])
LINES = st.lists(st.text(" \t#-:ab|'\"\\é", max_size=6), max_size=6).map("\n".join)
STRINGS = TEXTS | LINES
STYLES = st.builds(Style, st.integers(1, 8), st.integers(0, 8), st.sampled_from("'\""), st.booleans())
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | STRINGS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4), max_leaves=12
)


def read(text: str) -> Json:
    (loaded,) = load_yaml(text, BOUNDS)
    return loaded.value


def block(render: Renderer, value: dict[str, Json]) -> str:
    return "\n".join(render.map_lines(value, 0)) + "\n"


@given(text=STRINGS)
@example("\ufeffx\n")
@example("a\u2028b\n\n")
@example("\x85")
@example(" \n")
def test_a_string_comes_back_wherever_it_is_written(text: str) -> None:
    for render in (RENDER, CAREFUL):
        for quote in ("", "'", '"'):
            assert read(block(render, {"k": text}) + "z: 1\n") == {"k": text, "z": 1}
            assert read(f"k: {render.scalar(text, quote)}\n") == {"k": text}
            assert read(f"[{render.scalar(text, quote, flow=True)}, 1]") == [text, 1]
            assert read(f"{{{render.key(text, quote, flow=True)}: 1}}") == {text: 1}
            assert read(f"{render.key(text, quote)}: 1") == {text: 1}


@given(text=STRINGS)
def test_what_stands_without_quotes_is_a_string_to_other_readers_too(text: str) -> None:
    if is_plain(text, flow=True):
        assert yaml.safe_load(text) == text
        assert yaml.safe_load(f"{{{text}: {text}}}") == {text: text}


@pytest.mark.parametrize(
    "text", ["web", "a-b", "nginx:1.27", "a b", "1.2.3", "100Mi", "a#b", "é", "-x", "?x", ":x", "a'b"]
)
def test_what_needs_no_quotes_has_none(text: str) -> None:
    assert RENDER.scalar(text) == text


@pytest.mark.parametrize("text", [text for text in AWKWARD if text not in HARMLESS])
def test_what_could_be_misread_has_quotes(text: str) -> None:
    assert RENDER.scalar(text).startswith('"')


@pytest.mark.parametrize("text", ["2001-01-01", "2001-1-1 10:00:00", "190:20:30", "1:2", "-1:30.5", "<<", "="])
def test_what_only_others_would_misread_has_quotes(text: str) -> None:
    assert read(text) == text
    assert not is_plain(text)


@given(value=st.dictionaries(STRINGS, VALUES, min_size=1, max_size=4), style=STYLES)
def test_any_value_comes_back_in_any_style(value: dict[str, Json], style: Style) -> None:
    assert canonical(read(block(Renderer(style), value))) == canonical(value)


@given(value=VALUES)
def test_any_value_comes_back_from_flow_style_and_json(value: Json) -> None:
    assert canonical(read(f"[{RENDER.flow(value)}]")) == canonical([value])
    for text in (json_text(value), json_text(value, "\t", "\t"), json_text(value, "  ", "  ")):
        assert canonical(load_json(f"[{text}]", BOUNDS).value) == canonical([value])


def test_numbers_words_and_empty_collections() -> None:
    value: Json = {"a": 1, "b": -1.5, "c": True, "d": None, "e": {}, "f": [], "g": ""}
    assert block(RENDER, value) == 'a: 1\nb: -1.5\nc: true\nd: null\ne: {}\nf: []\ng: ""\n'
    assert RENDER.flow(value) == '{a: 1, b: -1.5, c: true, d: null, e: {}, f: [], g: ""}'


def test_entries_come_in_the_conventional_order() -> None:
    value = {"spec": 1, "data": 1, "kind": 1, "metadata": 1, "apiVersion": 1}
    assert [key for key, _ in ordered(value)] == ["apiVersion", "kind", "metadata", "data", "spec"]
    assert [key for key, _ in ordered({"ports": 1, "image": 1, "name": 1})] == ["name", "image", "ports"]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style(), "a:\n  b:\n    - c: 1\n      d:\n        - 2\n    - - 3\n"),
        (Style(list_offset=0), "a:\n  b:\n  - c: 1\n    d:\n    - 2\n  - - 3\n"),
        (Style(step=4, list_offset=2), "a:\n    b:\n      - c: 1\n        d:\n          - 2\n      - - 3\n"),
        (Style(careful=True), '"a":\n  "b":\n    - "c": 1\n      "d":\n        - 2\n    - - 3\n'),
    ],
)
def test_a_style_says_how_far_to_indent(style: Style, text: str) -> None:
    assert block(Renderer(style), {"a": {"b": [{"c": 1, "d": [2]}, [3]]}}) == text


def test_quotes_follow_the_style_where_they_can() -> None:
    single = Renderer(Style(quote="'"))
    assert single.scalar("yes") == "'yes'"
    assert single.scalar("it's: so") == "'it''s: so'"
    assert single.scalar("tab\t") == '"tab\\t"'
    assert RENDER.scalar("plain", "'") == "'plain'"
    assert quoted("\x7f\u2028", '"') == '"\\u007f\\u2028"'


@pytest.mark.parametrize(
    ("text", "header", "lines"),
    [
        ("a\nb", "|-", ["a", "b"]),
        ("a\nb\n", "|", ["a", "b"]),
        ("a\n\n\n", "|+", ["a", "", ""]),
        (" a\nb\n", "|4", [" a", "b"]),
        ("\n\ta\n", "|4", ["", "\ta"]),
    ],
)
def test_a_block_says_how_its_text_begins_and_ends(text: str, header: str, lines: list[str]) -> None:
    assert literal_block(text, 4) == (header, lines)


@pytest.mark.parametrize("text", ["", "\n", "  \n", "a\x00b\n", "a\rb\n", "a\u2028\n", "\ufeff\n"])
def test_a_block_cannot_hold_everything(text: str) -> None:
    assert literal_block(text, 2) is None


def test_a_text_of_several_lines_is_a_block() -> None:
    assert block(RENDER, {"a": "x\ny\n", "b": ["x\n\ny"]}) == "a: |\n  x\n  y\nb:\n  - |-\n    x\n\n    y\n"
    assert block(CAREFUL, {"a": "x\ny\n"}) == '"a": "x\\ny\\n"\n'


def test_json_is_indented_by_its_unit() -> None:
    value: dict[str, Any] = {"b": [1, {}], "a": {"c": "x\ty"}}
    assert json_text(value) == '{"a": {"c": "x\\ty"}, "b": [1, {}]}'
    assert json_text(value, "", "  ") == '{\n  "a": {\n    "c": "x\\ty"\n  },\n  "b": [\n    1,\n    {}\n  ]\n}'


def test_a_key_beyond_what_a_parser_takes_is_awkward() -> None:
    assert read(f"{RENDER.key('x' * 1000)}: 1") == {"x" * 1000: 1}
    with pytest.raises(AwkwardError, match="too long"):
        RENDER.key("x" * 1001)
