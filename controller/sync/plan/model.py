"""The words of the planner: three sides of an object, the rules of a fabric, and the change that follows.

    Situation (B, D, A and what was asked of the server)  +  Rules  →  Change | Question

Everything here is a value. Contents are canonical bytes; `controller.objects` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from controller.errors import Reason
from controller.objects import Base, Json, Kind, ObjectKey, Provenance

if TYPE_CHECKING:
    from controller.sync.plan.fieldpath import Path
    from controller.sync.plan.schema import Schema


class Direction(StrEnum):
    """Which way changes of a kind flow."""

    BIDIRECTIONAL = "Bidirectional"
    GIT_TO_CLUSTER = "GitToCluster"
    CLUSTER_TO_GIT = "ClusterToGit"
    DISABLED = "Disabled"
    MANUAL_ONLY = "ManualOnly"


class Strategy(StrEnum):
    """Who wins where both sides changed the same field."""

    USER_GUIDED = "UserGuided"
    GIT_WINS = "GitWins"
    CLUSTER_WINS = "ClusterWins"
    MERGE = "Merge"
    TIMESTAMP_WINS = "TimestampWins"
    MANUAL = "Manual"  # only as the resolution of one conflict


class Propagate(StrEnum):
    """What a deletion in the cluster that nobody is known to have meant becomes."""

    CONFLICT = "Conflict"
    OBSERVED = "Observed"
    NEVER = "Never"


class Presence(StrEnum):
    """Whether a side holds the object. Unknown is not absent: it never causes anything."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    TERMINATING = "terminating"


@dataclass(frozen=True, slots=True)
class Declared:
    """D: what Git says at the planned commit. `reason` and `message` say why it is unknown; `sealed`: its file is
    encrypted, and stays so when it is written to."""

    presence: Presence = Presence.ABSENT
    api_version: str = ""
    content: bytes = b""
    origin: Provenance | None = None
    reason: Reason | None = None
    message: str = ""
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Actual:
    """A: what the cluster holds.

    `content` is projected: without status, managedFields and server-set metadata. `managers` is the raw
    `managedFields` list as JSON bytes, decoded only where a difference has to be judged. `seen_live` is the time
    (seconds, wall clock) at which a watch event, not a list, first showed this content; None when unknown.
    """

    presence: Presence = Presence.ABSENT
    content: bytes = b""
    uid: str = ""
    resource_version: str = ""
    managers: bytes = b"[]"
    owned: bool = False  # has an owner reference
    seen_live: float | None = None
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """One path that a side moved: `old` → `new`; None with `*_present` False is absence, not null.

    `manager` says under which name it was done, `user` who did it, at `edited_at` (seconds since 1970), where a
    webhook saw it; "" and 0 where nobody did.
    """

    path: Path
    old: Json = None
    new: Json = None
    old_present: bool = True
    new_present: bool = True
    manager: str = ""
    user: str = ""
    edited_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Pending:
    """P: cluster edits on their way to Git that are not on the branch yet: they wait in a pull request.

    An edit with the path () is the whole document of an object that Git does not declare.
    """

    edits: tuple[FieldEdit, ...]
    omitted: tuple[Path, ...] = ()  # parts of the edits that the document need not say: the server fills them in
    deleted: bool = False  # the document's removal is what is pending
    makers: tuple[Deed, ...] = ()  # as Change.makers
    rejected: str = ""  # the request was closed, or its branch deleted: what to say about it


class ConflictType(StrEnum):
    """Why the two sides cannot be brought together without a decision."""

    BOTH_CHANGED = "BothChanged"
    DELETED_IN_GIT = "DeletedInGit"
    DELETED_IN_CLUSTER = "DeletedInCluster"
    ADDED_IN_BOTH = "AddedInBoth"
    OWNED_BY_OTHER = "OwnedByOther"
    UNKNOWN_EDITOR = "UnknownEditor"
    REJECTED = "Rejected"


class Severity(StrEnum):
    """How bad a conflict is: low resolves itself, critical loses an object."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class ConflictField:
    """One path on which a side left the base. An absent value is `present` False, not null."""

    path: Path
    base: Json = None
    git: Json = None
    cluster: Json = None
    in_base: bool = True
    in_git: bool = True
    in_cluster: bool = True
    clashing: bool = False
    editor: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is shown to the person who decides. `token` changes whenever a shown value does."""

    type: ConflictType
    fields: tuple[ConflictField, ...]
    severity: Severity
    auto_resolvable: bool
    token: str
    suggested: Strategy | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person chose for one path of a conflict."""

    path: Path
    choose: str  # Git | Cluster | MergeBoth | Value
    value: Json = None
    present: bool = True  # False with Value: the field is to be absent on both sides


@dataclass(frozen=True, slots=True)
class Resolution:
    """A person's answer to an open conflict, given against the values of `token` ("" = the current ones)."""

    strategy: Strategy
    decisions: tuple[Decision, ...] = ()
    token: str = ""


