"""The reading of scalars, against what a real API server said (tests/data/scalars.json)."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest

from controller.bounds import Bounds
from controller.objects import canonical
from controller.sync.parse.loader import UnreadableError, load_yaml
from controller.sync.parse.scalars import (
    PLAIN,
    TEXT,
    ScalarError,
    json_number,
    plain_value,
    scalar_key,
    scalar_value,
    tagged_value,
)
from tests.support.scalars import ALL, TABLE, document

ENTRIES: list[dict[str, Any]] = orjson.loads(TABLE.read_bytes())


def read(spec: str) -> dict[str, Any]:
    """The table's entry as our parser would write it."""
    try:
        (loaded,) = load_yaml(document(spec), Bounds())
    except UnreadableError:
        return {"yaml": spec, "refused": True}
    if not isinstance(loaded.value["spec"], dict):
        return {"yaml": spec, "refused": True}  # by the schema of the kind that the table was made with
    return {"yaml": spec, "spec": loaded.value["spec"]}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["yaml"])
def test_reads_as_the_api_server_does(entry: dict[str, Any]) -> None:
    assert canonical(read(entry["yaml"])) == canonical(entry)


def test_the_table_is_the_one_that_the_generator_makes() -> None:
    assert [entry["yaml"] for entry in ENTRIES] == ALL
    assert len(ENTRIES) >= 150


@pytest.mark.parametrize(
    ("tag", "text"), [("int", "x"), ("int", "yes"), ("float", "yes"), ("bool", "1"), ("null", "x")]
)
def test_a_tag_that_claims_something_else_is_refused(tag: str, text: str) -> None:
    with pytest.raises(ScalarError, match=r"^the value is not a .*, as its tag says"):
        tagged_value(f"tag:yaml.org,2002:{tag}", text)


def test_binary_that_is_no_text_is_refused() -> None:
    with pytest.raises(ScalarError, match="base64 of UTF-8 text"):
        tagged_value("tag:yaml.org,2002:binary", "/w==")


@pytest.mark.parametrize("text", [".inf", "-.inf", ".nan"])
def test_numbers_that_json_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(ScalarError, match="JSON cannot hold; put it in quotes"):
        plain_value(text)


@pytest.mark.parametrize("text", ["", "null", "18446744073709551615"])
def test_keys_that_the_server_refuses_are_refused(text: str) -> None:
    with pytest.raises(ScalarError, match="cannot be a map's key; put it in quotes"):
        scalar_key(PLAIN, text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("1.0", "1.0"), (1.0, 1), (-0.0, 0), (1.5, 1.5), (2**63, 9223372036854776000), (10**30, 1e30)],
)
def test_numbers_are_as_the_server_writes_them(value: object, expected: object) -> None:
    assert canonical(json_number(value)) == canonical(expected)


def test_a_key_beyond_single_precision_is_infinite() -> None:
    assert [scalar_key(PLAIN, text) for text in ("1e39", "-1e39", ".nan")] == [".inf", "-.inf", ".nan"]
    assert math.isinf(float("1e400"))  # while Python reads this one, the server takes it for a string
    assert plain_value("1e400") == "1e400"


def test_a_tag_says_how_a_scalar_is_read() -> None:
    tagged = "tag:yaml.org,2002:int"
    assert [scalar_value(tag, "1") for tag in (PLAIN, TEXT, tagged)] == [1, "1", 1]
    assert [scalar_key(tag, "0x1") for tag in (PLAIN, TEXT, tagged)] == ["1", "0x1", "1"]
    assert scalar_key("!other", "0x1") == "0x1"
