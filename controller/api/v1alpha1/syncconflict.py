"""SyncConflict: one object that both sides changed; its values, and the decision of a person.

The controller writes it; people write `spec.resolution` and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, WithJsonSchema, model_serializer

from controller.api.conditions import Condition
from controller.api.meta import (
    LABEL_LENGTH,
    NAME_LENGTH,
    PATH_LENGTH,
    Cel,
    Column,
    ListMap,
    Model,
    NameRef,
    Resource,
    Timestamp,
)
from controller.objects import Json, ObjectKey


class ConflictType(StrEnum):
    """Why the two sides cannot be brought together without a decision."""

    BOTH_CHANGED = "BothChanged"
    DELETED_IN_GIT = "DeletedInGit"
    DELETED_IN_CLUSTER = "DeletedInCluster"
    ADDED_IN_BOTH = "AddedInBoth"
    OWNED_BY_OTHER = "OwnedByOther"
    UNKNOWN_EDITOR = "UnknownEditor"
    REJECTED = "Rejected"


class ResolutionStrategy(StrEnum):
    """How one conflict is resolved."""

    GIT_WINS = "GitWins"
    CLUSTER_WINS = "ClusterWins"
    MERGE = "Merge"
    MANUAL = "Manual"


class Choice(StrEnum):
    """What is chosen for one path."""

    GIT = "Git"
    CLUSTER = "Cluster"
    MERGE_BOTH = "MergeBoth"
    VALUE = "Value"


class ConflictState(StrEnum):
    """How far a conflict is. Resolved and Superseded are final; Failed is open."""

    OPEN = "Open"
    RESOLVING = "Resolving"
    RESOLVED = "Resolved"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"

    @property
    def is_final(self) -> bool:
        """Whether the conflict is settled."""
        return self in {ConflictState.RESOLVED, ConflictState.SUPERSEDED}


class Severity(StrEnum):
    """How bad a conflict is."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"


Value = Annotated[Json, WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True, "nullable": True})]
"""Any JSON value, null included. That the key is absent is something else: the field is absent on that side."""


class _Valued(Model):
    """A model with untyped values: a key that was not set is left out, one that was set to null is written."""

    values: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        for name in self.values:
            written.pop(name, None)
            if name in self.model_fields_set:
                written[name] = getattr(self, name)
        return written

    def has(self, name: str) -> bool:
        """Whether the value is there; null counts as there."""
        return name in self.model_fields_set


class ConflictObject(Model):
    """The object the conflict is about."""

    api_version: str = Field(min_length=1, max_length=NAME_LENGTH + 64, description="The object's apiVersion.")
    kind: str = Field(min_length=1, max_length=LABEL_LENGTH, description="The object's kind.")
    namespace: str = Field(default="", max_length=LABEL_LENGTH, description="Its namespace; empty: cluster-scoped.")
    name: str = Field(min_length=1, max_length=NAME_LENGTH, description="Its name.")
    uid: str = Field(default="", max_length=128, description="Its uid; empty if the cluster did not hold it.")


class FieldConflict(_Valued):
    """One path on which a side left the base. A value that is absent here is absent on that side."""

    values: ClassVar[tuple[str, ...]] = ("base", "git", "cluster")

    path: str = Field(
        min_length=1, max_length=4096, description="The field, as a JSON pointer; {name=web} is an element of a list."
    )
    base: Value = Field(default=None, description="The value both sides last agreed on.")
    git: Value = Field(default=None, description="The value in Git.")
    cluster: Value = Field(default=None, description="The value in the cluster.")
    editor: str | None = Field(
        default=None, description="The field manager that made the live edit, as it calls itself."
    )
    edited_by: str | None = Field(
        default=None,
        description="The user who made the live edit, as the webhook for attribution saw it; absent without it, and "
        "where it is not certain.",
    )
    edited_at: Timestamp | None = Field(
        default=None, description="When a watch first showed the live edit; absent if only a list did."
    )
    commit: str | None = Field(
        default=None, description="The newest commit that changed its file, if the value differs from the base's."
    )
    author: str | None = Field(default=None, description="The author of that commit.")


class Decision(_Valued):
    """What is chosen for one path."""

    values: ClassVar[tuple[str, ...]] = ("value",)

    path: str = Field(min_length=1, max_length=4096, description="One of the paths of spec.fields.")
    choose: Choice = Field(
        description="Git or Cluster: that side's value. MergeBoth: both united, for lists and maps. Value: the value "
        "given here."
    )
    value: Value = Field(default=None, description="With choose Value: the value; absent: the field is removed.")


