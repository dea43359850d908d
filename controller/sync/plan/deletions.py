"""The rows in which one side lost the object: pruning, the deletion rule, and what a decision about a loss does.

The API keeps no deleter, and not every deletion is meant, so nothing is removed from Git unless a webhook saw that a
person did it, or the fabric says that having seen it is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from controller.errors import Reason
from controller.objects import Kind, canonical
from controller.sync.plan.conflicts import NEVER_IN_CLEAR, conflict_of, hidden, is_unwritable
from controller.sync.plan.editors import is_program
from controller.sync.plan.imports import PRUNE_ANNOTATION
from controller.sync.plan.intended import copied, merged_document
from controller.sync.plan.model import (
    Action,
    Ask,
    Change,
    ConflictType,
    Deed,
    Direction,
    FieldEdit,
    Propagate,
    Question,
    Strategy,
    Target,
)
from controller.sync.plan.normalize import without_notes
from controller.sync.plan.outcome import in_conflict, left_alone
from controller.sync.plan.rows import Row
from controller.sync.plan.tree import ABSENT, is_same
from controller.sync.plan.view import View

POD: Final = Kind("", "Pod")
DOCUMENT_PENDING: Final = "its document is on its way"
_STALE = "a side moved since this was shown; look again, and decide again"
REPLACED_WITHIN: Final = timedelta(seconds=1)
"""`kubectl replace --force` deletes what it makes anew a moment later; the document stays for that long."""

_DECISIVE = frozenset({Strategy.GIT_WINS, Strategy.CLUSTER_WINS})


# ---- gone from the cluster ----


def created(view: View, row: Row) -> Change:
    """The document becomes an object."""
    declared = view.situation.declared
    tree = copied(view.declared)
    body = declared.content if without_notes(tree) == view.declared else canonical(tree)
    return Change(view.key, Action.CREATE, row, intended=body, record=declared.content)


def vanished(view: View) -> Change | Question:
    """B D –: the object is gone. Nothing is inferred while its namespace or its definition is not there."""
    if view.facts.target is Target.NOT_ASKED:
        return Question(view.key, Ask.TARGET)
    row = Row.VANISHED_AND_DECLARED_ANEW if view.git_delta else Row.VANISHED
    if view.facts.target is Target.GONE:
        message = "its namespace or its definition is missing or terminating: nothing is inferred until it is back"
        return left_alone(view, Action.SKIP, row, Reason.TARGET_GONE, message)
    if view.direction is Direction.GIT_TO_CLUSTER:
        return created(view, row)
    if view.is_unproven:  # the cluster may have been restored: no deletion is inferred
        if view.facts.open_conflict:
            return _lost(view, row, ConflictType.DELETED_IN_CLUSTER, "gone from the cluster while it was in conflict")
        return _created_if_allowed(view, Row.UNPROVEN)
    if view.direction is Direction.BIDIRECTIONAL and row is Row.VANISHED_AND_DECLARED_ANEW:
        return _lost(view, row, ConflictType.DELETED_IN_CLUSTER, "deleted in the cluster, and changed in Git")
    return _by_deletion_rule(view, row)


def _by_deletion_rule(view: View, row: Row) -> Change:
    rules, facts = view.rules.deletion, view.facts
    pending = view.situation.pending
    if pending is not None and pending.deleted:
        if pending.rejected:
            return rejected(view, _created_if_allowed(view, row), _document_removed(view, row, "removed once more"))
        return left_alone(view, Action.UNCHANGED, Row.GONE, message="the document's removal is on its way")
    if facts.job_ended:
        return left_alone(view, Action.UNCHANGED, row, message="a Job that ended is neither made again nor undeclared")
    if _is_replaceable(view) or rules.propagate is Propagate.NEVER:
        return _created_if_allowed(view, row)
    if facts.deletion is not None and not is_program(facts.deletion.user):
        return _deleted_by(view, row, facts.deletion)
    if rules.propagate is Propagate.OBSERVED and facts.gone_for is not None:
        if facts.gone_for < rules.settle:
            return left_alone(view, Action.WAIT, row, Reason.PROGRESSING, "deleted; waiting whether it comes back")
        return _document_removed(view, row, "deleted in the cluster, and not come back")
    by = "somebody unknown" if facts.deletion is None else f"{facts.deletion.user}, a program"
    return _lost(view, row, ConflictType.DELETED_IN_CLUSTER, f"deleted in the cluster by {by}")


def _deleted_by(view: View, row: Row, deletion: Deed) -> Change:
    """A person deleted the object, and meant it, unless it comes back at once."""
    if view.facts.gone_for is not None and view.facts.gone_for < REPLACED_WITHIN:
        waiting = left_alone(view, Action.WAIT, row, Reason.PROGRESSING, f"deleted by {deletion.user} just now")
        return replace(waiting, makers=(deletion,))
    return replace(_document_removed(view, row, f"deleted by {deletion.user}"), makers=(deletion,))


def in_one_wave(changes: Sequence[Change]) -> Sequence[Change]:
    """The changes, with people's deletions put off while one of them may still come back: guards see all or none.

    Deleted with one command, objects go one after the other; each for itself, they would pass by the guards in bits.
    """
    if not any(change.action is Action.WAIT and change.makers for change in changes):
        return changes
    return [
        replace(change, action=Action.WAIT, reason=Reason.PROGRESSING)
        if change.action is Action.REMOVE_DOCUMENT and change.makers
        else change
        for change in changes
    ]


def _is_replaceable(view: View) -> bool:
    """Whether the system deletes such objects by itself: nobody's wish can be read from it."""
    return view.key.group_kind == POD or bool(view.base_actual["metadata"].get("ownerReferences"))


