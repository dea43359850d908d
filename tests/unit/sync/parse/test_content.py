"""What of a document counts, and what makes it refused."""

from __future__ import annotations

import base64

import pytest

from controller.objects import Json, canonical
from controller.sync.parse.content import (
    SERVER_SET,
    Refusal,
    content_refusal,
    declared_content,
    declared_value,
    escaped,
    is_secret,
    key_refusal,
    without_nulls,
)


def an_object(kind: str = "ConfigMap", **rest: Json) -> dict[str, Json]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **rest}


def content(value: dict[str, Json]) -> bytes:
    return canonical(an_object(**value))


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_what_only_the_server_sets_does_not_count() -> None:
    stamps: Json = dict.fromkeys(SERVER_SET, "x")
    exported = an_object(
        metadata={"name": "a", "labels": {"b": "c"}, **stamps}, status={"ready": True}, data={"k": "v"}
    )
    assert declared_content(exported) == content({"metadata": {"name": "a", "labels": {"b": "c"}}, "data": {"k": "v"}})
    assert exported["status"] == {"ready": True}, "the value itself was changed"


@pytest.mark.parametrize(
    ("declared", "counted"),
    [
        (an_object("Deployment", spec={"replicas": None, "a": 1}), an_object("Deployment", spec={"a": 1})),
        (
            an_object("Deployment", spec={"list": [None, {"a": None}]}),
            an_object("Deployment", spec={"list": [None, {}]}),
        ),
        (
            an_object(metadata={"name": "a", "labels": {"x": None}}),
            an_object(metadata={"name": "a", "labels": {"x": ""}}),
        ),
        (an_object(data={"k": None}), an_object(data={"k": ""})),
        (an_object(data=None), an_object()),
        (an_object("Other", data={"k": None}), an_object("Other", data={})),
        (an_object("Pod", spec={"nodeSelector": {"gpu": None}}), an_object("Pod", spec={"nodeSelector": {"gpu": ""}})),
        (an_object("Secret", data={"k": None}), an_object("Secret", data={"k": ""})),
        (an_object("Secret", stringData={"k": "v", "n": None}), an_object("Secret", data={"k": b64("v"), "n": ""})),
        (
            an_object("Secret", data={"k": b64("old"), "d": b64("d")}, stringData={"k": "new"}),
            an_object("Secret", data={"d": b64("d"), "k": b64("new")}),
        ),
        (an_object("Secret", stringData={}), an_object("Secret")),
        (an_object("Secret", data={"k": "v"}, stringData=None), an_object("Secret", data={"k": "v"})),
    ],
)
def test_nulls_and_texts_count_as_the_server_takes_them(declared: dict[str, Json], counted: dict[str, Json]) -> None:
    assert declared_content(declared) == canonical(counted)
    assert without_nulls(declared_value(declared)) == counted


def test_only_a_secret_of_the_core_group_is_one() -> None:
    assert is_secret(an_object("Secret"))
    assert not is_secret({**an_object("Secret"), "apiVersion": "example.com/v1"})
    other = {**an_object("Secret"), "apiVersion": "example.com/v1", "stringData": {"k": "v"}}
    assert declared_content(other) == canonical(other)
    assert content_refusal({**other, "stringData": [1]}) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"apiVersion": 1}, "/apiVersion"),
        ({"apiVersion": "V1"}, "/apiVersion"),
        ({"apiVersion": "a/b/c"}, "/apiVersion"),
        ({"kind": 1}, "/kind"),
        ({"kind": "Config Map"}, "/kind"),
        ({"metadata": None}, "/metadata"),
        ({"metadata": "a"}, "/metadata"),
        ({"metadata": {"generateName": "a-"}}, "/metadata/generateName"),
        ({"metadata": {}}, "/metadata/name"),
        ({"metadata": {"name": ""}}, "/metadata/name"),
        ({"metadata": {"name": None}}, "/metadata/name"),
        ({"metadata": {"name": 1}}, "/metadata/name"),
        ({"metadata": {"name": ".."}}, "/metadata/name"),
        ({"metadata": {"name": "a/b"}}, "/metadata/name"),
        ({"metadata": {"name": "a\0b"}}, "/metadata/name"),
        ({"metadata": {"name": "a", "namespace": "b\x1b[2J"}}, "/metadata/namespace"),
        ({"metadata": {"name": "a%2fb"}}, "/metadata/name"),
        ({"metadata": {"name": "a", "namespace": True}}, "/metadata/namespace"),
        ({"metadata": {"name": "a", "namespace": "."}}, "/metadata/namespace"),
    ],
)
def test_a_document_that_names_no_object_is_refused_with_the_field(change: dict[str, Json], field: str) -> None:
    refusal = key_refusal({**an_object(), **change})
    assert refusal is not None
    assert refusal.field == field


@pytest.mark.parametrize("namespace", [{}, {"namespace": None}, {"namespace": ""}, {"namespace": "team"}])
def test_a_namespace_may_be_missing(namespace: dict[str, Json]) -> None:
    assert key_refusal(an_object(metadata={"name": "system:a", **namespace})) is None


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (
            an_object(sops={}),
            Refusal("/sops", "an item of a list cannot be encrypted by itself; encrypt the whole file with sops"),
        ),
        (
            an_object(metadata={"name": "a", "labels": {"a": 1}}),
            Refusal("/metadata/labels/a", "must be a string; put 1 in quotes"),
        ),
        (
            an_object(metadata={"name": "a", "annotations": {"a/b~": True}}),
            Refusal("/metadata/annotations/a~1b~0", "must be a string; put true in quotes"),
        ),
        (
            an_object(metadata={"name": "a", "annotations": {"a": {"b": 1}}}),
            Refusal("/metadata/annotations/a", "must be a string; put it in quotes"),
        ),
        (an_object(metadata={"name": "a", "labels": []}), Refusal("/metadata/labels", "must be a map of strings")),
        (an_object("Secret", stringData={"a": 1.5}), Refusal("/stringData/a", "must be a string; put it in quotes")),
        (an_object("Secret", data="x"), Refusal("/data", "must be a map of strings")),
        (
            an_object("Secret", data={"a": "plain text"}),
            Refusal("/data/a", "must be base64; plain text belongs into stringData"),
        ),
        (
            an_object("Secret", data={"a": "YQ"}),
            Refusal("/data/a", "must be base64; plain text belongs into stringData"),
        ),
        (an_object("Secret", data={"a": None, "b": "Y\r\nQ==\n"}), None),
        (an_object(metadata={"name": "a", "labels": None, "annotations": {"a": None}}), None),
    ],
)
def test_content_that_cannot_be_used_is_refused_with_the_field(value: dict[str, Json], refusal: Refusal | None) -> None:
    assert content_refusal(value) == refusal


def test_a_segment_of_a_pointer_is_escaped() -> None:
    assert escaped("a/b~c") == "a~1b~0c"
