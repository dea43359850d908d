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
    keyed = _identities(old, new)
    tokens = keyed or ([canonical(item) for item in old], [canonical(item) for item in new])
    pairs: list[tuple[int, int]] = []
    matcher = SequenceMatcher(None, *tokens, autojunk=False)
    for operation, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        # What stands at the place of something that has no name is taken for its new value.
        if operation == "equal" or (operation == "replace" and not keyed):
            pairs += zip(range(old_start, old_end), range(new_start, new_end), strict=False)
    return pairs


def _identities(old: list[Json], new: list[Json]) -> tuple[list[bytes], list[bytes]] | None:
    if not all(isinstance(item, dict) for item in [*old, *new]):
        return None
    for fields in _IDENTITIES:
        if not all(fields[0] in item for item in [*old, *new]):
            continue
        tokens = [[canonical([item.get(field) for field in fields]) for item in side] for side in (old, new)]
        if all(len(set(side)) == len(side) for side in tokens):
            return tokens[0], tokens[1]
    return None
