"""Values, times and counts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.cli.values import age, block, count, inline, short_commit
from controller.objects import Json

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (-5, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (172_800, "2d"), (9e6, "104d")],
)
def test_ages_are_written_as_kubectl_does(seconds: float, shown: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == shown


def test_no_time_is_a_dash() -> None:
    assert age(None, NOW) == "–"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "null"), ("a", '"a"'), (2, "2"), (True, "true"), ({"b": [1]}, '{"b":[1]}'), ("", '""')]
)
def test_a_value_within_a_line_is_json(value: Json, shown: str) -> None:
    assert inline(value) == shown


def test_a_long_value_is_cut() -> None:
    assert inline("x" * 100, 10) == '"xxxxxxxx…'
    assert len(inline(list(range(1_000)))) == 60


@pytest.mark.parametrize(
    ("value", "shown"),
    [("yes", '"yes"'), ([], "[]"), ({}, "{}"), ({"b": 1, "a": [2]}, "b: 1\na:\n- 2"), (["x", "y"], "- x\n- y")],
)
def test_a_value_in_a_cell_is_yaml_where_it_has_parts(value: Json, shown: str) -> None:
    assert block(value) == shown


def test_counts_and_commits() -> None:
    assert [count(number, "field") for number in (0, 1, 2)] == ["0 fields", "1 field", "2 fields"]
    assert short_commit("0123456789abcdef") == "0123456789ab"
    assert [short_commit(commit) for commit in ("", None)] == ["–", "–"]
