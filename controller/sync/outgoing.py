"""What goes to Git: pushed to the branch, or, as the spec says and where the branch does not take it, proposed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.api.conditions import Finding
from controller.sync.execution import Executor
from controller.sync.keeping import Kept
from controller.sync.ledger import Ledger
from controller.sync.plan.model import Change
from controller.sync.proposing import Proposer
from controller.sync.publishing import Publisher
from controller.sync.run import Run
from controller.sync.seeing import Lookout
from controller.sync.state import FabricState
from controller.sync.tools import Tools


class Outgoing:
    """The way of one fabric's edits to its repository."""

    def __init__(self, tools: Tools, state: FabricState, ledger: Ledger, executor: Executor, lookout: Lookout) -> None:
        self._state = state
        self._lookout = lookout
        self._publisher = Publisher(tools, state, ledger, executor)
        self._kept = Kept(tools, state, ledger)
        self._proposer = Proposer(tools, state, self._kept)

    @property
    def finding(self) -> Finding | None:
        """Why edits are not where they should be; None if they are."""
        return self._proposer.finding or (self._publisher.finding if self._state.unpushed else None)

    async def load(self) -> None:
        """After a start: the edits that wait in a request."""
        await self._kept.load()

    async def note(self, changes: Iterable[Change]) -> None:
        """What a plan left of the edits that wait."""
        await self._kept.note(changes)

    async def publish(self, written: Sequence[Change], run: Run) -> None:
        """Write the edits back. Somebody was faster: fetch, and plan these objects again."""
        state, mirror = self._state, self._lookout.mirror
        if run.problem is not None or mirror is None:
            state.unpushed.update(change.key for change in written)
            state.retry.update(change.key for change in written)
            return
        ready = self._publisher.ready(written, run)
        if not ready:
            return
        if self._kept.is_first_choice:
            await self._propose(ready, run)
            return
        outcome = await self._publisher.publish(mirror, ready, run)
        if outcome.refused:
            await self._propose(outcome.refused, run)
        if outcome.lost:
            self._lookout.look_again()
            state.dirty.update(change.key for change in ready)

    async def follow(self, run: Run) -> None:
        """How the pull request is doing, as often as the branch itself is looked at."""
        mirror = self._lookout.mirror
        if run.fetched and run.problem is None and mirror is not None and await self._proposer.look(mirror):
            await self._lookout.fetch(run)
            await self._lookout.watch()

    async def settle(self, run: Run) -> bool:
        """Have the pull request say what is kept for it. Returns whether there is something to plan anew."""
        mirror = self._lookout.mirror
        if run.problem is not None or run.guarded or mirror is None:
            return False
        if await self._proposer.settle(mirror, run):
            self._lookout.look_again()
            return True
        return False

    async def _propose(self, changes: Sequence[Change], run: Run) -> None:
        self._publisher.note_written(await self._kept.take(changes, run), run)
