"""Reading and changing one field of a decoded object by its path. The schema tells elements of lists apart."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final, Literal

from controller.objects import Json, canonical, decoded
from controller.sync.plan.fieldpath import Item, Keys, Path, Segment
from controller.sync.plan.schema import Schema, Shape, element_keys, indexed


class _Absent(Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""What stands at a path where nothing stands; null is something."""

Absent = Literal[_Absent.ABSENT]


def is_same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal; unlike Python, `true` is not 1."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return bool(one == other) and canonical(one) == canonical(other)


def is_granular(value: Json, schema: Schema) -> bool:
    """Whether the value has parts that are merged one by one."""
    if isinstance(value, dict):
        return schema.shape in _MAPS
    return isinstance(value, list) and schema.shape in _LISTS and indexed(value, schema) is not None


def parts(value: Json, schema: Schema) -> dict[Segment, Json]:
    """The parts of a granular value by segment, in order."""
    if isinstance(value, dict):
        return value
    return indexed(value, schema) or {}


def leaves(value: Json, schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every leaf below a value with its path. An empty map or list is a leaf."""
    below = parts(value, schema) if is_granular(value, schema) else {}
    if not below or schema.shape is Shape.SET:
        yield from _items(value, below, path)
        return
    for segment, part in below.items():
        yield from leaves(part, schema.child(segment), (*path, segment))


def _items(value: Json, below: dict[Segment, Json], path: Path) -> Iterator[tuple[Path, Json]]:
    if not below:
        yield path, value
    for segment, item in below.items():
        yield (*path, segment), item


def lookup(tree: Json, path: Path, schema: Schema) -> Json | Absent:
    """What stands at the path, or ABSENT."""
    for segment in path:
        tree = _part(tree, segment, schema)
        if tree is ABSENT:
            return ABSENT
        schema = schema.child(segment)
    return tree


def _part(tree: Json, segment: Segment, schema: Schema) -> Json | Absent:
    if isinstance(segment, str):
        return tree.get(segment, ABSENT) if isinstance(tree, dict) else ABSENT
    if isinstance(segment, (Keys, Item)) and isinstance(tree, list):
        return (indexed(tree, schema) or {}).get(segment, ABSENT)
    return ABSENT


def is_key(path: Path, schema: Schema) -> bool:
    """Whether an element of a keyed list is known by what stands at the path."""
    return len(path) > 1 and isinstance(path[-2], Keys) and path[-1] in schema.at(path[:-2]).keys


def assign(tree: Json, path: Path, value: Json, schema: Schema, like: Json = ABSENT) -> Json:
    """The tree with the value at the path, changed in place where it can be; what is missing above it is made.

    A new element of a list goes behind its neighbour in `like`, the tree that it comes from.
    """
    if not path:
        return decoded(canonical(value)) if isinstance(value, (dict, list)) else value
    segment, rest = path[0], path[1:]
    like_part = ABSENT if like is ABSENT else _part(like, segment, schema)
    child = schema.child(segment)
    if isinstance(segment, str):
        tree = tree if isinstance(tree, dict) else {}
        tree[segment] = assign(tree.get(segment, ABSENT), rest, value, child, like_part)
        return tree
    tree = tree if isinstance(tree, list) else []
    position = _position(tree, segment, schema)
    if position is None:
        position = _place_of(tree, segment, schema, like)
        tree.insert(position, _new_element(segment, schema))
    if isinstance(segment, Keys):
        tree[position] = assign(tree[position], rest, value, child, like_part)
    return tree


def discard(tree: Json, path: Path, schema: Schema, like: Json = ABSENT) -> None:
    """Take what stands at the path out of the tree, in place.

    A map or list that this leaves empty goes too, unless it stands in `like` as an empty one, or is required; so does
    an element of a keyed list that loses the key it is known by.
    """
    if not path:
        return
    segment, rest = path[0], path[1:]
    part = _part(tree, segment, schema)
    if part is ABSENT:
        return
    place = segment if isinstance(segment, str) else _position(tree, segment, schema)
    if rest:
        like_part = ABSENT if like is ABSENT else _part(like, segment, schema)
        discard(part, rest, schema.child(segment), like_part)
        if _stays(part, segment, schema, like_part):
            return
    del tree[place]


def _stays(part: Json, segment: Segment, schema: Schema, like_part: Json) -> bool:
    """Whether what is left of a part still is one."""
    if isinstance(segment, Keys) and element_keys(part, schema) != segment:
        return False
    return part not in ({}, []) or is_same(part, like_part) or segment in schema.required


def _position(elements: list[Json], segment: Segment, schema: Schema) -> int | None:
    found = indexed(elements, schema) or {}
    return next((position for position, held in enumerate(found) if held == segment), None)


def _place_of(elements: list[Json], segment: Segment, schema: Schema, like: Json) -> int:
    """Behind the nearest element that stands before it in `like` too, else before the one that follows it there."""
    order = list(indexed(like, schema) or {}) if isinstance(like, list) else []
    if segment not in order:
        return len(elements)
    here = list(indexed(elements, schema) or {})
    before = [held for held in order[: order.index(segment)] if held in here]
    if before:
        return here.index(before[-1]) + 1
    after = [held for held in order[order.index(segment) :] if held in here]
    return here.index(after[0]) if after else len(elements)


def _new_element(segment: Segment, schema: Schema) -> Json:
    """What an element must say to be itself; a key that has its default need not be said."""
    if isinstance(segment, Item):
        return segment.value
    assert isinstance(segment, Keys)  # noqa: S101 - an index never occurs in a computed path
    return {name: value for name, value in segment.pairs if schema.defaults.get(name) != value}


_MAPS = frozenset({Shape.STRUCT, Shape.MAP, Shape.OPEN})
_LISTS = frozenset({Shape.KEYED, Shape.SET})
