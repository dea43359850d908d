"""Which item of a list became which: so that an insertion is an insertion, and not a change of everything below it."""

from __future__ import annotations

from difflib import SequenceMatcher

from controller.objects import Json, canonical

# What identifies the items of Kubernetes' lists, the first that does so for all items of both sides is taken.
_IDENTITIES = (
    ("name",),
    ("mountPath",),
    ("devicePath",),
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("key",),
    ("ip",),
    ("topologyKey",),
    ("host",),
    ("path",),
    ("type",),
    ("id",),
    ("kind", "name"),
)


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def aligned(old: list[Json], new: list[Json]) -> list[tuple[int, int]]:
    """Pairs of positions, rising on both sides: an old item and what it became. Unpaired ones went, or came."""
    fields = _identity(old, new)
    one, other = ([_token(item, fields) for item in side] for side in (old, new))
    pairs: list[tuple[int, int]] = []
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    for operation, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        facing = zip(range(old_start, old_end), range(new_start, new_end), strict=False)
        if operation == "equal":
            pairs += facing
        elif operation == "replace":
            # What stands at the place of something is taken for its new value, unless it is plainly something else.
            pairs += [pair for pair in facing if not fields or _is_renamed(old[pair[0]], new[pair[1]], fields)]
    return pairs


def _identity(old: list[Json], new: list[Json]) -> tuple[str, ...]:
    """The fields by which the items are told apart, none where they have no such fields."""
    if not all(isinstance(item, dict) for item in [*old, *new]):
        return ()
    for fields in _IDENTITIES:
        if not all(fields[0] in item for item in [*old, *new]):
            continue
        tokens = [[_token(item, fields) for item in side] for side in (old, new)]
        if all(len(set(side)) == len(side) for side in tokens):
            return fields
    return ()


def _token(item: Json, fields: tuple[str, ...]) -> bytes:
    return canonical([item.get(field) for field in fields] if fields else item)


def _is_renamed(old: dict[str, Json], new: dict[str, Json], identity: tuple[str, ...]) -> bool:
    """Whether most of what does not identify an item is as it was, or there is nothing else."""
    rest = (old.keys() | new.keys()) - set(identity)
    kept = sum(key in old and key in new and same(old[key], new[key]) for key in rest)
    return not rest or 2 * kept > len(rest)
