"""The rows in which document and object are both there: their contents decide.

First what is apart is told from what clashes; then somebody decides what clashes (the direction, a strategy, a person)
or it becomes a conflict; then the settlement is carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.errors import Reason
from controller.objects import canonical
from controller.sync.plan.conflicts import (
    NEVER_IN_CLEAR,
    Dispute,
    Ruling,
    UndecidedError,
    conflict_of,
    is_secret,
    is_unwritable,
    rulings_by_person,
    rulings_by_strategy,
)
from controller.sync.plan.diff import diff, unmet
from controller.sync.plan.editors import Verdict
from controller.sync.plan.fieldpath import Path, render_path
from controller.sync.plan.intended import intended, merged_document
from controller.sync.plan.model import (
    Action,
    Ask,
    Change,
    Conflict,
    ConflictType,
    Direction,
    FieldEdit,
    Question,
    Resolution,
    Strategy,
)
from controller.sync.plan.outcome import Settlement, carried_out, in_conflict, left_alone, paths_text, settle_disputes
from controller.sync.plan.rows import Row
from controller.sync.plan.three_way import Merge, three_way
from controller.sync.plan.tree import ABSENT, lookup
from controller.sync.plan.view import View


@dataclass(frozen=True, slots=True)
class Case:
    """What has to be decided about an object, and what becomes of the rest. The words are Settlement's."""

    row: Row
    kind: ConflictType = ConflictType.BOTH_CHANGED
    disputes: tuple[Dispute, ...] = ()
    stand: tuple[FieldEdit, ...] = ()
    revert: tuple[FieldEdit, ...] = ()
    accept: tuple[FieldEdit, ...] = ()
    keep: tuple[FieldEdit, ...] = ()
    applies: bool = False
    action: Action | None = None
    message: str = ""
    reason: Reason = Reason.CONFLICTS_OPEN
    needs_person: bool = False  # no standing strategy may decide

    @property
    def undisputed(self) -> tuple[FieldEdit, ...]:
        """The other changes that a person gets to see, and may decide as well."""
        return (*self.stand, *self.revert, *self.accept)

    def settled(self) -> Settlement:
        """The settlement of all that nobody has to decide."""
        return Settlement(list(self.stand), list(self.revert), list(self.accept), list(self.keep), applies=self.applies)


def both_present(view: View, action: Action | None = None) -> Change | Question:
    """B, D and A are there. `action` names the change where the object has to be owned anew."""
    if view.cluster_delta.unserved:
        paths = ", ".join(map(render_path, view.cluster_delta.unserved))
        message = f"the cluster no longer serves {paths}; remove it from the document, or serve it again"
        return left_alone(view, Action.SKIP, row_of(view), Reason.UNKNOWN_FIELD, message)
    if view.direction is Direction.GIT_TO_CLUSTER or _is_forced_secret(view):
        result: Change | Question = _git_wins(view, action)
    elif is_unwritable(view) and (exposed := _exposed(view)):
        message = f"changed in the cluster: {paths_text(exposed)}; {NEVER_IN_CLEAR}"
        return left_alone(view, Action.SKIP, row_of(view), Reason.ENCRYPTION_REQUIRED, message)
    elif view.direction is Direction.CLUSTER_TO_GIT:
        result = _cluster_wins(view)
    else:
        result = _field_by_field(view, action)
    if isinstance(result, Change) and (result.row, result.action) == (Row.BOTH_MOVED, Action.MOVE_BASE):
        return replace(result, row=Row.MET)
    return result


