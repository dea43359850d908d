"""What is applied, never the document itself: M, and the removals that an apply cannot be trusted with.

    T  what Git shall hold: D, less its edits that do not stand, with the cluster's that do
    M  T less ignored paths, and less what an excluded manager holds differently and Git did not touch
    removals  what the document used to declare, does not any more, and the live object still has

A path that the fabric's own manager holds may not simply be left out of M, because server-side apply would remove it:
an ignored one is kept in M with its live value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.objects import Json, canonical, decoded
from controller.sync.plan.diff import diff, unmet
from controller.sync.plan.fieldpath import Path, meet
from controller.sync.plan.model import FieldEdit
from controller.sync.plan.normalize import without_notes
from controller.sync.plan.tree import ABSENT, assign, discard, is_key, leaves, lookup
from controller.sync.plan.view import View

Value = tuple[Path, Json]


def merged_document(
    view: View, reverted: Sequence[FieldEdit], accepted: Sequence[FieldEdit], values: Sequence[Value] = ()
) -> Json:
    """T: the document with Git's `reverted` edits undone, the cluster's `accepted` ones made, and `values` set.

    Where Git holds no document any more, it is the last one that is written on.
    """
    tree = copied(view.base_declared if view.declared is ABSENT else view.declared)
    for edit in reverted:
        _put(tree, edit.path, _standing(view.base_declared, edit.path, view), view)
    for edit in accepted:
        _put(tree, edit.path, edit.new if edit.new_present else ABSENT, view)
    for path, value in values:
        _put(tree, path, value, view)
    return tree


def intended(view: View, document: Json, touched: Iterable[Path]) -> Json:
    """M for a document and a live object, where Git moved the paths `touched`."""
    tree = without_notes(copied(document))
    _leave_ignored(view, tree)
    moved = tuple(touched)
    for edit in unmet(tree, view.actual, view.schema):
        if view.is_held_by_excluded(edit.path) and not any(meet(edit.path, path) for path in moved):
            discard(tree, edit.path, view.schema)
    return tree


def removals(view: View, document: Json, rejected: Iterable[Path] = ()) -> tuple[Path, ...]:
    """What the live object has, and should not: no longer declared, or `rejected` by a decision."""
    undeclared = [edit.path for edit in diff(view.base_declared, document, view.schema) if not edit.new_present]
    unwanted = [path for path in rejected if _standing(document, path, view) is ABSENT]
    found: dict[Path, None] = {}
    for path in (*undeclared, *unwanted):
        if not view.git_ignored.covers(path) and _standing(view.actual, path, view) is not ABSENT:
            found.update(dict.fromkeys(_removable(view, path)))
    return tuple(found)


def copied(tree: Json) -> Json:
    """A tree of one's own."""
    return decoded(canonical(tree))


def _put(tree: Json, path: Path, value: Json, view: View) -> None:
    if value is ABSENT:
        discard(tree, path, view.schema, like=view.actual)
    else:
        assign(tree, path, value, view.schema, like=view.actual)


def _standing(side: Json, path: Path, view: View) -> Json:
    return ABSENT if side is ABSENT else lookup(side, path, view.schema)


def _leave_ignored(view: View, tree: Json) -> None:
    """Take out of M what somebody asked to ignore; what we hold of it stays as it is on the live object."""
    if not view.git_ignored.wanted:
        return
    for path, _ in list(leaves(tree, view.schema)):
        ignored = view.git_ignored.asked_for(path)
        if ignored is None:
            continue
        live = _standing(view.actual, path, view)
        if live is not ABSENT and view.owners.hold(view.rules.manager, path):
            assign(tree, path, live, view.schema)
        else:
            discard(tree, path if _is_partly_ours(view, ignored) else ignored, view.schema)


def _is_partly_ours(view: View, path: Path) -> bool:
    return view.owners.hold(view.rules.manager, path)


def _removable(view: View, path: Path) -> list[Path]:
    """The path itself, or the declared parts of it that no excluded manager holds."""
    live = _standing(view.actual, path, view)
    node = view.schema.at(path)
    if not any(view.is_held_by_excluded(leaf) for leaf, _ in leaves(live, node, path)):
        return [path]
    was = _standing(view.base_declared, path, view)
    below = [path] if was is ABSENT else [leaf for leaf, _ in leaves(was, node, path)]
    declared = [leaf for leaf in below if not is_key(leaf, view.schema)]  # an element without its keys is refused
    return [
        leaf
        for leaf in declared
        if _standing(view.actual, leaf, view) is not ABSENT and not view.is_held_by_excluded(leaf)
    ]
