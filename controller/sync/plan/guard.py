"""What stops a whole plan: an empty source, a mass deletion, a mass edit, a rewritten history.

A guard names the changes that made it trip; its token stands for exactly those, so that a person confirms what they
have seen. A confirmed token admits every later plan whose guarded changes are among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.errors import Reason
from controller.objects import Kind, ObjectKey, canonical
from controller.sync.plan.model import Action, Change, Direction, Guard, Rules
from controller.sync.plan.rows import UNDECLARED_ROWS

Entry = tuple[ObjectKey, Action]

PRECIOUS: Final = frozenset(
    {
        Kind("", "Namespace"),
        Kind("apiextensions.k8s.io", "CustomResourceDefinition"),
        Kind("", "PersistentVolumeClaim"),
    }
)
"""Deleting one of these deletes what was never declared."""

PERCENT_FROM = 10  # below this many deletions a percentage says nothing: one of two objects is half of them
TOKEN_BYTES = 8

_DELETIONS = frozenset({Action.PRUNE, Action.REMOVE_DOCUMENT})
_EDITS = frozenset({Action.WRITE_BACK, Action.MERGE, Action.TAKE_OVER})


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A guard that a person confirmed: what its token stood for."""

    reason: Reason
    entries: frozenset[Entry]


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the whole run. `based`: how many objects have a base."""

    based: int = 0
    source_empty: bool = False  # the directory holds no document at all
    history_rewritten: bool = False  # no common ancestor with the recorded commit, or another branch, URL, directory
    confirmed: tuple[Confirmed, ...] = field(default=())


def guards_of(changes: Sequence[Change], rules: Rules, context: Context) -> tuple[Guard, ...]:
    """The guards that stop this plan: those that trip and were not confirmed."""
    tripped = _tripped(changes, rules, context)
    return tuple(guard for guard in tripped if not _is_admitted(guard, context.confirmed))


def token_of(manager: str, reason: Reason, entries: Iterable[Entry]) -> str:
    """The token that stands for these changes of this fabric."""
    listed = sorted([*map(str, key), action.value] for key, action in entries)
    return hashlib.sha256(canonical([manager, reason.value, listed])).hexdigest()[: TOKEN_BYTES * 2]


def _tripped(changes: Sequence[Change], rules: Rules, context: Context) -> list[Guard]:
    guards = []
    if context.history_rewritten:
        guards += _history_guard(changes, rules)
    if context.source_empty and (context.based or not _makes_documents(rules)):
        guards.append(_empty_source(changes, rules))
    else:
        guards += _deletion_guard(changes, rules, context.based)
    return guards + _edit_guard(changes, rules)


def _makes_documents(rules: Rules) -> bool:
    """Whether the first documents are to come from the cluster, so that an empty source is how it begins."""
    return rules.direction is Direction.CLUSTER_TO_GIT or bool(rules.imports)


def _is_admitted(guard: Guard, confirmed: Iterable[Confirmed]) -> bool:
    wanted = frozenset(guard.entries)
    return any(earlier.reason is guard.reason and wanted <= earlier.entries for earlier in confirmed)


def _history_guard(changes: Sequence[Change], rules: Rules) -> list[Guard]:
    missing = [change for change in changes if change.row in UNDECLARED_ROWS]
    if not missing:
        return []
    message = f"the history was rewritten, or the source moved, and {_objects(len(missing))} vanished from it"
    return [_guard(Reason.HISTORY_REWRITTEN, missing, rules, message)]


def _empty_source(changes: Sequence[Change], rules: Rules) -> Guard:
    missing = [change for change in changes if change.row in UNDECLARED_ROWS]
    message = "the source holds no documents; push some, or correct the directory"
    if missing:
        message = f"the source holds no documents; {_objects(len(missing))} would be given up or deleted"
    return _guard(Reason.EMPTY_SOURCE, missing, rules, message)


def _deletion_guard(changes: Sequence[Change], rules: Rules, based: int) -> list[Guard]:
    deletions = [change for change in changes if change.action in _DELETIONS]
    count, limits = len(deletions), rules.deletion
    if count > limits.max_deletions:
        message = f"{_objects(count)} would be deleted; spec.deletion.maxDeletions is {limits.max_deletions}"
        return [_guard(Reason.DELETION_GUARD, deletions, rules, message)]
    if count >= PERCENT_FROM and count * 100 > limits.max_deletion_percent * based:
        share = f"{_objects(count)} of {based} would be deleted"
        message = f"{share}; spec.deletion.maxDeletionPercent is {limits.max_deletion_percent}"
        return [_guard(Reason.DELETION_GUARD, deletions, rules, message)]
    precious = [c for c in deletions if c.action is Action.PRUNE and c.key.group_kind in PRECIOUS]
    if precious:
        names = ", ".join(str(change.key) for change in precious[:3])
        message = f"{_objects(len(precious))} that hold others would be deleted: {names}"
        return [_guard(Reason.DELETION_GUARD, precious, rules, message)]
    return []


def _edit_guard(changes: Sequence[Change], rules: Rules) -> list[Guard]:
    edits = [change for change in changes if change.action in _EDITS and change.document is not None]
    if len(edits) <= rules.max_edits:
        return []
    message = f"{_objects(len(edits))} with edits would be written to Git; spec.sync.maxEdits is {rules.max_edits}"
    return [_guard(Reason.EDIT_GUARD, edits, rules, message)]


def _guard(reason: Reason, changes: Sequence[Change], rules: Rules, message: str) -> Guard:
    entries = tuple(sorted((change.key, change.action) for change in changes))
    return Guard(
        reason=reason,
        token=token_of(rules.manager, reason, entries),
        message=message,
        entries=entries,
        deletions=sum(change.action in _DELETIONS for change in changes),
        edits=sum(change.document is not None for change in changes),
    )


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"
