"""What a change does, in words and field by field: for whoever is shown a plan, at a terminal or on a forge. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from controller.objects import decoded
from controller.sync.plan.conflicts import hidden
from controller.sync.plan.diff import diff, unmet
from controller.sync.plan.model import Action, Change, FieldEdit
from controller.sync.plan.schema import Schema
from controller.sync.plan.tree import ABSENT, lookup

MEANINGS = {
    Action.UNCHANGED: "both sides agree",
    Action.SKIP: "left alone",
    Action.WAIT: "waited for",
    Action.IGNORE: "not Tandem's business",
    Action.CREATE: "created in the cluster",
    Action.ADOPT: "taken over as it is: no value changes",
    Action.TAKE_OVER: "a new object of the same name: taken over",
    Action.CONFIGURE: "changed in the cluster",
    Action.PRUNE: "deleted from the cluster",
    Action.FORGET: "no longer kept in step; nothing is deleted",
    Action.MOVE_BASE: "both sides agree already; that is noted",
    Action.WRITE_BACK: "the live edit is written to Git",
    Action.IMPORT: "a document is made for it in Git",
    Action.REMOVE_DOCUMENT: "its document is removed from Git",
    Action.MERGE: "changed in the cluster, and its live edit is written to Git",
    Action.CONFLICT: "waits for a decision",
}

_IDENTITY = frozenset({("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")})


def applied_edits(change: Change, schema: Schema) -> tuple[FieldEdit, ...]:
    """What the change does to the live object, field by field; a Secret's values hidden.

    `schema` tells elements of lists apart. A deletion is one thing, not an edit of every field.
    """
    if change.intended is None:
        return ()
    intended = decoded(change.intended)
    if not change.actual:
        made = [edit for edit in diff(ABSENT, intended, schema) if edit.path not in _IDENTITY]
        return hidden(change.key, made)
    actual = decoded(change.actual)
    removed = [
        FieldEdit(path, old=old, new_present=False)
        for path in change.removals
        if (old := lookup(actual, path, schema)) is not ABSENT
    ]
    return hidden(change.key, [*unmet(intended, actual, schema), *removed])


def summary(changes: Iterable[Change]) -> str:
    """`3 objects: 1 conflict, 2 configure`; what is in step does not count."""
    counts = Counter(change.action.value for change in changes if change.is_telling)
    if not counts:
        return "nothing to do: both sides agree"
    parts = ", ".join(f"{number} {action}" for action, number in sorted(counts.items()))
    total = counts.total()
    return f"{total} object{'' if total == 1 else 's'}: {parts}"