@dataclass(frozen=True, slots=True)
class EditorRules:
    """Manager globs of the fabric (before the defaults; exclude wins at equal level; `!glob` takes one back)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """Differences nobody wants to hear of: at `paths` of `kinds` (empty = all), or owned by `managers`."""

    kinds: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletionRules:
    """`spec.deletion` of the fabric."""

    prune: bool = True
    propagate: Propagate = Propagate.CONFLICT
    settle: timedelta = timedelta(seconds=30)
    max_deletions: int = 100
    max_deletion_percent: int = 50


@dataclass(frozen=True, slots=True)
class Rules:
    """What a fabric's spec says, in the planner's words. `directions` and `imports` are per kind.

    `encrypts`: whether Secrets can be written to Git, encrypted. `kept_out`: objects that are never imported, because
    the fabric itself needs them to reach and to read Git.
    """

    manager: str
    epoch: str
    direction: Direction = Direction.BIDIRECTIONAL
    directions: Mapping[Kind, Direction] = field(default_factory=dict)
    imports: frozenset[Kind] = frozenset()
    strategy: Strategy = Strategy.USER_GUIDED
    auto_resolve_simple: bool = False
    editors: EditorRules = EditorRules()
    ignore: tuple[IgnoreRule, ...] = ()
    deletion: DeletionRules = DeletionRules()
    max_edits: int = 200
    encrypts: bool = False
    kept_out: frozenset[ObjectKey] = frozenset()
    salt: bytes = b""  # the installation's secret: what digests of a Secret's values are keyed with

    def direction_of(self, kind: Kind) -> Direction:
        """The direction in force for a kind."""
        return self.directions.get(kind, self.direction)


class Ask(StrEnum):
    """What the pure plan cannot know and the service has to ask the API server, once."""

    SAME = "same"  # would a forced apply of D change a value? → Facts.same
    TARGET = "target"  # are the namespace and the CRD there and not terminating? → Facts.target


class Target(StrEnum):
    """The live state of the place an object lives in: its namespace and its CRD."""

    NOT_ASKED = "not-asked"
    THERE = "there"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Deed:
    """That a user did something to an object, at a time in seconds since 1970."""

    user: str
    time: float


@dataclass(frozen=True, slots=True)
class Credit:
    """One write: who made it ("": nobody is known), the paths that it changed, and when, in seconds since 1970.

    `version` is the object's resourceVersion after it, as a number. The path () is the whole object: its creation.
    """

    user: str
    paths: tuple[Path, ...]
    version: int
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Answers of the outside that the plan of one object depends on; each has a value for *not asked*.

    `same`: the dry-run's answer. `gone_for`: how long the object has been seen to be missing (None = not seen to
    vanish). `credits`: the writes since the base, in order, as far as they were followed; `deletion`: who deleted the
    object, a person or a program. Another fabric's manager on the object is never forced over, unless `takeover` says
    that a hand-over allows it; `handover` says why to wait for one, and `declared_elsewhere` that a later owner
    declares the object. `refused`: the refusal remembered for exactly this document and this live state. `fighting`:
    paths that are left as they are (text forms). `flooded`: the object had its commits of this hour.
    `git_changed_at` / the actual's `seen_live`: for TimestampWins, in seconds.
    """

    same: bool | None = None
    target: Target = Target.NOT_ASKED
    gone_for: timedelta | None = None
    credits: tuple[Credit, ...] = ()
    deletion: Deed | None = None
    takeover: bool = False
    handover: str = ""
    declared_elsewhere: bool = False
    in_scope: bool = True  # False: the fabric's scope no longer holds this object
    refused: tuple[Reason, str] | None = None
    fighting: frozenset[str] = frozenset()
    flooded: bool = False
    git_changed_at: float | None = None
    open_conflict: bool = False
    resolution: Resolution | None = None
    force: Strategy | None = None  # a job's `force` / strategy for this run
    manual: bool = False  # this run was asked for by a person (ManualOnly kinds take part)
    job_ended: bool = False  # a finished Job or one with a TTL: its deletion is never propagated
    schema_changed: bool = False  # a new generation of the CRD: re-base instead of inferring edits


