"""The decision table: which row an object is in, and what that row does. Presence first, then contents.

Nothing here has side effects. The rows are in `rows`, what each does with contents in `merge`, with losses in
`deletions`; the table itself, as people read it, is in the documentation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from controller.errors import Reason
from controller.objects import canonical
from controller.sync.plan.conflicts import NEVER_IN_CLEAR, conflict_of, is_unwritable
from controller.sync.plan.credits import makers_of
from controller.sync.plan.deletions import DOCUMENT_PENDING, created, forgotten, pruned, rejected, undeclared, vanished
from controller.sync.plan.imports import importable, reason_not_to_import
from controller.sync.plan.intended import copied
from controller.sync.plan.merge import both_present, unbased, unproven
from controller.sync.plan.model import (
    Action,
    Change,
    ConflictType,
    Direction,
    FieldEdit,
    Presence,
    Question,
    Target,
)
from controller.sync.plan.outcome import completed, in_conflict, left_alone
from controller.sync.plan.rows import Row
from controller.sync.plan.tree import ABSENT, is_same
from controller.sync.plan.view import View

RECONCILE: Final = "tandem.dev/reconcile"
APPLY: Final = "tandem.dev/apply"

# A change of these kinds leaves both sides as they are, whoever else manages the object.
_HARMLESS = frozenset({Action.UNCHANGED, Action.SKIP, Action.WAIT, Action.IGNORE, Action.FORGET, Action.MOVE_BASE})


def decide(view: View) -> Change | Question:
    """What happens to this object, complete with what the change was made from."""
    result = _row_change(view)
    if isinstance(result, Question):
        return result
    change = completed(view, _heeding_fights(view, _heeding_refusals(view, _heeding_rivals(view, result))))
    return replace(change, resolved=view.facts.open_conflict and not change.is_left_alone)


def _row_change(view: View) -> Change | Question:
    declared, actual = view.situation.declared, view.situation.actual
    if not view.facts.in_scope:
        return _out_of_scope(view)
    if view.direction in (Direction.DISABLED, Direction.MANUAL_ONLY):
        return left_alone(view, Action.SKIP, Row.NO_PART)
    if declared.presence is Presence.UNKNOWN:
        return left_alone(view, Action.SKIP, Row.D_UNKNOWN, declared.reason, declared.message)
    if actual.presence is Presence.UNKNOWN:
        return left_alone(view, Action.SKIP, Row.A_UNKNOWN, actual.reason, actual.message)
    if actual.presence is Presence.TERMINATING:
        message = "it is being deleted; once it is gone, this is decided"
        return left_alone(view, Action.WAIT, Row.TERMINATING, Reason.TERMINATING, message)
    if view.annotations.get(RECONCILE) == "disabled":
        return left_alone(view, Action.SKIP, Row.DISABLED)
    return _without_base(view) if view.base is None else _with_base(view)


def _out_of_scope(view: View) -> Change:
    if view.base is not None:
        return forgotten(view, Row.OUT_OF_SCOPE, "left the fabric's scope")
    return left_alone(view, Action.IGNORE, Row.OUT_OF_SCOPE)


def _without_base(view: View) -> Change | Question:
    is_declared, is_there = view.declared is not ABSENT, view.actual is not ABSENT
    if not is_declared:
        return _imported(view) if is_there else left_alone(view, Action.IGNORE, Row.NOTHING)
    if is_there:
        return _left_after_creation(view) if _is_left(view) else unbased(view)
    if view.direction is Direction.CLUSTER_TO_GIT:
        return left_alone(view, Action.IGNORE, Row.DECLARED_ONLY)
    if view.facts.target is Target.GONE:
        message = f"the namespace {view.key.namespace} does not exist; declare it, or create it"
        return left_alone(view, Action.SKIP, Row.DECLARED_ONLY, Reason.NAMESPACE_NOT_FOUND, message)
    return created(view, Row.DECLARED_ONLY)


def _with_base(view: View) -> Change | Question:
    is_declared, is_there = view.declared is not ABSENT, view.actual is not ABSENT
    if not is_declared and not is_there:
        return forgotten(view, Row.GONE)
    if not is_declared:
        return forgotten(view, Row.IF_ABSENT, "left alone after creation") if _is_left(view) else undeclared(view)
    if not is_there:
        return created(view, Row.IF_ABSENT) if _is_left(view) else vanished(view)
    if _is_left(view):
        return _left_after_creation(view)
    if view.is_unproven:
        return unproven(view)
    return _taken_over(view) if view.is_another else both_present(view)


def _is_left(view: View) -> bool:
    """Whether the object is created where it is absent, and then left alone."""
    return view.annotations.get(APPLY) == "if-absent"


def _left_after_creation(view: View) -> Change:
    return left_alone(view, Action.UNCHANGED, Row.IF_ABSENT)


def _taken_over(view: View) -> Change | Question:
    """Made anew in the cluster: compared by value with the base, and owned by an apply."""
    result = both_present(view, None if view.direction is Direction.CLUSTER_TO_GIT else Action.TAKE_OVER)
    return result if isinstance(result, Question) else replace(result, row=Row.OTHER_UID)


def _imported(view: View) -> Change:
    """– – A: a new document, if the fabric imports this kind and the object is somebody's wish."""
    row, key = Row.ACTUAL_ONLY, view.key
    if view.direction is Direction.GIT_TO_CLUSTER or key.group_kind not in view.rules.imports:
        return left_alone(view, Action.IGNORE, row)
    reason = reason_not_to_import(key, view.actual, view.owners.rivals(view.rules.manager), view.rules.kept_out)
    if reason:
        return left_alone(view, Action.IGNORE, row, message=reason)
    if is_unwritable(view):
        return left_alone(view, Action.SKIP, row, Reason.ENCRYPTION_REQUIRED, NEVER_IN_CLEAR)
    tree = importable(key, copied(view.actual), view.schema)
    if is_same(view.pending_document, tree):
        return left_alone(view, Action.UNCHANGED, row, message=DOCUMENT_PENDING)
    document = canonical(tree)
    change = Change(
        key,
        Action.IMPORT,
        row,
        document=document,
        proposed=(FieldEdit((), new=tree, old_present=False),),
        record=document,
        api_version=view.actual.get("apiVersion", ""),
        makers=makers_of(view.facts.credits),
    )
    return rejected(view, pruned(view, row), change) if view.rejection else change


