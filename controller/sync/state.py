"""What the controller knows of one fabric between two runs. Memory only: everything here can be found again.

Bases come from the database, the declared side from Git, the live side from watches; a restart starts with all objects
dirty and ends with none.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from controller.errors import Reason
from controller.kube.watch import Change as LiveChange
from controller.kube.watch import Source
from controller.objects import Base, Kind, ObjectKey, group_of
from controller.store.refusals import Refusal
from controller.store.requests import RequestRow
from controller.sync.declared import DeclaredTree
from controller.sync.fights import FightLog
from controller.sync.parse.scope import PathRules
from controller.sync.plan.model import Conflict, Drift, Guard, Pending, Resolution
from controller.sync.plan.schema import Schema
from controller.sync.profile import Profile
from controller.sync.reach import Reach
from controller.sync.sealing import Key
from controller.sync.target import ClusterView, Version


@dataclass(frozen=True, slots=True)
class Exceptional:
    """Why an object is not in step although nobody has to decide anything, and where its document stands."""

    reason: Reason
    message: str
    path: str = ""
    line: int = 0
    field: str = ""


@dataclass(slots=True)
class FabricState:
    """One fabric's memory. All of it belongs to the run that holds the fabric's key, but for `dirty` and `vanished`."""

    profile: Profile
    reach: Reach
    view: ClusterView
    declared: DeclaredTree = field(default_factory=DeclaredTree)
    bases: dict[ObjectKey, Base] = field(default_factory=dict)
    pending: dict[ObjectKey, Pending] = field(default_factory=dict)
    request: RequestRow | None = None  # where the pending edits wait
    seen_commit: str = ""  # what `declared` holds; a write-back is built on it
    seen_tree: str = ""
    planned_commit: str = ""  # the last one whose plan was executed
    planned_tree: str = ""
    applied_commit: str = ""
    pushed_commit: str = ""
    kinds: dict[Version, bool | None] = field(default_factory=dict)  # whether each named kind is namespaced
    base_versions: set[Version] = field(default_factory=set)  # what the bases of an earlier process name
    watches_stale: bool = True  # kinds were named that nobody may watch yet
    path_rules: PathRules | None = None
    rewritten: bool = False  # the branch has no ancestor in common with the planned commit
    moved_source: bool = False  # another URL, branch or directory than the planned one
    key: Key = field(default_factory=Key)  # what the encrypted files in `declared` were opened with
    git_changed_at: float | None = None  # committer's time of the planned commit, for TimestampWins
    dirty: set[ObjectKey] = field(default_factory=set)
    vanished: dict[ObjectKey, float] = field(default_factory=dict)
    writing: set[ObjectKey] = field(default_factory=set)
    retry: set[ObjectKey] = field(default_factory=set)  # to be planned again at the back-off, whatever happens
    exceptions: dict[ObjectKey, Exceptional] = field(default_factory=dict)
    left_alone: set[ObjectKey] = field(default_factory=set)  # in conflict, disabled, unknown on a side, waited for
    conflicts: dict[ObjectKey, Conflict] = field(default_factory=dict)
    resolutions: dict[ObjectKey, Resolution] = field(default_factory=dict)
    misread: dict[ObjectKey, str] = field(default_factory=dict)  # decisions that cannot be read, and why
    unpushed: set[ObjectKey] = field(default_factory=set)
    drift: dict[ObjectKey, Drift] = field(default_factory=dict)
    refused: dict[ObjectKey, Refusal] = field(default_factory=dict)
    rebased: set[ObjectKey] = field(default_factory=set)
    released: dict[ObjectKey, tuple[str, ...]] = field(default_factory=dict)  # names to take off when we take it over
    guards: tuple[Guard, ...] = ()
    told: set[str] = field(default_factory=set)  # topics of the faults that Events stand for
    fights: FightLog = field(default_factory=FightLog)

    def note_live(self, change: LiveChange, now: float) -> bool:
        """A watched object moved. Returns whether the fabric has to look at it."""
        key, base = change.key, self.bases.get(change.key)
        if change.source is Source.OWN and key in self.writing:
            return False
        if change.new is None:
            if base is not None and change.old is not None and change.old.uid == base.uid:
                self.vanished.setdefault(key, now)
        else:
            self.vanished.pop(key, None)
            as_agreed = base is not None and base.actual == change.new.content and base.uid == change.new.uid
            if as_agreed and not change.new.deleting and not self.is_unsettled(key):
                return False
        if base is None and not self.is_of_interest(key):
            return False
        self.dirty.add(key)
        return True

    def is_unsettled(self, key: ObjectKey) -> bool:
        """Whether there may be more to do for the object than to leave it as it was agreed."""
        memories = (self.dirty, self.exceptions, self.left_alone, self.pending)
        return any(key in memory for memory in memories)

    def known_keys(self) -> tuple[ObjectKey, ...]:
        """The objects that Git declares, and those that were agreed on; one that is both stands there twice."""
        return (*self.declared.keys(), *self.bases)

    def note_list(self, kind: Kind) -> None:
        """A list of a kind became complete, or stopped being so."""
        self.dirty.update(key for key in self.known_keys() if key.group_kind == kind)

    def note_sight(self, kinds: Set[Kind]) -> None:
        """Of these kinds, more or less may be seen than before. Of what nobody may see, only what Git names is left."""
        touched = {key for key in self._memorised() if key.group_kind in kinds}
        known = set(self.known_keys())
        for key in touched - known:
            if self.view.is_hidden(key, self.api_version(key)):
                self._forget(key)
        self.dirty.update(key for key in known if key.group_kind in kinds)

    def _memorised(self) -> set[ObjectKey]:
        """Every object of which anything but base and document is remembered."""
        return {
            *self.dirty,
            *self.vanished,
            *self.retry,
            *self.exceptions,
            *self.left_alone,
            *self.conflicts,
            *self.drift,
        }

    def _forget(self, key: ObjectKey) -> None:
        for keys in (self.dirty, self.retry, self.left_alone, self.unpushed, self.rebased):
            keys.discard(key)
        for memory in (self.vanished, self.exceptions, self.conflicts, self.drift, self.resolutions, self.refused):
            memory.pop(key, None)

    def note_definitions(self, kinds: frozenset[Kind]) -> bool:
        """The definitions of these kinds changed. Returns whether the fabric has to do with any of them."""
        touched = {
            (api_version, name) for api_version, name in self.kinds if Kind(group_of(api_version), name) in kinds
        }
        if not touched and not kinds & self.profile.scope.kinds.keys():
            return False
        for version in touched:
            del self.kinds[version]
        self.rebased.update(key for key in self.bases if key.group_kind in kinds)
        self.dirty.update(key for key in self.known_keys() if key.group_kind in kinds)
        self.view.forget_unserved(kinds)
        self.watches_stale = True
        return True

    def note_freed(self, freed: set[ObjectKey]) -> bool:
        """Another fabric let go of these objects. Returns whether this one waits for any of them."""
        waiting = {key for key in freed if key in self.conflicts or key in self.exceptions}
        self.dirty |= waiting
        return bool(waiting)

    def is_of_interest(self, key: ObjectKey) -> bool:
        """Whether an object without a base matters: Git declares it, its kind is imported, or it is waited for."""
        return self.declared.knows(key) or key in self.exceptions or key.group_kind in self.profile.rules.imports

    def keeps(self, key: ObjectKey) -> bool:
        """Whether anything is to be known of the object, also while it is in step."""
        return key in self.bases or self.is_of_interest(key)

    def schema(self, key: ObjectKey) -> Schema:
        """The field types that the object is compared by."""
        resource = self.view.resource(key, self.api_version(key))
        api_version = resource.api_version if resource else self.api_version(key)
        return self.reach.cluster.schemas.get(api_version, key.kind)

    def api_version(self, key: ObjectKey) -> str:
        """The version the object is compared in: its document's, else its base's, "" if neither names one."""
        declared = self.declared.api_version(key)
        if declared:
            return declared
        base = self.bases.get(key)
        return base.api_version if base else ""
