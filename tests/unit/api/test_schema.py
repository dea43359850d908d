"""From pydantic models to structural schemas, one shape a test."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from controller.api.meta import Cel, Duration, ListMap, ListSet, Model, Timestamp, Within
from controller.api.schema import explained, structural_schema, without_defaults
from controller.api.v1alpha1.syncconflict import Value


class Colour(StrEnum):
    """A docstring that is no contract."""

    RED = "Red"
    BLUE = "Blue"


SHORT = Cel("size(self) < 9", "must be short")
EVEN = Cel("size(self) % 2 == 0", "must be even")
Word = Annotated[str, Field(max_length=20), SHORT]


class Inner(Model):
    """Inner things."""

    rules: ClassVar[tuple[Cel, ...]] = (Cel("has(self.word)", "needs a word"),)

    word: Word = Field(default="hello", description="A word.")
    number: int = Field(default=3, ge=1, le=9, description="A number.")
    big_number: int = Field(default=0, ge=0)


class Outer(Model):
    """Outer things."""

    required_thing: str
    optional: str | None = None
    colour: Colour = Field(default=Colour.RED, description="A colour.")
    maybe_colour: Colour | None = None
    inner: Inner = Field(default=Inner(), description="The inner one.")
    maybe_inner: Inner | None = Field(default=None, description="Another one.")
    ruled: Annotated[Inner | None, Cel("self == oldSelf", "stays")] = None
    words: Annotated[tuple[Word, ...], Field(max_length=5), ListSet(), EVEN] = ()
    inners: Annotated[tuple[Inner, ...], ListMap(("word",))] = ()
    wait: Annotated[Duration, Within("1s", "2m")] = Duration("5s")
    when: Timestamp | None = None
    value: Value = None
    labels: dict[str, str] | None = None
    flag: bool = False


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return structural_schema(Outer)


def field(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    for name in path:
        schema = schema["items"] if name == "[]" else schema["properties"][name]
    return schema


def test_names_are_the_outside_ones_and_only_what_has_no_default_is_required(schema: dict[str, Any]) -> None:
    assert schema["required"] == ["requiredThing"]
    assert {"maybeColour", "maybeInner"} <= schema["properties"].keys()
    assert schema["description"] == "Outer things."


def test_an_optional_field_may_be_absent_but_not_null(schema: dict[str, Any]) -> None:
    assert field(schema, "optional") == {"type": "string"}


def test_an_enum_is_inlined_with_the_description_of_the_field(schema: dict[str, Any]) -> None:
    assert field(schema, "colour") == {
        "type": "string",
        "enum": ["Red", "Blue"],
        "default": "Red",
        "description": "A colour.",
    }
    assert field(schema, "maybeColour")["enum"] == ["Red", "Blue"]
    assert "default" not in field(schema, "maybeColour")


def test_the_default_of_an_object_is_empty_and_its_fields_have_theirs(schema: dict[str, Any]) -> None:
    inner = field(schema, "inner")
    assert inner["default"] == {}
    assert inner["description"] == "The inner one."
    assert inner["properties"]["word"]["default"] == "hello"
    assert "default" not in field(schema, "maybeInner")


def test_bounds_and_formats_of_numbers(schema: dict[str, Any]) -> None:
    assert field(schema, "inner", "number") == {
        "type": "integer",
        "format": "int32",
        "minimum": 1,
        "maximum": 9,
        "default": 3,
        "description": "A number.",
    }
    assert field(schema, "inner", "bigNumber")["format"] == "int64"


def test_rules_of_a_model_and_of_the_field_that_holds_it_both_apply(schema: dict[str, Any]) -> None:
    assert field(schema, "ruled")["x-kubernetes-validations"] == [
        {"rule": "has(self.word)", "message": "needs a word"},
        {"rule": "self == oldSelf", "message": "stays"},
    ]
    assert len(field(schema, "inner")["x-kubernetes-validations"]) == 1


def test_rules_of_a_list_and_of_its_items_stand_apart(schema: dict[str, Any]) -> None:
    words = field(schema, "words")
    assert [rule["message"] for rule in words["x-kubernetes-validations"]] == ["must be even"]
    assert [rule["message"] for rule in words["items"]["x-kubernetes-validations"]] == ["must be short"]
    assert words["maxItems"] == 5
    assert words["items"]["maxLength"] == 20


def test_list_types_are_marked_and_an_empty_list_is_no_default(schema: dict[str, Any]) -> None:
    assert field(schema, "words")["x-kubernetes-list-type"] == "set"
    assert field(schema, "inners")["x-kubernetes-list-type"] == "map"
    assert field(schema, "inners")["x-kubernetes-list-map-keys"] == ["word"]
    assert "default" not in field(schema, "words")


def test_a_duration_is_a_string_with_a_rule(schema: dict[str, Any]) -> None:
    wait = field(schema, "wait")
    assert (wait["type"], wait["default"], wait["maxLength"]) == ("string", "5s", 32)
    (rule,) = wait["x-kubernetes-validations"]
    assert rule["message"] == "must be a duration from 1s to 2m, such as 500ms, 30s, 5m or 1h30m"
    assert "duration('2m')" in rule["rule"]


def test_a_time_is_a_string_in_rfc_3339(schema: dict[str, Any]) -> None:
    assert field(schema, "when") == {"type": "string", "format": "date-time"}


def test_an_untyped_value_may_be_anything_and_null(schema: dict[str, Any]) -> None:
    assert field(schema, "value") == {"x-kubernetes-preserve-unknown-fields": True, "nullable": True}


def test_a_map_has_a_schema_for_its_values(schema: dict[str, Any]) -> None:
    assert field(schema, "labels") == {"type": "object", "additionalProperties": {"type": "string"}}


def test_nothing_is_left_that_a_structural_schema_must_not_have(schema: dict[str, Any]) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            assert not {"$ref", "$defs", "anyOf", "title", "const", "oneOf"} & node.keys()
            for value in node.values():
                walk(value)

    walk(schema)


def test_a_union_cannot_be_expressed() -> None:
    class Union(Model):
        """Either."""

        either: int | str = 0

    with pytest.raises(ValueError, match=r"Union\.either: a structural schema has no unions"):
        structural_schema(Union)


def test_a_value_of_unknown_type_cannot_be_expressed() -> None:
    class Loose(Model):
        """Anything."""

        things: tuple[Any, ...] = ()

    with pytest.raises(ValueError, match=r"Loose\.things\[\]: a structural schema needs one type"):
        structural_schema(Loose)


def test_descriptions_tell_bounds_and_defaults(schema: dict[str, Any]) -> None:
    told = explained(schema)
    assert field(told, "inner", "number")["description"] == "A number. From 1 to 9. Default: 3."
    assert field(told, "inner", "word")["description"] == "A word. Default: hello."
    assert field(told, "colour")["description"] == "A colour. Default: Red."
    assert field(told, "inner")["description"] == "The inner one."
    assert field(schema, "colour")["description"] == "A colour."
    assert "description" not in field(told, "flag")


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (False, "X. Default: false."),
        (".", 'X. Default: ".".'),
        ("", "X."),
        (0, "X. Default: 0."),
        ("1m", "X. Default: 1m."),
    ],
)
def test_how_a_default_is_told(default: Any, expected: str) -> None:
    assert explained({"description": "X.", "default": default})["description"] == expected


def test_defaults_can_be_taken_out_everywhere(schema: dict[str, Any]) -> None:
    bare = without_defaults(schema)
    assert "default" not in field(bare, "inner")
    assert "default" not in field(bare, "inners", "[]", "word")
    assert field(schema, "inners", "[]", "word")["default"] == "hello"
