"""Edits that wait in a pull request: what a change adds to them, what a plan leaves of them, and what they say in Git.

The planner treats them as lying over Git's document (`merge.py`, `deletions.py`); here is what becomes of them. They
outlive the process, so they are also brought into a form that can be stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from controller.objects import Json, ObjectKey, canonical, decoded
from controller.sync.plan.fieldpath import parse_path, render_path
from controller.sync.plan.intended import copied
from controller.sync.plan.model import Action, Change, Declared, Deed, FieldEdit, Pending
from controller.sync.plan.schema import Schema
from controller.sync.plan.tree import assign, discard


def proposed(change: Change) -> Pending:
    """What a change that writes to Git asks for, instead of all that was asked for the object before."""
    if change.action is Action.REMOVE_DOCUMENT:
        return Pending((), deleted=True, makers=change.makers)
    return Pending(change.proposed, change.omitted, makers=change.makers)


def standing(before: Pending, change: Change) -> Pending | None:
    """What is left of an object's pending edits after a plan that wrote nothing to Git; None if nothing is."""
    if before.rejected:
        return None  # the plan went past it: it was decided, or taken back
    if before.deleted:
        is_gone_only_here = change.action is Action.UNCHANGED and not change.uid
        return before if is_gone_only_here else None
    edits = tuple(edit for edit in before.edits if edit in change.pending)
    is_said = any(edit.path not in before.omitted for edit in edits)
    return replace(before, edits=edits) if is_said else None


def document(declared: Declared, pending: Pending, schema: Schema) -> bytes | None:
    """What Git shall hold of the object: its document with the edits laid over it. None: no document."""
    if pending.deleted:
        return None
    whole = next((edit.new for edit in pending.edits if edit.path == ()), None)
    tree = decoded(declared.content) if whole is None else copied(whole)
    for edit in pending.edits:
        if not edit.new_present:
            discard(tree, edit.path, schema)
        elif edit.path and edit.path not in pending.omitted:
            assign(tree, edit.path, edit.new, schema)
    if whole is not None:
        for path in pending.omitted:
            discard(tree, path, schema)
    return canonical(tree)


def is_part(pending: Pending, of: Pending) -> bool:
    """Whether the one asks for nothing that the other does not ask for."""
    return pending.deleted == of.deleted and set(map(_said, pending.edits)) <= set(map(_said, of.edits))


def digest(wanted: Mapping[ObjectKey, Pending], blobs: Mapping[ObjectKey, str]) -> str:
    """What tells two proposals apart: the edits, and the files that they are written into. "" for none."""
    if not wanted:
        return ""
    said = [[*key, blobs.get(key, ""), stored(wanted[key])] for key in sorted(wanted)]
    return hashlib.sha256(canonical(said)).hexdigest()


def stored(pending: Pending) -> Json:
    """The form that is kept; `rejected` is kept beside it."""
    return {
        "deleted": pending.deleted,
        "omitted": [render_path(path) for path in pending.omitted],
        "edits": [
            [
                render_path(edit.path),
                [edit.old] if edit.old_present else [],
                [edit.new] if edit.new_present else [],
                edit.manager,
                edit.user,
                edit.edited_at,
            ]
            for edit in pending.edits
        ],
        "makers": [[deed.user, deed.time] for deed in pending.makers],
    }


def restored(content: Json, rejected: str) -> Pending:
    """What `stored` kept."""
    return Pending(
        edits=tuple(_edit(*values) for values in content["edits"]),
        omitted=tuple(map(parse_path, content["omitted"])),
        deleted=content["deleted"],
        makers=tuple(Deed(*values) for values in content["makers"]),
        rejected=rejected,
    )


def _edit(path: str, old: list[Json], new: list[Json], manager: str, user: str, edited_at: float) -> FieldEdit:
    return FieldEdit(
        parse_path(path),
        old[0] if old else None,
        new[0] if new else None,
        old_present=bool(old),
        new_present=bool(new),
        manager=manager,
        user=user,
        edited_at=edited_at,
    )


def _said(edit: FieldEdit) -> bytes:
    """What an edit does, whatever it did it to."""
    return canonical([render_path(edit.path), edit.new_present, edit.new])
