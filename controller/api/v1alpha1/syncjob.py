"""SyncJob: one run that somebody asked for. Automatic runs make none."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from controller.api.conditions import Condition
from controller.api.meta import (
    LABEL_LENGTH,
    NAME_LENGTH,
    Cel,
    Column,
    ListMap,
    ListSet,
    Model,
    NameRef,
    Resource,
    Timestamp,
)
from controller.api.v1alpha1.fabric import ConflictStrategy, Direction
from controller.api.v1alpha1.values import KindName

WEEK = 7 * 24 * 3600
MAX_ERRORS = 100
MAX_WARNINGS = 50
MAX_RESULTS = 100


class JobType(StrEnum):
    """What a job does."""

    SYNC = "Sync"
    RESOLVE_CONFLICTS = "ResolveConflicts"


class Trigger(StrEnum):
    """How a job was asked for."""

    MANUAL = "Manual"
    API = "API"


class JobPhase(StrEnum):
    """How far a job is. The last four are final."""

    PENDING = "Pending"
    INITIALIZING = "Initializing"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    PARTIALLY_COMPLETED = "PartiallyCompleted"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in _FINAL


_FINAL = frozenset({JobPhase.COMPLETED, JobPhase.PARTIALLY_COMPLETED, JobPhase.FAILED, JobPhase.CANCELLED})


class CurrentPhase(StrEnum):
    """What a job under way is doing."""

    INITIALIZATION = "Initialization"
    DETECTING_CONFLICTS = "DetectingConflicts"
    RESOLVING_CONFLICTS = "ResolvingConflicts"
    SYNCING_DATA = "SyncingData"
    FINALIZING = "Finalizing"


class Cancel(StrEnum):
    """Values of the annotation `tandem.dev/cancel`: what becomes of what the job has done so far."""

    KEEP = "keep"
    CLEANUP = "cleanup"


class JobFilters(Model):
    """Which objects a job is for; every given list must match."""

    kinds: Annotated[
        tuple[KindName, ...],
        Field(max_length=100, description="Kinds, such as Deployment or Deployment.apps. Empty: all."),
        ListSet(),
    ] = ()
    names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)], ...],
        Field(max_length=100, description="Names, as globs such as web-*. Empty: all."),
        ListSet(),
    ] = ()
    namespaces: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=LABEL_LENGTH)], ...],
        Field(max_length=100, description="Namespaces. Empty: all of the Fabric's scope."),
        ListSet(),
    ] = ()


class JobOptions(Model):
    """How a job is carried out."""

    force: bool = Field(
        default=False,
        description="Whether the source side of the direction wins for the job's objects, whatever the other side "
        "changed; what lost is kept in the results. Needs direction GitToCluster or ClusterToGit.",
    )
    commit_message: Annotated[
        str | None,
        Field(min_length=1, max_length=4096, description="The subject and body of the commit. Default: Tandem's own."),
    ] = None


class JobResolution(Model):
    """How the conflicts a job meets are resolved."""

    strategy: ConflictStrategy | None = Field(
        default=None, description="The strategy for this job. Default: the Fabric's sync.conflictStrategy."
    )
    auto_resolve_simple: bool | None = Field(
        default=None,
        description="Whether conflicts in which no scalar clashes are merged. Default: the Fabric's "
        "sync.autoResolveSimple.",
    )


class SyncJobSpec(Model):
    """What to run."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel("self == oldSelf", "the spec of a SyncJob cannot be changed; make another SyncJob"),
        Cel(
            "!has(self.options) || !has(self.options.force) || !self.options.force "
            "|| (has(self.direction) && self.direction in ['GitToCluster', 'ClusterToGit'])",
            "options.force needs direction GitToCluster or ClusterToGit, so that one side can win",
        ),
        Cel(
            "self.type != 'ResolveConflicts' "
            "|| (has(self.conflictResolution) && (has(self.conflictResolution.strategy) "
            "|| (has(self.conflictResolution.autoResolveSimple) && self.conflictResolution.autoResolveSimple)))",
            "type ResolveConflicts needs conflictResolution.strategy or conflictResolution.autoResolveSimple: true",
        ),
    )

    fabric_ref: NameRef = Field(description="The Fabric, in this namespace.")
    type: JobType = Field(
        default=JobType.SYNC,
        description="Sync: one run of the Fabric, now. ResolveConflicts: its open conflicts are resolved by "
        "conflictResolution.",
    )
    direction: Direction | None = Field(
        default=None, description="The direction of this run. Default: the Fabric's sync.direction."
    )
    filters: JobFilters | None = Field(default=None, description="Which objects the job is for. Default: all.")
    options: JobOptions | None = Field(default=None, description="How the job is carried out.")
    conflict_resolution: JobResolution | None = Field(default=None, description="How conflicts are resolved.")
    trigger: Trigger = Field(default=Trigger.MANUAL, description="How the job was asked for; kept in the history.")
    initiated_by: Annotated[
        str | None, Field(max_length=NAME_LENGTH, description="Who asked for the job; kept in the history.")
    ] = None
    ttl_seconds_after_finished: Annotated[
        int,
        Field(
            ge=0,
            le=366 * 24 * 3600,
            description="How long the finished job stays in the cluster, in seconds. It stays in the archive.",
        ),
    ] = WEEK