def unbased(view: View) -> Change | Question:
    """– D A: the document meets an object that nobody recorded."""
    wanted = tuple(e for e in unmet(view.declared, view.actual, view.schema) if not view.git_ignored.drops(e))
    if wanted and view.facts.same is None:
        return Question(view.key, Ask.SAME, canonical(intended(view, view.declared, [edit.path for edit in wanted])))
    if not wanted or view.facts.same:
        return carried_out(view, Row.DECLARED_AS_IS, Settlement(applies=True), Action.ADOPT, always=True)
    is_clash = view.direction is Direction.CLUSTER_TO_GIT
    if not is_clash and view.facts.takeover and all(_is_given_up(view, edit) for edit in wanted):
        return carried_out(view, Row.DECLARED_OTHERWISE, Settlement(list(wanted), applies=True), Action.TAKE_OVER)
    message = f"Git declares an object that was there already, with other values at {paths_text(wanted)}"
    return _decided(
        view,
        Case(
            Row.DECLARED_OTHERWISE,
            ConflictType.ADDED_IN_BOTH,
            tuple(_met_by_chance(view, edit) for edit in wanted if edit.old_present or is_clash),
            tuple(edit for edit in wanted if not (edit.old_present or is_clash)),
            message=message,
        ),
    )


def _is_given_up(view: View, edit: FieldEdit) -> bool:
    """Whether the value is nobody's, or only of fabrics that let go of the object."""
    return not edit.old_present or all(entry.is_of_fabric for entry in view.owners.of(edit.path))


def unproven(view: View) -> Change | Question:
    """A base that nothing may be inferred from: Git is applied, and what an editor owns is a conflict."""
    stand = _removed_since(view)
    claimed: list[FieldEdit] = []
    for edit in unmet(view.declared, view.actual, view.schema):
        verdict, _ = view.verdict(edit)
        if view.git_ignored.drops(edit) or verdict is Verdict.EXCLUDED:
            continue
        is_editors = edit.old_present and verdict in (Verdict.EDIT, Verdict.OTHER) and not view.live_ignored.drops(edit)
        is_claimed = is_editors and not _is_as_agreed(view, edit)
        (claimed if is_claimed or view.direction is Direction.CLUSTER_TO_GIT else stand).append(edit)
    if claimed and view.facts.same is None:
        return Question(view.key, Ask.SAME, canonical(intended(view, view.declared, [edit.path for edit in claimed])))
    disputes = () if view.facts.same else tuple(_met_by_chance(view, edit) for edit in claimed)
    message = f"the recorded state is not of this cluster's life, and {paths_text(claimed)} differs"
    is_another = view.is_another and view.direction is not Direction.CLUSTER_TO_GIT
    action = Action.TAKE_OVER if is_another else None
    applies = is_another or _is_left_behind(view)
    case = Case(Row.UNPROVEN, ConflictType.BOTH_CHANGED, disputes, tuple(stand), applies=applies, action=action)
    return _decided(view, replace(case, message=message))


def _is_as_agreed(view: View, edit: FieldEdit) -> bool:
    """Whether the object says at this path what Git said when both sides last agreed, as far as that is known.

    A base of no epoch tells it (of a lost database, or of a target that went): its document is the latest there was.
    """
    if view.base is None or view.base.epoch or not edit.old_present:
        return False
    return view.is_at(view.base_declared, edit.path, edit.old)


def _removed_since(view: View) -> list[FieldEdit]:
    """What Git removed since both sides last agreed, and the object still has as it was then."""
    return [
        edit
        for edit in view.git_delta
        if not edit.new_present and _is_as_agreed(view, edit) and view.is_at(view.actual, edit.path, edit.old)
    ]


def _is_left_behind(view: View) -> bool:
    """Whether the object has values that only we hold, and no document says: an apply drops them."""
    extra = [edit for edit in diff(view.declared, view.actual, view.schema) if not edit.old_present]
    return any(
        view.owners.hold(view.rules.manager, edit.path) and view.verdict(edit)[0] is Verdict.OWN
        for edit in view.live_ignored.remaining(extra)
    )


def row_of(view: View) -> Row:
    """The row of three present sides."""
    git = view.situation.declared.content != (view.base.declared if view.base else b"")
    cluster = not view.cluster_delta.is_empty
    return _ROWS[git, cluster]


_ROWS = {
    (False, False): Row.STEADY,
    (True, False): Row.DECLARED_ANEW,
    (False, True): Row.EDITED,
    (True, True): Row.BOTH_MOVED,
}


# ---- the three directions ----


