"""The base of an object whose record was lost: as much of it as can be known again, and no more.

Known are the document at the commit that was applied last, the live object, and what an open SyncConflict shows. A
base made of these has no epoch, so nobody's change is inferred from it; only for an open conflict does it say again
what both sides had agreed on, because people are deciding about exactly that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.objects import Base, Json, ObjectKey, Provenance, canonical, decoded
from controller.sync.plan.diff import unmet
from controller.sync.plan.fieldpath import Path
from controller.sync.plan.imports import importable
from controller.sync.plan.model import Actual, ConflictType, Declared, Presence, Rules
from controller.sync.plan.schema import Schema
from controller.sync.plan.tree import ABSENT, assign, discard, lookup

NO_EPOCH: Final = ""
_WITHOUT_BASE = frozenset({ConflictType.ADDED_IN_BOTH, ConflictType.OWNED_BY_OTHER})


@dataclass(frozen=True, slots=True)
class ShownConflict:
    """An open conflict as people see it. `bases`: what both sides last agreed on at each path, ABSENT for nothing.

    `is_whole` is False where not every value is shown: too large, too many, or a Secret's. `path`: the document's file.
    """

    type: ConflictType
    bases: Sequence[tuple[Path, Json]] = ()
    is_whole: bool = True
    path: str = ""


def rebuilt(
    key: ObjectKey, document: Declared, actual: Actual, shown: ShownConflict | None, rules: Rules, schema: Schema
) -> Base | None:
    """The base of an object, None if there was none or nothing says that there was.

    `document` is that of the applied commit. An object without an open conflict was ours only if our name is on it.
    """
    is_declared, is_there = (side.presence is Presence.PRESENT for side in (document, actual))
    if shown is None:
        is_ours = b'"' + rules.manager.encode() + b'"' in actual.managers
        return _unproven(document, actual, document.content, actual.content) if is_declared and is_ours else None
    if shown.type in _WITHOUT_BASE:
        return None
    if is_declared and is_there:
        return _agreed(document, actual, shown, rules, schema)
    if is_declared and shown.type is ConflictType.DELETED_IN_CLUSTER:
        return _unproven(document, actual, document.content, document.content)
    if is_there and shown.type is ConflictType.DELETED_IN_GIT:
        last = Declared(Presence.PRESENT, decoded(actual.content).get("apiVersion", ""), b"", Provenance(shown.path))
        return _unproven(last, actual, canonical(importable(key, decoded(actual.content), schema)), actual.content)
    return None


def _unproven(document: Declared, actual: Actual, declared: bytes, live: bytes) -> Base:
    origin = document.origin or Provenance("")
    return Base(declared, live, actual.uid, actual.resource_version, NO_EPOCH, document.api_version, origin)


def _agreed(document: Declared, actual: Actual, shown: ShownConflict, rules: Rules, schema: Schema) -> Base:
    """What both sides said before they parted: at the paths in conflict by what is shown, elsewhere by the document.

    What the document does not name is taken over from the live object: nobody can say who changed it since.
    """
    if not shown.is_whole:
        return _unproven(document, actual, document.content, actual.content)
    declared, live = decoded(document.content), decoded(actual.content)
    for path, value in shown.bases:
        declared = _with(declared, path, value, schema)
    for edit in unmet(declared, live, schema):
        live = _with(live, edit.path, lookup(declared, edit.path, schema), schema)
    for path, value in shown.bases:
        live = _with(live, path, value, schema)
    base = _unproven(document, actual, canonical(declared), canonical(live))
    # Another version than the live one's: else a difference at an unchanged version would be nobody's.
    return Base(base.declared, base.actual, base.uid, "", rules.epoch, base.api_version, base.origin)


def _with(tree: Json, path: Path, value: Json, schema: Schema) -> Json:
    if value is ABSENT:
        discard(tree, path, schema)
        return tree
    return assign(tree, path, value, schema)
