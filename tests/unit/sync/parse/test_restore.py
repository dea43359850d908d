"""Intended content in the words of its document, and back."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.objects import Json, decoded
from controller.sync.parse.content import declared_content
from controller.sync.parse.restore import restored


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def an_object(kind: str = "ConfigMap", **rest: Json) -> dict[str, Json]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **rest}


def content(raw: dict[str, Json]) -> Json:
    return decoded(declared_content(raw))


def test_what_does_not_count_stays_in_the_document() -> None:
    raw = an_object(metadata={"name": "a", "uid": "1", "creationTimestamp": None}, status={"x": 1}, data={"k": "v"})
    target = {**content(raw), "data": {"k": "w"}}
    assert restored(raw, target, {}) == {**raw, "data": {"k": "w"}}


@pytest.mark.parametrize(
    ("raw", "target", "said"),
    [
        # A null stays where it was none of the content's business, and goes where something is wanted.
        ({"a": None, "b": 1}, {"b": 2}, {"a": None, "b": 2}),
        ({"a": None, "b": 1}, {"a": 3, "b": 1}, {"a": 3, "b": 1}),
        ({"a": {"b": None}}, {"a": {"c": 1}}, {"a": {"b": None, "c": 1}}),
        ({"a": {"b": None}}, {}, {}),
        ({"a": [{"name": "x", "n": None}, {"name": "y"}]}, {"a": [{"name": "y"}, {"name": "x", "m": 1}]}, None),
        ({"l": [{"name": "x", "n": None}]}, {"l": [{"name": "new"}, {"name": "x", "m": 1}]}, None),
        ({"labels": {"e": None, "f": "g"}}, {"labels": {"e": "", "f": "h"}}, {"labels": {"e": None, "f": "h"}}),
        ({"labels": {"e": None, "f": "g"}}, {"labels": {"f": "g"}}, {"labels": {"f": "g"}}),
        ({"labels": {"e": None}}, {"labels": {"e": "x"}}, {"labels": {"e": "x"}}),
    ],
)
def test_nulls_stay_where_they_are_read_as_before(raw: Json, target: Json, said: Json) -> None:
    result = restored(an_object("Deployment", spec=raw), an_object("Deployment", spec=target), {})
    assert content(result) == an_object("Deployment", spec=target)
    if said is not None:
        assert result["spec"] == said


def test_nulls_of_items_go_with_their_items() -> None:
    raw = an_object("Deployment", spec=[{"name": "x", "n": None}, {"name": "y"}])
    target = an_object("Deployment", spec=[{"name": "w"}, {"name": "x", "m": 1}, {"name": "y"}])
    assert restored(raw, target, {})["spec"] == [{"name": "w"}, {"name": "x", "m": 1, "n": None}, {"name": "y"}]


def test_an_item_of_a_typed_list_does_not_repeat_its_kind() -> None:
    implied = {"apiVersion": "v1", "kind": "ConfigMap"}
    raw = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    target = an_object(data={"k": "w"})
    assert restored(raw, target, implied) == {"metadata": {"name": "a"}, "data": {"k": "w"}}
    assert restored({**raw, "kind": "ConfigMap"}, target, implied) == {**raw, "kind": "ConfigMap", "data": {"k": "w"}}
    assert restored(raw, {**target, "kind": "Other"}, implied)["kind"] == "Other"


@pytest.mark.parametrize(
    ("raw", "data", "said"),
    [
        ({"stringData": {"a": "1"}}, {"a": b64("2")}, {"stringData": {"a": "2"}}),
        (
            {"stringData": {"a": "1"}},
            {"a": b64("1"), "b": b64("2")},
            {"stringData": {"a": "1"}, "data": {"b": b64("2")}},
        ),
        ({"stringData": {"a": "1", "b": "2"}}, {"a": b64("1")}, {"stringData": {"a": "1"}}),
        ({"stringData": {"a": "1"}}, {}, {"data": {}}),
        ({"stringData": {"a": "1"}}, None, {}),
        # What is no text can only stand in data.
        ({"stringData": {"a": "1"}}, {"a": b64(b"\xff")}, {"data": {"a": b64(b"\xff")}}),
        # Shadowed by stringData: it stays as it is, and goes when both go.
        (
            {"data": {"a": b64("old")}, "stringData": {"a": "1"}},
            {"a": b64("2")},
            {"data": {"a": b64("old")}, "stringData": {"a": "2"}},
        ),
        (
            {"data": {"a": None}, "stringData": {"a": "1"}},
            {"a": b64("2")},
            {"data": {"a": None}, "stringData": {"a": "2"}},
        ),
        ({"data": {"a": b64("old")}, "stringData": {"a": "1"}}, {}, {"data": {}}),
        ({"data": {"a": b64("1")}}, {"a": b64("2")}, {"data": {"a": b64("2")}}),
        ({"data": {"a": b64("1")}, "stringData": {}}, {"a": b64("2")}, {"data": {"a": b64("2")}, "stringData": {}}),
        ({"stringData": {"a": None, "b": "1"}}, {"a": "", "b": b64("2")}, {"stringData": {"a": None, "b": "2"}}),
        ({"stringData": {"a": None}, "data": None}, {"a": b64("2")}, {"stringData": {"a": "2"}, "data": None}),
    ],
)
def test_a_secret_keeps_its_text_where_it_stood(raw: Json, data: Json, said: Json) -> None:
    target = an_object("Secret", **({} if data is None else {"data": data}))
    result = restored(an_object("Secret", **raw), target, {})
    assert content(result) == target
    assert {key: value for key, value in result.items() if key in ("data", "stringData")} == said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "labels", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=10,
)
FIELDS = st.dictionaries(st.sampled_from(["spec", "labels", "status"]), VALUES, max_size=3)
MAPS = st.none() | st.dictionaries(st.sampled_from("abc"), st.none() | st.just(b64("x")) | st.just("YQ=="), max_size=3)


@given(raw=FIELDS, other=FIELDS)
def test_whatever_a_document_says_it_can_be_made_to_say_something_else(raw: Json, other: Json) -> None:
    target = content(an_object("Custom", **other))
    assert content(restored(an_object("Custom", **raw), target, {})) == target


@given(data=MAPS, texts=MAPS, other=MAPS)
def test_whatever_a_secret_says_it_can_be_made_to_say_something_else(data: Json, texts: Json, other: Json) -> None:
    target = content(an_object("Secret", data=other))
    assert content(restored(an_object("Secret", data=data, stringData=texts), target, {})) == target