@dataclass(frozen=True, slots=True)
class Situation:
    """One object with its three sides and all that is known about it."""

    key: ObjectKey
    base: Base | None
    declared: Declared
    actual: Actual
    schema: Schema
    pending: Pending | None = None
    facts: Facts = Facts()


class Action(StrEnum):
    """What a change does. Several effects can go together (`MERGE`); the fields of Change say which."""

    UNCHANGED = "unchanged"
    SKIP = "skip"  # unknown on a side, ignored, disabled, refused before: reported, nothing done
    WAIT = "wait"  # terminating, settling, another fabric's hand-over
    IGNORE = "ignore"  # only in the cluster, not ours to import
    CREATE = "create"
    ADOPT = "adopt"
    TAKE_OVER = "take-over"
    CONFIGURE = "configure"
    PRUNE = "prune"
    FORGET = "forget"
    MOVE_BASE = "move-base"
    WRITE_BACK = "write-back"  # an edit of the object into its document
    IMPORT = "import"  # a new document for an object only the cluster has
    REMOVE_DOCUMENT = "remove-document"
    MERGE = "merge"  # both: configure the object and write back
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Drift:
    """Differences found on the object: meant by editors and overruled or absorbed, and by others."""

    edits: int = 0
    by_others: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a plan: what happens to one object, on either side, and why.

    Effects, each None/empty when it has none: `intended` (M) is applied to the cluster and `removals` must be absent
    from its answer; `document` is the whole content Git shall hold (`REMOVE_DOCUMENT` and `PRUNE` say removal by their
    action); `edits` name what moves to Git. `uid` and `resource_version` are those the plan was made from.
    `record` is the declared content of the base once both sides hold it (None: no base is recorded).
    """

    key: ObjectKey
    action: Action
    row: str
    reason: Reason | None = None
    message: str = ""
    intended: bytes | None = None
    removals: tuple[Path, ...] = ()
    document: bytes | None = None
    edits: tuple[FieldEdit, ...] = ()
    proposed: tuple[FieldEdit, ...] = ()  # all that leads from Git's document to `document`, a Secret's values too
    omitted: tuple[Path, ...] = ()  # of `proposed`, what was left out of `document` because the server fills it in
    corrections: tuple[FieldEdit, ...] = ()  # declared paths put back in the cluster; what fights are counted by
    conflict: Conflict | None = None
    drift: Drift = Drift()
    record: bytes | None = None
    actual: bytes | None = None  # the cluster's content the plan saw; base.actual unless an apply answers
    uid: str = ""
    resource_version: str = ""
    api_version: str = ""
    origin: Provenance | None = None
    resolved: bool = False  # an open conflict of this object is settled by this change
    overruled: tuple[FieldEdit, ...] = ()  # changes of either side that lost, with the values they wanted
    pending: tuple[FieldEdit, ...] = ()  # of the situation's pending edits, those that still stand
    makers: tuple[Deed, ...] = ()  # who made or deleted the object that is written or removed as a whole, if known

    @property
    def is_left_alone(self) -> bool:
        """Whether the object stays as it is on both sides, and is not in step for all that is known."""
        return self.action in _LEFT_ALONE

    @property
    def is_telling(self) -> bool:
        """Whether there is anything to tell of it: it is neither in step nor nobody's business."""
        return self.action not in {Action.UNCHANGED, Action.IGNORE}

    @property
    def is_effective(self) -> bool:
        """Whether executing it touches the cluster or Git."""
        return self.intended is not None or self.document is not None or self.action in _REMOVING


_LEFT_ALONE = frozenset({Action.SKIP, Action.WAIT, Action.CONFLICT})
_REMOVING = frozenset({Action.PRUNE, Action.REMOVE_DOCUMENT})


@dataclass(frozen=True, slots=True)
class Question:
    """The plan of this object waits for an answer; put it into `Situation.facts` and plan the object again."""

    key: ObjectKey
    ask: Ask
    content: bytes = b""  # SAME: what to apply in the dry-run


@dataclass(frozen=True, slots=True)
class Guard:
    """Why a whole plan must not be executed without a confirmation. `entries` are (object, action)."""

    reason: Reason
    token: str
    message: str
    entries: tuple[tuple[ObjectKey, Action], ...]
    deletions: int = 0
    edits: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a fabric has to do, in execution order, with the guards that stop it."""

    changes: tuple[Change, ...]
    guards: tuple[Guard, ...] = ()
