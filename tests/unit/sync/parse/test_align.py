"""Which item of a list became which."""

from __future__ import annotations

import pytest

from controller.objects import Json
from controller.sync.parse.align import aligned, same

A, B, C = ({"name": name, "image": f"{name}:1", "tty": True} for name in "abc")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True),
        (1, 2, False),
        (True, 1, False),
        (0, False, False),
        (None, None, True),
        (1, 1.0, False),
        ({"a": [1]}, {"a": [1]}, True),
        ({"a": [1]}, {"a": [True]}, False),
        ({"a": 1}, {"b": 1}, False),
        ([1], [1, 2], False),
        ([], {}, False),
    ],
)
def test_values_are_the_same_only_in_their_types(one: Json, other: Json, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        ([1, 2, 3], [1, 2, 3], [(0, 0), (1, 1), (2, 2)]),
        ([1, 2, 3], [1, 9, 2, 3], [(0, 0), (1, 2), (2, 3)]),
        ([1, 2, 3], [1, 3], [(0, 0), (2, 1)]),
        ([1, 2, 3], [1, 9, 3], [(0, 0), (1, 1), (2, 2)]),
        ([1, 2], [8, 9, 7], [(0, 0), (1, 1)]),
        ([1], [], []),
        ([], [1], []),
        ([True, 1], [1], [(1, 0)]),
        ([[1], [2]], [[1], [3]], [(0, 0), (1, 1)]),
    ],
)
def test_items_without_names_are_paired_by_value_and_place(
    old: list[Json], new: list[Json], pairs: list[tuple[int, int]]
) -> None:
    assert aligned(old, new) == pairs


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        ([A, B], [A, {**B, "image": "b:2", "tty": False}], [(0, 0), (1, 1)]),
        ([A, B], [{**B, "image": "b:2"}], [(1, 0)]),
        ([A, B], [C, A, B], [(0, 1), (1, 2)]),
        ([A, B], [B, A], [(0, 1)]),
        # One thing in place of another is not what the other became, unless most of it stayed.
        ([A, B], [A, C], [(0, 0)]),
        ([A, B], [A, {**B, "name": "c"}], [(0, 0), (1, 1)]),
        ([{"name": "a"}], [{"name": "b"}], [(0, 0)]),
        # A name that is there twice is none.
        ([A, A], [A, {**A, "image": "a:2"}], [(0, 0), (1, 1)]),
        ([{"port": 80}, {"port": 81, "protocol": "UDP"}], [{"port": 81, "protocol": "UDP"}], [(1, 0)]),
        (
            [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
            [{"port": 53, "protocol": "UDP", "name": "dns"}],
            [(1, 0)],
        ),
        ([{"kind": "A", "name": "x"}, {"kind": "B", "name": "x"}], [{"kind": "B", "name": "x", "n": 1}], [(1, 0)]),
    ],
)
def test_items_with_names_are_paired_by_them(old: list[Json], new: list[Json], pairs: list[tuple[int, int]]) -> None:
    assert aligned(old, new) == pairs