# ---- what holds for every row ----


def _heeding_rivals(view: View, change: Change) -> Change:
    """Another fabric's manager on the object: nothing is forced over it, nothing of it is written or pruned."""
    if change.action in _HARMLESS or view.actual is ABSENT or view.facts.takeover:
        return change
    rivals = view.owners.rivals(view.rules.manager)
    if not rivals:
        return change
    if change.action is Action.PRUNE:
        return forgotten(view, Row(change.row), f"managed by {rivals[0]} now")
    if view.facts.handover:
        return left_alone(view, Action.WAIT, Row(change.row), Reason.OWNED_BY_OTHER, view.facts.handover)
    message = f"managed by {rivals[0]}; let one fabric declare it, or annotate it tandem.dev/reconcile: disabled"
    conflict = conflict_of(view, ConflictType.OWNED_BY_OTHER, (), (), message)
    return in_conflict(view, Row(change.row), conflict, Reason.OWNED_BY_OTHER)


def _heeding_refusals(view: View, change: Change) -> Change:
    """A document that was refused in this very state is not sent again; the other direction goes on."""
    if view.facts.refused is None or change.intended is None:
        return change
    reason, message = view.facts.refused
    if change.document is None:
        return replace(left_alone(view, Action.SKIP, Row(change.row), reason, message), overruled=change.overruled)
    return replace(
        change,
        action=Action.WRITE_BACK,
        reason=reason,
        message=message,
        intended=None,
        removals=(),
        corrections=(),
        record=None,
    )


def _heeding_fights(view: View, change: Change) -> Change:
    """A fought-over path is left as it is; so the sides do not agree, and no base is recorded."""
    if not view.facts.fighting or view.base is None or view.actual is ABSENT or not view.fought_over:
        return change
    opponents = ", ".join(sorted({edit.manager for edit in view.fought_over if edit.manager})) or "somebody unknown"
    message = f"{opponents} keeps changing {', '.join(sorted(view.facts.fighting))} back; left as it is for now"
    action = Action.SKIP if change.action in (Action.UNCHANGED, Action.MOVE_BASE) else change.action
    return replace(change, action=action, reason=change.reason or Reason.FIGHTING, message=message, record=None)
