"""A record that is not of this cluster and this time: found out before anything is decided by it.

The Fabric's status outlives the database: it names the commit that was applied last. A database that knows less than
the status has lost its rows, or is a backup. A cluster may be put back to an earlier state, or be another one. In each
case, nothing that the cluster holds or misses is anybody's edit or deletion.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from controller.api.v1alpha1 import syncconflict as api
from controller.errors import TandemError
from controller.git.mirror import Mirror
from controller.git.snapshot import Snapshot
from controller.objects import ObjectKey
from controller.store.fabrics import FabricRow
from controller.sync.conflicts import ConflictDesk
from controller.sync.conflictspec import SHOWN_FIELDS
from controller.sync.declared import DeclaredTree
from controller.sync.ledger import Ledger
from controller.sync.plan.conflicts import is_secret
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.model import ConflictType, Presence
from controller.sync.plan.rebuild import ShownConflict, rebuilt
from controller.sync.plan.tree import ABSENT
from controller.sync.run import Run
from controller.sync.seeing import Lookout, versions_of
from controller.sync.state import FabricState
from controller.sync.tools import Tools

log = structlog.get_logger(__name__)


def is_lost(row: FabricRow, applied: str) -> bool:
    """Whether the database never heard of a fabric whose status names an applied commit."""
    return bool(applied) and not row.applied_commit and not row.planned_commit


def is_outdated(row: FabricRow, applied: str, snapshot: Snapshot) -> bool:
    """Whether the status names an applied commit that the database has not come to.

    The status is written after the database, so after a crash it names the same commit or one before.
    """
    recorded = row.applied_commit
    if not applied or applied == recorded or is_lost(row, applied):
        return False
    return not recorded or not snapshot.has(recorded) or not snapshot.is_ancestor(applied, recorded)


class Recovery:
    """Looks for one fabric whether its record is of this cluster and of this time; `is_due`: the start's look."""

    def __init__(self, tools: Tools, state: FabricState, ledger: Ledger, lookout: Lookout) -> None:
        self._tools = tools
        self._state = state
        self._ledger = ledger
        self._lookout = lookout
        self.is_due = True

    @property
    def is_waited_for(self) -> bool:
        """Whether the database has lost what the fabric holds, and it is not known again yet: nothing of it is free."""
        return self.is_due and is_lost(self._ledger.row, self._state.profile.applied)

    async def recover(self, run: Run, desk: ConflictDesk) -> bool:
        """Make good what the database lacks, once both sides were seen. Returns whether there was anything to do.

        Nothing is written yet. Raises UnreachableError where the kinds of the applied commit cannot be looked up.
        """
        mirror, state = self._lookout.mirror, self._state
        if not self.is_due or mirror is None or not state.seen_commit:
            return False
        applied = state.profile.applied
        is_of_now = False
        if is_lost(self._ledger.row, applied):
            log.warning("the database does not know this fabric, its status does: was it lost?", applied=applied)
            await self._rebuild(mirror, applied, desk.found_open)
        elif is_outdated(self._ledger.row, applied, mirror.snapshot):
            log.warning("the database is older than the fabric's status: was it restored?", applied=applied)
            self._ledger.begin_life()
        else:
            is_of_now = True
        self.is_due = False
        desk.found_open.clear()
        if not is_of_now:
            self._begin_again(run)
        return not is_of_now

    async def notice(self, run: Run) -> None:
        """Before a plan: is this another cluster, or the same one put back to an earlier state? It looks edited then.

        Raises WaitingError where another cluster answers.
        """
        state = self._state
        if any(map(self._may_be_elsewhere, state.dirty)):
            await state.reach.cluster.lifetime.check()
        if self._ledger.notice_restore(state.dirty):
            log.warning(
                "the cluster is older than what was seen of it: was it restored?", epoch=state.profile.rules.epoch
            )
            self._begin_again(run)

    def _may_be_elsewhere(self, key: ObjectKey) -> bool:
        """Whether an object is missing, or is another one of its name: so all of them are in a replaced cluster."""
        base = self._state.bases.get(key)
        if base is None:
            return False
        actual = self._state.view.actual(key, base.api_version)
        return actual.presence is not Presence.UNKNOWN and actual.uid != base.uid

    def _begin_again(self, run: Run) -> None:
        """Every object is looked at anew, in the epoch that there is now. A job's rules are made when it begins."""
        state = self._state
        if run.request.rules is not None:
            run.request = replace(run.request, rules=replace(run.request.rules, epoch=state.profile.rules.epoch))
        state.vanished.clear()
        state.dirty.update(state.bases)

    async def _rebuild(self, mirror: Mirror, applied: str, conflicts: dict[ObjectKey, api.SyncConflictSpec]) -> None:
        """The bases of everything that the applied commit declares, or that is in conflict."""
        state = self._state
        tree = await self._applied_tree(mirror, applied)
        conflicts = {key: spec for key, spec in conflicts.items() if state.profile.scope.holds(key)}
        state.base_versions |= {(tree.api_version(key), key.kind) for key in sorted(tree.keys())}
        state.base_versions |= {(spec.object.api_version, spec.object.kind) for spec in conflicts.values()}
        state.watches_stale = True
        await self._lookout.watch()
        for key in {*tree.keys(), *conflicts} - state.bases.keys():
            spec = conflicts.get(key)
            api_version = tree.api_version(key) or (spec.object.api_version if spec else "")
            base = rebuilt(
                key,
                tree.declared(key, None),
                state.view.actual(key, api_version),
                None if spec is None else shown_conflict(key, spec),
                state.profile.rules,
                state.reach.cluster.schemas.get(api_version, key.kind),
            )
            if base is not None:
                self._ledger.agree(key, base)

    async def _applied_tree(self, mirror: Mirror, applied: str) -> DeclaredTree:
        """What the applied commit declares; nothing, where it cannot be read any more."""
        state, source, tree = self._state, self._state.profile.source, DeclaredTree()
        try:
            found = mirror.snapshot.tree_of(applied, source.directory) if mirror.snapshot.has(applied) else None
            if found is None:
                log.warning(
                    "the applied commit is not on the branch any more: each object is met anew", applied=applied
                )
                return tree
            diff = await self._tools.source.diff(mirror, source, "", found, state.key)
        except TandemError as error:
            log.warning("the applied commit cannot be read: each object is met anew", problem=error.message)
            return tree
        state.kinds |= await state.view.resolve(versions_of(diff.files.values()))
        tree.update(diff.files, state.profile.scope, state.kinds, ())
        return tree


def shown_conflict(key: ObjectKey, spec: api.SyncConflictSpec) -> ShownConflict:
    """An open SyncConflict in the planner's words."""
    fields = [(parse_path(field.path), field.base if field.has("base") else ABSENT) for field in spec.fields]
    is_cut = any(isinstance(value, str) and value.endswith("too large to show)") for _, value in fields)
    is_whole = not is_cut and len(fields) < SHOWN_FIELDS and not is_secret(key)
    return ShownConflict(ConflictType(spec.type.value), fields, is_whole, spec.git_path or "")
