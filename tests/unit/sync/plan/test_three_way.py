# ruff: noqa: E501 - tables read as tables
from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.objects import Json
from controller.sync.plan.diff import diff
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import FieldEdit
from controller.sync.plan.three_way import Merge, three_way, united
from tests.support.plan import SCHEMA, fabric
from tests.unit.sync.plan.test_diff import specs

BASE = {"vlan": 1, "tags": {"a": "1", "b": "1"}, "probe": {"path": "/", "period": 1}, "ports": [{"port": 1, "mtu": 1}]}
PORT = "/spec/ports/{port=1,protocol=TCP}"
Names = dict[str, list[str]]


def merged(git: Json, cluster: Json, base: Json = BASE) -> Merge:
    before = fabric(**base)
    return three_way(diff(before, fabric(**git), SCHEMA), diff(before, fabric(**cluster), SCHEMA))


def told(merge: Merge) -> Names:
    found = {name: _paths(getattr(merge, name)) for name in ("same", "git", "cluster")}
    return {name: paths for name, paths in found.items() if paths} | (
        {"clashes": [render_path(clash.path) for clash in merge.clashes]} if merge.clashes else {}
    )


def _paths(edits: tuple[FieldEdit, ...]) -> list[str]:
    return [render_path(edit.path) for edit in edits]


CASES: list[tuple[str, Json, Json, Names]] = [
    ("nothing", {}, {}, {}),
    ("apart", {"vlan": 2}, {"enabled": True}, {"git": ["/spec/vlan"], "cluster": ["/spec/enabled"]}),
    ("the same change on both sides", {"vlan": 2}, {"vlan": 2}, {"same": ["/spec/vlan"]}),
    ("the same field to different values", {"vlan": 2}, {"vlan": 3}, {"clashes": ["/spec/vlan"]}),
    ("two keys of one map", {"tags": {"a": "2", "b": "1"}}, {"tags": {"a": "1", "b": "2"}}, {"git": ["/spec/tags/a"], "cluster": ["/spec/tags/b"]}),
    ("a key of a map that the other emptied", {"tags": None}, {"tags": {"a": "1", "b": "1", "c": "1"}}, {"git": ["/spec/tags/a", "/spec/tags/b"], "cluster": ["/spec/tags/c"]}),
    ("Git removed what the cluster changed", {"probe": None}, {"probe": {"path": "/", "period": 2}}, {"clashes": ["/spec/probe"]}),
    ("the cluster removed what Git changed", {"probe": {"path": "/x", "period": 1}}, {"probe": None}, {"clashes": ["/spec/probe"]}),
    ("both removed, Git more", {"probe": None}, {"probe": {"path": "/"}}, {"same": ["/spec/probe/period"], "git": ["/spec/probe"]}),
    ("both removed, the cluster more", {"probe": {"path": "/"}}, {"probe": None}, {"cluster": ["/spec/probe"]}),
    ("both removed the same", {"probe": None}, {"probe": None}, {"same": ["/spec/probe"]}),
    ("an element that Git removed and the cluster changed", {"ports": []}, {"ports": [{"port": 1, "mtu": 2}]}, {"clashes": [PORT]}),
    ("an element changed apart", {"ports": [{"port": 1, "mtu": 2}]}, {"ports": [{"port": 1, "mtu": 1}, {"port": 2}]}, {"git": [f"{PORT}/mtu"], "cluster": ["/spec/ports/{port=2,protocol=TCP}/port"]}),
    ("an empty map and something in it", {"pinned": {}, "extra": {}}, {"extra": {"a": 1}}, {"git": ["/spec/pinned"], "cluster": ["/spec/extra/a"]}),
    ("something in an empty map", {"extra": {"a": 1}}, {"extra": {}}, {"git": ["/spec/extra/a"], "same": ["/spec/extra"]}),
    ("a new list and an element of it", {"zones": []}, {"zones": ["a"]}, {"cluster": ["/spec/zones/{=a}"]}),
    ("an empty list and something in a map", {"extra": []}, {"extra": {"a": 1}}, {"clashes": ["/spec/extra"]}),
    ("a value and something below it", {"extra": {"a": 1}}, {"extra": {"a": {"b": 1}}}, {"clashes": ["/spec/extra/a"]}),
    ("unkeyed lists", {"subnets": ["a"]}, {"subnets": ["b"]}, {"clashes": ["/spec/subnets"]}),
]  # fmt: skip