class JobProgress(Model):
    """How many objects are done."""

    targeted: int = Field(default=0, ge=0, description="Objects the job is for.")
    processed: int = Field(default=0, ge=0, description="Objects it is done with, those it skipped included.")


class JobStatistics(Model):
    """What came of the job."""

    created: int = Field(default=0, ge=0, description="Objects created in the cluster.")
    updated: int = Field(default=0, ge=0, description="Objects changed in the cluster.")
    deleted: int = Field(default=0, ge=0, description="Objects deleted from the cluster.")
    written: int = Field(default=0, ge=0, description="Objects whose documents were written to or removed from Git.")
    skipped: int = Field(default=0, ge=0, description="Objects that needed nothing, or were left alone.")
    failed: int = Field(default=0, ge=0, description="Objects that could not be brought in step.")
    conflicts_detected: int = Field(default=0, ge=0, description="Conflicts the job met.")
    conflicts_resolved: int = Field(default=0, ge=0, description="Conflicts the job resolved.")


class JobMessage(Model):
    """An error or a warning."""

    object: str | None = Field(default=None, description="The object, as Kind/namespace/name.")
    file: str | None = Field(default=None, description="The file, relative to the repository's root.")
    reason: str = Field(description="Why, in one CamelCase word.")
    message: str = Field(description="What is wrong, and what to do.")


class JobResult(Model):
    """What was done to one object."""

    object: str = Field(description="The object, as Kind/namespace/name.")
    action: str = Field(description="What was to be done, such as create, configure, write-back or resolve.")
    outcome: str = Field(description="Done, Skipped or Failed.")
    message: str = Field(default="", description="Details: the reason, or the values that lost.")


class SyncJobStatus(Model):
    """How the job goes."""

    observed_generation: int | None = Field(default=None, ge=0, description="The generation of the spec last handled.")
    operation_id: str | None = Field(default=None, description="The id of the run in the history.")
    phase: JobPhase | None = Field(default=None, description="How far the job is.")
    current_phase: CurrentPhase | None = Field(default=None, description="What the job is doing.")
    progress: JobProgress | None = Field(default=None, description="How many objects are done.")
    statistics: JobStatistics | None = Field(default=None, description="What came of the job.")
    commit_sha: str | None = Field(default=None, alias="commitSHA", description="The commit that the job pushed.")
    errors: Annotated[
        tuple[JobMessage, ...], Field(max_length=MAX_ERRORS, description="What went wrong, the last 100.")
    ] = ()
    warnings: Annotated[
        tuple[JobMessage, ...], Field(max_length=MAX_WARNINGS, description="What to look at, the last 50.")
    ] = ()
    results: Annotated[
        tuple[JobResult, ...], Field(max_length=MAX_RESULTS, description="What was done, the first 100 objects.")
    ] = ()
    start_time: Timestamp | None = Field(default=None, description="When the job began to run.")
    completion_time: Timestamp | None = Field(default=None, description="When the job ended.")
    conditions: Annotated[
        tuple[Condition, ...],
        Field(description="Ready: the job ended well. Reconciling and Stalled while they are true."),
        ListMap(("type",)),
    ] = ()


class SyncJob(Resource):
    """One run of a Fabric that somebody asked for."""

    plural: ClassVar[str] = "syncjobs"
    short_name: ClassVar[str] = "sj"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Fabric", ".spec.fabricRef.name"),
        Column("Type", ".spec.type"),
        Column("Phase", ".status.phase"),
        Column("Targeted", ".status.progress.targeted", type="integer"),
        Column("Processed", ".status.progress.processed", type="integer"),
        Column("Age", ".metadata.creationTimestamp", type="date"),
        Column("Commit", ".status.commitSHA", priority=1),
        Column("Initiated by", ".spec.initiatedBy", priority=1),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
    )

    kind: Literal["SyncJob"] = "SyncJob"
    spec: SyncJobSpec = Field(description="What to run; cannot be changed.")
    status: SyncJobStatus = Field(default=SyncJobStatus(), description="How the job goes.")
