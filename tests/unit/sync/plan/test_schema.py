from __future__ import annotations

import pytest

from controller.objects import Json
from controller.sync.plan.fieldpath import Item, Keys, parse_path
from controller.sync.plan.schema import OPEN, Schema, Shape, element_keys, indexed, schema_of
from tests.support.openapi import schema

DEPLOYMENT = schema("apps/v1", "Deployment")
POD = "/spec/template/spec"

SHAPES = [
    ("", Shape.STRUCT),
    ("/spec", Shape.STRUCT),
    ("/spec/replicas", Shape.ATOMIC),
    ("/spec/selector", Shape.ATOMIC),
    ("/metadata/labels", Shape.MAP),
    ("/metadata/finalizers", Shape.SET),
    ("/metadata/managedFields", Shape.ATOMIC),
    (f"{POD}/containers", Shape.KEYED),
    (f"{POD}/containers/{{name=web}}", Shape.STRUCT),
    (f"{POD}/containers/{{name=web}}/args", Shape.ATOMIC),
    (f"{POD}/containers/{{name=web}}/ports", Shape.KEYED),
    (f"{POD}/containers/{{name=web}}/resources/limits", Shape.MAP),
    (f"{POD}/nodeSelector", Shape.ATOMIC),
    (f"{POD}/tolerations", Shape.ATOMIC),
    (f"{POD}/volumes", Shape.KEYED),
]


@pytest.mark.parametrize(("path", "shape"), SHAPES, ids=[path or "(root)" for path, _ in SHAPES])
def test_a_deployment_has_the_shapes_that_the_server_merges_by(path: str, shape: Shape) -> None:
    assert DEPLOYMENT.at(parse_path(path)).shape is shape


CUSTOM = [
    ("/spec/subnets", Shape.ATOMIC),
    ("/spec/zones", Shape.SET),
    ("/spec/tags", Shape.MAP),
    ("/spec/size", Shape.ATOMIC),
    ("/spec/extra", Shape.OPEN),
    ("/spec/extra/below", Shape.OPEN),
    ("/spec/pinned", Shape.ATOMIC),
    ("/spec/ports", Shape.KEYED),
    ("/status/anything", Shape.OPEN),
    ("/metadata/finalizers", Shape.SET),
]


@pytest.mark.parametrize(("path", "shape"), CUSTOM, ids=[path for path, _ in CUSTOM])
def test_a_custom_resource_has_the_shapes_of_its_definition(path: str, shape: Shape) -> None:
    assert schema("tests.tandem.dev/v1", "Fabric").at(parse_path(path)).shape is shape


def test_keys_have_their_defaults() -> None:
    ports = DEPLOYMENT.at(parse_path(f"{POD}/containers/{{name=web}}/ports"))
    assert ports.keys == ("containerPort", "protocol")
    assert ports.defaults["protocol"] == "TCP"
    assert element_keys({"containerPort": 80}, ports) == Keys((("containerPort", 80), ("protocol", "TCP")))
    assert schema("v1", "Service").at(parse_path("/spec/ports")).keys == ("port", "protocol")


def test_a_list_that_cannot_be_told_apart_is_one_value() -> None:
    ports = schema("tests.tandem.dev/v1", "Fabric").at(parse_path("/spec/ports"))
    zones = schema("tests.tandem.dev/v1", "Fabric").at(parse_path("/spec/zones"))
    assert indexed([{"port": 1}, {"port": 1, "protocol": "TCP"}], ports) is None
    assert indexed(["not an element"], ports) is None
    assert indexed([{"mtu": 1}], ports) is None
    assert indexed([{"port": {"a": 1}}], ports) is None
    assert indexed(["a", "a"], zones) is None
    assert indexed([{"a": 1}], zones) is None
    assert indexed(["a", "b"], zones) == {Item("a"): "a", Item("b"): "b"}


KNOWN = [
    ("/spec/replicas", True),
    ("/spec/nothing", False),
    ("/spec/template/spec/containers/{name=web}/image", True),
    ("/spec/template/spec/containers/{name=web}/picture", False),
    ("/metadata/labels/any", True),
    ("/nothing/below", False),
]


@pytest.mark.parametrize(("path", "expected"), KNOWN, ids=[path for path, _ in KNOWN])
def test_a_path_is_known_while_it_is_served(path: str, expected: bool) -> None:
    assert DEPLOYMENT.knows(parse_path(path)) is expected


def test_what_keeps_unknown_fields_knows_every_path() -> None:
    fabric = schema("tests.tandem.dev/v1", "Fabric")
    assert fabric.knows(parse_path("/spec/extra/any/thing"))
    assert not fabric.knows(parse_path("/spec/thing"))
    assert Schema.open().knows(parse_path("/any/thing"))


def test_of_an_open_kind_only_metadata_is_known() -> None:
    opened = Schema.open()
    assert opened.at(parse_path("/metadata/finalizers")).shape is Shape.SET
    assert opened.at(parse_path("/metadata/ownerReferences")).keys == ("uid",)
    assert opened.at(parse_path("/spec/anything")).shape is Shape.OPEN
    assert OPEN.items.shape is Shape.OPEN


def test_a_kind_that_the_document_does_not_describe_is_open() -> None:
    assert schema_of({}, "apps", "v1", "Deployment") is Schema.open()


def document(raw: Json) -> Json:
    named = {"x-kubernetes-group-version-kind": [{"group": "g", "version": "v1", "kind": "Thing"}], **raw}
    return {"components": {"schemas": {"Thing": named, "Part": {"properties": {"a": {"type": "string"}}}}}}


def test_a_kind_without_a_structural_schema_has_metadata_all_the_same() -> None:
    found = schema_of(document({"type": "object"}), "g", "v1", "Thing")
    assert found.at(parse_path("/metadata/labels")).shape is Shape.MAP
    assert found.knows(parse_path("/spec/anything"))


def test_references_are_followed_however_they_are_written() -> None:
    reference = {"$ref": "#/components/schemas/Part"}
    properties = {
        "one": reference,
        "two": {"allOf": [reference], "default": {}},
        "three": {"allOf": [{"properties": {"a": {"type": "string"}}}]},
        "four": {"additionalProperties": True, "type": "object"},
        "five": {"$ref": "#/components/schemas/Missing"},
    }
    found = schema_of(document({"properties": properties}), "g", "v1", "Thing")
    shapes = [found.child(name).shape for name in properties]
    assert shapes == [Shape.STRUCT, Shape.STRUCT, Shape.STRUCT, Shape.MAP, Shape.OPEN]
    assert found.at(("four", "x")).shape is Shape.OPEN
    assert found.child("two").child("a") is found.child("two").child("a")
