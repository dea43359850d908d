"""Two sides' edits of one object brought together: what is the same, what is apart, what clashes.

The two deltas were taken each within its own side, so they meet only by path. Edits clash where one lies on or below
the other and they do not say the same: the same field to different values, or one removed what the other changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.objects import Json
from controller.sync.plan.fieldpath import Path, render_path
from controller.sync.plan.model import FieldEdit
from controller.sync.plan.tree import is_same


@dataclass(frozen=True, slots=True)
class Clash:
    """Edits of both sides that cannot both stand. `path` is the topmost of them."""

    path: Path
    git: tuple[FieldEdit, ...]
    cluster: tuple[FieldEdit, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """The edits of both sides, each in exactly one place: `same` holds the cluster's half of what both said."""

    same: tuple[FieldEdit, ...] = ()
    git: tuple[FieldEdit, ...] = ()
    cluster: tuple[FieldEdit, ...] = ()
    clashes: tuple[Clash, ...] = ()


def three_way(git: Sequence[FieldEdit], cluster: Sequence[FieldEdit]) -> Merge:
    """Merge two deltas. Independent of the order in which edits are given, but for the order of the answer."""
    pairs = list(_meetings(git, cluster))
    in_clash = {id(edit) for pair in pairs if _clash(*pair) for edit in pair}
    agreed = {id(theirs) for ours, theirs in pairs if _says_all(ours, theirs)} - in_clash
    settled = {id(ours) for ours, theirs in pairs if _says_all(theirs, ours)} | in_clash
    return Merge(
        same=tuple(edit for edit in cluster if id(edit) in agreed),
        git=tuple(edit for edit in git if id(edit) not in settled),
        cluster=tuple(edit for edit in cluster if id(edit) not in agreed | in_clash),
        clashes=_grouped([pair for pair in pairs if _clash(*pair)]),
    )


def united(base: Json, git: Json, cluster: Json) -> list[Json]:
    """Three states of an unkeyed list as one: the base's less what either removed, the cluster's new, then Git's."""
    base = base if isinstance(base, list) else []
    kept = [item for item in base if _holds(git, item) and _holds(cluster, item)]
    for side in (cluster, git):
        kept += [item for item in side if not _holds(base, item) and not _holds(kept, item)]
    return kept


def _meetings(git: Sequence[FieldEdit], cluster: Sequence[FieldEdit]) -> Iterable[tuple[FieldEdit, FieldEdit]]:
    """Every pair of edits of which one lies on or below the other."""
    at: dict[Path, FieldEdit] = {edit.path: edit for edit in git}
    below: dict[Path, list[FieldEdit]] = {}
    for edit in git:
        for depth in range(len(edit.path)):
            below.setdefault(edit.path[:depth], []).append(edit)
    for theirs in cluster:
        for depth in range(len(theirs.path) + 1):
            ours = at.get(theirs.path[:depth])
            if ours is not None:
                yield ours, theirs
        for ours in below.get(theirs.path, ()):
            yield ours, theirs


def _says_all(one: FieldEdit, other: FieldEdit) -> bool:
    """Whether the first edit says all that the second one does.

    It brings the same value, or a removal that the other is part of, or something into a container that the other
    only makes.
    """
    if not one.new_present and not other.new_present:
        return len(one.path) <= len(other.path)
    if one.new_present and other.new_present and len(one.path) > len(other.path):
        inside = one.path[len(other.path)]
        return bool(other.new == ({} if isinstance(inside, str) else []))
    return one.path == other.path and one.new_present == other.new_present and is_same(one.new, other.new)


def _clash(ours: FieldEdit, theirs: FieldEdit) -> bool:
    """Whether two edits that meet cannot both stand."""
    return not (_says_all(ours, theirs) or _says_all(theirs, ours))


def _grouped(clashing: Sequence[tuple[FieldEdit, FieldEdit]]) -> tuple[Clash, ...]:
    """The clashing pairs, gathered below the topmost path of each."""
    groups: dict[Path, tuple[dict[int, FieldEdit], dict[int, FieldEdit]]] = {}
    for ours, theirs in clashing:
        ours_too, theirs_too = groups.setdefault(min(ours.path, theirs.path, key=len), ({}, {}))
        ours_too[id(ours)] = ours
        theirs_too[id(theirs)] = theirs
    return tuple(
        Clash(path, tuple(groups[path][0].values()), tuple(groups[path][1].values()))
        for path in sorted(groups, key=render_path)
    )


def _holds(items: Json, wanted: Json) -> bool:
    return any(is_same(item, wanted) for item in items)
