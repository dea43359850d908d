"""A changed object back into its file: how each way of writing is edited, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from controller.bounds import Bounds
from controller.errors import Reason
from controller.objects import Json, canonical, decoded
from controller.sync.parse.documents import DocRef, read_file
from controller.sync.parse.edit import EditRefusedError, edit_file, render_document
from controller.sync.parse.render import Style

Change = Callable[[Any], object]
FIRST = DocRef(0)
HEAD = "apiVersion: example.com/v1\nkind: Stack\nmetadata:\n  name: a\n"


def contents(data: bytes) -> dict[DocRef, bytes]:
    result = read_file(data, Bounds())
    assert result.complete, result.faults
    return {document.ref: document.content for document in result.documents}


def edited(text: str, change: Change, ref: DocRef = FIRST) -> str:
    """The text with a change made to the content of one object, and that read again."""
    before = contents(text.encode())
    content = decoded(before[ref])
    change(content)
    new = edit_file(text.encode(), {ref: canonical(content)})
    assert contents(new) == {**before, ref: canonical(content)}
    return new.decode()


def spec(text: str, change: Change) -> str:
    """The `spec` of a document, indented by nothing, after a change to it."""
    lines = "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    result = edited(f"{HEAD}spec:\n{lines}", lambda content: change(content["spec"]))
    assert result.startswith(f"{HEAD}spec:\n")
    return dedent(result.removeprefix(f"{HEAD}spec:\n"))


def put(*path: str | int, value: Json) -> Change:
    def change(content: Json) -> None:
        for segment in path[:-1]:
            content = content[segment]
        content[path[-1]] = value

    return change


def take(*path: str | int) -> Change:
    def change(content: Json) -> None:
        for segment in path[:-1]:
            content = content[segment]
        del content[path[-1]]

    return change


def insert(*path: str | int, value: Json) -> Change:
    def change(content: Json) -> None:
        for segment in path[:-1]:
            content = content[segment]
        content.insert(path[-1], value)

    return change


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        # Scalars: what stands around them stays.
        ("a:   1   # one\n", put("a", value=2), "a:   2   # one\n"),
        ("a: 'x'\nb: 1\n", put("a", value="w"), "a: 'w'\nb: 1\n"),
        ('a: "x"\nb: 1\n', put("a", value=5), "a: 5\nb: 1\n"),
        ("a: x\nb: 'c'\n", put("a", value="5"), "a: '5'\nb: 'c'\n"),
        ("a: &x !!str 1\nb: 1\n", put("a", value="2"), 'a: &x "2"\nb: 1\n'),
        ("a: !!int '1'\nb: 1\n", put("a", value=2), "a: 2\nb: 1\n"),
        ("a: x\n  goes on\nb: 1\n", put("a", value="w"), "a: w\nb: 1\n"),
        ("a:\n  x # below\nb: 1\n", put("a", value="w"), "a:\n  w # below\nb: 1\n"),
        ("a: # nothing\nb: 1\n", put("a", value="w"), "a: w # nothing\nb: 1\n"),
        ("? a\n: 1\n", put("a", value=2), "a: 2\n"),
        ("s:\n  ? a\n  : 1\n  b: 2\n", put("s", "c", value=3), "s:\n  a: 1\n  b: 2\n  c: 3\n"),
        ("s:\n  ? a\n  : 1\n  b: 2\n", take("s", "a"), "s:\n  b: 2\n"),
        ("s:\n  ? a\n  : 1\n  b: 2\n", put("s", "b", value=3), "s:\n  ? a\n  : 1\n  b: 3\n"),
        ("yes: 1\nb: 1\n", put("true", value=2), "yes: 2\nb: 1\n"),
        # Scalars that become something else, and something else that becomes a scalar.
        ("a: 1 # one\nb: 1\n", put("a", value={"c": [2]}), "a: # one\n  c:\n    - 2\nb: 1\n"),
        ("a: 1\nb: 1\n", put("a", value="x\ny\n"), "a: |\n  x\n  y\nb: 1\n"),
        ("a: # about\n  c: 1\n  d: 2\nb: 1\n", put("a", value=3), "a: 3 # about\nb: 1\n"),
        ("a:\n- 1\n- 2\nb: 1\n", put("a", value={}), "a: {}\nb: 1\n"),
        ("a: {c: 1} # one\nb: 1\n", put("a", value="x"), "a: x # one\nb: 1\n"),
        ("a: {}\nb: 1\n", put("a", value={"c": 1}), "a:\n  c: 1\nb: 1\n"),
        ("a: [{c: 1}]\n", put("a", 0, value=2), "a: [2]\n"),
        # Blocks.
        ("a: |\n  x\n  y\nb: 1\n", put("a", value="x\nz\n"), "a: |\n  x\n  z\nb: 1\n"),
        ("a: |\n  x\n\nb: 1\n", put("a", value="x"), "a: |-\n  x\n\nb: 1\n"),
        ("a: | # shell\n  x\nb: 1\n", put("a", value="x\ny\n"), "a: | # shell\n  x\n  y\nb: 1\n"),
        ("a: |4\n     x\n    y\nb: 1\n", put("a", value=" x\nz\n"), "a: |4\n     x\n    z\nb: 1\n"),
        ("a: |2\n  x\nb: 1\n", put("a", value="z\n"), "a: |2\n  z\nb: 1\n"),
        ("a: >\n  x\n  y\nb: 1\n", put("a", value="x\nz\n"), "a: |\n  x\n  z\nb: 1\n"),
        ("a: |\n  x\nb: 1\n", put("a", value="\x07"), 'a: "\\u0007"\nb: 1\n'),
        ("a: |\n  x\nb: 1\n", put("a", value=5), "a: 5\nb: 1\n"),
        ("a: |\n\nb: 1\n", put("a", value="x\ny\n"), "a: |\n  x\n  y\n\nb: 1\n"),
        # Keys.
        ("a: 1\nb: 2\n", put("c", value=3), "a: 1\nb: 2\nc: 3\n"),
        ("a: 1\nb: 2\n", take("a"), "b: 2\n"),
        ("a:\n    b: 1\n", put("a", "c", value={"d": 1}), "a:\n    b: 1\n    c:\n      d: 1\n"),
        ("'a': 'x'\n", put("b", value="w"), "'a': 'x'\n'b': 'w'\n"),
        ("a:\n  b: 1\nc: 1\n", take("a", "b"), "a: {}\nc: 1\n"),
        ("a: {b: 1, c: 2}\n", take("a", "b"), "a: {c: 2}\n"),
        ("a: {b: 1}\n", take("a", "b"), "a: {}\n"),
        ("a: {b: 1}\n", put("a", "c", value=[1, {"d": 3}]), "a: {b: 1, c: [1, {d: 3}]}\n"),
        ("a: {b: 1}\n", put("a", value={"c": 2}), "a: {c: 2}\n"),
        ("a: {b: 1, c: 1}\n", put("a", value={"b": 1, "d": 2}), "a: {b: 1, d: 2}\n"),
        ("a: [b: 1]\n", put("a", 0, "c", value=2), "a: [{b: 1, c: 2}]\n"),
        ("a: {? b : 1}\n", put("a", "b", value=2), "a: {b: 2}\n"),
        ("a: {b: , c: 1}\n", put("a", "b", value=2), "a: {b:  2, c: 1}\n"),
        ("a: {b, c: 1}\n", put("a", "b", value=2), "a: {b: 2, c: 1}\n"),
        ("- a: 1\n", lambda content: None, "- a: 1\n"),
        # Lists.
        ("- 1\n- 2\n", insert(1, value=9), "- 1\n- 9\n- 2\n"),
        ("a:\n- 1\n- 2\n", insert("a", 0, value=9), "a:\n- 9\n- 1\n- 2\n"),
        ("a:\n- 1 # one\n- 2\n", take("a", 0), "a:\n- 2\n"),
        ("a:\n- 1\n", take("a", 0), "a: []\n"),
        ("a: []\nb: 1\n", insert("a", 0, value=1), "a:\n  - 1\nb: 1\n"),
        ("a:\n- - 1\n  - 2\n", insert("a", 0, 0, value=0), "a:\n- - 0\n  - 1\n  - 2\n"),
        ("a:\n- name: x\n  # why\n  v: 1\n", put("a", 0, "v", value=2), "a:\n- name: x\n  # why\n  v: 2\n"),
        ("a:\n- 'x'\n- 'y'\n", insert("a", 1, value="z"), "a:\n- 'x'\n- 'z'\n- 'y'\n"),
        ("a: [1, 2]\n", insert("a", 0, value=0), "a: [0, 1, 2]\n"),
        ("a: [1, 2]\n", insert("a", 1, value=0), "a: [1, 0, 2]\n"),
        ("a: [1]\n", take("a", 0), "a: []\n"),
        ("a: [x, y]\n", put("a", value=["z", "x"]), "a: [z, x]\n"),
        ("a: [{name: x}, {name: y, v: 1}]\n", put("a", value=[{"name": "z", "v": 2}]), "a: [{name: z, v: 2}]\n"),
        ("a: [\n  1,\n  2\n]\n", insert("a", 2, value={"b": 1}), "a: [\n  1,\n  2,\n  {b: 1}\n]\n"),
        ("- - |\n    x\n", put(0, 0, value="y\n"), "- - |\n    y\n"),
        # Aliases: written out where something else is wanted, left alone where they say it.
        ("a: &x 1\nb: *x\n", put("b", value=2), "a: &x 1\nb: 2\n"),
        ("a: &x 1\nb: *x\n", put("a", value=2), "a: &x 2\nb: 1\n"),
        ("a: &x 1\nb: *x\n", lambda content: content.update(a=2, b=2), "a: &x 2\nb: *x\n"),
        ("a: &x {c: 1}\nb: *x\n", take("a"), "b:\n  c: 1\n"),
        ("a: &x [1]\nb: [*x, 2]\n", put("b", 0, value=[1, 1]), "a: &x [1]\nb: [[1, 1], 2]\n"),
        ("a: &x\n  c: 1\nb: *x\nd: 1\n", put("d", value=2), "a: &x\n  c: 1\nb: *x\nd: 2\n"),
        ("a: &x\n  c: 1\nb: *x\n", lambda content: content.update(a=7, b=7), "a: &x 7\nb: *x\n"),
        ("'a': &x 'x'\n'b': *x\n", put("b", value="w"), "'a': &x 'x'\n'b': 'w'\n"),
        # Merges: what they bring is said at the place of the edit, or they go.
        ("a: &x {c: 1}\nb:\n  <<: *x\n", put("b", "c", value=2), "a: &x {c: 1}\nb:\n  <<: *x\n  c: 2\n"),
        ("a: &x {c: 1}\nb:\n  c: 2\n  <<: *x\n", put("b", "c", value=3), "a: &x {c: 1}\nb:\n  c: 3\n"),
        ("a: &x {c: 1, d: 1}\nb:\n  <<: *x\n", take("b", "c"), "a: &x {c: 1, d: 1}\nb:\n  d: 1\n"),
        ("a: &x {c: 1}\nb:\n  <<: *x\n", put("a", "c", value=2), "a: &x {c: 2}\nb:\n  <<: *x\n  c: 1\n"),
        (
            "a: &x {c: 1}\nb: {<<: [*x, {d: 2}]}\n",
            put("b", "d", value=3),
            "a: &x {c: 1}\nb: {<<: [*x, {d: 2}], d: 3}\n",
        ),
        (
            "a: &x {c: 1}\nb: {<<: [{d: *x}]}\n",
            put("b", "d", value=3),
            "a: &x {c: 1}\nb: {d: 3}\n",
        ),
    ],
)
def test_an_edit_is_made_where_it_belongs(before: str, change: Change, after: str) -> None:
    assert spec(before, change) == after


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("data:\n  a: |\n    x", put("data", "b", value="w"), "data:\n  a: |\n    x\n  b: w"),
        ("data:\n  a: |+\n    x", put("data", "b", value="w"), "data:\n  a: |+\n    x\n  b: w"),
        ("data:\n  a: |-\n    x", put("data", "b", value="w"), "data:\n  a: |-\n    x\n  b: w"),
        ("data:\n  a: |\n    x", put("data", "a", value="y\n"), "data:\n  a: |\n    y"),
        ("data:\n  a: |\n    x", put("data", "a", value="y"), "data:\n  a: |-\n    y"),
        ("data:\n  a: |\n    x", put("data", value={"b": "w"}), "data:\n  b: w"),
        (
            "data:\n  a: |\n    x",
            lambda c: c.update(data={"a": "x", "b": "w"}, e=1),
            "data:\n  a: |-\n    x\n  b: w\ne: 1",
        ),
        ("data: {a: b}", put("data", "a", value="c"), "data: {a: c}"),
        ("data:\n  a: b", put("data", "c", value="x\n"), "data:\n  a: b\n  c: |\n    x"),
        ("data:\n  a: b", put("data", "c", value="x\n\n"), "data:\n  a: b\n  c: |+\n    x\n\n"),
        ("data:\n  a: b # c", take("data"), ""),
    ],
)
def test_a_last_line_that_does_not_end_is_read_as_if_it_did_and_written_as_it_was(
    before: str, change: Change, after: str
) -> None:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
    assert edited(head + before, change) == (head + after if after else head.removesuffix("\n"))


MANY = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
# of b
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
"""
NEW = canonical({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}})
NEW_TEXT = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: new\n"


