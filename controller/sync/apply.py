"""One change onto the cluster, so that nothing anybody did meanwhile is overwritten.

    create   an apply that succeeds only where nothing is
    update   a forced apply onto exactly the state that the plan saw; 409 → read, same content → at once again
    removal  what the answer still holds and should not: one JSON patch behind tests, once per plan; before the apply
             where that would be refused
    delete   with uid and resourceVersion

Every way ends in an `Applied`; only an unreachable API server is raised. The order of calls is the order of the page
that a person would draw; what to apply was decided by the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.api.meta import ENABLED, REPLACE
from controller.errors import Reason
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.errors import (
    ChangedMeanwhileError,
    ForbiddenError,
    KubeError,
    NamespaceMissingError,
    RefusedError,
    UnreachableError,
)
from controller.kube.projection import CachedObject
from controller.kube.resources import HORIZONTAL_POD_AUTOSCALERS, Resource
from controller.objects import Json, ObjectKey, canonical, decoded
from controller.sync.plan.fieldpath import from_server, render_path
from controller.sync.plan.model import Action, Change
from controller.sync.plan.patch import correction_patch, removal_patch, without_strangers
from controller.sync.plan.schema import Schema

SAME_STATE_TRIES = 8  # a status that changes ten times a second needs a few; after these the values are tested instead
HANDOVER_MANAGER = "tandem-handover"
_REPLICAS = ("spec", "replicas")


class Outcome(StrEnum):
    """What came of executing a change."""

    DONE = "done"
    CHANGED = "changed"  # somebody was faster: plan this object again
    REFUSED = "refused"  # the document is wrong; remembered until it or the object changes
    DENIED = "denied"  # not now: forbidden, or the namespace is missing; tried again at the back-off
    REPLACE = "replace"  # immutable fields, and the document allows the object to be made anew


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of one change, and the live object as the last answer showed it (None: not there)."""

    outcome: Outcome
    live: CachedObject | None = None
    reason: Reason | None = None
    message: str = ""
    field: str = ""


