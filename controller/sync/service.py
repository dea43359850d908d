"""The way of one fabric, in the order it is walked: fetch, read, watch, plan, apply, write back, record, report.

A run works on what is dirty: after a start that is everything, later it is what a commit or a live edit touched. It
goes round until nothing is dirty: an object that somebody changed meanwhile is planned again, a branch that somebody
pushed to is fetched again. Whatever stops it half-way, the next run finds both sides as they are and converges.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import structlog

from controller.api.conditions import Finding
from controller.api.v1alpha1.fabricstatus import MAX_EXCEPTIONS
from controller.api.v1alpha1.syncconflict import ConflictState
from controller.errors import Reason, StalledError, TandemError, WaitingError
from controller.git.errors import ObjectMissingError
from controller.git.mirror import Mirror
from controller.git.snapshot import Snapshot
from controller.objects import ObjectKey
from controller.runtime.logging import bind_revision
from controller.store.history import Archived
from controller.sync.conflicts import ConflictDesk
from controller.sync.declared import Blob
from controller.sync.execution import Executor, Results, by_effect, exceptional
from controller.sync.ledger import Ledger
from controller.sync.lives import profile_in
from controller.sync.minimising import minimised_changes
from controller.sync.plan.guard import Confirmed, Context
from controller.sync.plan.model import Action, Actual, Change, Plan, Rules, Situation
from controller.sync.plan.plan import make_plan
from controller.sync.planning import Planner, Request
from controller.sync.profile import Profile
from controller.sync.publishing import Publisher
from controller.sync.report import WAITING_REASONS
from controller.sync.rivalry import Rivals
from controller.sync.source import Diff, Sight
from controller.sync.state import FabricState
from controller.sync.target import Version
from controller.sync.tools import Tools

ROUNDS = 8  # of planning in one run; what still moves then is planned by the next run
LIST_PATIENCE = 30.0  # seconds to wait for the first complete lists; what is missing then is unknown
_SILENT = frozenset({Action.UNCHANGED, Action.IGNORE})

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Run:
    """One walk: who asked for what, and what came of it."""

    id: str
    started: float
    request: Request = field(default_factory=Request)
    results: Results = field(default_factory=Results)
    changes: dict[ObjectKey, Change] = field(default_factory=dict)
    problem: TandemError | None = None  # what kept the run from going its whole way
    commits: list[str] = field(default_factory=list)
    commit_subject: str = ""
    fetched: str = ""
    conflicts_opened: int = 0
    conflicts_settled: int = 0
    guarded: bool = False
    job: str = ""  # the SyncJob that asked for it
    kind: str = "Sync"
    trigger: str = "Automatic"
    initiated_by: str = ""
    revision_before: str = ""
    cancelled: Callable[[], bool] = lambda: False  # asked between two rounds
    was_cancelled: bool = False

    @property
    def did_something(self) -> bool:
        """Whether the run changed, refused or failed something: worth a row in the history."""
        changed = any(action not in _SILENT for action in self.results.counts)
        return bool(
            changed or self.commits or self.results.failed or self.problem or self.guarded
            or self.conflicts_opened or self.conflicts_settled
        )  # fmt: skip

    @property
    def outcome(self) -> str:
        """One word for the history and the metrics."""
        if self.was_cancelled:
            return "cancelled"
        if self.problem is not None or self.guarded:
            return "stalled" if self.guarded or isinstance(self.problem, StalledError) else "failed"
        if self.results.failed:
            return "failed"
        if self.conflicts_opened:
            return "conflicted"
        return "changed" if self.did_something else "unchanged"


def new_run(now: float, request: Request | None = None) -> Run:
    """A run with an id of its own."""
    return Run(str(uuid.uuid4()), now, request or Request())


class FabricService:
    """Everything one fabric needs to be kept in step. One run at a time: the queue sees to that."""

    def __init__(self, tools: Tools, state: FabricState, ledger: Ledger, rivals: Rivals) -> None:
        self.state = state
        self.ledger = ledger
        self._tools = tools
        profile = state.profile
        self.desk = ConflictDesk(tools.client, tools.writer, profile, tools.now, self._archive)
        self._planner = Planner(state, tools, rivals, self.desk.is_open)
        self._executor = Executor(state, ledger, tools.applier, tools.schemas, tools.wall)
        self._publisher = Publisher(tools, state, ledger, self._executor)
        self._mirror: Mirror | None = None
        self._stale = True  # the branch has to be looked at again
        self._troubled = False  # the last run did not go its whole way: the Secret is read again
        self._loaded = False

    @property
    def is_loaded(self) -> bool:
        """Whether a run has begun since the service was made."""
        return self._loaded

    def take_profile(self, profile: Profile) -> None:
        """The Fabric was written, its spec is the same: annotations may be others."""
        self.state.profile = profile_in(self.state.profile.rules.epoch, profile)

    @property
    def snapshot(self) -> Snapshot | None:
        """The local copy of the branch; None before the first fetch."""
        return None if self._mirror is None else self._mirror.snapshot

    def look_again(self) -> None:
        """The branch may have moved: the next run fetches."""
        self._stale = True

    async def run(self, run: Run) -> None:
        """Walk the way once. What stops it is kept in `run.problem`; only programming errors are raised."""
        run.revision_before = self.state.seen_commit
        try:
            await self.load()
            await self._refuse_misread()
            await self._see(run)
            await self._converge(run)
        except TandemError as error:
            run.problem = error
            self._stale = self._stale or not isinstance(error, StalledError)
            log.warning("the run stopped", reason=error.reason.value, problem=error.message)
        self._troubled = run.problem is not None or bool(self.state.unpushed)

    async def preview(self, run: Run) -> Plan:
        """The plan of everything, without carrying anything out or writing anything down."""
        await self.load()
        await self._see(run)
        if run.problem is not None:
            raise run.problem
        changes = await self._planner.changes(self.state.dirty, run.request)
        return self._guarded(await minimised_changes(self._tools, self.state, changes), run, ())

    async def situation(self, key: ObjectKey) -> tuple[Situation, Rules]:
        """What the planner is given for one object: why it decides as it does."""
        return await self._planner.answered(key, Request(manual=True)), self.state.profile.rules

    def is_anothers(self, key: ObjectKey, actual: Actual) -> bool:
        """Whether another fabric keeps this live object."""
        return self._planner.is_anothers(key, actual)

    # --- seeing both sides -----------------------------------------------------------------------------------------

    async def load(self) -> None:
        """After a start: what the database and the cluster remember of this fabric."""
        if self._loaded:
            return
        await self.ledger.load()
        self.take_profile(profile_in(self.ledger.row.epoch, self.state.profile))
        resolutions, self.state.misread = await self.desk.load()
        self.state.resolutions.update(resolutions)
        await self.desk.remove_old()
        self.state.dirty.update(self.state.bases)
        self.state.base_versions = {(base.api_version, key.kind) for key, base in self.state.bases.items()}
        self._loaded = True

    async def _refuse_misread(self) -> None:
        """Decisions that cannot be read are taken away, and say why."""
        while self.state.misread:
            key, message = self.state.misread.popitem()
            await self.desk.fail(key, Reason.RESOLUTION_FAILED, message)

    def _notice_restore(self, run: Run) -> None:
        """A cluster that was put back to an earlier state looks edited everywhere: nothing is inferred from that."""
        state = self.state
        if not self.ledger.notice_restore(state.dirty):
            return
        log.warning("the cluster is older than what was seen of it: was it restored?", epoch=state.profile.rules.epoch)
        if run.request.rules is not None:
            rules = replace(run.request.rules, epoch=state.profile.rules.epoch)
            run.request = replace(run.request, rules=rules)
        state.vanished.clear()
        state.dirty.update(state.bases)

    async def _see(self, run: Run) -> None:
        """Fetch, read what changed, and watch what it names. A remote that fails does not stop drift correction."""
        try:
            if self._stale:
                await self._fetch(run)
        except WaitingError as error:
            if not self.state.seen_commit:
                raise
            run.problem = error
        await self._watch()

    async def _fetch(self, run: Run) -> None:
        state, source, tools = self.state, self.state.profile.source, self._tools
        direction = state.profile.rules.direction
        try:
            mirror = self._mirror = await tools.source.mirror(state.profile, reread=self._troubled)
            sight = await tools.source.look(mirror, source, direction)
        except TandemError as error:
            if error.reason is Reason.AUTHENTICATION_FAILED:
                mirror = self._mirror = await tools.source.mirror(state.profile, reread=True)
                sight = await tools.source.look(mirror, source, direction)
            else:
                raise
        bind_revision(sight.commit)
        run.fetched = f"{source.branch}@{sight.commit[:12]}" if sight.commit else f"{source.branch}, not made yet"
        self._stale = False
        await self._read(mirror, sight)

    async def _read(self, mirror: Mirror, sight: Sight) -> None:
        """Take over what changed in the directory; the same tree is no work at all."""
        state = self.state
        state.dirty |= await self.ledger.recover_pushes(mirror, sight.commit)
        if sight.commit != state.seen_commit:
            known = state.planned_commit
            rewritten = bool(known) and not mirror.snapshot.is_ancestor(known, sight.commit) if sight.commit else False
            state.rewritten = rewritten and mirror.snapshot.merge_base(known, sight.commit) is None
        state.moved_source = bool(self.ledger.row.url) and self.ledger.fingerprint != state.profile.source.fingerprint
        if sight.tree != state.seen_tree or not state.seen_commit:
            first = not state.seen_commit
            diff = await self._diff(mirror, sight)
            brought = None if not first else self._changed_since_planned(mirror, sight)
            state.kinds |= await state.view.resolve(_versions(diff.files.values()))
            state.dirty |= state.declared.update(diff.files, state.profile.scope, state.kinds, state.bases, brought)
            state.path_rules = diff.rules
            state.watches_stale = state.watches_stale or bool(diff.files)
        state.seen_commit, state.seen_tree, state.git_changed_at = sight.commit, sight.tree, sight.time or None

    async def _diff(self, mirror: Mirror, sight: Sight) -> Diff:
        """What changed since the tree that was seen last."""
        state, source = self.state, self._tools.source
        try:
            return await source.diff(mirror, state.profile.source, state.seen_tree, sight.tree)
        except ObjectMissingError:  # rewritten history, in a copy that was made anew: the old tree is nowhere any more
            whole = await source.diff(mirror, state.profile.source, "", sight.tree)
            gone = dict.fromkeys(state.declared.files.keys() - whole.files.keys())
            return replace(whole, files=gone | whole.files)

    def _changed_since_planned(self, mirror: Mirror, sight: Sight) -> frozenset[str] | None:
        """The paths that changed since the tree that was planned before the restart; None if that is not known."""
        planned = self.state.planned_tree
        if not planned or not self.ledger.row.url:
            return None
        try:
            changes = mirror.snapshot.changes(planned, sight.tree or None, self.state.profile.source.directory)
        except WaitingError:  # rewritten history: the planned tree was never fetched into this mirror
            return None
        return frozenset(change.path for change in changes)

    async def _watch(self) -> None:
        """Have a watch on every kind that documents, bases or imports name, and its first complete list."""
        state, tools = self.state, self._tools
        if not state.watches_stale:
            return
        versions = state.declared.versions() | state.base_versions
        named = {kind for _, kind in versions}
        for kind in state.profile.scope.kinds:
            preferred = await tools.discovery.preferred(kind.group, kind.kind)
            if preferred is not None and kind.kind not in named:
                versions.add((preferred.api_version, kind.kind))
        unserved = {version for version in versions if state.kinds.get(version) is None}
        fresh = await state.view.resolve(unserved)
        state.kinds |= fresh
        if any(namespaced is not None for namespaced in fresh.values()):
            state.dirty |= state.declared.resolve_again(state.profile.scope, state.kinds)
        covered = state.view.cover(versions)
        await tools.schemas.load(version for version in versions if state.kinds.get(version) is not None)
        await state.view.wait_synced(LIST_PATIENCE)
        state.watches_stale = False
        if covered:
            known = (*state.declared.keys(), *state.bases)
            state.dirty.update(key for key in known if key.group_kind in covered)
            imported = state.profile.rules.imports & covered
            state.dirty.update(key for key, _ in state.view.importable(imported))

    # --- bringing them together ------------------------------------------------------------------------------------

    async def _converge(self, run: Run) -> None:
        """Plan what is dirty and carry it out, until nothing is."""
        state = self.state
        for _ in range(ROUNDS):
            if run.cancelled():
                run.was_cancelled = True
                break
            if self._stale and run.problem is None:
                await self._fetch(run)
                await self._watch()
            self._notice_restore(run)
            keys = {key for key in state.dirty if run.request.wanted is None or run.request.wanted(key)}
            keys -= run.results.unseen  # their watch wakes the next run
            if not keys and not state.guards:
                break
            state.dirty -= keys
            try:
                plan = await self._plan(keys, run)
                if plan.guards:
                    run.guarded = True
                    state.dirty |= keys
                    break
                await self._execute(plan, run)
            except BaseException:
                state.dirty |= keys
                raise
            if not state.dirty:
                break
        await self._record(run)

    async def _plan(self, keys: set[ObjectKey], run: Run) -> Plan:
        state = self.state
        changes = await self._planner.changes(keys, run.request)
        changes = await minimised_changes(self._tools, state, changes)
        plan = self._guarded(changes, run, await self.ledger.confirm(state.profile.confirmed))
        state.guards = plan.guards
        if plan.guards:
            await self.ledger.stop_by(plan.guards, self._tools.wall())
            for guard in plan.guards:
                self._tools.metrics.guard_tripped(guard.reason.value)
        return plan

    def _guarded(self, changes: list[Change], run: Run, confirmed: tuple[Confirmed, ...]) -> Plan:
        """The plan of these changes, with the guards that stop it."""
        state = self.state
        context = Context(
            based=len(state.bases),
            source_empty=not state.declared.files,
            history_rewritten=state.rewritten or state.moved_source,
            confirmed=confirmed,
        )
        return make_plan(changes, run.request.rules or state.profile.rules, context)

    async def _execute(self, plan: Plan, run: Run) -> None:
        """Conflicts are shown, the cluster is applied to, Git is written to, and what needs neither is recorded."""
        results = run.results
        for change in plan.changes:
            run.changes[change.key] = change
            results.begin_again(change.key)
            self._forget_past(change)
            self._note_exception(change, run)
        await self._show_conflicts(plan, run)
        quiet, written = by_effect(plan.changes)
        for change in quiet:
            self._take_note(change, run)
        await self._executor.execute(plan.changes, results)
        if written:
            await self._publish(written, run)
        await self._settle_conflicts(plan, run)

    def _forget_past(self, change: Change) -> None:
        """What was said of the object before this plan no longer holds."""
        state, key = self.state, change.key
        state.exceptions.pop(key, None)
        state.conflicts.pop(key, None)
        state.unpushed.discard(key)
        state.rebased.discard(key)
        state.retry.discard(key)
        if change.drift.edits or change.drift.by_others:
            state.drift[key] = change.drift
        else:
            state.drift.pop(key, None)

    def _take_note(self, change: Change, run: Run) -> None:
        """A change without an effect on either side: a base that moves, or an object that is left alone."""
        key = change.key
        if change.action in {Action.SKIP, Action.WAIT, Action.CONFLICT}:
            return
        if change.action is Action.FORGET:
            self.ledger.forget(key)
        elif change.record is not None and change.action is not Action.IGNORE:
            self._executor.record(change, None)
        if change.is_telling:
            run.results.count(change.action)
        run.results.done.add(key)

    def _note_exception(self, change: Change, run: Run) -> None:
        """Why the object is not in step, or not wholly, although nobody has to decide anything."""
        state, key = self.state, change.key
        if change.action is Action.WAIT or change.reason is Reason.TARGET_GONE:
            state.retry.add(key)
        if change.reason is Reason.TARGET_GONE:
            self.ledger.disprove(key)
        if change.reason is None or change.conflict is not None:
            return
        found = exceptional(change, change.reason, change.message, self._refused_field(change))
        state.exceptions[key] = found
        if change.reason not in WAITING_REASONS:
            run.results.failed[key] = found
        if change.reason is Reason.FIGHTING:
            state.fights.note_disturbance(key, self._tools.wall())

    def _refused_field(self, change: Change) -> str:
        """The field that was at fault when this document was refused; "" if it is left alone for something else."""
        refused = self.state.refused.get(change.key)
        return refused.field if refused is not None and refused.message == change.message else ""

    async def _publish(self, written: list[Change], run: Run) -> None:
        """Write the edits back. Somebody was faster: fetch, and plan these objects again."""
        if run.problem is not None or self._mirror is None:
            self.state.unpushed.update(change.key for change in written)
            self.state.retry.update(change.key for change in written)
            return
        ready = self._publisher.ready(written, run)
        if not ready:
            return
        outcome = await self._publisher.publish(self._mirror, ready, run)
        if outcome.lost:
            self._stale = True
            self.state.dirty.update(change.key for change in ready)

    # --- conflicts -------------------------------------------------------------------------------------------------

    async def _show_conflicts(self, plan: Plan, run: Run) -> None:
        state = self.state
        for change in plan.changes:
            if change.conflict is None:
                continue
            state.conflicts[change.key] = change.conflict
            if change.key in state.resolutions:
                del state.resolutions[change.key]
                await self.desk.show(change)
                await self.desk.fail(change.key, change.reason or Reason.RESOLUTION_FAILED, change.message)
            elif await self.desk.show(change):
                run.conflicts_opened += 1
                run.results.count(Action.CONFLICT)

    async def _settle_conflicts(self, plan: Plan, run: Run) -> None:
        """Conflicts of objects that were brought together, by a decision or by themselves."""
        state = self.state
        for change in plan.changes:
            key = change.key
            if not change.resolved:
                continue
            if key in state.dirty or key in state.unpushed:
                continue
            if key in run.results.failed:
                if key in state.resolutions:
                    del state.resolutions[key]
                    await self.desk.fail(key, Reason.RESOLUTION_FAILED, run.results.failed[key].message)
                continue
            decided = state.resolutions.pop(key, None) is not None or run.request.force is not None
            how = ConflictState.RESOLVED if decided else ConflictState.SUPERSEDED
            message = "Both sides hold the decided values" if decided else "Both sides agree again"
            if await self.desk.settle(key, how, message):
                run.conflicts_settled += 1
                run.results.count(change.action)

    async def _archive(self, item: Archived) -> None:
        await self._tools.store.archive.put(self.ledger.row.id, item)

    # --- recording -------------------------------------------------------------------------------------------------

    async def _record(self, run: Run) -> None:
        """How far this run came: a commit is planned when no guard stopped it, applied when every object is accounted
        for."""
        state = self.state
        whole = not run.guarded and run.request.wanted is None and not state.dirty
        accounted = whole and not state.unpushed and len(state.exceptions) <= MAX_EXCEPTIONS
        await self.ledger.commit(planned=whole, applied=accounted and run.problem is None, now=self._tools.wall())
        if whole:
            await self.ledger.drop_guards()
            state.rewritten = state.moved_source = False

    def finding(self, run: Run) -> Finding | None:
        """What the source has to say in the status."""
        if run.problem is not None:
            return Finding.of(run.problem)
        return self._publisher.finding if self.state.unpushed else None


def _versions(blobs: Iterable[Blob | None]) -> set[Version]:
    return {(document.api_version, document.kind) for blob in blobs if blob for document in blob.result.documents}