def test_what_is_intended_already_is_no_edit() -> None:
    old = MANY.encode()
    assert edit_file(old, contents(old)) is old
    assert edit_file(old, {}) is old


def test_documents_go_and_come() -> None:
    old = MANY.encode()
    first, second = MANY.split("---\n")
    assert edit_file(old, {DocRef(1): None}).decode() == first
    assert edit_file(old, {DocRef(0): None}).decode() == "---\n" + second
    assert edit_file(old, {DocRef(0): None, DocRef(1): None}) == b""
    assert edit_file(old, {DocRef(0): None, DocRef(1): None}, [NEW]).decode() == NEW_TEXT
    assert edit_file(old, {}, [NEW, NEW]).decode() == f"{MANY}---\n{NEW_TEXT}---\n{NEW_TEXT}"
    assert edit_file(b"", {}, [NEW]).decode() == NEW_TEXT
    assert edit_file(b"# head", {}, [NEW]).decode() == f"# head\n{NEW_TEXT}".rstrip()


def test_a_new_document_is_written_as_the_last_one_is() -> None:
    old = b"apiVersion: v1\nkind: Pod\nmetadata:\n    name: 'a'\nspec:\n    args:\n    - 'x'\n"
    new = canonical({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}, "spec": {"args": ["yes"]}})
    added = b"apiVersion: v1\nkind: Pod\nmetadata:\n    name: b\nspec:\n    args:\n    - 'yes'\n"
    assert edit_file(old, {}, [new]) == old + b"---\n" + added


