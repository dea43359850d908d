"""What a fabric has agreed on, written down: bases, how far the plan came, and which commits are ours.

Memory and database change together: a base is put here, and is certain after `commit`. Losing the last rows in a crash
is harmless, because the next plan finds both sides equal and moves the base; what must be written *before* its effect
(the push log, a base dropped before an object is made anew) has a method of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from controller.errors import Reason
from controller.git.mirror import Mirror
from controller.objects import Base, ObjectKey
from controller.store.fabrics import FabricRow
from controller.store.guards import GuardRow
from controller.store.pushlog import Push, PushedObject, PushState
from controller.store.refusals import Refusal
from controller.store.store import Store
from controller.sync.lives import are_older, is_older, latest, next_epoch
from controller.sync.plan.guard import Confirmed
from controller.sync.plan.model import Action, Guard
from controller.sync.state import FabricState

PUSH_MEMORY = 30 * 24 * 3600.0  # seconds a commit of ours is remembered; a branch that lags longer is a conflict


class Ledger:
    """The rows of one fabric."""

    def __init__(self, store: Store, row: FabricRow, state: FabricState) -> None:
        self._store = store
        self._state = state
        self._bases = store.bases.writer(row.id)
        self._guards: dict[str, GuardRow] = {}
        self._seen_versions: dict[str, str] = {}  # list path → up to which resourceVersion it was ever seen
        self._judged_lists: dict[str, str] = {}
        self.row = row

    @property
    def fingerprint(self) -> str:
        """The source of the last planned tree; see `Source.fingerprint`."""
        return f"{self.row.url}\n{self.row.branch}\n{self.row.directory}"

    async def load(self) -> None:
        """Read everything back after a start."""
        state, row = self._state, self.row
        state.bases = await self._store.bases.load_all(row.id)
        state.refused = await self._store.refusals.load_all(row.id)
        self._guards = await self._store.guards.load_all(row.id)
        self._seen_versions = await self._store.fabrics.list_versions(row.id)
        state.planned_commit, state.planned_tree = row.planned_commit, row.planned_tree
        # The status may know more than a database that was lost or restored, and must not forget it before that is
        # made good.
        state.applied_commit = state.profile.applied or row.applied_commit
        state.pushed_commit = row.pushed_commit

    def notice_restore(self, keys: Iterable[ObjectKey]) -> bool:
        """Look whether the cluster is older than what was seen of it; if so its record is another life's now."""
        state = self._state
        lists = state.view.list_versions()
        fresh = {path: version for path, version in lists.items() if self._judged_lists.get(path) != version}
        self._judged_lists = lists
        if not are_older(fresh, self._seen_versions) and not any(self._is_older(key) for key in keys):
            return False
        self._seen_versions = {path: version for path, version in self._seen_versions.items() if path not in lists}
        self.begin_life()
        return True

    def begin_life(self) -> None:
        """From here on, what was recorded proves nothing until it is recorded anew."""
        rules = self._state.profile.rules
        self._state.profile = replace(self._state.profile, rules=replace(rules, epoch=next_epoch(rules.epoch)))

    def _is_older(self, key: ObjectKey) -> bool:
        state = self._state
        base = state.bases.get(key)
        if base is None or base.epoch != state.profile.rules.epoch:
            return False
        version = state.view.list_version(key, base.api_version)
        return is_older(state.view.actual(key, base.api_version), base, version)

    def agree(self, key: ObjectKey, base: Base) -> None:
        """Both sides hold this now."""
        self._state.bases[key] = base
        self._bases.put(key, base)

    def forget(self, key: ObjectKey) -> None:
        """The object is no longer kept in step."""
        if self._state.bases.pop(key, None) is not None:
            self._bases.drop(key)

    def disprove(self, key: ObjectKey) -> None:
        """What the object lived in went, and the object with it: its absence says nothing, not even when that is back.

        A base of no epoch infers nothing, also after a restart, until the object is made or met again.
        """
        base = self._state.bases.get(key)
        if base is not None and base.epoch:
            self.agree(key, replace(base, epoch=""))

    async def forget_first(self, key: ObjectKey) -> None:
        """Forget the object before it is deleted to be made anew: a crash in between must not look like a deletion."""
        self.forget(key)
        await self._bases.flush()

    async def settle(self) -> None:
        """Write down the bases that were agreed so far."""
        await self._bases.flush()

    async def refuse(self, refusals: Mapping[ObjectKey, Refusal], cleared: Iterable[ObjectKey]) -> None:
        """Remember what the API server refused, and forget what it no longer does."""
        gone = [key for key in cleared if self._state.refused.pop(key, None) is not None]
        self._state.refused.update(refusals)
        await self._store.refusals.drop(self.row.id, gone)
        await self._store.refusals.save(self.row.id, refusals)

    async def prepare_push(
        self, commit: str, branch: str, run: str, now: float, agreed: Mapping[ObjectKey, Base | None]
    ) -> None:
        """Log a commit before anybody can see it, with the bases that it makes true (None: forgotten)."""
        objects = tuple(PushedObject(key, base) for key, base in agreed.items())
        async with self._bases.flushing():
            await self._store.pushes.prepare(self.row.id, Push(commit, branch, run, PushState.PREPARED, now, objects))

    async def record_push(self, commit: str, tree: str, agreed: Mapping[ObjectKey, Base | None]) -> None:
        """The commit is on the branch: its bases, and how far the plan is, in one transaction."""
        self._take_over(agreed)
        state = self._state
        state.pushed_commit = commit
        self.row = replace(self.row, pushed_commit=commit, pushed_tree=tree)
        async with self._bases.flushing():
            await self._store.pushes.mark(self.row.id, commit, PushState.PUSHED)
            await self._store.fabrics.save(self.row)

    async def refuse_push(self, commit: str) -> None:
        """The remote does not take the commit."""
        await self._store.pushes.mark(self.row.id, commit, PushState.REFUSED)

    async def recover_pushes(self, mirror: Mirror, head: str) -> set[ObjectKey]:
        """Commits of ours between the planned one and `head` that a crash kept from being recorded: move the base.

        Returns their objects. Without this we would meet our own commit as a stranger's.
        """
        planned = self._state.planned_commit
        if not head or head == planned:
            return set()
        known = planned if planned and mirror.snapshot.has(planned) else None
        commits = mirror.snapshot.commits_between(known, head)
        ours = await self._store.pushes.find(self.row.id, [commit.id for commit in commits])
        moved: dict[ObjectKey, Base | None] = {}
        last = ""
        for commit in reversed(commits):
            push = ours.get(commit.id)
            if push is not None and push.state is not PushState.PUSHED:
                moved |= {item.key: item.base for item in push.objects}
                last = commit.id
        if last:
            await self.record_push(last, "", moved)
        return set(moved)

    async def commit(self, *, planned: bool, applied: bool, now: float) -> None:
        """Write down the run: its bases, and the commit it planned and applied if it came that far."""
        state, profile = self._state, self._state.profile
        row = replace(self.row, namespace=profile.namespace, name=profile.name, epoch=profile.rules.epoch)
        source = profile.source
        if planned:
            row = replace(row, url=source.url, branch=source.branch, directory=source.directory)
            # Held objects are unknown because of a diff: after a restart that diff has to be seen again.
            if not state.declared.holds_back:
                row = replace(row, planned_commit=state.seen_commit, planned_tree=state.seen_tree)
        if applied:
            row = replace(row, applied_commit=state.seen_commit)
        seen = latest(self._seen_versions, state.view.positions())
        async with self._bases.flushing():
            if row != self.row:
                await self._store.fabrics.save(row)
                await self._store.pushes.trim(row.id, now - PUSH_MEMORY)
            if seen != self._seen_versions:
                await self._store.fabrics.save_list_versions(row.id, seen)
        self.row, self._seen_versions = row, seen
        if planned:
            state.planned_commit = state.seen_commit
            state.planned_tree = row.planned_tree
        if applied:
            state.applied_commit = state.seen_commit

    async def stop_by(self, guards: Iterable[Guard], now: float) -> None:
        """Remember what the tokens of a stopped plan stand for."""
        for guard in guards:
            if guard.token not in self._guards:
                entries = frozenset((key, action.value) for key, action in guard.entries)
                row = GuardRow(
                    guard.token, Reason(guard.reason), guard.message, entries, now, guard.deletions, guard.edits
                )
                self._guards[guard.token] = row
                await self._store.guards.save(self.row.id, row)

    async def confirm(self, tokens: frozenset[str]) -> tuple[Confirmed, ...]:
        """What somebody confirmed, by now or earlier."""
        fresh = [token for token in tokens if token in self._guards and not self._guards[token].confirmed]
        if fresh:
            await self._store.guards.confirm(self.row.id, fresh)
            for token in fresh:
                self._guards[token] = replace(self._guards[token], confirmed=True)
        return tuple(
            Confirmed(row.reason, frozenset((key, Action(action)) for key, action in row.entries))
            for row in self._guards.values()
            if row.confirmed
        )

    async def drop_guards(self) -> None:
        """A plan passed: tokens that nobody confirmed mean nothing any more."""
        idle = [token for token, row in self._guards.items() if not row.confirmed]
        if idle:
            await self._store.guards.drop(self.row.id, idle)
            for token in idle:
                del self._guards[token]

    def _take_over(self, agreed: Mapping[ObjectKey, Base | None]) -> None:
        for key, base in agreed.items():
            if base is None:
                self.forget(key)
            else:
                self.agree(key, base)
