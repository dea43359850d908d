"""The status of a Fabric: what the controller last saw and did."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.api.conditions import Condition
from controller.api.meta import ListMap, Model, Timestamp

MAX_EXCEPTIONS = 100  # beyond it `revision.applied` does not move: the list would no longer be complete
MAX_ERRORS = 20
MAX_GUARD_OBJECTS = 20


class Revision(Model):
    """Commits."""

    attempted: str | None = Field(default=None, description="The commit that was planned last.")
    applied: str | None = Field(
        default=None,
        description="The last commit of which every object is in step, in an open conflict, or among the exceptions.",
    )
    pushed: str | None = Field(default=None, description="The last commit that Tandem pushed.")


class Inventory(Model):
    """Counts of objects."""

    declared: int = Field(default=0, ge=0, description="Objects that documents in Git declare, within the scope.")
    kept: int = Field(default=0, ge=0, description="Objects that are kept in step: both sides agreed on them once.")
    exceptions: int = Field(default=0, ge=0, description="Objects that are not in step; status.exceptions lists 100.")


class DriftCounts(Model):
    """Differences found on live objects in the last plan."""

    edits: int = Field(default=0, ge=0, description="Fields that editors changed.")
    by_others: int = Field(default=0, ge=0, description="Fields that other managers changed; they are left alone.")


class PendingCounts(Model):
    """What is on its way to Git."""

    edits: int = Field(default=0, ge=0, description="Objects whose live edits are not on the branch yet.")
    branch: str | None = Field(default=None, description="The branch of the pull request that they wait in.")
    url: str | None = Field(default=None, description="The pull request's page, where the forge has one.")


class ExceptionEntry(Model):
    """An object that is not at `revision.applied`."""

    group: str = Field(default="", description="The object's API group.")
    kind: str = Field(description="The object's kind.")
    namespace: str = Field(default="", description="The object's namespace; empty for cluster-scoped objects.")
    name: str = Field(description="The object's name.")
    reason: str = Field(description="Why, in one CamelCase word.")
    message: str = Field(default="", description="Why, and what to do.")


class ErrorEntry(Model):
    """One thing that is wrong in the repository or was refused."""

    file: str | None = Field(default=None, description="The file, relative to the repository's root.")
    line: int | None = Field(default=None, ge=1, description="The line, from 1.")
    field: str | None = Field(default=None, description="The field, as a JSON pointer.")
    object: str | None = Field(default=None, description="The object, as Kind/namespace/name.")
    reason: str = Field(description="Why, in one CamelCase word.")
    message: str = Field(description="What is wrong, and what to do.")


class GuardEntry(Model):
    """A plan that was stopped, and the token that lets it through."""

    token: str = Field(description="Put into the annotation tandem.dev/confirm, it lets exactly these entries through.")
    reason: str = Field(description="EmptySource, DeletionGuard, EditGuard or HistoryRewritten.")
    deletions: int = Field(default=0, ge=0, description="How many deletions the plan holds, on both sides.")
    edits: int = Field(default=0, ge=0, description="How many objects' edits the plan would write to Git.")
    objects: Annotated[
        tuple[str, ...],
        Field(max_length=MAX_GUARD_OBJECTS, description="The first 20 entries, each as action Kind/namespace/name."),
    ] = ()


class FabricStatus(Model):
    """What the controller last saw and did; written only when it differs."""

    observed_generation: int | None = Field(default=None, ge=0, description="The generation of the spec last handled.")
    last_handled_request: str | None = Field(
        default=None, description="The value of the annotation tandem.dev/requestedAt that was handled last."
    )
    last_sync: Timestamp | None = Field(
        default=None, description="When the last run ended that changed, refused or failed something."
    )
    revision: Revision | None = Field(default=None, description="The commits attempted, applied and pushed.")
    inventory: Inventory | None = Field(default=None, description="How many objects there are.")
    drift: DriftCounts | None = Field(default=None, description="Differences found on live objects.")
    conflicts: int | None = Field(default=None, ge=0, description="How many SyncConflicts of this Fabric are open.")
    pending: PendingCounts | None = Field(default=None, description="Live edits on their way to Git.")
    exceptions: Annotated[
        tuple[ExceptionEntry, ...],
        Field(max_length=MAX_EXCEPTIONS, description="Objects that are not at revision.applied, the first 100."),
    ] = ()
    errors: Annotated[
        tuple[ErrorEntry, ...],
        Field(max_length=MAX_ERRORS, description="What is wrong in the repository or was refused, the first 20."),
    ] = ()
    error_count: int | None = Field(default=None, ge=0, description="How many errors there are in all.")
    guards: Annotated[
        tuple[GuardEntry, ...],
        Field(description="Why the plan is stopped, and the tokens that let it through."),
        ListMap(("token",)),
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...],
        Field(description="Ready, SourceReady, Synced and Conflicted; Reconciling and Stalled while they are true."),
        ListMap(("type",)),
    ] = ()
