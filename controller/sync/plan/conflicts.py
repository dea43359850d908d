"""What is shown where two sides cannot be brought together without a decision, and what a decision means.

Dispute    a path on which somebody has to decide
Conflict   all that is shown: the disputes first, then what else either side changed
Ruling     what was decided for a path: Git's value, the cluster's, or another one
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from controller.objects import Json, ObjectKey, canonical
from controller.sync.plan.fieldpath import Path, render_path
from controller.sync.plan.model import (
    Conflict,
    ConflictField,
    ConflictType,
    Decision,
    FieldEdit,
    Resolution,
    Severity,
    Strategy,
)
from controller.sync.plan.three_way import united
from controller.sync.plan.tree import ABSENT, lookup
from controller.sync.plan.view import View

HIDDEN = "(hidden)"
NEVER_IN_CLEAR = (
    "a Secret's values are never written to Git in clear; set spec.encryption so that they are encrypted, or let Git "
    "win"
)
MEDIUM_FIELDS = 5  # more clashing fields than this are a high severity
TOKEN_BYTES = 16

_CRITICAL = frozenset({ConflictType.DELETED_IN_GIT, ConflictType.DELETED_IN_CLUSTER, ConflictType.OWNED_BY_OTHER})
_BY_VALUE = frozenset({ConflictType.BOTH_CHANGED, ConflictType.ADDED_IN_BOTH})


class Choose(Enum):
    """Whose value stands."""

    GIT = "Git"
    CLUSTER = "Cluster"
    VALUE = "Value"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decision for one path; `value` (ABSENT: nothing) counts with VALUE."""

    choose: Choose
    value: Json = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """A path on which somebody has to decide, with each side's edits on and below it."""

    path: Path
    git: tuple[FieldEdit, ...] = ()
    cluster: tuple[FieldEdit, ...] = ()

    @property
    def editor(self) -> str:
        """Under which manager's name the cluster's side was changed."""
        return next((edit.manager for edit in self.cluster if edit.manager), "")

    @property
    def user(self) -> str:
        """Who changed the cluster's side, if that is known and was one user alone."""
        users = {edit.user for edit in self.cluster}
        return users.pop() if len(users) == 1 else ""


class UndecidedError(Exception):
    """A resolution that cannot be carried out; the message says what is missing or wrong."""


def is_secret(key: ObjectKey) -> bool:
    """Whether the object's values must never be shown, or be written to Git in clear."""
    return key.group_kind == ("", "Secret")


def is_unwritable(view: View) -> bool:
    """Whether what is written of the object to Git would stand there in clear and must not: a Secret, no encryption."""
    return is_secret(view.key) and not (view.rules.encrypts or view.situation.declared.sealed)


def hidden(key: ObjectKey, edits: Iterable[FieldEdit]) -> tuple[FieldEdit, ...]:
    """The edits as they may be passed on: a Secret's without their values."""
    if not is_secret(key):
        return tuple(edits)
    return tuple(replace(edit, old=_veil(edit.old_present), new=_veil(edit.new_present)) for edit in edits)


def conflict_of(
    view: View, kind: ConflictType, disputes: Sequence[Dispute], others: Sequence[FieldEdit] = (), message: str = ""
) -> Conflict:
    """The conflict to show: the disputed paths, then the paths of `others`, each once."""
    shown = {
        dispute.path: field_of(view, dispute.path, dispute.editor, dispute.user, clashing=True) for dispute in disputes
    }
    for edit in others:
        shown.setdefault(edit.path, field_of(view, edit.path, edit.manager, edit.user))
    fields = tuple(sorted(shown.values(), key=lambda field: (not field.clashing, render_path(field.path))))
    simple = kind in _BY_VALUE and all(union_of(view, dispute) is not None for dispute in disputes)
    return Conflict(
        type=kind,
        fields=tuple(map(veiled, fields)) if is_secret(view.key) else fields,
        severity=_severity(kind, len(disputes), simple=simple),
        auto_resolvable=simple,
        token=_token(view, kind, fields),
        suggested=_suggested(kind, simple=simple),
        message=message,
    )


def union_of(view: View, dispute: Dispute) -> list[Json] | None:
    """What `Merge` makes of a disputed path: an unkeyed list's union; None where a person has to choose."""
    base, git, cluster = (
        ABSENT if side is ABSENT else lookup(side, dispute.path, view.schema)
        for side in (view.base_declared, view.declared, view.actual)
    )
    if not isinstance(git, list) or not isinstance(cluster, list):
        return None
    return united(base, git, cluster)


def rulings_by_strategy(view: View, strategy: Strategy, disputes: Sequence[Dispute]) -> dict[Path, Ruling] | None:
    """What a standing strategy decides; None if it leaves anything open."""
    match strategy:
        case Strategy.GIT_WINS:
            return {dispute.path: Ruling(Choose.GIT) for dispute in disputes}
        case Strategy.CLUSTER_WINS:
            return {dispute.path: Ruling(Choose.CLUSTER) for dispute in disputes}
        case Strategy.MERGE:
            return _merged(view, disputes)
        case Strategy.TIMESTAMP_WINS:
            return _latest(view, disputes)
        case _:
            return None