def _git_wins(view: View, action: Action | None) -> Change:
    """Declared paths are Git's; an editor's undeclared ones are left, and counted."""
    delta = view.cluster_delta
    keep = _standing_pending(view)
    merge = three_way(_unapplied(view), (*delta.edits, *delta.doubtful))
    against = (*merge.cluster, *(edit for clash in merge.clashes for edit in clash.cluster))
    kept = {edit.path for edit in keep}
    settlement = Settlement(
        stand=[*merge.git, *(edit for clash in merge.clashes for edit in clash.git)],
        reject=[
            edit
            for edit in against
            if edit.path not in kept and view.is_declared(edit.path) and not _is_in_git(view, edit)
        ],
        keep=list(keep),
        applies=_is_due(view, action),
    )
    return carried_out(view, row_of(view), settlement, action)


def _cluster_wins(view: View) -> Change | Question:
    """Git's edits are undone and the cluster's made, whatever clashes; only unknown editors are asked about."""
    delta = view.cluster_delta
    merge = three_way(view.git_delta, (*delta.edits, *delta.own, *delta.doubtful))
    doubtful = {edit.path for edit in delta.doubtful}
    cluster = (*merge.cluster, *(edit for clash in merge.clashes for edit in clash.cluster))
    git = (*merge.git, *(edit for clash in merge.clashes for edit in clash.git))
    case = Case(
        row_of(view),
        revert=tuple(edit for edit in git if not _is_in_cluster(view, edit)),
        accept=tuple(edit for edit in cluster if edit.path not in doubtful),
    )
    doubts = [edit for edit in cluster if edit.path in doubtful]
    return _decided(view, _flooded(view, _doubting(_rejected(view, _keeping(view, case)), doubts)))


def _field_by_field(view: View, action: Action | None) -> Change | Question:
    """What is apart goes to both sides; what clashes is decided, or a conflict."""
    delta = view.cluster_delta
    merge = three_way(_unapplied(view), _with_pending(view, (*delta.edits, *delta.doubtful)))
    may_be_same = all(edit.new_present for clash in merge.clashes for edit in (*clash.git, *clash.cluster))
    if merge.clashes and may_be_same and view.facts.same is None:
        return Question(view.key, Ask.SAME, canonical(_as_if_same(view, merge)))
    clashes = () if may_be_same and view.facts.same else merge.clashes
    doubtful = {edit.path for edit in delta.doubtful}
    case = Case(
        row_of(view),
        stand=merge.git,
        accept=tuple(edit for edit in merge.cluster if edit.path not in doubtful),
        applies=_is_due(view, action),
        action=action,
    )
    case = _doubting(_rejected(view, _keeping(view, case)), [e for e in merge.cluster if e.path in doubtful])
    if clashes:
        moved = paths_text([edit for clash in clashes for edit in clash.git])
        disputes = (*(Dispute(clash.path, clash.git, clash.cluster) for clash in clashes), *case.disputes)
        message = f"Git and the cluster both changed {moved}"
        case = replace(case, kind=ConflictType.BOTH_CHANGED, disputes=disputes, message=message)
    return _decided(view, _flooded(view, case))


def _is_due(view: View, action: Action | None) -> bool:
    """Whether an apply is due although no field asks for it.

    The object has to be owned anew; somebody wrote under our name; or the document says the same in another order.
    """
    reclaimed = three_way(view.git_delta, view.cluster_delta.own)
    is_reordered = row_of(view) in (Row.DECLARED_ANEW, Row.BOTH_MOVED) and not view.git_delta
    return action is not None or bool(reclaimed.cluster) or is_reordered


def _unapplied(view: View) -> tuple[FieldEdit, ...]:
    """Git's edits, less those that an apply of ours made before it could be recorded."""
    merge = three_way(view.git_delta, view.cluster_delta.own)
    return (*merge.git, *(edit for clash in merge.clashes for edit in clash.git))


def _as_if_same(view: View, merge: Merge) -> object:
    """What an apply must leave unchanged if the clashing values are two ways to write one: all else as it is live."""
    document = merged_document(view, merge.git, merge.cluster)
    return intended(view, document, [clash.path for clash in merge.clashes])


