"""From what was decided about each edit to the change that carries it out.

One place computes what a decision means for both sides, so that every row ends in the same arithmetic: what Git
shall hold, what is applied, what must be gone, what is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from controller.errors import Reason
from controller.objects import Json, canonical
from controller.sync.plan.conflicts import Choose, Dispute, Ruling, hidden
from controller.sync.plan.fieldpath import Path, render_path
from controller.sync.plan.intended import Value, intended, merged_document, removals
from controller.sync.plan.model import Action, Change, Conflict, Direction, Drift, FieldEdit
from controller.sync.plan.rows import Row
from controller.sync.plan.tree import ABSENT, is_same, lookup
from controller.sync.plan.view import View


@dataclass(slots=True)
class Settlement:
    """What becomes of each edit. The rows fill it, `carried_out` turns it into a change.

    `stand`: Git's edits that the cluster does not hold yet. `revert`: Git's that do not stand. `accept`: the
    cluster's that go to Git. `keep`: the cluster's that are on their way there already. `reject`: the cluster's that
    are put back. `values`: set on both sides. `applies`: apply even if no edit asks for it.
    """

    stand: list[FieldEdit] = field(default_factory=list)
    revert: list[FieldEdit] = field(default_factory=list)
    accept: list[FieldEdit] = field(default_factory=list)
    keep: list[FieldEdit] = field(default_factory=list)
    reject: list[FieldEdit] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    applies: bool = False


def settle_disputes(
    view: View, settlement: Settlement, disputes: Sequence[Dispute], rulings: dict[Path, Ruling]
) -> None:
    """Carry rulings over to the settlement: those on disputed paths, and a person's on other edits."""
    for dispute in disputes:
        match _ruling_on(dispute.path, rulings):
            case Ruling(Choose.GIT):
                settlement.stand += dispute.git
                settlement.reject += dispute.cluster
            case Ruling(Choose.CLUSTER):
                settlement.revert += dispute.git
                settlement.accept += dispute.cluster
            case _:
                settlement.stand += dispute.git
    disputed = {dispute.path for dispute in disputes}
    decided = {path: ruling for path, ruling in rulings.items() if path not in disputed}
    _move(settlement.stand, settlement.revert, decided, Choose.CLUSTER)
    _move(settlement.accept, settlement.reject, decided, Choose.GIT)
    settlement.values += [(path, ruling.value) for path, ruling in rulings.items() if ruling.choose is Choose.VALUE]


def carried_out(
    view: View, row: Row, settlement: Settlement, action: Action | None = None, *, always: bool = False
) -> Change:
    """The change that brings both sides to what was settled.

    `action`: what to call it if it touches the cluster, or, with `always`, in any case.
    """
    writes_git = view.direction is not Direction.GIT_TO_CLUSTER
    taken = [*settlement.keep, *settlement.accept] if writes_git else settlement.keep
    document = merged_document(view, settlement.revert, taken, settlement.values)
    on_the_way = merged_document(view, (), settlement.keep)
    to_write = writes_git and not is_same(document, view.declared) and not is_same(document, on_the_way)
    applies = _has_to_apply(view, settlement)
    proposed = _edits_of_document(view, settlement, document) if to_write else []
    shape = Change(
        key=view.key,
        action=_action(applies or always, to_write, moved=_has_moved(view) and not settlement.keep, named=action),
        row=row,
        document=canonical(document) if to_write else None,
        edits=hidden(view.key, proposed),
        proposed=tuple(proposed),
        overruled=hidden(view.key, [*settlement.revert, *settlement.reject]),
        pending=tuple(settlement.keep),
        record=None if settlement.keep else _recorded(view, document, writes_git=writes_git),
    )
    if shape.action is Action.UNCHANGED:
        return replace(shape, record=None)
    return _with_apply(view, shape, document, settlement) if applies else shape


def completed(view: View, change: Change) -> Change:
    """The change with what every change of this object carries: the state it was made from, and the drift found."""
    situation = view.situation
    base_version = view.base.api_version if view.base else ""
    return replace(
        change,
        drift=_drift(view, change),
        actual=situation.actual.content or None,
        uid=situation.actual.uid,
        resource_version=situation.actual.resource_version,
        api_version=situation.declared.api_version or base_version or change.api_version,
        origin=situation.declared.origin or (view.base.origin if view.base else None),
    )


def left_alone(view: View, action: Action, row: Row, reason: Reason | None = None, message: str = "") -> Change:
    """A change that does nothing."""
    pending = view.situation.pending.edits if view.situation.pending else ()
    return Change(view.key, action, row, reason, message, pending=pending)


def in_conflict(view: View, row: Row, conflict: Conflict, reason: Reason = Reason.CONFLICTS_OPEN) -> Change:
    """The object is left alone as a whole until somebody decides."""
    return replace(left_alone(view, Action.CONFLICT, row, reason, conflict.message), conflict=conflict)


