"""The way of one fabric, in the order it is walked: fetch, read, watch, plan, apply, write back, record, report.

A run works on what is dirty: after a start that is everything, later it is what a commit or a live edit touched. It
goes round until nothing is dirty: an object that somebody changed meanwhile is planned again, a branch that somebody
pushed to is fetched again. Whatever stops it half-way, the next run finds both sides as they are and converges.
"""

from __future__ import annotations

import structlog

from controller.api.conditions import Finding
from controller.api.v1alpha1.fabricstatus import MAX_EXCEPTIONS
from controller.errors import Reason, StalledError, TandemError
from controller.git.errors import ForgeRefusedError
from controller.git.snapshot import Snapshot
from controller.objects import ObjectKey
from controller.store.history import Archived
from controller.sync.conflicts import ConflictDesk
from controller.sync.deciding import refuse_misread, settle_conflicts, show_conflicts, withdraw_hidden
from controller.sync.execution import Executor, by_effect, exceptional
from controller.sync.ledger import Ledger
from controller.sync.lives import profile_in
from controller.sync.minimising import minimised_changes
from controller.sync.outgoing import Outgoing
from controller.sync.plan.guard import Confirmed, Context
from controller.sync.plan.model import Action, Actual, Change, Plan, Rules, Situation
from controller.sync.plan.plan import make_plan
from controller.sync.planning import Planner, Request
from controller.sync.profile import Profile
from controller.sync.recovery import Recovery
from controller.sync.report import WAITING_REASONS
from controller.sync.rivalry import Rivals
from controller.sync.run import Run
from controller.sync.seeing import Lookout
from controller.sync.state import FabricState
from controller.sync.tools import Tools

ROUNDS = 8  # of planning in one run; what still moves then is planned by the next run

log = structlog.get_logger(__name__)


class FabricService:
    """Everything one fabric needs to be kept in step. One run at a time: the queue sees to that."""

    def __init__(self, tools: Tools, state: FabricState, ledger: Ledger, rivals: Rivals) -> None:
        self.state = state
        self.ledger = ledger
        self._tools = tools
        profile = state.profile
        self.desk = ConflictDesk(tools.client, tools.writer, profile, tools.now, self._archive)
        self._planner = Planner(state, tools, rivals, self.desk.is_open)
        self._executor = Executor(state, ledger, tools.wall)
        self._lookout = Lookout(tools, state, ledger)
        self._outgoing = Outgoing(tools, state, ledger, self._executor, self._lookout)
        self.recovery = Recovery(tools, state, ledger, self._lookout)
        self._loaded = False
        self.is_running = False
        self.forge_trouble: ForgeRefusedError | None = None  # why plans cannot be put on requests

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
        mirror = self._lookout.mirror
        return None if mirror is None else mirror.snapshot

    def look_again(self) -> None:
        """The branch may have moved: the next run fetches."""
        self._lookout.look_again()

    def tell(self, commit: str, since: float) -> None:
        """Somebody said at `since` that the branch moved, to `commit` ("": somewhere): the next run looks."""
        self._lookout.tell(commit, since)

    @property
    def answered(self) -> float:
        """The time of the last `tell` after which the branch was looked at."""
        return self._lookout.answered

    def knows(self, commit: str, *, passed: bool = False) -> bool:
        """Whether the branch was last seen at this commit; `passed`: or at a later one."""
        return self._lookout.knows(commit, passed=passed)

    async def run(self, run: Run) -> None:
        """Walk the way once. What stops it is kept in `run.problem`; only programming errors are raised."""
        run.revision_before = self.state.seen_commit
        self.is_running = True
        try:
            await self._tools.store.hold()
            await self.load()
            await self.desk.remove_old()
            await refuse_misread(self.desk, self.state)
            await self._lookout.see(run)
            if await self.recovery.recover(run, self.desk):
                await self.ledger.settle()
            await self._outgoing.follow(run)
            await self._converge(run)
            if await self._outgoing.settle(run):
                await self._converge(run)
                await self._outgoing.settle(run)
            await self._record(run)
        except TandemError as problem:
            run.problem = error = self.state.reach.told(problem)
            if not isinstance(error, StalledError):
                self._lookout.look_again()
            log.warning("the run stopped", reason=error.reason.value, problem=error.message)
        finally:
            self.is_running = False
        self._lookout.troubled = run.problem is not None or bool(self.state.unpushed)

    async def preview(self, run: Run) -> Plan:
        """The plan of everything, without carrying anything out or writing anything down."""
        await self.load()
        await self._lookout.see(run)
        if run.problem is not None:
            raise run.problem
        await self.recovery.recover(run, self.desk)
        changes = await self._planner.changes(self.state.dirty, run.request)
        return self._guarded(await minimised_changes(self.state, changes), run, ())

    async def situation(self, key: ObjectKey) -> tuple[Situation, Rules]:
        """What the planner is given for one object: why it decides as it does."""
        return await self._planner.answered(key, Request(manual=True)), self.state.profile.rules

    def is_anothers(self, key: ObjectKey, actual: Actual) -> bool:
        """Whether another fabric keeps this live object."""
        return self._planner.is_anothers(key, actual)

    async def load(self) -> None:
        """After a start: what the database and the cluster remember of this fabric."""
        if self._loaded:
            return
        await self.ledger.load()
        await self._outgoing.load()
        self.take_profile(profile_in(self.ledger.row.epoch, self.state.profile))
        resolutions, self.state.misread = await self.desk.load()
        self.state.resolutions.update(resolutions)
        self.state.dirty.update(self.state.bases)
        self.state.base_versions = {(base.api_version, key.kind) for key, base in self.state.bases.items()}
        self._loaded = True

    # --- bringing them together ------------------------------------------------------------------------------------

    async def _converge(self, run: Run) -> None:
        """Plan what is dirty and carry it out, until nothing is."""
        state = self.state
        for _ in range(ROUNDS):
            if run.cancelled():
                run.was_cancelled = True
                break
            if self._lookout.stale and run.problem is None:
                await self._lookout.fetch(run)
                await self._lookout.watch()
            await self._lookout.review()
            await self.recovery.notice(run)
            keys = {key for key in state.dirty if run.request.wanted is None or run.request.wanted(key)}
            keys -= run.results.unseen  # their watch wakes the next run
            if not keys and not state.guards and state.declared.files:
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

    async def _plan(self, keys: set[ObjectKey], run: Run) -> Plan:
        state = self.state
        changes = await self._planner.changes(keys, run.request)
        changes = await minimised_changes(state, changes)
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
        await self._outgoing.note(plan.changes)
        await withdraw_hidden(self.desk, self.state, plan)
        await show_conflicts(self.desk, self.state, self.snapshot, plan, run)
        quiet, written = by_effect(plan.changes)
        for change in quiet:
            self._take_note(change, run)
        await self._executor.execute(plan.changes, results)
        if written:
            await self._outgoing.publish(written, run)
        await settle_conflicts(self.desk, self.state, plan, run)

    def _forget_past(self, change: Change) -> None:
        """What was said of the object before this plan no longer holds."""
        state, key = self.state, change.key
        state.exceptions.pop(key, None)
        state.conflicts.pop(key, None)
        if change.is_left_alone:
            state.left_alone.add(key)
        else:
            state.left_alone.discard(key)
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
        if change.is_left_alone:
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
        if (told := self._outgoing.finding) is not None:
            return told
        if self.forge_trouble is not None:
            return Finding.of(self.forge_trouble)
        trouble = self._tools.sealing.trouble(self.state.key) if self.state.declared.is_shut else ""
        return Finding(Reason.DECRYPTION_FAILED, trouble) if trouble else None
