"""Whatever a document says and however it says it, it can be made to say anything else, and nothing beside it moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.bounds import Bounds
from controller.objects import Json, canonical, decoded
from controller.sync.parse.documents import DocRef, read_file
from controller.sync.parse.edit import edit_file, render_document
from controller.sync.parse.render import Renderer, Style, json_text
from tests.support.edits import AWKWARD
from tests.support.scalars import NUMBERS, TABLE, WORDS, document

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from([*AWKWARD, *WORDS, *NUMBERS])
LINES = st.lists(st.text(" \t#-:ab'\"", max_size=5), max_size=5).map("\n".join)
STRINGS = TEXTS | LINES
KEYS = st.sampled_from(["a", "b", "c", "name", "labels", "true", "1", "<<", "k: #", "é"])
LEAVES = st.booleans() | st.integers(-9, 9) | STRINGS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
SPECS = st.dictionaries(KEYS, VALUES, max_size=3)
STYLES = st.builds(Style, st.integers(1, 4), st.integers(0, 4), st.sampled_from("'\""), st.booleans())
OTHER = "# keep\napiVersion: v1\nkind: ConfigMap\nmetadata: {name:   other} # keep\n"


def stack(spec: Json) -> dict[str, Json]:
    return {"apiVersion": "example.com/v1", "kind": "Stack", "metadata": {"name": "a"}, "spec": spec}


def as_block(value: Json, style: Style) -> str:
    return render_document(canonical(value), style)


def as_flow(value: Json, style: Style) -> str:
    return Renderer(style).flow(value) + "\n"


def as_json(value: Json, style: Style) -> str:
    return json_text(value, "", " " * style.step) + "\n"


def edited(text: str, ref: DocRef, content: Json) -> str:
    """The text with the content in place of one object, read again and compared."""
    before = {found.ref: found.content for found in read_file(text.encode(), Bounds()).documents}
    new = edit_file(text.encode(), {ref: canonical(content)})
    after = read_file(new, Bounds())
    assert after.complete
    assert {found.ref: found.content for found in after.documents} == {**before, ref: canonical(content)}
    return new.decode()


@pytest.mark.parametrize("write", [as_block, as_flow, as_json])
@given(old=SPECS, new=SPECS, style=STYLES)
def test_anything_becomes_anything_in_any_style(
    write: Callable[[Json, Style], str], old: Json, new: Json, style: Style
) -> None:
    edited(write(stack(old), style), DocRef(0), stack(new))


@given(old=SPECS, new=SPECS, style=STYLES, crlf=st.booleans())
def test_what_stands_around_an_edited_document_stays(old: Json, new: Json, style: Style, crlf: bool) -> None:
    first, last = f"{OTHER}---\n", f"---\n{OTHER}"
    text = first + as_block(stack(old), style) + last
    end = "\r\n" if crlf else "\n"
    result = edited(text.replace("\n", end), DocRef(1), stack(new))
    assert result.startswith(first.replace("\n", end))
    assert result.endswith(last.replace("\n", end))
    assert result.count("\n") == result.count(end)


@given(text=STRINGS)
@example("\x85\n")
@pytest.mark.parametrize(
    "old",
    ["x", "'x'", '"x"', "|\n    x", "|-\n    x\n", ">\n    x\n    y", "&a x", "!!str 1", "", "{a: x}", "[x]", "*v"],
)
def test_any_string_takes_any_place(old: str, text: str) -> None:
    head = "apiVersion: v1\nkind: Stack\nmetadata:\n  name: &v a # keep\nspec:\n  # keep\n  first: 1  # keep\n  k: "
    tail = "\n  # keep\n  last:   1  # keep\n"
    result = edited(head + old + tail, DocRef(0), {**stack({"first": 1, "k": text, "last": 1}), "apiVersion": "v1"})
    assert result.startswith(head.rstrip())
    assert result.endswith(tail)


@given(text=STRINGS, key=STRINGS.filter(bool))
def test_any_string_is_a_new_key_and_a_new_value(text: str, key: str) -> None:
    head = (
        "apiVersion: example.com/v1\nkind: Stack\nmetadata:\n  name: a\nspec:\n  f: {a: b} # keep\n  l: [a, b] # keep\n"
    )
    old = {"f": {"a": "b"}, "l": ["a", "b"]}
    assert edited(head, DocRef(0), stack({**old, key: text})).startswith(head) or key in old
    edited(head, DocRef(0), stack({**old, "f": {"a": "b", key: text}}))
    result = edited(head, DocRef(0), stack({**old, "l": ["a", text, "b"]}))
    assert result.startswith(head.partition("[a")[0])
    assert result.endswith("b] # keep\n")


def test_beside_everything_that_the_server_reads_something_can_be_edited() -> None:
    for piece in decoded(TABLE.read_bytes()):
        text = document(piece["yaml"]).rstrip("\n") + "\n"
        (found,) = read_file(text.encode(), Bounds()).documents or [None]
        if found is None:
            assert piece.get("refused"), piece
            continue
        content = decoded(found.content)
        labelled = edited(text, DocRef(0), {**content, "metadata": {"name": "reading", "labels": {"y": "1_000"}}})
        assert text.partition("spec:")[2] == labelled.partition("spec:")[2], "an edit elsewhere changed this"
        if not isinstance(content.get("spec"), dict):
            continue
        edited(text, DocRef(0), {**content, "spec": {**content["spec"], "added": "0o17"}})
        for key in content["spec"]:
            edited(text, DocRef(0), {**content, "spec": {**content["spec"], key: "n"}})
            edited(text, DocRef(0), {**content, "spec": {**content["spec"], key: {"y": ["n"]}}})
