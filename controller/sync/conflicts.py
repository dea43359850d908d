"""SyncConflict objects: a plan's conflicts shown to people, and people's decisions brought back to the plan.

One object per conflicting object, its name computed, so that finding a conflict again never makes a second one. What
this desk remembers of each is what the cluster holds; a restart reads it back with one list per fabric.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from controller.api.conditions import Finding, Verdict, derived_conditions
from controller.api.meta import API_VERSION, FABRIC_LABEL, to_rfc3339
from controller.api.v1alpha1 import syncconflict as api
from controller.errors import Reason, StalledError
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.errors import AlreadyExistsError, NotFoundError
from controller.kube.kinds import SYNC_CONFLICTS
from controller.objects import Json, ObjectKey
from controller.store.history import Archived
from controller.sync.conflictspec import Evidence, conflict_spec, object_key, owner_reference, to_resolution
from controller.sync.plan.model import Change, Conflict, Resolution
from controller.sync.profile import Profile

KEPT = timedelta(days=7)  # that a settled conflict is shown; afterwards only the archive has it
MANAGER = "tandem"  # who writes our own kinds; never a fabric's manager

_TELLING = frozenset({Reason.OWNED_BY_OTHER, Reason.TOO_MANY_COMMITS})  # else it is open because both sides changed

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Shown:
    """One SyncConflict as the cluster holds it."""

    name: str
    uid: str
    token: str
    state: api.ConflictState
    detected_at: datetime | None = None  # None: its status was never written
    resolved_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to decide."""
        return not self.state.is_final


Keep = Callable[[Archived], Awaitable[None]]
"""Takes the last state of a SyncConflict before it is deleted."""


