"""What a plan means for the SyncConflicts: shown where nobody decided yet, settled where both sides are one again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from controller.api.v1alpha1.syncconflict import ConflictState, SyncConflict
from controller.errors import Reason, StalledError
from controller.git.snapshot import Snapshot
from controller.sync.conflicts import ConflictDesk
from controller.sync.conflictspec import Evidence, object_key, to_resolution
from controller.sync.plan.model import Action, Change, Plan
from controller.sync.run import Run
from controller.sync.state import FabricState


def note_written(desk: ConflictDesk, state: FabricState, conflict: SyncConflict, *, deleted: bool) -> bool:
    """Somebody wrote or deleted a SyncConflict of the fabric. Returns whether there is something to do for its object.

    A decision to carry out is noted, one that cannot be read as well; one deleted while it was open is made again.
    """
    key, uid = object_key(conflict), conflict.metadata.uid
    if deleted:
        if not desk.note_deleted(key, uid):
            return False
    elif conflict.spec.resolution is None or not desk.awaits(key, uid):
        return False
    else:
        try:
            state.resolutions[key] = to_resolution(conflict.spec.resolution)
        except StalledError as error:
            state.misread[key] = error.message
    state.dirty.add(key)
    return True


async def refuse_misread(desk: ConflictDesk, state: FabricState) -> None:
    """Decisions that cannot be read are taken away, and say why."""
    while state.misread:
        key, message = state.misread.popitem()
        await desk.fail(key, Reason.RESOLUTION_FAILED, message)


async def withdraw_hidden(desk: ConflictDesk, state: FabricState, plan: Plan) -> None:
    """Open conflicts of objects that may no longer be seen go, with every value that they show, and what was decided.

    They are made again, with the values of then, when the object can be seen.
    """
    for change in plan.changes:
        key = change.key
        if change.action is Action.SKIP and desk.is_open(key) and state.view.is_hidden(key, change.api_version):
            state.resolutions.pop(key, None)
            await desk.withdraw(key)


async def show_conflicts(
    desk: ConflictDesk, state: FabricState, snapshot: Snapshot | None, plan: Plan, run: Run
) -> None:
    """Show what the plan could not decide; a decision that it could not carry out is taken away, and says why."""
    for change in plan.changes:
        if change.conflict is None:
            continue
        state.conflicts[change.key] = change.conflict
        evidence = Evidence() if desk.is_shown(change) else await evidence_of(state, snapshot, change)
        if change.key in state.resolutions:
            del state.resolutions[change.key]
            await desk.show(change, evidence)
            await desk.fail(change.key, change.reason or Reason.RESOLUTION_FAILED, change.message)
        elif await desk.show(change, evidence):
            run.conflicts_opened += 1
            run.results.count(Action.CONFLICT)


async def evidence_of(state: FabricState, snapshot: Snapshot | None, change: Change) -> Evidence:
    """Who stands behind the two sides of a change's conflict."""
    live = state.view.actual(change.key, change.api_version).seen_live
    seen_live = None if live is None else datetime.fromtimestamp(live, UTC)
    origin = change.origin or (state.bases[change.key].origin if change.key in state.bases else None)
    changed_in = None
    if snapshot is not None and origin is not None and state.seen_commit:
        changed_in = await asyncio.to_thread(snapshot.last_change, state.seen_commit, origin.path)
    return Evidence(state.seen_commit, changed_in, seen_live)


async def settle_conflicts(desk: ConflictDesk, state: FabricState, plan: Plan, run: Run) -> None:
    """Conflicts of objects that were brought together, by a decision or by themselves."""
    for change in plan.changes:
        key = change.key
        if not change.resolved:
            continue
        if key in state.dirty or key in state.unpushed:
            continue
        if key in run.results.failed:
            if key in state.resolutions:
                del state.resolutions[key]
                await desk.fail(key, Reason.RESOLUTION_FAILED, run.results.failed[key].message)
            continue
        decided = state.resolutions.pop(key, None) is not None or run.request.force is not None
        how = ConflictState.RESOLVED if decided else ConflictState.SUPERSEDED
        message = "Both sides hold the decided values" if decided else "Both sides agree again"
        if key in state.pending:
            message = "Decided for the cluster; on its way to Git in a pull request"
        if await desk.settle(key, how, message):
            run.conflicts_settled += 1
            run.results.count(change.action)