def rulings_by_person(
    view: View, resolution: Resolution, disputes: Sequence[Dispute], others: Sequence[FieldEdit]
) -> dict[Path, Ruling]:
    """What a person decided. Raises UndecidedError for what is left open or names no path of the conflict."""
    rulings = rulings_by_strategy(view, resolution.strategy, _unitable(view, resolution, disputes)) or {}
    paths = [*(dispute.path for dispute in disputes), *(edit.path for edit in others)]
    for decision in resolution.decisions:
        decided = [path for path in paths if path[: len(decision.path)] == decision.path]
        if not decided:
            raise UndecidedError(f"{render_path(decision.path)} is not a field of this conflict")
        rulings |= _ruled(view, decision, decided, disputes)
    open_paths = [render_path(dispute.path) for dispute in disputes if not _is_ruled(rulings, dispute.path)]
    if open_paths:
        raise UndecidedError(f"nothing was decided for {', '.join(open_paths)}: choose Git, Cluster or a value")
    return rulings


def _unitable(view: View, resolution: Resolution, disputes: Sequence[Dispute]) -> list[Dispute]:
    """The disputes that the resolution's strategy can decide; the others need a decision each."""
    if resolution.strategy is not Strategy.MERGE:
        return list(disputes)
    return [dispute for dispute in disputes if union_of(view, dispute) is not None]


def _ruled(
    view: View, decision: Decision, decided: Sequence[Path], disputes: Sequence[Dispute]
) -> Mapping[Path, Ruling]:
    match decision.choose:
        case "Git" | "Cluster":
            return {path: Ruling(Choose(decision.choose)) for path in decided}
        case "Value":
            value = decision.value if decision.present else ABSENT
            return {decision.path: Ruling(Choose.VALUE, value)}
        case "MergeBoth":
            return _both(view, decided, disputes)
        case _:
            raise UndecidedError(f"{decision.choose!r} is no choice: Git, Cluster, MergeBoth or Value")


def _both(view: View, paths: Sequence[Path], disputes: Sequence[Dispute]) -> dict[Path, Ruling]:
    """Unions for disputed lists; where only one side changed, both changes stand as they are."""
    rulings = {}
    for path in {dispute.path for dispute in disputes}.intersection(paths):
        union = union_of(view, Dispute(path))
        if union is None:
            raise UndecidedError(f"{render_path(path)}: only lists can be merged; choose Git, Cluster or a value")
        rulings[path] = Ruling(Choose.VALUE, union)
    return rulings


def _is_ruled(rulings: Mapping[Path, Ruling], path: Path) -> bool:
    return any(path[: len(ruled)] == ruled for ruled in rulings)


def _merged(view: View, disputes: Sequence[Dispute]) -> dict[Path, Ruling] | None:
    unions = {dispute.path: union_of(view, dispute) for dispute in disputes}
    if any(union is None for union in unions.values()):
        return None
    return {path: Ruling(Choose.VALUE, union) for path, union in unions.items()}


def _latest(view: View, disputes: Sequence[Dispute]) -> dict[Path, Ruling] | None:
    git, cluster = view.facts.git_changed_at, view.situation.actual.seen_live
    if git is None or cluster is None or git == cluster:
        return None
    return rulings_by_strategy(view, Strategy.GIT_WINS if git > cluster else Strategy.CLUSTER_WINS, disputes)


def field_of(view: View, path: Path, editor: str, user: str = "", *, clashing: bool = False) -> ConflictField:
    """What each side holds at a path, and who changed the cluster's."""
    base = _value(view.base_declared, path, view)
    if base is ABSENT:
        base = _value(view.base_actual, path, view)
    git, cluster = _value(view.declared, path, view), _value(view.actual, path, view)
    return ConflictField(
        path=path,
        base=None if base is ABSENT else base,
        git=None if git is ABSENT else git,
        cluster=None if cluster is ABSENT else cluster,
        in_base=base is not ABSENT,
        in_git=git is not ABSENT,
        in_cluster=cluster is not ABSENT,
        clashing=clashing,
        editor=editor,
        user=user,
    )


def _value(side: Json, path: Path, view: View) -> Json:
    return ABSENT if side is ABSENT else lookup(side, path, view.schema)


def veiled(field: ConflictField) -> ConflictField:
    """The field as it may be shown of a Secret: that values differ, not which."""
    return replace(field, base=_veil(field.in_base), git=_veil(field.in_git), cluster=_veil(field.in_cluster))


def _veil(present: bool) -> str | None:
    return HIDDEN if present else None


def _severity(kind: ConflictType, clashing: int, *, simple: bool) -> Severity:
    if kind in _CRITICAL:
        return Severity.CRITICAL
    if simple:
        return Severity.LOW
    return Severity.MEDIUM if clashing <= MEDIUM_FIELDS else Severity.HIGH


def _suggested(kind: ConflictType, *, simple: bool) -> Strategy | None:
    """What loses least: a merge that needs no choice, else whatever keeps the object."""
    if kind is ConflictType.DELETED_IN_GIT:
        return Strategy.CLUSTER_WINS
    if kind is ConflictType.DELETED_IN_CLUSTER:
        return Strategy.GIT_WINS
    return Strategy.MERGE if simple else None


def _token(view: View, kind: ConflictType, fields: Sequence[ConflictField]) -> str:
    """The digest of everything that is decided about: the values shown, or both sides whole where an object is lost.

    Keyed, because a Secret's short values could be guessed from a plain digest.
    """
    values = [
        [render_path(field.path), [field.in_base, field.in_git, field.in_cluster], field.base, field.git, field.cluster]
        for field in fields
    ]
    is_whole = kind in _CRITICAL or not fields
    sides = (view.situation.declared.content, view.situation.actual.content) if is_whole else ()
    message = b"\0".join((canonical([kind.value, values]), *sides))
    return hmac.new(view.rules.salt, message, "sha256").hexdigest()[: TOKEN_BYTES * 2]
