"""The fabrics of this process: one service each, made when a Fabric appears, given up when it goes.

`handle` is the queue's handler: it decides whether a run is due, lets the service walk its way, and says when to come
back. What a run found goes into the status, Events and the history here, in one place.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from controller.api.meta import REQUESTED_AT
from controller.api.v1alpha1.fabric import Fabric
from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.errors import Reason, StalledError, TandemError, WaitingError
from controller.kube.errors import ChangedMeanwhileError, NotFoundError
from controller.kube.kinds import FABRICS
from controller.kube.watch import Change as LiveChange
from controller.kube.watch import Source
from controller.objects import Json, Kind, ObjectKey
from controller.runtime.clock import jittered
from controller.runtime.configs import ConfigCache
from controller.runtime.logging import bind_run
from controller.runtime.queue import WorkQueue
from controller.sync.admission import admitted_profile
from controller.sync.deciding import note_written
from controller.sync.departure import Departure
from controller.sync.entry import Entry
from controller.sync.jobs import Jobs
from controller.sync.ledger import Ledger
from controller.sync.notifying import NoticeDesk
from controller.sync.plan.model import Action, Actual
from controller.sync.profile import Profile
from controller.sync.pulls import PullDesk
from controller.sync.reach import OtherClusterError, Reach
from controller.sync.reporting import Reporter
from controller.sync.rivalry import Rivalry
from controller.sync.rivals import rivalry
from controller.sync.run import Run, new_run
from controller.sync.service import FabricService
from controller.sync.state import FabricState
from controller.sync.target import ClusterView
from controller.sync.tools import Tools

LETTING_GO = frozenset({Action.FORGET, Action.PRUNE})
SHORTEST_CAP = 30.0  # seconds: the longest back-off is the interval, but never less than this

log = structlog.get_logger(__name__)


class Fabrics:
    """All fabrics. Runs in one event loop; `handle` is never called twice at once for one key."""

    def __init__(
        self, tools: Tools, cache: ConfigCache, queue: WorkQueue[ObjectKey], clock: Callable[[], float]
    ) -> None:
        self._tools = tools
        self._cache = cache
        self._queue = queue
        self._clock = clock
        self._entries: dict[ObjectKey, Entry] = {}
        self._notices = NoticeDesk(tools)
        self._reporter = Reporter(
            tools, lambda: sum(len(service.state.bases) for service in self.services()), self._notices
        )
        self._departure = Departure(tools, self._admitted_entry, self._tell_kept)
        self.jobs = Jobs(tools, queue)
        self.pulls = PullDesk(tools, self.service, queue.add, clock)

    def service(self, key: ObjectKey) -> FabricService | None:
        """The service of a Fabric, if it is under care."""
        entry = self._entries.get(key)
        return entry.service if entry else None

    def services(self) -> list[FabricService]:
        """Every service."""
        return [entry.service for entry in self._entries.values()]

    async def handle(self, key: ObjectKey) -> None:
        """One turn of one fabric."""
        body = self._cache.get(key)
        if body is None:
            self._give_up(key)
            await self.jobs.hold(key, "there is no Fabric of this name in this namespace; make it, or delete the job")
            return
        try:
            fabric = Fabric.from_object(body)
            if fabric.metadata.deletion_timestamp is not None:
                await self._settle(key, fabric)
                return
            if fabric.spec.suspend:
                await self._remember(key, fabric)
                self._tools.source.rest(fabric.metadata.uid)
                await self.jobs.hold(key, "the Fabric is suspended; kubectl tandem resume lets it run again")
                return
            await self._ensure_finalizer(key, fabric)
            entry = await self._admitted_entry(key, fabric)
        except (NotFoundError, ChangedMeanwhileError):
            self._queue.retry(key)
            return
        except (StalledError, OtherClusterError) as error:
            await self._stall(key, body, error)
            return
        except TandemError as error:
            log.warning("the fabric cannot run", fabric=str(key), reason=error.reason.value, problem=error.message)
            self._queue.retry(key)
            return
        await self._turn(key, body, fabric, entry)

    async def _turn(self, key: ObjectKey, body: Json, fabric: Fabric, entry: Entry) -> None:
        """One run, its report, and when to come back."""
        service, profile = entry.service, entry.service.state.profile
        requested = profile.requested_at != (fabric.status.last_handled_request or "")
        job = self.jobs.next_for(key) if service.is_loaded else None  # a job decides on what a first run has found
        now = self._clock()
        if requested or job is not None or now >= entry.next_poll:
            service.look_again()
        if requested and profile.requested_at != entry.handled_request:
            entry.take_request(profile.requested_at, now)
            service.state.view.sight.ask_refusals_again()
        entry.take_up(now, self._tools.wall())
        run = new_run(self._tools.wall(), None if job is None else job.request(profile))
        with bind_run(fabric=profile.fabric, run=run.id, revision=service.state.seen_commit):
            if job is not None:
                await self.jobs.begin(job, run, service)
            self._reporter.announce(body)
            await service.run(run)
            entry.was_refused = run.problem is not None and run.problem.reason is Reason.INVALID_KUBECONFIG
            self._tell_freed(key, {one for one, change in run.changes.items() if change.action in LETTING_GO})
            await self._reporter.report(self._cache.get(key) or body, service, run)
            if job is not None:
                await self.jobs.finish(job, run, service)
        if run.fetched or entry.next_poll <= now:
            entry.next_poll = self._clock() + jittered(profile.interval)
        self.pulls.wake(key)
        self._come_back(key, entry, run)

    def _come_back(self, key: ObjectKey, entry: Entry, run: Run) -> None:
        service, now = entry.service, self._clock()
        cap = max(service.state.profile.interval, SHORTEST_CAP)
        stalled = isinstance(run.problem, StalledError)
        if run.problem is not None and not stalled:
            self._queue.retry(key, cap=cap)
        elif run.results.unseen:
            self._queue.retry(key, cap=cap, hold=False)
        elif service.state.dirty and not run.guarded and run.problem is None:
            self._queue.add(key)
        if (delay := entry.put_off(now, cap)) is not None:
            self._queue.add_after(key, delay)
        self._queue.add_after(key, max(0.0, entry.next_poll - now))
        if (end := service.state.fights.next_end(self._tools.wall())) is not None:
            self._queue.add_after(key, end)
        if (delay := service.state.view.sight.due_in) is not None:
            self._queue.add_after(key, delay)
        self._look_again(key, service.state.profile.uid)
        if self.jobs.has_waiting(key):
            self._queue.add(key)

    def _look_again(self, key: ObjectKey, uid: str) -> None:
        """Come back when something that was found has lasted long enough to be told."""
        if (delay := self._notices.due_in(uid)) is not None:
            self._queue.add_after(key, delay)

    # --- life and death --------------------------------------------------------------------------------------------

    async def _admitted_entry(self, key: ObjectKey, fabric: Fabric) -> Entry:
        """The fabric's service, on the cluster that its spec names now. Raises what keeps it from running."""
        tools = self._tools
        known = self._entries.get(key)
        requested = fabric.metadata.annotations.get(REQUESTED_AT, "")
        handled = ("", fabric.status.last_handled_request, "" if known is None else known.handled_request)
        reread = known is None or known.is_refused or requested not in handled
        reach = await tools.targets.reach(fabric, reread=reread)
        try:
            profile = await admitted_profile(tools.installation, reach.cluster, fabric)
            return await self._entry(key, profile, reach)
        except TandemError as error:
            raise reach.told(error) from error

    async def _entry(self, key: ObjectKey, profile: Profile, reach: Reach) -> Entry:
        """The fabric's service, made anew when its spec is another: other scope, other watches, other rules.

        So it is when its cluster is reached in another way: by another kubeconfig, or because another one answers.
        """
        entry = self._entries.get(key)
        if (
            entry is not None
            and entry.service.state.profile.uid == profile.uid
            and entry.generation == profile.generation
            and entry.service.state.reach.cluster is reach.cluster
        ):
            entry.service.take_profile(profile)
            return entry
        await reach.cluster.lifetime.check()
        row = await self._tools.store.fabrics.register(profile.uid, profile.namespace, profile.name)
        view = ClusterView(
            reach,
            profile.scope,
            lambda change: self._on_live(key, change),
            lambda kind: self._on_synced(key, kind),
        )
        view.follow_definitions(lambda kinds: self._on_kinds(key, kinds))
        state = FabricState(profile, reach, view)
        ledger = Ledger(self._tools.store, row, state)
        fresh = Entry(FabricService(self._tools, state, ledger, self._rivals), profile.generation)
        if entry is not None:
            fresh.handled_request = entry.handled_request
            fresh.service.recovery.is_due = entry.service.recovery.is_due
            state.fights = entry.service.state.fights
            entry.service.state.view.close()
        self._entries[key] = fresh
        self._tools.targets.hold(profile.uid, reach.cluster)
        self._tools.metrics.fabrics(len(self._entries))
        return fresh

    def _give_up(self, key: ObjectKey) -> None:
        """The Fabric is gone: its watches end. What it had recorded went with its finalizer."""
        self._queue.forget(key)
        uid = self._close(key)
        if uid:
            self._tools.source.release(uid)
            self._tools.forges.release(uid)
            self.pulls.forget(uid)
            self._tools.sealing.release(uid)
            self._tools.targets.release(uid)
            self._notices.forget(uid)
            self._tools.announcer.forget(uid)
            self._tools.statuses.forget(key)
            self._tools.metrics.conflicts_open(uid, 0)

    def _close(self, key: ObjectKey) -> str:
        """End the fabric's watches. Returns its uid, "" if it was not under care."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return ""
        self._tell_freed(key, set(entry.service.state.bases))
        entry.service.state.view.close()
        self._tools.metrics.fabrics(len(self._entries))
        return entry.service.state.profile.uid

    async def _remember(self, key: ObjectKey, fabric: Fabric) -> None:
        """A suspended fabric does nothing, but what it holds is still its own: others have to know."""
        await self._ensure_finalizer(key, fabric)
        try:
            entry = await self._admitted_entry(key, fabric)
        except (StalledError, OtherClusterError):
            return  # it holds nothing, or nobody can tell; it keeps its conditions
        await entry.service.load()

    async def _ensure_finalizer(self, key: ObjectKey, fabric: Fabric) -> None:
        """A Fabric under care has its finalizer."""
        if key not in self._entries:
            await self._departure.prepare(key, fabric)

    async def _settle(self, key: ObjectKey, fabric: Fabric) -> None:
        """The Fabric is being deleted."""
        if await self._departure.settle(key, fabric):
            self._give_up(key)
            self._notices.forget(fabric.metadata.uid)
        else:
            self._queue.retry(key)

    async def _tell_kept(self, key: ObjectKey, why: WaitingError) -> None:
        """A deleted Fabric cannot go."""
        body = self._cache.get(key)
        if body is not None:
            await self._reporter.report_stall(body, why)

    async def _stall(self, key: ObjectKey, body: Json, error: StalledError | OtherClusterError) -> None:
        """The spec cannot be worked with, or the cluster of its objects cannot be reached: nothing is done for it."""
        log.warning("the fabric cannot run", fabric=str(key), reason=error.reason.value, problem=error.message)
        uid = self._close(key)
        self._tools.targets.release(uid or body["metadata"]["uid"])
        await self._reporter.report_stall(body, error)
        self._look_again(key, body["metadata"]["uid"])
        await self.jobs.hold(key, f"the Fabric cannot run: {error.message}")
        if not isinstance(error, StalledError):
            self._queue.retry(key)

    # --- what wakes a fabric ---------------------------------------------------------------------------------------

    def _on_live(self, key: ObjectKey, change: LiveChange) -> None:
        """A watched object moved. Edits are gathered for a moment; where Git always wins they are put back at once."""
        entry = self._entries.get(key)
        if entry is None:
            return
        state = entry.service.state
        if state.keeps(change.key):
            self._tools.attribution.follow(change, lambda: state.schema(change.key))
        if not state.note_live(change, self._tools.wall()):
            return
        profile = entry.service.state.profile
        if profile.batches(change.key.group_kind):
            self._queue.add_after(key, profile.batch_window)
        else:
            self._queue.add(key)

    def on_conflict(self, change: LiveChange) -> None:
        """Somebody wrote a SyncConflict: a decision to carry out, or one that was deleted while it was open."""
        seen = change.new or change.old
        if seen is None or change.source is Source.OWN:
            return
        try:
            conflict = SyncConflict.from_object(seen.body_in(change.key.namespace))
            key = FABRICS.key(change.key.namespace, conflict.spec.fabric_ref.name)
            service = self.service(key)
            if service is not None and note_written(service.desk, service.state, conflict, deleted=change.new is None):
                self._queue.add(key)
        except TandemError as error:
            log.warning("a SyncConflict cannot be read", conflict=str(change.key), problem=error.message)

    def _on_synced(self, key: ObjectKey, kind: Kind) -> None:
        """A list of a kind became complete, or stopped being so: every object of it may be known or unknown now."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.service.state.note_list(kind)
            self._queue.add(key)

    def _on_kinds(self, key: ObjectKey, kinds: frozenset[Kind]) -> None:
        """Definitions changed: what was unknown may be served, and what was compared may have other fields."""
        entry = self._entries.get(key)
        if entry is not None and entry.service.state.note_definitions(kinds):
            self._queue.add(key)

    def _tell_freed(self, left: ObjectKey, freed: set[ObjectKey]) -> None:
        """A fabric let go of objects: others that wait for one of them look at it again."""
        for key, entry in self._entries.items():
            if key != left and entry.service.state.note_freed(freed):
                self._queue.add(key)

    def _rivals(self, profile: Profile, key: ObjectKey, actual: Actual) -> Rivalry:
        return rivalry(profile, key, actual, self._tools.installation, self._cache, self.services())