class Applier:
    """Executes the cluster's half of changes under one fabric's manager name."""

    def __init__(self, client: KubeClient, writer: Writer) -> None:
        self._client = client
        self._writer = writer

    async def execute(self, change: Change, resource: Resource, manager: str, schema: Schema) -> Applied:
        """Carry the change out. `schema` finds the elements of keyed lists. Raises UnreachableError."""
        try:
            if change.action is Action.PRUNE:
                return await self._delete(change, resource)
            return await self._apply(change, resource, manager, schema)
        except UnreachableError:
            raise
        except RefusedError as error:
            if _may_be_replaced(change, error):
                return Applied(Outcome.REPLACE)
            pointer = render_path(from_server(error.field))
            return Applied(Outcome.REFUSED, reason=error.reason, message=error.message, field=pointer)
        except (ForbiddenError, NamespaceMissingError) as error:
            return Applied(Outcome.DENIED, reason=error.reason, message=error.message)
        except KubeError as error:
            return Applied(Outcome.CHANGED, await self._writer.read(resource, change.key), error.reason, error.message)

    async def delete(self, change: Change, resource: Resource) -> Applied:
        """Delete the object in whatever state it is, as long as it is this one. Raises UnreachableError."""
        try:
            held = await self._writer.delete(resource, change.key, uid=change.uid)
        except UnreachableError:
            raise
        except KubeError as error:
            return Applied(Outcome.CHANGED, None, error.reason, error.message)
        return Applied(Outcome.DONE, held)

    async def release(self, key: ObjectKey, resource: Resource, applied: Applied, managers: Sequence[str]) -> Applied:
        """After a hand-over: take the former owners' names off, and with them what only they had declared.

        Raises UnreachableError.
        """
        live = applied.live
        if live is None:
            return applied
        try:
            for manager in managers:
                live = await self._writer.drop_manager(
                    resource, key, manager, uid=live.uid, resource_version=live.resource_version
                )
        except ChangedMeanwhileError as error:
            return Applied(Outcome.CHANGED, live, error.reason, error.message)
        except (ForbiddenError, RefusedError):
            return applied  # the names stay, and stand for nothing
        return replace(applied, live=live)

    async def _apply(self, change: Change, resource: Resource, manager: str, schema: Schema) -> Applied:
        body = change.intended or b""
        if not change.uid:
            return Applied(Outcome.DONE, await self._writer.create(resource, change.key, body, manager))
        if _REPLICAS in change.removals:
            await self._hand_replicas_over(change, resource)
        try:
            answer = await self._update(change, resource, manager)
        except RefusedError as error:
            if not (change.removals and _refused_itself(error)):
                raise
            answer = await self._update_emptied(change, resource, manager, schema)
        if answer is None:
            return Applied(Outcome.DONE, await self._update_by_values(change, resource, manager, schema))
        operations = removal_patch(answer.content, change.removals, schema)
        if operations:  # co-owned by another manager; what is left after this one patch is the server's own
            answer = await self._writer.patch_json(
                resource, change.key, operations, manager, uid=answer.uid, resource_version=answer.resource_version
            )
        return Applied(Outcome.DONE, answer)

    async def _update(self, change: Change, resource: Resource, manager: str) -> CachedObject | None:
        """The answer of the apply; None where the resourceVersion never stands still.

        Raises ChangedMeanwhileError when the object is not what the plan saw.
        """
        body, resource_version = change.intended or b"", change.resource_version
        for _ in range(SAME_STATE_TRIES):
            try:
                return await self._writer.update(
                    resource, change.key, body, manager, uid=change.uid, resource_version=resource_version
                )
            except ChangedMeanwhileError:
                live = await self._writer.read(resource, change.key)
                if live is None or not _is_as_planned(live, change):
                    raise
                resource_version = live.resource_version
        return None

    async def _update_emptied(
        self, change: Change, resource: Resource, manager: str, schema: Schema
    ) -> CachedObject | None:
        """The removals first, by the patch that comes last otherwise: then an apply has nothing to leave null."""
        operations = removal_patch(change.actual or b"{}", change.removals, schema)
        live = await self._writer.patch_json(
            resource, change.key, operations, manager, uid=change.uid, resource_version=change.resource_version
        )
        emptied = replace(change, actual=live.content, resource_version=live.resource_version)
        return await self._update(emptied, resource, manager)

    async def _update_by_values(self, change: Change, resource: Resource, manager: str, schema: Schema) -> CachedObject:
        """Test the old values instead of the resourceVersion, then own the new ones.

        The one patch makes the removals as well: what is left of them is the server's own. What somebody else changed
        before it came is in the answer, and must not count as agreed on.
        """
        body = change.intended or b""
        operations = correction_patch(change.actual or b"{}", body, change.removals, schema)
        if operations:
            await self._writer.patch_json(resource, change.key, operations, manager, uid=change.uid)
        answer = await self._writer.update_unforced(resource, change.key, body, manager, uid=change.uid)
        agreed = without_strangers(change.actual or b"{}", answer.content, body, change.removals, schema)
        if agreed == answer.content:
            return answer
        return replace(answer, content=agreed, resource_version=change.resource_version)

    async def _hand_replicas_over(self, change: Change, resource: Resource) -> None:
        """Where an autoscaler targets the object, its live count must survive our letting go of the field."""
        actual = decoded(change.actual or b"{}")
        replicas = actual.get("spec", {}).get("replicas")
        if replicas is None or not await self._is_autoscaled(change):
            return
        held: Json = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": change.key.name},
            "spec": {"replicas": replicas},
        }
        await self._writer.update_unforced(resource, change.key, canonical(held), HANDOVER_MANAGER, uid=change.uid)

    async def _is_autoscaled(self, change: Change) -> bool:
        try:
            scalers = await self._client.list_all(HORIZONTAL_POD_AUTOSCALERS, change.key.namespace)
        except ForbiddenError:
            return True  # not knowing, the live count is kept
        targets = (scaler.get("spec", {}).get("scaleTargetRef", {}) for scaler in scalers)
        return any((target.get("kind"), target.get("name")) == (change.key.kind, change.key.name) for target in targets)

    async def _delete(self, change: Change, resource: Resource) -> Applied:
        resource_version: str | None = change.resource_version
        for _ in range(SAME_STATE_TRIES):
            try:
                held = await self._writer.delete(
                    resource, change.key, uid=change.uid, resource_version=resource_version
                )
                return Applied(Outcome.DONE, held)
            except ChangedMeanwhileError:
                live = await self._writer.read(resource, change.key)
                if live is None:
                    return Applied(Outcome.DONE)
                if not _is_as_planned(live, change):
                    return Applied(Outcome.CHANGED, live)
                resource_version = live.resource_version
        return await self.delete(change, resource)


def _is_as_planned(live: CachedObject, change: Change) -> bool:
    """Whether the live object still is what the plan saw, whatever its status does."""
    return live.uid == change.uid and not live.deleting and live.content == change.actual


def _refused_itself(error: RefusedError) -> bool:
    """Whether the API server refuses what its own apply made.

    Where a custom resource's map or list loses the last item that we owned, server-side apply leaves null, also where
    the document says `{}`, and the validation of the kind refuses that. (On built-in kinds the null just goes.)
    """
    return 'Invalid value: "null"' in error.message


def _may_be_replaced(change: Change, error: RefusedError) -> bool:
    annotations = decoded(change.intended or b"{}").get("metadata", {}).get("annotations") or {}
    return "immutable" in error.message and annotations.get(REPLACE) == ENABLED
