# ruff: noqa: E501 - tables read as tables
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.objects import Json, canonical, decoded
from controller.sync.plan.diff import diff, diff_contents, unmet
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import FieldEdit
from controller.sync.plan.tree import ABSENT, assign, discard
from tests.support.plan import SCHEMA, fabric

Told = list[tuple[str, Json, Json]]

CASES: list[tuple[str, Json, Json, Told]] = [
    ("nothing", fabric(vlan=1), fabric(vlan=1), []),
    ("a value", fabric(vlan=1), fabric(vlan=2), [("/spec/vlan", 1, 2)]),
    ("true is not one", fabric(enabled=True), fabric(enabled=1), [("/spec/enabled", True, 1)]),
    ("null is something", fabric(vlan=None), fabric(), [("/spec/vlan", None, "–")]),
    ("a map, key by key", fabric(tags={"a": "1"}), fabric(tags={"b": "2"}), [("/spec/tags/a", "1", "–"), ("/spec/tags/b", "–", "2")]),
    ("a new map, leaf by leaf", fabric(), fabric(tags={"a": "1", "b": "2"}), [("/spec/tags/a", "–", "1"), ("/spec/tags/b", "–", "2")]),
    ("a map gone, key by key", fabric(tags={"a": "1", "b": "2"}), fabric(), [("/spec/tags/a", "1", "–"), ("/spec/tags/b", "2", "–")]),
    ("a struct gone, whole", fabric(probe={"path": "/", "period": 1}), fabric(), [("/spec/probe", {"path": "/", "period": 1}, "–")]),
    ("an empty map made", fabric(), fabric(tags={}), [("/spec/tags", "–", {})]),
    ("an empty map gone", fabric(tags={}), fabric(), [("/spec/tags", {}, "–")]),
    ("an empty map filled", fabric(tags={}), fabric(tags={"a": "1"}), [("/spec/tags/a", "–", "1")]),
    ("an unkeyed list is one value", fabric(subnets=["a", "b"]), fabric(subnets=["b", "a"]), [("/spec/subnets", ["a", "b"], ["b", "a"])]),
    ("an atomic map is one value", fabric(pinned={"a": "1"}), fabric(pinned={"a": "2"}), [("/spec/pinned", {"a": "1"}, {"a": "2"})]),
    ("a set, item by item", fabric(zones=["a", "b"]), fabric(zones=["c", "b"]), [("/spec/zones/{=a}", "a", "–"), ("/spec/zones/{=c}", "–", "c")]),
    ("a set in another order", fabric(zones=["a", "b"]), fabric(zones=["b", "a"]), []),
    ("a set gone", fabric(zones=["a"]), fabric(), [("/spec/zones/{=a}", "a", "–")]),
    ("a keyed list in another order", fabric(ports=[{"port": 1}, {"port": 2}]), fabric(ports=[{"port": 2}, {"port": 1}]), []),
    ("a key's default said or not", fabric(ports=[{"port": 1}]), fabric(ports=[{"port": 1, "protocol": "TCP"}]), []),
    ("an element's field", fabric(ports=[{"port": 1, "mtu": 1}]), fabric(ports=[{"port": 1, "protocol": "TCP", "mtu": 2}]), [("/spec/ports/{port=1,protocol=TCP}/mtu", 1, 2)]),
    ("an element gone, whole", fabric(ports=[{"port": 1, "mtu": 1}]), fabric(ports=[]), [("/spec/ports/{port=1,protocol=TCP}", {"port": 1, "mtu": 1}, "–")]),
    ("a keyed list gone", fabric(ports=[{"port": 1}]), fabric(), [("/spec/ports/{port=1,protocol=TCP}", {"port": 1}, "–")]),
    ("an element made, leaf by leaf", fabric(), fabric(ports=[{"port": 1, "mtu": 2}]), [("/spec/ports/{port=1,protocol=TCP}/port", "–", 1), ("/spec/ports/{port=1,protocol=TCP}/mtu", "–", 2)]),
    ("elements that cannot be told apart", fabric(ports=[{"port": 1}]), fabric(ports=[{"port": 1}, {"port": 1}]), [("/spec/ports", [{"port": 1}], [{"port": 1}, {"port": 1}])]),
    ("another type", fabric(extra={"a": 1}), fabric(extra={"a": {"b": 1}}), [("/spec/extra/a", 1, {"b": 1})]),
    ("an open map gone, leaf by leaf", fabric(extra={"a": {"b": 1, "c": {}}}), fabric(), [("/spec/extra/a/b", 1, "–"), ("/spec/extra/a/c", {}, "–")]),
]  # fmt: skip


def told(edits: list[FieldEdit]) -> Told:
    return [(render_path(e.path), e.old if e.old_present else "–", e.new if e.new_present else "–") for e in edits]


@pytest.mark.parametrize(("old", "new", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_diff(old: Json, new: Json, expected: Told) -> None:
    assert told(diff(old, new, SCHEMA)) == expected
    assert sorted(told(diff_contents(canonical(old), canonical(new), SCHEMA)), key=str) == sorted(expected, key=str)


def test_equal_contents_are_not_decoded() -> None:
    assert diff_contents(b"not JSON", b"not JSON", SCHEMA) == []


def test_unmet_is_what_is_missing_not_what_is_more() -> None:
    wanted = fabric(vlan=1, tags={"a": "1"}, zones=["x"])
    held = fabric(vlan=2, tags={"b": "2"}, zones=["x", "y"], enabled=True)
    assert told(unmet(wanted, held, SCHEMA)) == [("/spec/vlan", 2, 1), ("/spec/tags/a", "–", "1")]


texts = st.sampled_from(["a", "b", "c"])
specs = st.fixed_dictionaries(
    {},
    optional={
        "vlan": st.integers(0, 2),
        "subnets": st.lists(texts, max_size=2),
        "zones": st.lists(texts, max_size=3, unique=True),
        "tags": st.dictionaries(texts, texts, max_size=2),
        "pinned": st.dictionaries(texts, texts, max_size=2),
        "probe": st.fixed_dictionaries({}, optional={"path": texts, "period": st.integers(0, 2)}),
        "ports": st.lists(
            st.fixed_dictionaries(
                {"port": st.integers(1, 2)},
                optional={"protocol": st.sampled_from(["TCP", "UDP"]), "mtu": st.integers(0, 1)},
            ),
            max_size=3,
        ),
        "extra": st.recursive(
            st.integers(0, 1), lambda below: st.dictionaries(texts, below, max_size=2) | st.lists(below, max_size=2)
        ),
    },
)


@given(specs, specs)
def test_the_edits_lead_from_one_to_the_other(old: Json, new: Json) -> None:
    tree = decoded(canonical(fabric(**old)))
    for edit in diff(fabric(**old), fabric(**new), SCHEMA):
        if edit.new_present:
            tree = assign(tree, edit.path, edit.new, SCHEMA, fabric(**new))
        else:
            discard(tree, edit.path, SCHEMA, fabric(**new))
    assert diff(tree, fabric(**new), SCHEMA) == []


@given(specs)
def test_from_nothing_and_to_nothing(new: Json) -> None:
    added = diff(ABSENT, fabric(**new), SCHEMA)
    assert added
    assert all(edit.new_present and not edit.old_present for edit in added)
    assert all(edit.old_present and not edit.new_present for edit in diff(fabric(**new), ABSENT, SCHEMA))