@pytest.mark.parametrize(("git", "cluster", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_three_way(git: Json, cluster: Json, expected: Names) -> None:
    sides = [{name: value for name, value in {**BASE, **side}.items() if value is not None} for side in (git, cluster)]
    assert told(merged(*sides)) == expected


def test_a_clash_holds_all_edits_that_meet_there() -> None:
    clash = merged(
        {**BASE, "probe": {"path": "/x", "period": 2}}, {"vlan": 1, "tags": BASE["tags"], "ports": BASE["ports"]}
    ).clashes[0]
    assert _paths(clash.git) == ["/spec/probe/path", "/spec/probe/period"]
    assert _paths(clash.cluster) == ["/spec/probe"]


def test_a_removal_that_clashes_takes_the_agreed_part_of_it_along() -> None:
    merge = merged({**BASE, "probe": {"path": "/x"}}, {name: BASE[name] for name in BASE if name != "probe"})
    assert told(merge) == {"clashes": ["/spec/probe"]}


UNIONS = [
    ("the contract's example", ["1"], ["1", "3"], ["1", "2"], ["1", "2", "3"]),
    ("removed on one side", ["1", "2"], ["1"], ["1", "2", "3"], ["1", "3"]),
    ("removed on both", ["1", "2"], ["2"], ["1"], []),
    ("the same new one", [], ["1"], ["1"], ["1"]),
    ("without a base", None, ["a"], ["b"], ["b", "a"]),
    ("of maps", [{"a": 1}], [{"a": 1}, {"b": True}], [{"a": 1}, {"b": 1}], [{"a": 1}, {"b": 1}, {"b": True}]),
]


@pytest.mark.parametrize(("base", "git", "cluster", "expected"), [u[1:] for u in UNIONS], ids=[u[0] for u in UNIONS])
def test_unkeyed_lists_unite_by_base(base: Json, git: Json, cluster: Json, expected: Json) -> None:
    assert united(base, git, cluster) == expected


@given(specs, specs, specs, st.integers())
def test_a_merge_does_not_depend_on_the_order_of_edits(base: Json, git: Json, cluster: Json, seed: int) -> None:
    before = fabric(**base)
    ours, theirs = diff(before, fabric(**git), SCHEMA), diff(before, fabric(**cluster), SCHEMA)
    shuffled = list(ours), list(theirs)
    for edits in shuffled:
        random.Random(seed).shuffle(edits)  # noqa: S311
    assert _as_sets(three_way(ours, theirs)) == _as_sets(three_way(*shuffled))


@given(specs, specs, specs)
def test_every_edit_is_in_exactly_one_place(base: Json, git: Json, cluster: Json) -> None:
    before = fabric(**base)
    ours, theirs = diff(before, fabric(**git), SCHEMA), diff(before, fabric(**cluster), SCHEMA)
    merge = three_way(ours, theirs)
    in_clash = {id(edit) for clash in merge.clashes for edit in (*clash.git, *clash.cluster)}
    placed = [id(edit) for edit in (*merge.same, *merge.cluster)]
    assert sorted([*placed, *(id(e) for e in theirs if id(e) in in_clash)]) == sorted(map(id, theirs))
    assert {id(edit) for edit in merge.git} <= {id(edit) for edit in ours} - in_clash


def _as_sets(merge: Merge) -> list[set[str]]:
    clashes = {f"{c.path}{sorted(map(str, c.git))}{sorted(map(str, c.cluster))}" for c in merge.clashes}
    return [set(map(str, merge.same)), set(map(str, merge.git)), set(map(str, merge.cluster)), clashes]