@pytest.mark.parametrize("value", ["|\n    x", "|-\n    x", "|+\n    x", "x", "{}"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_new_document_does_not_change_the_one_before_it(value: str, end: str) -> None:
    old = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: {value}"
    new = edit_file(f"{old}{end}".encode(), {}, [NEW]).decode()
    assert new == f"{old}\n---\n{NEW_TEXT}".removesuffix("\n") + end


LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: b}
"""


def test_items_of_a_list_go() -> None:
    head, first, second = LIST.split("- apiVersion")
    assert edit_file(LIST.encode(), {DocRef(0, 0): None}).decode() == f"{head}- apiVersion{second}"
    assert edit_file(LIST.encode(), {DocRef(0, 1): None}).decode() == f"{head}- apiVersion{first}"
    assert edit_file(LIST.encode(), {DocRef(0, 0): None, DocRef(0, 1): None}).decode() == head.replace(
        "items:", "items: []"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"kind": "List", "items": []}', '{"kind": "List", "items": [NEW]}'),
        ('{"kind": "List", "items": [{"a": 1}]}', '{"kind": "List", "items": [{"a": 1}, NEW]}'),
        (
            '{\n "kind": "List",\n "items": []\n}\n',
            '{\n "kind": "List",\n "items": [\n  {\n   "apiVersion": "v1",\n   "kind": "ConfigMap",\n   "metadata": {\n'
            '    "name": "new"\n   }\n  }\n ]\n}\n',
        ),
    ],
)
def test_a_list_in_json_takes_new_items(old: str, new: str) -> None:
    old, new = (text.replace('"kind": "List"', '"apiVersion": "v1", "kind": "List"') for text in (old, new))
    item = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}'
    assert edit_file(old.encode(), {}, [NEW]).decode() == new.replace("NEW", item)


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ('{"a":1,"b":{"c":"x"}}', put("b", "c", value="w"), '{"a":1,"b":{"c":"w"}}'),
        ('{"a":1,"b":{"c":"x"}}', put("d", value=[1, {"e": 3}]), '{"a":1,"b":{"c":"x"},"d":[1, {"e": 3}]}'),
        ('{"a": 1, "b": {}}', put("b", "c", value=2), '{"a": 1, "b": {"c": 2}}'),
        ('{"a": 1, "b": 2}', take("a"), '{"b": 2}'),
        ('{"a": "x"}', put("a", value={"b": [1, 2]}), '{"a": {"b": [1, 2]}}'),
    ],
)
def test_json_stays_json(before: str, change: Change, after: str) -> None:
    head = '{"apiVersion": "v1", "kind": "Stack", "metadata": {"name": "a"}, "spec": '
    assert edited(f"{head}{before}}}\n", lambda content: change(content["spec"])) == f"{head}{after}}}\n"


def test_an_object_in_json_goes_with_its_file() -> None:
    old = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}'
    assert edit_file(old, {DocRef(0): None}) == b""


@pytest.mark.parametrize(
    ("old", "intended", "appended", "message"),
    [
        ("a: [", {}, [NEW], "cannot be read, so nothing is written to it: line 2: "),
        (MANY, {DocRef(2): None}, [], "does not hold the document"),
        (MANY, {DocRef(0, 0): None}, [], "does not hold the document"),
        (MANY.replace("---", "...\n---"), {DocRef(0): NEW}, [], None),
        (MANY.replace("\n", "\r"), {DocRef(1): None}, [], "carriage return"),
        ('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}', {}, [NEW], "cannot be edited"),
        (LIST.replace("items:\n", "? items\n:\n"), {DocRef(0, 0): None}, [], "cannot be edited"),
        (
            MANY,
            {},
            [canonical({"apiVersion": "v1", "kind": "Stack", "metadata": {"name": "a"}, "k" * 2000: 1})],
            "cannot",
        ),
        # What would be read as another object, or as none.
        (MANY, {}, [canonical({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a/b"}})], "cannot"),
    ],
)
def test_what_cannot_be_edited_is_refused(
    old: str, intended: dict[DocRef, bytes | None], appended: list[bytes], message: str | None
) -> None:
    if message is None:
        assert edit_file(old.encode(), intended, appended)
        return
    with pytest.raises(EditRefusedError, match=message) as caught:
        edit_file(old.encode(), intended, appended)
    assert caught.value.reason is Reason.FIELD_REFUSED


def test_an_edit_that_makes_a_file_too_large_to_be_read_is_refused() -> None:
    with pytest.raises(EditRefusedError, match="would not say what is intended"):
        edit_file(MANY.encode(), {}, [NEW], Bounds(documents_per_file=1))


def test_a_document_is_rendered_as_people_write_it() -> None:
    content = {
        "kind": "Deployment", "apiVersion": "apps/v1", "spec": {"replicas": 1, "template": {"spec": {"containers": [
            {"image": "web:1", "name": "web", "args": ["yes"], "env": []}]}}},
        "metadata": {"labels": {"app": "web"}, "name": "web"},
    }  # fmt: skip
    assert render_document(canonical(content)) == dedent("""\
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: web
          labels:
            app: web
        spec:
          replicas: 1
          template:
            spec:
              containers:
                - name: web
                  image: web:1
                  args:
                    - "yes"
                  env: []
    """)
    assert "      containers:\n      - name: web\n        image" in render_document(
        canonical(content), Style(list_offset=0)
    )
