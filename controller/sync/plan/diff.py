"""The difference of two states of one object as edits of single fields.

An addition is one edit for each leaf, because each leaf has an owner of its own. A removal is one edit for the
topmost thing that is gone, because what is left of half a container is no container; only free maps (labels, data)
and lists go part by part.
"""

from __future__ import annotations

from controller.objects import Json, decoded
from controller.sync.plan.fieldpath import Keys, Path, Segment
from controller.sync.plan.model import FieldEdit
from controller.sync.plan.schema import Schema, Shape
from controller.sync.plan.tree import ABSENT, is_granular, is_same, leaves, parts

_LISTS = frozenset({Shape.KEYED, Shape.SET})


def diff_contents(old: bytes, new: bytes, schema: Schema) -> list[FieldEdit]:
    """The edits that lead from one canonical content to another."""
    return [] if old == new else diff(decoded(old), decoded(new), schema)


def diff(old: Json, new: Json, schema: Schema, path: Path = ()) -> list[FieldEdit]:
    """The edits that lead from one tree to another, in the order of the trees. ABSENT on a side is an empty one."""
    edits: list[FieldEdit] = []
    _collect(old, new, schema, path, edits)
    return edits


def unmet(wanted: Json, held: Json, schema: Schema) -> list[FieldEdit]:
    """The edits that `held` needs to say all that `wanted` says; what only `held` says is not among them."""
    return [edit for edit in diff(held, wanted, schema) if edit.new_present]


def _collect(old: Json, new: Json, schema: Schema, path: Path, edits: list[FieldEdit]) -> None:
    if is_same(old, new):
        return
    if old is ABSENT:
        edits += [FieldEdit(leaf, new=value, old_present=False) for leaf, value in leaves(new, schema, path)]
    elif new is ABSENT:
        edits += _removals(old, schema, path)
    elif type(old) is type(new) and is_granular(old, schema) and is_granular(new, schema):
        _collect_parts(old, new, schema, path, edits)
    else:
        edits.append(FieldEdit(path, old, new))


def _collect_parts(old: Json, new: Json, schema: Schema, path: Path, edits: list[FieldEdit]) -> None:
    before, after = parts(old, schema), parts(new, schema)
    for segment in (*before, *(added for added in after if added not in before)):
        if schema.shape is Shape.SET:
            edits += _item_edit(segment, segment in before, segment in after, path)
            continue
        if segment in after and segment in before and isinstance(segment, Keys):
            one, other = _without_keys(before[segment], schema), _without_keys(after[segment], schema)
        else:
            one, other = before.get(segment, ABSENT), after.get(segment, ABSENT)
        _collect(one, other, schema.child(segment), (*path, segment), edits)


def _without_keys(element: Json, schema: Schema) -> Json:
    """Elements that were matched have the same keys, whether they say them or leave them to the default."""
    return {name: value for name, value in element.items() if name not in schema.keys}


def _item_edit(segment: Segment, was: bool, now: bool, path: Path) -> list[FieldEdit]:
    if was == now:
        return []
    value = getattr(segment, "value", None)
    if was:
        return [FieldEdit((*path, segment), old=value, new_present=False)]
    return [FieldEdit((*path, segment), new=value, old_present=False)]


def _removals(old: Json, schema: Schema, path: Path) -> list[FieldEdit]:
    below = parts(old, schema) if schema.shape is not Shape.STRUCT and is_granular(old, schema) else {}
    if not below:
        return [FieldEdit(path, old=old, new_present=False)]
    if schema.shape in _LISTS:
        return [FieldEdit((*path, segment), old=part, new_present=False) for segment, part in below.items()]
    return [edit for name, part in below.items() for edit in _removals(part, schema.child(name), (*path, name))]
