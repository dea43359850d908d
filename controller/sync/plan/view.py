"""One object under decision: its sides decoded when they are needed, the rules that concern it, the judged deltas.

Everything here is derived from a Situation and the Rules; nothing is decided yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from controller.objects import Json, decoded
from controller.sync.plan.credits import credit_of
from controller.sync.plan.diff import diff
from controller.sync.plan.editors import Verdict, matches, verdict_on
from controller.sync.plan.fieldpath import Path
from controller.sync.plan.model import Direction, FieldEdit, Presence, Rules, Situation
from controller.sync.plan.normalize import (
    Ignored,
    annotations_of,
    ignored_managers,
    ignored_paths,
    with_paths,
)
from controller.sync.plan.owners import Entry, Owners
from controller.sync.plan.tree import ABSENT, is_same, lookup

UNKNOWN_MANAGER = "unknown"
"""Who removed a field, or changed an object that says nothing of its managers: the API keeps no trace."""

# Where several managers hold a value, a person's claim outweighs a program's, and everybody's outweighs ours.
_WEIGHT = (Verdict.EDIT, Verdict.OTHER, Verdict.EXCLUDED, Verdict.OWN)


@dataclass(frozen=True, slots=True)
class ClusterDelta:
    """What changed on the live object since the base, by whose change it is."""

    edits: tuple[FieldEdit, ...] = ()  # meant by an editor
    doubtful: tuple[FieldEdit, ...] = ()  # on declared paths, by managers nobody has decided about
    own: tuple[FieldEdit, ...] = ()  # under our name, but not our recorded write
    unserved: tuple[Path, ...] = ()  # declared paths that are gone with their schema
    by_others: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the object counts as unchanged."""
        return not (self.edits or self.doubtful or self.own or self.unserved)


