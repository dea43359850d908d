"""What came of a run, told in every place where somebody looks: the status, Events, metrics, the history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from controller.api.conditions import Finding
from controller.api.v1alpha1.fabric import Fabric
from controller.errors import TandemError
from controller.kube.kinds import FABRICS
from controller.objects import Json
from controller.store.errors import StoreError
from controller.store.history import RunRow
from controller.sync.announcing import announce_run, announce_stall
from controller.sync.notifying import NoticeDesk
from controller.sync.report import findings_of, progress_status, stalled_status, status_of
from controller.sync.run import Run
from controller.sync.service import FabricService
from controller.sync.state import FabricState
from controller.sync.tools import Tools

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Reports the runs of all fabrics. `rows`: how many bases this process keeps."""

    _tools: Tools
    _rows: Callable[[], int]
    _notices: NoticeDesk

    def announce(self, body: Json) -> None:
        """A run begins: it is shown if it takes long."""
        self._tools.statuses.announce(FABRICS, body, progress_status(self._current(body), self._tools.now()))

    async def report(self, body: Json, service: FabricService, run: Run) -> None:
        """Tell what a run found and did. A status that cannot be written becomes the run's problem."""
        tools, state = self._tools, service.state
        fabric = Fabric.from_object(self._current(body))
        previous = fabric.status
        findings = findings_of(state, service.finding(run))
        now = tools.now()
        fetched = run.fetched if run.problem is None else ""
        status = status_of(state, previous, findings, now, fetched=fetched, did_something=run.did_something)
        try:
            await tools.statuses.write(FABRICS, body, status.to_json())
        except TandemError as error:
            run.problem = run.problem or error
        announce_run(tools.announcer, FABRICS, body, run, state, findings)
        await self._notices.tell_run(fabric, service, run, findings)
        self._measure(run, state)
        if run.did_something:
            await self._remember(service, run, findings)

    def _current(self, body: Json) -> Json:
        """The Fabric with the status that was written last: the watch may be behind, and old conditions return."""
        return body | {"status": self._tools.statuses.latest(FABRICS, body)}

    def _measure(self, run: Run, state: FabricState) -> None:
        metrics = self._tools.metrics
        for action, count in run.results.counts.items():
            metrics.changed(action.value, count)
        metrics.conflicts_open(state.profile.uid, len(state.conflicts))
        metrics.base_rows(self._rows())
        metrics.run_ended(run.outcome, self._tools.wall() - run.started)

    async def _remember(self, service: FabricService, run: Run, findings: tuple[Finding, ...]) -> None:
        row = RunRow(
            operation_id=run.id,
            kind=run.kind,
            trigger=run.trigger,
            outcome=run.outcome,
            started=run.started,
            finished=self._tools.wall(),
            initiated_by=run.initiated_by,
            revision_before=run.revision_before,
            revision_after=service.state.seen_commit,
            counts={action.value: count for action, count in run.results.counts.items()},
            errors=tuple({"reason": finding.reason.value, "message": finding.message} for finding in findings),
            commits=tuple(run.commits),
        )
        try:
            await self._tools.store.history.record(service.ledger.row.id, row)
        except StoreError as error:  # the run is over, and its status told; it is not in the history
            log.warning("the run is not in the history", run=run.id, problem=error.message)

    async def report_stall(self, body: Json, error: TandemError) -> None:
        """Tell of a Fabric whose spec cannot be worked with."""
        await self._tools.statuses.write(FABRICS, body, stalled_status(self._current(body), error, self._tools.now()))
        announce_stall(self._tools.announcer, FABRICS, body, error)
        await self._notices.tell_stall(body, error)
