"""SyncJobs: runs that somebody asked for, one at a time per fabric, their progress in their status.

The queue of jobs is the cluster itself: what is not finished there is waiting here. A job that a dead process began is
begun again; its run converges like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import structlog

from controller.api.conditions import Verdict, derived_conditions
from controller.api.meta import CANCEL, FABRIC_LABEL, to_rfc3339
from controller.api.v1alpha1 import syncjob as api
from controller.errors import TandemError
from controller.kube.errors import KubeError, NotFoundError
from controller.kube.kinds import FABRICS, SYNC_JOBS
from controller.kube.watch import Change as LiveChange
from controller.objects import Json, ObjectKey
from controller.runtime.queue import WorkQueue
from controller.store.history import Archived
from controller.sync.conflicts import MANAGER
from controller.sync.conflictspec import owner_reference
from controller.sync.jobreport import errors_of_run, phase_of_run, results_of, statistics_of, warnings_of_run
from controller.sync.plan.model import Direction, Resolution, Strategy
from controller.sync.planning import Request
from controller.sync.profile import Profile
from controller.sync.run import Run
from controller.sync.service import FabricService
from controller.sync.tools import Tools

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Waiting:
    """One job that has not ended."""

    key: ObjectKey
    job: api.SyncJob
    cancelled: bool = False
    told: str = ""  # what it waits for, as its status says

    @property
    def uid(self) -> str:
        """The SyncJob's uid."""
        return self.job.metadata.uid

    def request(self, profile: Profile) -> Request:
        """What the job asks of its run."""
        spec = self.job.spec
        rules = profile.rules
        if spec.direction is not None:
            rules = replace(rules, direction=Direction(spec.direction.value))
        resolution = spec.conflict_resolution
        if resolution is not None and spec.type is api.JobType.SYNC:
            if resolution.strategy is not None:
                rules = replace(rules, strategy=Strategy(resolution.strategy.value))
            if resolution.auto_resolve_simple is not None:
                rules = replace(rules, auto_resolve_simple=resolution.auto_resolve_simple)
        force = None
        if spec.options is not None and spec.options.force:
            forward = rules.direction is Direction.GIT_TO_CLUSTER
            force = Strategy.GIT_WINS if forward else Strategy.CLUSTER_WINS
        return Request(manual=True, rules=rules, force=force, wanted=wanted(spec.filters))


def wanted(filters: api.JobFilters | None) -> Callable[[ObjectKey], bool] | None:
    """Whether an object is one of the job's; None means that every object is."""
    if filters is None or not (filters.kinds or filters.names or filters.namespaces):
        return None

    def is_wanted(key: ObjectKey) -> bool:
        kinds = {key.kind, str(key.group_kind)}
        return (
            (not filters.kinds or bool(kinds.intersection(filters.kinds)))
            and (not filters.names or any(fnmatchcase(key.name, glob) for glob in filters.names))
            and (not filters.namespaces or key.namespace in filters.namespaces)
        )

    return is_wanted