def _created_if_allowed(view: View, row: Row) -> Change:
    if view.direction is Direction.CLUSTER_TO_GIT:
        return left_alone(view, Action.IGNORE, row, message="gone from the cluster; this direction never makes objects")
    return created(view, row)


def _document_removed(view: View, row: Row, message: str) -> Change:
    return Change(view.key, Action.REMOVE_DOCUMENT, row, message=message)


# ---- gone from Git ----


def undeclared(view: View) -> Change | Question:
    """B – A: the document is gone."""
    if view.direction is Direction.CLUSTER_TO_GIT:
        return _written_again(view, _undeclared_row(view))
    if view.is_unproven:
        if view.annotations.get(PRUNE_ANNOTATION) == "disabled":
            return forgotten(view, Row.UNPROVEN_UNDECLARED, "tandem.dev/prune: disabled")
        message = "removed from Git, but the record of the object is not of this cluster's life"
        return _lost(view, Row.UNPROVEN_UNDECLARED, ConflictType.DELETED_IN_GIT, message)
    if view.is_another:
        row = Row.UNDECLARED_OTHER_UID
        if view.direction is Direction.GIT_TO_CLUSTER:
            return forgotten(view, row, "another object of this name")
        message = "removed from Git, and made anew in the cluster by somebody else"
        return _lost(view, row, ConflictType.DELETED_IN_GIT, message)
    if view.pending_document is not ABSENT:
        return _written_again(view, _undeclared_row(view))
    if view.rejection:
        return rejected(view, pruned(view, _undeclared_row(view)), _written_again(view, _undeclared_row(view)))
    if _undeclared_row(view) is Row.UNDECLARED:
        return pruned(view, Row.UNDECLARED)
    if view.direction is Direction.GIT_TO_CLUSTER:
        return pruned(view, Row.UNDECLARED_AND_EDITED)
    message = "removed from Git, and changed in the cluster"
    return _lost(view, Row.UNDECLARED_AND_EDITED, ConflictType.DELETED_IN_GIT, message)


def _undeclared_row(view: View) -> Row:
    if view.is_another:
        return Row.UNDECLARED_OTHER_UID
    is_edited = bool(view.cluster_delta.edits or view.cluster_delta.doubtful)
    return Row.UNDECLARED_AND_EDITED if is_edited else Row.UNDECLARED


def pruned(view: View, row: Row) -> Change:
    """The object goes with its document, unless somebody said that it stays."""
    if view.annotations.get(PRUNE_ANNOTATION) == "disabled":
        return forgotten(view, row, "tandem.dev/prune: disabled")
    if not view.rules.deletion.prune:
        return forgotten(view, row, "spec.deletion.prune is off")
    if view.facts.declared_elsewhere:
        return forgotten(view, row, "declared by another fabric now")
    if view.facts.handover:
        return left_alone(view, Action.WAIT, row, Reason.OWNED_BY_OTHER, view.facts.handover)
    return Change(view.key, Action.PRUNE, row)


def forgotten(view: View, row: Row, message: str = "") -> Change:
    """The base is dropped; neither side is touched."""
    return Change(view.key, Action.FORGET, row, message=message)


def _written_again(view: View, row: Row) -> Change:
    if is_unwritable(view):
        message = f"its document is gone; {NEVER_IN_CLEAR}"
        return left_alone(view, Action.SKIP, row, Reason.ENCRYPTION_REQUIRED, message)
    delta = view.cluster_delta
    edits = (*delta.edits, *delta.doubtful, *delta.own)
    tree = merged_document(view, (), edits)
    if is_same(view.pending_document, tree):
        return left_alone(view, Action.UNCHANGED, row, message=DOCUMENT_PENDING)
    document = canonical(tree)
    return Change(
        view.key,
        Action.WRITE_BACK,
        row,
        document=document,
        edits=hidden(view.key, edits),
        proposed=(FieldEdit((), new=tree, old_present=False),),
        record=document,
    )


