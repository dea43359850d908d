# ruff: noqa: E501 - tables read as tables
from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given

from controller.objects import Json, canonical
from controller.sync.plan.diff import diff, unmet
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.patch import correction_patch, removal_patch, without_strangers
from tests.support.plan import SCHEMA, fabric
from tests.unit.sync.plan.test_diff import specs

LIVE = fabric(
    {"a/b": "1", "c~d": "2"},
    vlan=1,
    zones=["x", "y", "z"],
    ports=[{"port": 1, "protocol": "TCP", "mtu": 1}, {"port": 2}, {"port": 3, "protocol": "UDP"}],
    probe={"path": "/"},
)


def patched(tree: Json, operations: list[Json]) -> Json:
    """The tree after a JSON patch, as RFC 6902 says; AssertionError where a test fails."""
    tree = deepcopy(tree)
    for operation in operations:
        *above, last = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"][1:].split("/")]
        node = tree
        for step in above:
            node = node[int(step)] if isinstance(node, list) else node[step]
        key: Json = last if isinstance(node, dict) else len(node) if last == "-" else int(last)
        match operation["op"]:
            case "test":
                assert node[key] == operation["value"], operation
            case "remove":
                del node[key]
            case "replace":
                assert node[key] is not None or key in node
                node[key] = operation["value"]
            case "add":
                node.insert(key, operation["value"]) if isinstance(node, list) else node.update(
                    {key: operation["value"]}
                )
    return tree


REMOVALS = [
    (["/spec/vlan"], []),
    (["/metadata/annotations/a~1b", "/metadata/annotations/c~0d"], []),
    (["/spec/zones/{=x}", "/spec/zones/{=z}"], ["/spec/zones/0", "/spec/zones/2"]),
    (["/spec/ports/{port=1,protocol=TCP}", "/spec/ports/{port=3,protocol=UDP}"], ["/spec/ports/0/port", "/spec/ports/0/protocol", "/spec/ports/2/port", "/spec/ports/2/protocol"]),
    (["/spec/ports/{port=2,protocol=TCP}"], ["/spec/ports/1/port"]),
    (["/spec/probe", "/spec/probe/path", "/spec/probe"], []),
    (["/spec/nothing", "/spec/zones/{=w}"], []),
    ([], []),
]  # fmt: skip


@pytest.mark.parametrize(("paths", "tests"), REMOVALS, ids=[", ".join(paths) for paths, _ in REMOVALS])
def test_removals(paths: list[str], tests: list[str]) -> None:
    removals = [parse_path(path) for path in paths]
    operations = removal_patch(canonical(LIVE), removals, SCHEMA)
    assert sorted(operation["path"] for operation in operations if operation["op"] == "test") == tests
    left = diff(patched(LIVE, operations), LIVE, SCHEMA)
    assert all(any(edit.path[: len(path)] == path for path in removals) for edit in left)
    assert removal_patch(canonical(patched(LIVE, operations)), removals, SCHEMA) == []


def test_a_removal_is_tested_before_anything_moves() -> None:
    operations = removal_patch(canonical(LIVE), [parse_path("/spec/zones/{=x}"), parse_path("/spec/vlan")], SCHEMA)
    assert [operation["op"] for operation in operations] == ["test", "remove", "remove"]


def test_a_correction_tests_every_old_value() -> None:
    wanted = fabric(vlan=2, zones=["w"], ports=[{"port": 2, "mtu": 5}, {"port": 9}])
    operations = correction_patch(canonical(LIVE), canonical(wanted), [parse_path("/spec/probe")], SCHEMA)
    assert {"op": "test", "path": "/spec/vlan", "value": 1} in operations
    assert {"op": "test", "path": "/spec/probe", "value": {"path": "/"}} in operations
    after = patched(LIVE, operations)
    assert unmet(wanted, after, SCHEMA) == []
    assert "probe" not in after["spec"]
    assert after["spec"]["zones"] == ["x", "y", "z", "w"]
    assert after["spec"]["ports"][-1] == {"port": 9}


def test_what_is_right_already_needs_no_correction() -> None:
    assert correction_patch(canonical(LIVE), canonical(fabric(vlan=1)), [parse_path("/spec/size")], SCHEMA) == []


@given(specs, specs)
def test_a_correction_makes_the_object_say_all_that_is_wanted(held: Json, wanted: Json) -> None:
    before, after = fabric(**held), fabric(**wanted)
    removals = [edit.path for edit in diff(before, after, SCHEMA) if not edit.new_present]
    operations = correction_patch(canonical(before), canonical(after), removals, SCHEMA)
    result = patched(before, operations)
    assert unmet(after, result, SCHEMA) == []
    gone = removal_patch(canonical(result), removals, SCHEMA)
    assert gone == []


# ---- what was not ours in an answer ----

WANTED = fabric(vlan=2)


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [
        pytest.param(fabric(vlan=2, size=1), fabric(vlan=2, size=1), id="nothing else"),
        pytest.param(fabric(vlan=2, size=1, name="new"), fabric(vlan=2, size=1), id="somebody's new field"),
        pytest.param(fabric(vlan=2, size=5), fabric(vlan=2, size=1), id="somebody's value"),
        pytest.param(fabric(vlan=2), fabric(vlan=2, size=1), id="somebody's removal"),
        pytest.param(fabric(vlan=3, size=1), fabric(vlan=3, size=1), id="what a webhook made of our value"),
    ],
)
def test_what_somebody_changed_before_our_patch_is_not_agreed_on(answer: Json, agreed: Json) -> None:
    before = fabric(vlan=1, size=1)
    found = without_strangers(canonical(before), canonical(answer), canonical(WANTED), (), SCHEMA)
    assert found == canonical(agreed)


def test_what_the_server_fills_in_for_a_removal_is_its_own() -> None:
    before, answer = fabric(vlan=2, size=5), fabric(vlan=2, size=1)
    removed = (parse_path("/spec/size"),)
    found = without_strangers(canonical(before), canonical(answer), canonical(WANTED), removed, SCHEMA)
    assert found == canonical(answer)