class ConflictDesk:
    """The SyncConflicts of one fabric."""

    def __init__(
        self, client: KubeClient, writer: Writer, profile: Profile, now: Callable[[], datetime], keep: Keep
    ) -> None:
        self._client = client
        self._writer = writer
        self._profile = profile
        self._now = now
        self._keep = keep
        self._shown: dict[ObjectKey, Shown] = {}
        self.found_open: dict[ObjectKey, api.SyncConflictSpec] = {}  # at the start, for who has lost the bases

    @property
    def open_keys(self) -> list[ObjectKey]:
        """The objects with an open conflict."""
        return [key for key, shown in self._shown.items() if shown.is_open]

    def is_open(self, key: ObjectKey) -> bool:
        """Whether the object has an open conflict."""
        shown = self._shown.get(key)
        return shown is not None and shown.is_open

    def awaits(self, key: ObjectKey, uid: str) -> bool:
        """Whether this SyncConflict is the one that shows the object's open conflict: only in it can it be decided.

        Another one, or one that is settled, would decide about values that nobody has seen.
        """
        shown = self._shown.get(key)
        return shown is not None and shown.is_open and shown.uid == uid

    async def load(self) -> tuple[dict[ObjectKey, Resolution], dict[ObjectKey, str]]:
        """Read back what is shown, after a start. Returns the decisions that wait, and why others cannot be read."""
        waiting: dict[ObjectKey, Resolution] = {}
        misread: dict[ObjectKey, str] = {}
        selector = f"labelSelector={FABRIC_LABEL}%3D{self._profile.name}"
        for item in await self._client.list_all(SYNC_CONFLICTS, self._profile.namespace, selectors=selector):
            resource = self._own(item)
            if resource is None:
                continue
            key = object_key(resource)
            state = resource.status.state or api.ConflictState.OPEN
            self._shown[key] = Shown(
                resource.metadata.name,
                resource.metadata.uid,
                resource.spec.state_token,
                state,
                resource.status.detected_at,
                resource.status.resolved_at,
            )
            if not state.is_final:
                self.found_open[key] = resource.spec
            if resource.spec.resolution is not None and not state.is_final:
                try:
                    waiting[key] = to_resolution(resource.spec.resolution)
                except StalledError as error:
                    misread[key] = error.message
        return waiting, misread

    def _own(self, item: Json) -> api.SyncConflict | None:
        """The SyncConflict, if this desk can have made it: others may make what they like, and are left alone."""
        try:
            resource = api.SyncConflict.from_object(item)
        except StalledError as error:
            log.warning("a SyncConflict cannot be read", problem=error.message)
            return None
        name, profile = resource.metadata.name, self._profile
        if resource.spec.fabric_ref.name != profile.name:
            return None
        if name != api.conflict_name(profile.name, profile.uid, object_key(resource)):
            log.warning("a SyncConflict that is not Tandem's is left alone", conflict=name)
            return None
        return resource

    def note_deleted(self, key: ObjectKey, uid: str) -> bool:
        """Somebody deleted the SyncConflict. Returns whether it was open, and so has to be made again."""
        shown = self._shown.get(key)
        if shown is None or shown.uid != uid:
            return False
        del self._shown[key]
        return shown.is_open

    def is_shown(self, change: Change) -> bool:
        """Whether people see this very conflict already."""
        shown = self._shown.get(change.key)
        token = None if change.conflict is None else change.conflict.token
        return shown is not None and shown.is_open and shown.token == token

    async def show(self, change: Change, evidence: Evidence) -> bool:
        """Show the change's conflict. Returns whether it is new: not shown before, or settled before."""
        conflict, shown = change.conflict, self._shown.get(change.key)
        if conflict is None:
            return False
        if shown is not None and shown.is_open:
            await self._rewrite(shown, change, conflict, evidence)
            return False
        if shown is not None:  # it was settled, and now there is another one: the old one makes room
            await self._remove(change.key, shown)
        self._shown[change.key] = await self._create(change, conflict, evidence)
        await self._write_status(change.key, conflict, api.ConflictState.OPEN, _open_finding(change, conflict))
        return True

    async def settle(self, key: ObjectKey, state: api.ConflictState, message: str) -> bool:
        """The conflict is over. Returns whether one was open."""
        shown = self._shown.get(key)
        if shown is None or not shown.is_open:
            return False
        shown.state, shown.resolved_at = state, self._now()
        verdict = Verdict(findings=(), healthy=message)
        status = self._status(verdict, state, shown) | {"resolvedAt": to_rfc3339(shown.resolved_at)}
        await self._patch_status(key, shown, status)
        return True

    async def fail(self, key: ObjectKey, reason: Reason, message: str) -> None:
        """A decision could not be carried out: the conflict stays open and says why; the decision is taken away."""
        shown = self._shown.get(key)
        if shown is None:
            return
        state = api.ConflictState.OPEN if reason is Reason.STALE else api.ConflictState.FAILED
        await self._patch(shown, {"spec": {"resolution": None}})
        shown.state = state
        await self._patch_status(key, shown, self._status(Verdict(findings=(Finding(reason, message),)), state, shown))

    async def withdraw(self, key: ObjectKey) -> None:
        """Take the conflict back, values and all: it is shown no longer, and archived nowhere."""
        shown = self._shown[key]
        with suppress(NotFoundError):
            await self._writer.delete(SYNC_CONFLICTS, self._key(shown.name), uid=shown.uid)
        self._shown.pop(key, None)

    async def remove_old(self) -> None:
        """Delete the settled conflicts whose time is up; they stay in the archive."""
        limit = self._now() - KEPT
        for key, shown in list(self._shown.items()):
            if not shown.is_open and shown.resolved_at is not None and shown.resolved_at < limit:
                await self._remove(key, shown)

    async def _create(self, change: Change, conflict: Conflict, evidence: Evidence) -> Shown:
        profile, key = self._profile, change.key
        name = api.conflict_name(profile.name, profile.uid, key)
        body: Json = {
            "apiVersion": API_VERSION,
            "kind": "SyncConflict",
            "metadata": {
                "name": name,
                "labels": {FABRIC_LABEL: profile.name},
                "ownerReferences": [owner_reference(profile)],
            },
            "spec": conflict_spec(profile, change, conflict, evidence).to_json(),
        }
        try:
            made = await self._writer.post(SYNC_CONFLICTS, profile.namespace, body, MANAGER)
        except AlreadyExistsError:
            # Left by an earlier life of this process: it is ours by name, so it is brought up to date.
            del body["spec"]["fabricRef"], body["spec"]["object"]
            body["spec"].setdefault("resolution", None)
            made = await self._writer.merge(SYNC_CONFLICTS, self._key(name), {"spec": body["spec"]}, MANAGER)
        return Shown(name, made.uid, conflict.token, api.ConflictState.OPEN)

    async def _rewrite(self, shown: Shown, change: Change, conflict: Conflict, evidence: Evidence) -> None:
        if shown.token == conflict.token and shown.detected_at is not None:
            return
        if shown.token != conflict.token:
            spec = conflict_spec(self._profile, change, conflict, evidence).to_json()
            del spec["fabricRef"], spec["object"]
            await self._patch(shown, {"spec": spec | {"resolution": None}})
            shown.token, shown.state = conflict.token, api.ConflictState.OPEN
        await self._write_status(change.key, conflict, api.ConflictState.OPEN, _open_finding(change, conflict))

    async def _remove(self, key: ObjectKey, shown: Shown) -> None:
        self._shown.pop(key, None)
        try:
            content = await self._client.get(SYNC_CONFLICTS, self._profile.namespace, shown.name)
            await self._keep(Archived(shown.uid, "SyncConflict", shown.name, self._now().timestamp(), content))
            await self._writer.delete(SYNC_CONFLICTS, self._key(shown.name), uid=shown.uid)
        except NotFoundError:
            log.debug("the settled conflict was gone already", conflict=shown.name)

    async def _write_status(
        self, key: ObjectKey, conflict: Conflict, state: api.ConflictState, finding: Finding
    ) -> None:
        shown = self._shown[key]
        detected = shown.detected_at or self._now()
        status = self._status(Verdict(findings=(finding,)), state, shown) | {
            "severity": conflict.severity.value.capitalize(),
            "autoResolvable": conflict.auto_resolvable,
            "suggested": conflict.suggested.value if conflict.suggested else None,
            "detectedAt": to_rfc3339(detected),
            "resolvedAt": None,
        }
        await self._patch_status(key, shown, status)
        shown.detected_at = detected

    def _status(self, verdict: Verdict, state: api.ConflictState, shown: Shown) -> Json:
        conditions = derived_conditions((), verdict, generation=1, now=self._now())
        return {"state": state.value, "conditions": [condition.to_json() for condition in conditions]}

    async def _patch(self, shown: Shown, patch: Json) -> None:
        await self._writer.merge(SYNC_CONFLICTS, self._key(shown.name), patch, MANAGER)

    async def _patch_status(self, key: ObjectKey, shown: Shown, status: Json) -> None:
        try:
            await self._writer.patch_status(SYNC_CONFLICTS, self._key(shown.name), status, MANAGER)
        except NotFoundError:
            self._shown.pop(key, None)  # deleted by hand: an open one is shown again by the next plan
            if shown.is_open:
                raise

    def _key(self, name: str) -> ObjectKey:
        return SYNC_CONFLICTS.key(self._profile.namespace, name)


def _open_finding(change: Change, conflict: Conflict) -> Finding:
    reason = change.reason if change.reason in _TELLING else Reason.CONFLICTS_OPEN
    message = conflict.message or f"{len(conflict.fields)} fields differ; set spec.resolution to decide"
    return Finding(reason, message)
