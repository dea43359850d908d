"""What kind of thing stands at a path: a struct, a free map, a list by keys, a set, or one value.

Built from the OpenAPI v3 document that the API server publishes of a group version, because server-side apply merges
by the same markers. Nodes are resolved when they are first looked at: a document describes two hundred types, an
object uses ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from controller.objects import Json
from controller.sync.plan.fieldpath import Item, Keys, Path, Segment


class Shape(Enum):
    """How two values of one node are brought together."""

    STRUCT = "struct"  # named fields; one that vanishes takes all below it along, as in server-side apply
    MAP = "map"  # free keys, each on its own: labels, data, limits
    ATOMIC = "atomic"  # one value, whatever it is made of
    KEYED = "keyed"  # a list whose elements are told apart by keys
    SET = "set"  # a list of distinct scalars
    OPEN = "open"  # nothing is known: maps key by key, lists as one value


class Schema:
    """One node of a kind's type, and the way to the nodes below it."""

    __slots__ = ("_children", "_components", "_raw", "defaults", "keys", "shape")

    def __init__(self, raw: Json, components: Mapping[str, Json]) -> None:
        self._raw: Json = raw
        self._components = components
        self._children: dict[str, Schema] = {}
        self.shape: Final = _shape(raw)
        is_keyed = self.shape is Shape.KEYED
        self.keys: Final[tuple[str, ...]] = tuple(sorted(raw["x-kubernetes-list-map-keys"])) if is_keyed else ()
        defaults = self.items.field_defaults if is_keyed else {}
        self.defaults: Final[Mapping[str, Json]] = {key: defaults[key] for key in self.keys if key in defaults}

    @staticmethod
    def open() -> Schema:
        """The schema of a kind nothing is known of, but that it has metadata."""
        return _OPEN_OBJECT

    @property
    def items(self) -> Schema:
        """The type of a list's elements."""
        return self._resolve("[]", self._raw.get("items"))

    @property
    def field_defaults(self) -> dict[str, Json]:
        """What the server fills in for fields of a struct, as far as the schema tells."""
        properties = self._raw.get("properties", {})
        return {name: raw["default"] for name, raw in properties.items() if "default" in raw}

    @property
    def required(self) -> frozenset[str]:
        """The fields without which the API server refuses a struct."""
        return frozenset(self._raw.get("required", ()))

    def child(self, segment: Segment) -> Schema:
        """The node below this one."""
        if not isinstance(segment, str):
            return self.items
        properties = self._raw.get("properties", {})
        if segment in properties:
            return self._resolve(segment, properties[segment])
        return self._resolve("*", self._raw.get("additionalProperties"))

    def at(self, path: Iterable[Segment]) -> Schema:
        """The node at a path below this one."""
        node = self
        for segment in path:
            node = node.child(segment)
        return node

    def knows(self, path: Path) -> bool:
        """Whether the server still serves this path."""
        node = self
        for segment in path:
            if isinstance(segment, str) and not node._has_field(segment):
                return False
            node = node.child(segment)
        return True

    def _has_field(self, name: str) -> bool:
        raw = self._raw
        is_closed = "properties" in raw and not raw.get("x-kubernetes-preserve-unknown-fields")
        return not is_closed or name in raw["properties"] or bool(raw.get("additionalProperties"))

    def _resolve(self, name: str, raw: Json) -> Schema:
        if name not in self._children:
            flat = _flattened(raw, self._components)
            self._children[name] = Schema(flat, self._components) if flat else OPEN
        return self._children[name]


def schema_of(openapi: Json, group: str, version: str, kind: str) -> Schema:
    """The schema of a kind from the OpenAPI v3 document of its group version; an open one if it is not described."""
    components: Mapping[str, Json] = openapi.get("components", {}).get("schemas", {})
    wanted = {"group": group, "version": version, "kind": kind}
    for raw in components.values():
        if wanted in raw.get("x-kubernetes-group-version-kind", ()):
            return Schema(_with_metadata(raw), components)
    return Schema.open()


def element_keys(element: Json, schema: Schema) -> Keys | None:
    """What tells an element of a keyed list apart, defaults of its keys filled in; None if it cannot be told."""
    if not isinstance(element, dict):
        return None
    pairs = []
    for name in schema.keys:
        value = element.get(name, schema.defaults.get(name))
        if value is None or isinstance(value, (dict, list)):
            return None
        pairs.append((name, value))
    return Keys(tuple(pairs))


def indexed(elements: list[Json], schema: Schema) -> dict[Segment, Json] | None:
    """A keyed list or a set by its segments, in order; None if it cannot be told apart, and so is one value."""
    found: dict[Segment, Json] = {}
    for element in elements:
        segment: Segment | None
        if schema.shape is Shape.SET:
            segment = None if isinstance(element, (dict, list)) else Item(element)
        else:
            segment = element_keys(element, schema)
        if segment is None or segment in found:
            return None
        found[segment] = element
    return found


def _shape(raw: Json) -> Shape:
    if not raw:
        return Shape.OPEN
    if raw.get("type") == "array":
        shapes = {"map": Shape.KEYED, "set": Shape.SET}
        return shapes.get(raw.get("x-kubernetes-list-type", ""), Shape.ATOMIC)
    if raw.get("x-kubernetes-map-type") == "atomic":
        return Shape.ATOMIC
    if "properties" in raw:
        return Shape.STRUCT
    if raw.get("additionalProperties"):
        return Shape.MAP
    is_scalar = raw.get("type", "object") != "object" or raw.get("x-kubernetes-int-or-string")
    return Shape.ATOMIC if is_scalar else Shape.OPEN


def _flattened(raw: Json, components: Mapping[str, Json]) -> Json:
    """The node itself: a reference followed, and `allOf` (how a reference carries a default) merged."""
    if not isinstance(raw, dict):  # `additionalProperties: true`
        return {}
    flat = {name: value for name, value in raw.items() if name not in ("$ref", "allOf")}
    parts = [{"$ref": raw["$ref"]}] if "$ref" in raw else raw.get("allOf", [])
    for part in parts:
        name = part.get("$ref", "").rpartition("/")[2]
        target = _flattened(components.get(name, {}), components) if name else part
        flat = {**target, **flat}
    return flat


def _with_metadata(raw: Json) -> Json:
    """A custom resource without a structural schema publishes no metadata; every object has it all the same."""
    if "properties" not in raw:
        return _OBJECT
    return {**raw, "properties": {"metadata": _METADATA, **raw["properties"]}}


# What is true of every object's metadata; for kinds whose own schema does not say so.
_METADATA: Final[Json] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "type": "array",
            "items": {"type": "object", "properties": {"uid": {"type": "string"}}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
        },
    },
    "x-kubernetes-preserve-unknown-fields": True,
}
_OBJECT: Final[Json] = {
    "type": "object",
    "properties": {"metadata": _METADATA},
    "x-kubernetes-preserve-unknown-fields": True,
}
OPEN: Final = Schema({}, {})
_OPEN_OBJECT: Final = Schema(_OBJECT, {})