def paths_text(edits: Sequence[FieldEdit]) -> str:
    """The paths of edits in one line."""
    return ", ".join(sorted({render_path(edit.path) for edit in edits}))


def _with_apply(view: View, change: Change, document: Json, settlement: Settlement) -> Change:
    touched = [edit.path for edit in (*settlement.stand, *settlement.reject)] + [path for path, _ in settlement.values]
    unwanted = [edit.path for edit in (*settlement.reject, *view.cluster_delta.own)] + [
        path for path, value in settlement.values if value is ABSENT
    ]
    return replace(
        change,
        intended=canonical(intended(view, document, touched)),
        removals=removals(view, document, unwanted) if view.actual is not ABSENT else (),
        corrections=hidden(view.key, _corrections(view, settlement, document)),
    )


def _has_to_apply(view: View, settlement: Settlement) -> bool:
    if view.direction is Direction.CLUSTER_TO_GIT:
        return False
    differs = any(not view.is_at(view.actual, path, value) for path, value in settlement.values)
    return bool(settlement.applies or settlement.stand or settlement.reject or differs)


def _has_moved(view: View) -> bool:
    """Whether a side is not byte for byte what the base holds."""
    base, situation = view.base, view.situation
    if base is None or view.is_unproven:
        return True
    origin = situation.declared.origin or base.origin
    recorded = (base.declared, base.uid, base.origin.path)
    return recorded != (situation.declared.content, situation.actual.uid, origin.path) or (
        base.actual != situation.actual.content and (view.is_rebased or not view.cluster_delta.is_empty)
    )


def _action(applies: bool, writes: bool, *, moved: bool, named: Action | None) -> Action:
    if applies and named is not None:
        return named
    if applies:
        return Action.MERGE if writes else Action.CONFIGURE
    if writes:
        return Action.WRITE_BACK
    return Action.MOVE_BASE if moved else Action.UNCHANGED


def _recorded(view: View, document: Json, *, writes_git: bool) -> bytes:
    """What the base's document becomes. An untouched one keeps its own bytes."""
    if not writes_git or is_same(document, view.declared):
        return view.situation.declared.content
    return canonical(document)


def _edits_of_document(view: View, settlement: Settlement, document: Json) -> list[FieldEdit]:
    """What changes in Git's document, path by path, with who made it."""
    made = {edit.path: edit for edit in (*settlement.keep, *settlement.accept)}
    decided = [*(edit.path for edit in settlement.revert), *(path for path, _ in settlement.values)]
    edits = []
    for path in dict.fromkeys([*made, *decided]):
        old, new = (lookup(side, path, view.schema) for side in (view.declared, document))
        if not is_same(old, new):
            by = made.get(path, _NOBODYS)
            edits.append(replace(_edit(path, old, new), manager=by.manager, user=by.user, edited_at=by.edited_at))
    return edits


_NOBODYS = FieldEdit(())


def _corrections(view: View, settlement: Settlement, document: Json) -> list[FieldEdit]:
    """Declared paths that are put back in the cluster, with who had changed them."""
    made = []
    for edit in (*settlement.reject, *view.cluster_delta.own) if view.base else ():
        if view.is_declared(edit.path):
            wanted = lookup(document, edit.path, view.schema)
            held = edit.new if edit.new_present else ABSENT
            made.append(replace(_edit(edit.path, held, wanted), manager=edit.manager))
    return made


def _edit(path: Path, old: Json, new: Json) -> FieldEdit:
    return FieldEdit(
        path,
        None if old is ABSENT else old,
        None if new is ABSENT else new,
        old_present=old is not ABSENT,
        new_present=new is not ABSENT,
    )


def _drift(view: View, change: Change) -> Drift:
    if view.base is None or view.actual is ABSENT or change.row in _WITHOUT_DRIFT:
        return Drift()
    delta = view.cluster_delta
    return Drift(edits=len(delta.edits) + len(delta.doubtful), by_others=delta.by_others)


_WITHOUT_DRIFT = frozenset(
    {Row.D_UNKNOWN, Row.NO_PART, Row.OUT_OF_SCOPE, Row.DISABLED, Row.UNPROVEN, Row.UNPROVEN_UNDECLARED}
)


def _ruling_on(path: Path, rulings: dict[Path, Ruling]) -> Ruling:
    """The ruling for the path itself, or for what it is part of."""
    covering = [ruled for ruled in rulings if path[: len(ruled)] == ruled]
    return rulings[max(covering, key=len)]


def _move(source: list[FieldEdit], target: list[FieldEdit], rulings: dict[Path, Ruling], choose: Choose) -> None:
    moved = [edit for edit in source if edit.path in rulings and rulings[edit.path].choose is choose]
    for edit in moved:
        source.remove(edit)
        target.append(edit)