def _is_in_git(view: View, edit: FieldEdit) -> bool:
    return view.is_at(view.declared, edit.path, edit.new if edit.new_present else ABSENT)


def _is_in_cluster(view: View, edit: FieldEdit) -> bool:
    return view.is_at(view.actual, edit.path, edit.new if edit.new_present else ABSENT)


# ---- pending edits: on their way to Git, so reverted in no direction ----


def _standing_pending(view: View) -> tuple[FieldEdit, ...]:
    """Pending edits that are neither on the branch by now, nor taken back, nor overtaken by another edit."""
    overtaken = {edit.path for edit in view.cluster_delta.edits if not any(_says(edit, p) for p in view.pending)}
    return tuple(
        edit
        for edit in view.pending
        if not _is_in_git(view, edit)
        and edit.path not in overtaken
        and not view.is_at(view.actual, edit.path, lookup(view.base_actual, edit.path, view.schema))
    )


def _with_pending(view: View, edits: Sequence[FieldEdit]) -> tuple[FieldEdit, ...]:
    """The cluster's edits with pending ones among them, each path once."""
    keep = _standing_pending(view)
    kept = {edit.path for edit in keep}
    return (*(edit for edit in edits if edit.path not in kept), *keep)


def _keeping(view: View, case: Case) -> Case:
    """Pending edits that nothing clashes with stay on their way; the others are accepted anew."""
    keep = {edit.path: edit for edit in _standing_pending(view)}
    kept = tuple(keep[edit.path] for edit in case.accept if edit.path in keep)
    return replace(case, keep=kept, accept=tuple(edit for edit in case.accept if edit.path not in keep))


def _says(edit: FieldEdit, other: FieldEdit) -> bool:
    return (edit.path, edit.new, edit.new_present) == (other.path, other.new, other.new_present)


# ---- what has to be decided ----


def _met_by_chance(view: View, edit: FieldEdit) -> Dispute:
    """A declared path (`edit` leads to Git's value) where the object says something else."""
    _, manager = view.verdict(edit)
    theirs = FieldEdit(edit.path, edit.new, edit.old, new_present=edit.old_present, manager=manager)
    return Dispute(edit.path, cluster=(view.signed(theirs),))


def _doubting(case: Case, doubtful: Sequence[FieldEdit]) -> Case:
    """Changes of managers that nobody has decided about."""
    if not doubtful:
        return case
    names = ", ".join(sorted({edit.manager for edit in doubtful}))
    message = f"{names} changed {paths_text(doubtful)}; say in spec.sync.editors whether its changes are edits"
    disputes = (*case.disputes, *(Dispute(edit.path, cluster=(edit,)) for edit in doubtful))
    kind = case.kind if case.disputes else ConflictType.UNKNOWN_EDITOR
    return replace(case, kind=kind, disputes=disputes, message=case.message or message)


def _rejected(view: View, case: Case) -> Case:
    """Edits whose request was closed: never opened again unless somebody says so."""
    pending = view.situation.pending
    if pending is None or not pending.rejected:
        return case
    paths = {edit.path for edit in pending.edits}
    rejected = [edit for edit in case.accept if edit.path in paths]
    return _disputing(case, rejected, ConflictType.REJECTED, pending.rejected)


def _flooded(view: View, case: Case) -> Case:
    """An object that had its commits of this hour: more of them only if somebody says so."""
    edits = (*case.accept, *case.revert)
    if not view.facts.flooded or not edits:
        return case
    message = "this object had its commits of this hour (spec.sync.maxCommitsPerHour); decide, or wait"
    flooded = _disputing(case, edits, case.kind, message)
    return replace(flooded, reason=Reason.TOO_MANY_COMMITS)