class Resolution(Model):
    """A person's answer."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "self.strategy == 'Manual' ? (has(self.decisions) && size(self.decisions) > 0) "
            ": (!has(self.decisions) || size(self.decisions) == 0)",
            "strategy Manual needs decisions, one for each clashing path; the other strategies take none",
        ),
    )

    strategy: ResolutionStrategy = Field(
        description="GitWins or ClusterWins: that side's value for every clashing field, the others are merged. Merge: "
        "lists and maps are united. Manual: as decisions says, path by path."
    )
    decisions: Annotated[
        tuple[Decision, ...],
        Field(max_length=1000, description="With strategy Manual: what is chosen for each clashing path."),
        ListMap(("path",)),
    ] = ()
    comment: str | None = Field(default=None, max_length=4096, description="Why; for whoever reads it later.")
    resolved_by: str | None = Field(default=None, max_length=NAME_LENGTH, description="Who decided.")
    state_token: str | None = Field(
        default=None,
        max_length=128,
        description="spec.stateToken of the values that the decision was made on. If it is not the current one, the "
        "conflict stays open with reason Stale. Absent: the current values are meant.",
    )


class SyncConflictSpec(Model):
    """The two sides, and the decision."""

    fabric_ref: Annotated[
        NameRef,
        Field(description="The Fabric, in this namespace."),
        Cel("self == oldSelf", "fabricRef of a SyncConflict cannot be changed"),
    ]
    object: Annotated[
        ConflictObject,
        Field(description="The object the conflict is about."),
        Cel("self == oldSelf", "object of a SyncConflict cannot be changed"),
    ]
    type: ConflictType = Field(
        description="BothChanged: both sides changed the same field. DeletedInGit, DeletedInCluster: one side deleted "
        "what the other holds. AddedInBoth: both sides had it before Tandem did. OwnedByOther: another fabric has it. "
        "UnknownEditor: a manager that is neither an editor nor excluded changed a declared field. Rejected: the edit "
        "was refused in Git."
    )
    fields: Annotated[
        tuple[FieldConflict, ...],
        Field(description="Every path on which a side left the base, the clashing ones first."),
        ListMap(("path",)),
    ] = ()
    git_path: str | None = Field(default=None, max_length=PATH_LENGTH * 4, description="The file that declares it.")
    git_commit: str | None = Field(default=None, max_length=64, description="The commit whose values are shown.")
    resource_version: str | None = Field(
        default=None, max_length=128, description="The resourceVersion of the live object whose values are shown."
    )
    state_token: str = Field(default="", max_length=128, description="Changes whenever a shown value does.")
    resolution: Resolution | None = Field(
        default=None,
        description="The decision. The only field people write; it is carried out as soon as it is there, and taken "
        "away when a side has moved since.",
    )


class SyncConflictStatus(Model):
    """How far the conflict is."""

    observed_generation: int | None = Field(default=None, ge=0, description="The generation of the spec last handled.")
    state: ConflictState | None = Field(
        default=None,
        description="Open → Resolving → Resolved; Superseded: the sides agree again by themselves; Failed: the "
        "resolution could not be carried out, and another is awaited.",
    )
    severity: Severity | None = Field(
        default=None,
        description="Low: resolves itself by merging. Medium: at most 5 clashing fields. High: more. Critical: an "
        "object may be lost.",
    )
    auto_resolvable: bool | None = Field(default=None, description="Whether a merge leaves no clash.")
    suggested: ResolutionStrategy | None = Field(default=None, description="The strategy that loses least.")
    detected_at: Timestamp | None = Field(default=None, description="When the conflict was first seen.")
    resolved_at: Timestamp | None = Field(default=None, description="When the conflict was settled.")
    conditions: Annotated[
        tuple[Condition, ...],
        Field(description="Ready: the conflict is settled. Reconciling and Stalled while they are true."),
        ListMap(("type",)),
    ] = ()


class SyncConflict(Resource):
    """One object that both sides changed, and the decision about it."""

    plural: ClassVar[str] = "syncconflicts"
    short_name: ClassVar[str] = "scf"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Fabric", ".spec.fabricRef.name"),
        Column("Kind", ".spec.object.kind"),
        Column("Object", ".spec.object.name"),
        Column("Type", ".spec.type"),
        Column("Severity", ".status.severity"),
        Column("State", ".status.state"),
        Column("Age", ".metadata.creationTimestamp", type="date"),
        Column("Namespace of object", ".spec.object.namespace", priority=1),
        Column("File", ".spec.gitPath", priority=1),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
    )

    kind: Literal["SyncConflict"] = "SyncConflict"
    spec: SyncConflictSpec = Field(description="The two sides, and the decision.")
    status: SyncConflictStatus = Field(default=SyncConflictStatus(), description="How far the conflict is.")


def conflict_name(fabric: str, fabric_uid: str, key: ObjectKey) -> str:
    """The name of the SyncConflict of an object: `<fabric>-<kind>-<name>-<hash>`, the same every time.

    Characters that names may not hold become `-`; what is too long is cut before the hash.
    """
    identity = f"{fabric_uid}/{key.group}/{key.kind}/{key.namespace}/{key.name}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9.]+", "-", f"{fabric}-{key.kind}-{key.name}".lower())
    readable = re.sub(r"[-.]{2,}", "-", readable)  # a dot must stand between letters or digits
    return f"{readable[: NAME_LENGTH - 9].rstrip('-.')}-{digest}"