# ---- who decides about a loss ----


def _lost(view: View, row: Row, kind: ConflictType, message: str) -> Change:
    """One side lost what the other holds: a job or a person decides, or a strategy that cannot lose it unseen."""
    others = view.git_delta if kind is ConflictType.DELETED_IN_CLUSTER else view.cluster_delta.edits
    conflict = conflict_of(view, kind, (), others, message)
    resolution = None if view.facts.force else view.facts.resolution
    if resolution is None:
        chosen = view.facts.force or _standing_choice(view, row, kind)
        if chosen is None or chosen not in _DECISIVE:
            return in_conflict(view, row, conflict)
        return _restored(view, row, kind, chosen)
    if resolution.token not in ("", conflict.token):
        return in_conflict(view, row, replace(conflict, message=_STALE), Reason.STALE)
    refusal = _refusal(view, kind, resolution.strategy)
    if refusal:
        return in_conflict(view, row, replace(conflict, message=refusal), Reason.RESOLUTION_FAILED)
    return _restored(view, row, kind, resolution.strategy)


def rejected(view: View, by_git: Change, by_cluster: Change) -> Change:
    """A document, or its removal, was proposed and not taken: a job or a person says which of the two it is to be."""
    conflict = conflict_of(view, ConflictType.REJECTED, (), (), view.rejection)
    resolution = None if view.facts.force else view.facts.resolution
    chosen = view.facts.force if resolution is None else resolution.strategy
    is_stale = resolution is not None and resolution.token not in ("", conflict.token)
    if chosen is Strategy.CLUSTER_WINS and not is_stale:
        return by_cluster
    if chosen is Strategy.GIT_WINS and not is_stale and by_git.action is not Action.FORGET:
        return replace(by_git, api_version=by_cluster.api_version)
    reason = Reason.CONFLICTS_OPEN
    if is_stale:
        conflict, reason = replace(conflict, message=_STALE), Reason.STALE
    elif resolution is not None:
        message = "the object is kept as a whole or not: choose GitWins or ClusterWins"
        if chosen is Strategy.GIT_WINS:
            message = f"Git cannot win, because the object stays ({by_git.message}): choose ClusterWins, or delete it"
        conflict, reason = replace(conflict, message=message), Reason.RESOLUTION_FAILED
    return replace(in_conflict(view, Row(by_git.row), conflict, reason), api_version=by_cluster.api_version)


def _standing_choice(view: View, row: Row, kind: ConflictType) -> Strategy | None:
    """The fabric's strategy where it keeps the object, or where it is certain who removed it: Git never forgets that.

    ClusterWins is no answer to an object that vanished: `deletion.propagate` says what that may mean.
    """
    strategy = view.rules.strategy
    if row is Row.UNPROVEN_UNDECLARED:
        return None
    if kind is ConflictType.DELETED_IN_CLUSTER and strategy is Strategy.CLUSTER_WINS:
        return None
    return strategy


def _refusal(view: View, kind: ConflictType, strategy: Strategy) -> str:
    """Why a person's decision cannot be carried out; "" if it can."""
    if strategy not in _DECISIVE:
        return "the object is kept as a whole or not: choose GitWins or ClusterWins"
    if kind is ConflictType.DELETED_IN_CLUSTER:
        if strategy is Strategy.GIT_WINS and view.direction is Direction.CLUSTER_TO_GIT:
            return "this direction never writes to the cluster: choose ClusterWins, or make the object"
        return ""
    if strategy is Strategy.CLUSTER_WINS and is_unwritable(view):
        return f"{NEVER_IN_CLEAR}: choose GitWins, or bring the document back"
    if strategy is Strategy.CLUSTER_WINS and view.direction is Direction.GIT_TO_CLUSTER:
        return "this direction never writes to Git: choose GitWins, or bring the document back"
    return ""


def _restored(view: View, row: Row, kind: ConflictType, strategy: Strategy) -> Change:
    """What the winner's side holds, on both."""
    match kind, strategy:
        case ConflictType.DELETED_IN_CLUSTER, Strategy.GIT_WINS:
            return _created_if_allowed(view, row)
        case ConflictType.DELETED_IN_CLUSTER, _:
            return _document_removed(view, row, "deleted in the cluster, and the cluster wins")
        case _, Strategy.GIT_WINS:
            return pruned(view, row)
        case _:
            return _written_again(view, row)
