"""Edits that wait in a pull request, kept: in the database first, then in memory, until Git says them or nobody does.

    take   a run's edits are kept: from here on they lie over Git's documents, and nothing reverts them
    note   what a plan left of them: what Git says by now, or the cluster does not say any more, is over
    drop   their request is over

What is kept is written down before anything of it is pushed. `proposing.py` makes branch and request say it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from controller.objects import ObjectKey
from controller.store.requests import Cause, PendingRow, RequestRow
from controller.sync.execution import touches_git
from controller.sync.ledger import Ledger
from controller.sync.naming import request_branch
from controller.sync.plan.model import Change, Pending
from controller.sync.plan.pending import proposed, restored, standing, stored
from controller.sync.run import Run
from controller.sync.state import FabricState
from controller.sync.tools import Tools

log = structlog.get_logger(__name__)


class Kept:
    """The edits of one fabric that wait, and the record of their request; in memory both are in its state."""

    def __init__(self, tools: Tools, state: FabricState, ledger: Ledger) -> None:
        self._tools = tools
        self._state = state
        self._ledger = ledger

    @property
    def is_first_choice(self) -> bool:
        """Whether edits go into the request without being pushed to the branch first."""
        request = self._state.request
        return self._state.profile.source.proposes or (request is not None and request.cause is Cause.REFUSED)

    @property
    def wanted(self) -> dict[ObjectKey, Pending]:
        """What the request is to say: not what was rejected, nor what has to be decided first."""
        state = self._state
        return {
            key: pending
            for key, pending in state.pending.items()
            if not pending.rejected and key not in state.conflicts
        }

    async def load(self) -> None:
        """After a start. Edits in the request of another repository, or of another way of writing, are planned anew."""
        store, row_id = self._tools.store.requests, self._ledger.row.id
        edits = await store.load_edits(row_id)
        request = self._state.request = await store.load(row_id)
        self._state.pending = {key: restored(row.content, row.rejected) for key, row in edits.items()}
        self._state.dirty.update(edits)
        if request is not None and not self._is_current(request):
            log.info("edits are taken out of their request", fabric=self._state.profile.fabric, branch=request.branch)
            await self.drop([key for key, pending in self._state.pending.items() if not pending.rejected])

    async def take(self, changes: Sequence[Change], run: Run) -> list[Change]:
        """Keep what these changes would write to Git. Returns those that were not kept so before."""
        state = self._state
        fresh = {change.key: proposed(change) for change in changes}
        new = {key: pending for key, pending in fresh.items() if state.pending.get(key) != pending}
        request = self.request()
        async with self._tools.store.transaction():
            await self._write(new)
            await self._tools.store.requests.save(self._ledger.row.id, request)
        state.pending |= new
        state.request = request
        run.results.done.update(fresh)
        return [change for change in changes if change.key in new]

    async def note(self, changes: Iterable[Change]) -> None:
        """What is left of the kept edits after a plan."""
        state = self._state
        if not state.pending:
            return
        kept: dict[ObjectKey, Pending] = {}
        gone: list[ObjectKey] = []
        for change in changes:
            before = state.pending.get(change.key)
            if before is None or change.is_left_alone or touches_git(change):
                continue
            after = standing(before, change)
            if after is None:
                gone.append(change.key)
                if change.pending:  # all that is left need not be said in Git: it is planned without that
                    state.dirty.add(change.key)
            elif after != before:
                kept[change.key] = after
        await self._write(kept)
        state.pending |= kept
        await self.forget(gone)

    async def forget(self, keys: Collection[ObjectKey]) -> None:
        """These edits wait no longer."""
        await self._tools.store.requests.drop_edits(self._ledger.row.id, keys)
        for key in keys:
            self._state.pending.pop(key, None)

    async def drop(self, keys: Sequence[ObjectKey] = (), rejected: str = "") -> None:
        """The request is over. These edits are planned anew: as if never proposed, or as `rejected`."""
        state, store, row_id = self._state, self._tools.store, self._ledger.row.id
        edits = {key: replace(state.pending[key], rejected=rejected) for key in keys}
        async with store.transaction():
            await store.requests.drop(row_id)
            if rejected:
                await self._write(edits)
            else:
                await store.requests.drop_edits(row_id, keys)
        state.request = None
        state.pending = {key: value for key, value in state.pending.items() if key not in edits}
        state.pending |= edits if rejected else {}
        state.dirty |= edits.keys()

    def request(self) -> RequestRow:
        """The record of the request; a new one is not written down yet."""
        source = self._state.profile.source
        cause = Cause.SPEC if source.proposes else Cause.REFUSED
        return self._state.request or RequestRow(source.url, source.branch, self._branch(), cause)

    async def record(self, request: RequestRow) -> RequestRow:
        """Write down how far the request is."""
        if request != self._state.request:
            await self._tools.store.requests.save(self._ledger.row.id, request)
            self._state.request = request
        return request

    async def _write(self, edits: Mapping[ObjectKey, Pending]) -> None:
        rows = {key: PendingRow(stored(pending), pending.rejected) for key, pending in edits.items()}
        await self._tools.store.requests.save_edits(self._ledger.row.id, rows)

    def _branch(self) -> str:
        profile = self._state.profile
        return profile.source.push_branch or request_branch(
            self._tools.installation.id, profile.namespace, profile.name
        )

    def _is_current(self, request: RequestRow) -> bool:
        """Whether the spec still means this request."""
        source = self._state.profile.source
        is_wanted = source.proposes or (request.cause is Cause.REFUSED and source.falls_back)
        return is_wanted and (request.url, request.base_branch, request.branch) == (
            source.url,
            source.branch,
            self._branch(),
        )