class View:
    """A situation made readable. Trees must not be changed: they are shared."""

    def __init__(self, situation: Situation, rules: Rules) -> None:
        self.situation = situation
        self.rules = rules
        self.facts = situation.facts
        self.key = situation.key
        self.schema = situation.schema
        self.base = situation.base

    @cached_property
    def direction(self) -> Direction:
        """The direction in force. A kind that takes part only when asked flows as its fabric does."""
        wanted = self.rules.direction_of(self.key.group_kind)
        if wanted is Direction.MANUAL_ONLY and self.facts.manual:
            return self.rules.direction
        return wanted

    @cached_property
    def base_declared(self) -> Json:
        """The document as both sides last agreed on it; ABSENT without a base."""
        return decoded(self.base.declared) if self.base else ABSENT

    @cached_property
    def base_actual(self) -> Json:
        """The live object as both sides last agreed on it; ABSENT without a base."""
        return decoded(self.base.actual) if self.base else ABSENT

    @cached_property
    def declared(self) -> Json:
        """D, or ABSENT."""
        side = self.situation.declared
        return decoded(side.content) if side.presence is Presence.PRESENT else ABSENT

    @cached_property
    def actual(self) -> Json:
        """A, or ABSENT."""
        side = self.situation.actual
        return decoded(side.content) if side.presence is Presence.PRESENT else ABSENT

    @cached_property
    def annotations(self) -> dict[str, str]:
        """The annotations that steer Tandem: those of the document (or of its last state) and of the object add up."""
        document = self.base_declared if self.declared is ABSENT else self.declared
        sides = (document, self.actual)
        return {name: value for side in sides if side is not ABSENT for name, value in annotations_of(side).items()}

    @cached_property
    def git_ignored(self) -> Ignored:
        """What does not count in documents."""
        return with_paths(self._ignored(live=False), self.facts.fighting)

    @cached_property
    def live_ignored(self) -> Ignored:
        """What does not count on live objects."""
        return with_paths(self._ignored(live=True), self.facts.fighting)

    @cached_property
    def owners(self) -> Owners:
        """Who owns the live object's fields, in the version the document names."""
        version = self.situation.declared.api_version or (self.base.api_version if self.base else "")
        return Owners(self.situation.actual.managers, version or self.actual.get("apiVersion", ""))

    @cached_property
    def is_unproven(self) -> bool:
        """Whether the base is of another life of the cluster, or in another version: nothing may be inferred from it.

        (Paths of two versions do not compare, so a base in another version proves as little.)
        """
        base, declared = self.base, self.situation.declared
        versions = {declared.api_version} if declared.presence is Presence.PRESENT else set()
        versions |= {base.api_version} if base else set()
        return len(versions - {""}) > 1 or (base is not None and base.epoch != self.rules.epoch)

    @property
    def is_another(self) -> bool:
        """Whether the live object is not the one of the base but bears its name."""
        return self.base is not None and self.base.uid != self.situation.actual.uid

    @cached_property
    def is_rebased(self) -> bool:
        """Whether a difference on the live object says nothing: its schema changed, or no write was made since."""
        base, actual = self.base, self.situation.actual
        unwritten = base is not None and (actual.uid, actual.resource_version) == (base.uid, base.resource_version)
        return self.facts.schema_changed or (unwritten and bool(actual.resource_version))

    @cached_property
    def git_delta(self) -> tuple[FieldEdit, ...]:
        """What changed in the document since the base."""
        return tuple(self.git_ignored.remaining(diff(self.base_declared, self.declared, self.schema)))

    @cached_property
    def raw_cluster_delta(self) -> tuple[FieldEdit, ...]:
        """What changed on the live object since the base, whoever did it."""
        if self.is_rebased:
            return ()
        return tuple(self.live_ignored.remaining(diff(self.base_actual, self.actual, self.schema)))

    @cached_property
    def cluster_delta(self) -> ClusterDelta:
        """What changed on the live object since the base, judged."""
        return self.judge(self.raw_cluster_delta)

    @cached_property
    def fought_over(self) -> tuple[FieldEdit, ...]:
        """Differences at paths that are left as they are because of a fight."""
        if not self.facts.fighting or self.is_rebased:
            return ()
        fighting = with_paths(Ignored(()), self.facts.fighting)
        edits = diff(self.base_actual, self.actual, self.schema)
        return tuple(self._credited(edit) for edit in edits if fighting.drops(edit))

    @property
    def pending(self) -> tuple[FieldEdit, ...]:
        """The cluster's edits on their way to Git; a rejected one is not."""
        pending = self.situation.pending
        return () if pending is None or pending.rejected else pending.edits

    @property
    def pending_document(self) -> Json:
        """The whole document that is on its way to Git, for an object that Git does not declare; ABSENT if none is."""
        return next((edit.new for edit in self.pending if edit.path == ()), ABSENT)

    @property
    def rejection(self) -> str:
        """Why what was on its way to Git is not any more; "" if it is, or nothing was."""
        return "" if self.situation.pending is None else self.situation.pending.rejected

    def judge(self, edits: Iterable[FieldEdit]) -> ClusterDelta:
        """Sort differences of the live object by whose change they are."""
        meant, doubtful, own, unserved, by_others = [], [], [], [], 0
        for edit in edits:
            verdict, manager = self.verdict(edit)
            credited = self.signed(replace(edit, manager=manager))
            declared = self.is_declared(edit.path)
            if verdict is Verdict.EDIT and not edit.new_present and not self.schema.knows(edit.path):
                unserved.append(edit.path)
            elif verdict is Verdict.EDIT:
                meant.append(credited)
            elif verdict is Verdict.OTHER and declared:
                doubtful.append(credited)
            elif verdict is Verdict.OWN:
                own.append(credited)
            elif verdict is not Verdict.NOBODY:
                by_others += not self._is_unheard(manager)
        return ClusterDelta(tuple(meant), tuple(doubtful), tuple(own), tuple(unserved), by_others)

    def verdict(self, edit: FieldEdit) -> tuple[Verdict, str]:
        """Whose change a difference of the live object is, and that manager's name ("" for nobody)."""
        on_its_way = next((one for one in self.pending if _says_the_same(one, edit)), None)
        if on_its_way is not None:  # judged when it was made; whoever holds it by now does not matter
            return Verdict.EDIT, on_its_way.manager
        if not edit.new_present:  # nobody can be asked: a declared field is missed by somebody, another one by nobody
            return (Verdict.EDIT, UNKNOWN_MANAGER) if self.is_declared(edit.path) else (Verdict.NOBODY, "")
        if not self.owners.is_usable:
            return Verdict.EDIT, UNKNOWN_MANAGER
        judged = [(self._verdict_on(entry), entry.manager) for entry in self.owners.of(edit.path)]
        return min(judged, key=lambda pair: _WEIGHT.index(pair[0]), default=(Verdict.NOBODY, ""))

    def signed(self, edit: FieldEdit) -> FieldEdit:
        """The edit with the user who made it, as far as it is known. One that is on its way was signed when it went."""
        on_its_way = next((one for one in self.pending if _says_the_same(one, edit)), None)
        if on_its_way is not None:
            return replace(edit, user=on_its_way.user, edited_at=on_its_way.edited_at)
        credit = credit_of(self.facts.credits, edit.path)
        return replace(edit, user=credit.user, edited_at=credit.time)

    def is_declared(self, path: Path) -> bool:
        """Whether the document says something at this path, now or when both sides last agreed."""
        sides = (self.declared, self.base_declared)
        return any(side is not ABSENT and lookup(side, path, self.schema) is not ABSENT for side in sides)

    def is_held_by_excluded(self, path: Path) -> bool:
        """Whether a manager whose changes are nobody's intent holds the path now."""
        return any(self._verdict_on(entry) is Verdict.EXCLUDED for entry in self.owners.of(path))

    def is_at(self, side: Json, path: Path, value: Json) -> bool:
        """Whether a side has this value (ABSENT: nothing) at the path."""
        return is_same(lookup(side, path, self.schema), value)

    def _verdict_on(self, entry: Entry) -> Verdict:
        if entry.is_status or self._is_unheard(entry.manager):
            return Verdict.EXCLUDED
        if entry.manager == self.rules.manager:
            return Verdict.OWN
        return verdict_on(entry.manager, self.rules.editors)

    def _is_unheard(self, manager: str) -> bool:
        """Whether an ignore rule names the manager: its changes are not even counted."""
        return matches(ignored_managers(self.rules.ignore, self.key.group_kind), manager)

    def _credited(self, edit: FieldEdit) -> FieldEdit:
        return replace(edit, manager=self.verdict(edit)[1])

    def _ignored(self, *, live: bool) -> Ignored:
        return ignored_paths(self.rules.ignore, self.key.group_kind, live=live)


def _says_the_same(edit: FieldEdit, other: FieldEdit) -> bool:
    return (edit.path, edit.new_present) == (other.path, other.new_present) and is_same(edit.new, other.new)