class Jobs:
    """The SyncJobs of all fabrics."""

    def __init__(self, tools: Tools, queue: WorkQueue[ObjectKey]) -> None:
        self._tools = tools
        self._queue = queue
        self._waiting: dict[ObjectKey, dict[str, Waiting]] = {}
        self._ended: dict[str, tuple[ObjectKey, float]] = {}  # uid → (job, when its time is up)

    async def load(self, namespace: str | None) -> None:
        """After a start: which jobs are over already. Call before `on_change` hears of the first."""
        for item in await self._tools.client.list_all(SYNC_JOBS, namespace):
            try:
                job = api.SyncJob.from_object(item)
            except TandemError:
                continue  # anybody may make one that cannot be read; `on_change` says so
            if job.status.phase is not None and job.status.phase.is_final:
                done = job.status.completion_time
                self._end(job, self._tools.wall() if done is None else done.timestamp())

    def on_change(self, change: LiveChange) -> None:
        """A SyncJob appeared, was annotated, or went."""
        if change.new is None:
            if change.old is not None:
                self._ended.pop(change.old.uid, None)
            for jobs in self._waiting.values():
                gone = jobs.get(change.key.name)
                if gone is not None and gone.key == change.key:
                    del jobs[change.key.name]
            return
        try:
            job = api.SyncJob.from_object(change.new.body_in(change.key.namespace))
        except TandemError as error:
            log.warning("a SyncJob cannot be read", job=str(change.key), problem=error.message)
            return
        if job.metadata.uid in self._ended:
            return
        fabric = _fabric_key(job)
        jobs = self._waiting.setdefault(fabric, {})
        known = jobs.get(change.key.name)
        if known is None or known.uid != job.metadata.uid:
            known = jobs[change.key.name] = Waiting(change.key, job)
        known.cancelled = CANCEL in job.metadata.annotations
        self._queue.add(fabric)

    def has_waiting(self, fabric: ObjectKey) -> bool:
        """Whether another job of the fabric waits for its turn."""
        return any(job.uid not in self._ended for job in self._waiting.get(fabric, {}).values())

    def next_for(self, fabric: ObjectKey) -> Waiting | None:
        """The job that was seen first."""
        waiting = self._waiting.get(fabric, {}).values()
        return next((job for job in waiting if job.uid not in self._ended), None)

    async def hold(self, fabric: ObjectKey, why: str) -> None:
        """The fabric cannot run now: its jobs wait, and say for what."""
        for waiting in list(self._waiting.get(fabric, {}).values()):
            if waiting.uid not in self._ended and waiting.told != why:
                waiting.told = why
                await self._write(waiting, self._status(waiting, api.JobPhase.PENDING, f"waits: {why}"))

    async def begin(self, waiting: Waiting, run: Run, service: FabricService) -> None:
        """The job's run begins: its objects are planned again, its conflicts are decided."""
        spec, state = waiting.job.spec, service.state
        run.job = waiting.key.name
        run.initiated_by = spec.initiated_by or ""
        run.trigger = spec.trigger.value
        run.kind = spec.type.value
        run.cancelled = lambda: waiting.cancelled
        if spec.options is not None and spec.options.commit_message:
            run.commit_subject = spec.options.commit_message
        is_wanted = run.request.wanted or (lambda _: True)
        if spec.type is api.JobType.RESOLVE_CONFLICTS:
            self._decide(waiting, service, is_wanted)
        else:
            state.dirty.update(key for key in state.known_keys() if is_wanted(key))
        await self._claim(waiting, state.profile)
        status = self._status(waiting, api.JobPhase.IN_PROGRESS, "runs") | {
            "operationId": run.id,
            "currentPhase": api.CurrentPhase.SYNCING_DATA.value,
            "startTime": to_rfc3339(self._tools.now()),
        }
        await self._write(waiting, status)

    async def _claim(self, waiting: Waiting, profile: Profile) -> None:
        """Make the job go with its Fabric, whoever made it and however."""
        metadata = waiting.job.metadata
        if any(owner.uid == profile.uid for owner in metadata.owner_references):
            return
        owners = [*(owner.to_json() for owner in metadata.owner_references), owner_reference(profile)]
        patch = {"uid": waiting.uid, "labels": {FABRIC_LABEL: profile.name}, "ownerReferences": owners}
        try:
            await self._tools.writer.merge(SYNC_JOBS, waiting.key, {"metadata": patch}, MANAGER)
        except KubeError as error:
            log.warning("a SyncJob could not be claimed", job=str(waiting.key), problem=error.message)

    async def finish(self, waiting: Waiting, run: Run, service: FabricService) -> None:
        """The run ended: what came of it goes into the job's status and the archive."""
        is_wanted = run.request.wanted or (lambda _: True)
        changes = [change for key, change in run.changes.items() if is_wanted(key)]
        phase, finding = phase_of_run(run, service.state.guards)
        now = self._tools.now()
        verdict = Verdict(findings=(finding,) if finding else (), healthy=f"{len(changes)} objects looked at")
        conditions = derived_conditions((), verdict, generation=waiting.job.metadata.generation or 1, now=now)
        status = {
            "observedGeneration": waiting.job.metadata.generation or 1,
            "phase": phase.value,
            "currentPhase": None,
            "progress": {
                "targeted": len(changes),
                "processed": sum(change.key not in service.state.dirty for change in changes),
            },
            "statistics": statistics_of(run, changes),
            "commitSHA": run.commits[-1] if run.commits else None,
            "errors": errors_of_run(run),
            "warnings": warnings_of_run(run, changes),
            "results": results_of(run, changes),
            "completionTime": to_rfc3339(now),
            "conditions": [condition.to_json() for condition in conditions],
        }
        self._end(waiting.job, now.timestamp())
        jobs = self._waiting.get(_fabric_key(waiting.job), {})
        if jobs.get(waiting.key.name) is waiting:  # another of that name may have been made meanwhile
            del jobs[waiting.key.name]
        await self._write(waiting, status)
        content = waiting.job.model_dump(mode="json", by_alias=True, exclude_none=True) | {"status": status}
        archived = Archived(waiting.uid, "SyncJob", waiting.key.name, now.timestamp(), content)
        await self._tools.store.archive.put(service.ledger.row.id, archived)

    async def remove_old(self) -> None:
        """Delete finished jobs whose time is up; they stay in the archive."""
        now = self._tools.wall()
        for uid, (key, until) in list(self._ended.items()):
            if until <= now:
                try:
                    await self._tools.writer.delete(SYNC_JOBS, key, uid=uid)
                except NotFoundError:
                    log.debug("a finished job was gone already", job=str(key))
                except KubeError as error:
                    log.debug("a finished job could not be deleted", job=str(key), problem=error.message)
                    continue
                self._ended.pop(uid, None)  # the watch may have been faster

    def _decide(self, waiting: Waiting, service: FabricService, is_wanted: Callable[[ObjectKey], bool]) -> None:
        """Give every open conflict of the job its decision."""
        resolution = waiting.job.spec.conflict_resolution
        state = service.state
        for key in service.desk.open_keys:
            if not is_wanted(key):
                continue
            conflict = state.conflicts.get(key)
            simple = conflict is not None and conflict.auto_resolvable
            if resolution is not None and resolution.auto_resolve_simple and simple:
                state.resolutions[key] = Resolution(Strategy.MERGE)
            elif resolution is not None and resolution.strategy is not None:
                state.resolutions[key] = Resolution(Strategy(resolution.strategy.value))
            state.dirty.add(key)

    def _end(self, job: api.SyncJob, finished: float) -> None:
        key = SYNC_JOBS.key(job.metadata.namespace, job.metadata.name)
        self._ended[job.metadata.uid] = (key, finished + job.spec.ttl_seconds_after_finished)

    def _status(self, waiting: Waiting, phase: api.JobPhase, progress: str) -> Json:
        verdict = Verdict(progress=progress)
        generation = waiting.job.metadata.generation or 1
        conditions = derived_conditions((), verdict, generation=generation, now=self._tools.now())
        return {
            "observedGeneration": generation,
            "phase": phase.value,
            "conditions": [condition.to_json() for condition in conditions],
        }

    async def _write(self, waiting: Waiting, status: Json) -> None:
        try:
            await self._tools.writer.patch_status(SYNC_JOBS, waiting.key, status, MANAGER)
        except KubeError as error:
            log.warning("the status of a SyncJob could not be written", job=str(waiting.key), problem=error.message)


def _fabric_key(job: api.SyncJob) -> ObjectKey:
    return FABRICS.key(job.metadata.namespace, job.spec.fabric_ref.name)