def _disputing(case: Case, edits: Sequence[FieldEdit], kind: ConflictType, message: str) -> Case:
    """The case with these edits disputed, by a person only."""
    if not edits:
        return case
    paths = {edit.path for edit in edits}
    more = [
        *(Dispute(edit.path, cluster=(edit,)) for edit in case.accept if edit.path in paths),
        *(Dispute(edit.path, git=(edit,)) for edit in case.revert if edit.path in paths),
    ]
    return replace(
        case,
        kind=kind,
        disputes=(*case.disputes, *more),
        accept=tuple(edit for edit in case.accept if edit.path not in paths),
        revert=tuple(edit for edit in case.revert if edit.path not in paths),
        message=message,
        needs_person=True,
    )


# ---- who decides ----


def _decided(view: View, case: Case) -> Change | Question:
    """Carry out what is undisputed and what somebody decides; else the object is in conflict."""
    if not case.disputes and case.kind is not ConflictType.ADDED_IN_BOTH:
        return carried_out(view, case.row, case.settled(), case.action)
    conflict = conflict_of(view, case.kind, case.disputes, case.undisputed, case.message)
    resolution = view.facts.resolution
    if resolution is None or view.facts.force is not None:
        rulings = _standing_rulings(view, case, conflict)
        refusal = ""
    elif resolution.token not in ("", conflict.token):
        stale = "a side moved since these values were shown; look again, and decide again"
        return in_conflict(view, case.row, replace(conflict, message=stale), Reason.STALE)
    else:
        rulings, refusal = _persons_rulings(view, case, resolution)
    if rulings is not None:
        settlement = case.settled()
        settle_disputes(view, settlement, case.disputes, rulings)
        refusal = _forbidden(view, settlement)
        if not refusal:
            return carried_out(view, case.row, settlement, case.action)
    if resolution is not None and refusal:
        return in_conflict(view, case.row, replace(conflict, message=refusal), Reason.RESOLUTION_FAILED)
    return in_conflict(view, case.row, conflict, case.reason)


def _standing_rulings(view: View, case: Case, conflict: Conflict) -> dict[Path, Ruling] | None:
    """What the job or the fabric decides without asking anybody."""
    if view.facts.force is not None:
        return rulings_by_strategy(view, view.facts.force, case.disputes)
    if case.needs_person:
        return None
    if view.rules.auto_resolve_simple and conflict.auto_resolvable:
        return rulings_by_strategy(view, Strategy.MERGE, case.disputes)
    return rulings_by_strategy(view, view.rules.strategy, case.disputes)


def _persons_rulings(view: View, case: Case, resolution: Resolution) -> tuple[dict[Path, Ruling] | None, str]:
    try:
        return rulings_by_person(view, resolution, case.disputes, case.undisputed), ""
    except UndecidedError as error:
        return None, str(error)


def _forbidden(view: View, settlement: Settlement) -> str:
    """Why the direction, or secrecy, does not allow what was decided; "" if it does."""
    writes_git = bool(settlement.accept or settlement.revert or settlement.values)
    if writes_git and is_unwritable(view):
        return f"{NEVER_IN_CLEAR}: choose Git, or change the document"
    if is_secret(view.key) and any(path[:1] in _SECRET_VALUES for path, _ in settlement.values):
        return "a Secret's value does not belong into a SyncConflict, which others read: choose Git or Cluster"
    if writes_git and view.direction is Direction.GIT_TO_CLUSTER:
        return "this direction never writes to Git: choose Git, or change the document"
    if view.direction is Direction.CLUSTER_TO_GIT and (settlement.stand or settlement.reject):
        return "this direction never writes to the cluster: choose Cluster, or change the object"
    return ""


# ---- Secrets ----

_SECRET_VALUES = ((), ("data",), ("stringData",))  # the beginnings of paths to values that are secret


def _exposed(view: View) -> list[FieldEdit]:
    """Changes whose values would have to be written to Git."""
    edits = [edit for edit in view.cluster_delta.edits if not _is_in_git(view, edit)]
    if view.direction is Direction.CLUSTER_TO_GIT:
        edits += [edit for edit in view.git_delta if not _is_in_cluster(view, edit)]
    return edits


def _is_forced_secret(view: View) -> bool:
    """Whether a job makes Git win: the way out for a Secret that was edited live."""
    return is_unwritable(view) and view.facts.force is Strategy.GIT_WINS
