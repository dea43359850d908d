from __future__ import annotations

import pytest

from controller.objects import Json
from controller.sync.plan.fieldpath import parse_path, render_path
from controller.sync.plan.tree import ABSENT, assign, discard, is_same, leaves, lookup
from tests.support.openapi import schema
from tests.support.plan import SCHEMA, fabric

TREE = fabric(
    vlan=7,
    subnets=["a", "b"],
    zones=["x", "y"],
    tags={"t": "1"},
    ports=[{"port": 1}, {"port": 1, "protocol": "UDP", "mtu": 9}],
    extra={"list": [1, {"a": 2}], "empty": {}},
)


def fresh() -> Json:
    return fabric(zones=["x", "y"], ports=[{"port": 1, "mtu": 5}, {"port": 3}], tags={"t": "1"}, probe={"path": "/"})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", TREE),
        ("/spec/vlan", 7),
        ("/spec/vlan/below", ABSENT),
        ("/spec/nothing/below", ABSENT),
        ("/spec/zones/{=y}", "y"),
        ("/spec/zones/{=z}", ABSENT),
        ("/spec/ports/{port=1,protocol=TCP}/port", 1),
        ("/spec/ports/{port=1,protocol=UDP}/mtu", 9),
        ("/spec/ports/{port=2,protocol=TCP}", ABSENT),
        ("/spec/tags/{name=x}", ABSENT),
        ("/spec/subnets/0", ABSENT),
    ],
)
def test_lookup(path: str, value: Json) -> None:
    assert lookup(TREE, parse_path(path), SCHEMA) == value


def test_an_index_is_no_computed_path() -> None:
    assert lookup(TREE, ("spec", "subnets", 0), SCHEMA) is ABSENT


def test_leaves_are_told_with_the_paths_that_managers_own() -> None:
    found = dict(leaves(TREE["spec"], SCHEMA.child("spec"), ("spec",)))
    texts = {"/spec/vlan", "/spec/subnets", "/spec/zones/{=x}", "/spec/tags/t", "/spec/extra/list", "/spec/extra/empty"}
    assert texts | {"/spec/ports/{port=1,protocol=UDP}/mtu"} <= set(map(render_path, found))
    assert found[parse_path("/spec/subnets")] == ["a", "b"]
    assert dict(leaves([], SCHEMA.at(("spec", "zones")), ("z",))) == {("z",): []}


def test_assign_makes_what_is_missing_above() -> None:
    tree = assign({}, parse_path("/spec/ports/{port=1,protocol=TCP}/mtu"), 9, SCHEMA)
    assert tree == {"spec": {"ports": [{"port": 1, "mtu": 9}]}}
    tree = assign(tree, parse_path("/spec/ports/{port=1,protocol=UDP}/mtu"), 8, SCHEMA)
    assert tree["spec"]["ports"][1] == {"port": 1, "protocol": "UDP", "mtu": 8}
    assert assign({"spec": 1}, parse_path("/spec/zones/{=a}"), "a", SCHEMA) == {"spec": {"zones": ["a"]}}
    assert assign({"spec": 1}, (), {"whole": True}, SCHEMA) == {"whole": True}


def test_assign_changes_an_element_where_it_stands() -> None:
    tree = assign(fresh(), parse_path("/spec/ports/{port=1,protocol=TCP}/mtu"), 6, SCHEMA)
    assert tree["spec"]["ports"] == [{"port": 1, "mtu": 6}, {"port": 3}]
    assert assign(fresh(), parse_path("/spec/zones/{=x}"), "x", SCHEMA)["spec"]["zones"] == ["x", "y"]


def test_what_was_assigned_is_a_copy() -> None:
    value = {"a": {"b": 1}}
    tree = assign({}, ("spec", "extra"), value, SCHEMA)
    tree["spec"]["extra"]["a"]["b"] = 2
    assert value == {"a": {"b": 1}}


PLACES = [
    ("in the middle", [1, 2, 3], [1, 2, 3]),
    ("at the beginning", [2, 1, 3], [2, 1, 3]),
    ("behind what is there", [1, 9, 2, 3], [1, 2, 3]),
    ("at the end", [1, 3, 2], [1, 3, 2]),
    ("beside nothing that is there", [8, 2, 9], [1, 3, 2]),
    ("not known there", [1, 3], [1, 3, 2]),
]


@pytest.mark.parametrize(("like", "expected"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES])
def test_a_new_element_goes_where_it_is_on_the_other_side(like: list[int], expected: list[int]) -> None:
    other = fabric(ports=[{"port": port, "protocol": "TCP"} for port in like])
    tree = assign(fresh(), parse_path("/spec/ports/{port=2,protocol=TCP}/port"), 2, SCHEMA, other)
    assert [port["port"] for port in tree["spec"]["ports"]] == expected


def test_a_new_element_goes_to_the_end_where_the_other_side_has_no_list() -> None:
    tree = assign(fresh(), parse_path("/spec/zones/{=z}"), "z", SCHEMA, fabric(zones="none"))
    assert tree["spec"]["zones"] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/spec/tags/t", {"tags": None}),
        ("/spec/zones/{=x}", {"zones": ["y"]}),
        ("/spec/ports/{port=3,protocol=TCP}", {"ports": [{"port": 1, "mtu": 5}]}),
        ("/spec/ports/{port=1,protocol=TCP}/mtu", {"ports": [{"port": 1}, {"port": 3}]}),
        ("/spec/ports/{port=3,protocol=TCP}/port", {"ports": [{"port": 1, "mtu": 5}]}),
        ("/spec/ports/{port=1,protocol=TCP}/protocol", {}),
        ("/spec/nothing/below", {}),
        ("", {}),
    ],
)
def test_discard(path: str, left: Json) -> None:
    tree, expected = fresh(), fresh()
    discard(tree, parse_path(path), SCHEMA)
    for name, value in left.items():
        if value is None:
            del expected["spec"][name]
        else:
            expected["spec"][name] = value
    assert tree == expected


def test_an_emptied_container_stays_where_the_other_side_has_it_empty() -> None:
    tree = fresh()
    discard(tree, parse_path("/spec/tags/t"), SCHEMA, like=fabric(tags={}))
    assert tree["spec"]["tags"] == {}


def test_a_required_container_stays_when_it_is_emptied() -> None:
    deployment = schema("apps/v1", "Deployment")
    tree: Json = {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}
    discard(tree, parse_path("/spec/template/metadata/labels/a"), deployment)
    assert tree == {"spec": {"template": {}}}


def test_true_is_not_one() -> None:
    assert not is_same(True, 1)
    assert not is_same({"a": True}, {"a": 1})
    assert is_same({"a": 1, "b": [None]}, {"b": [None], "a": 1})
    assert not is_same(None, ABSENT)
    assert is_same(ABSENT, ABSENT)
