"""What came of a SyncJob's run, for the job's status: its phase, its counts, its errors, and what was done. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from controller.api.conditions import Finding
from controller.api.v1alpha1 import syncjob as api
from controller.errors import Reason
from controller.objects import Json, canonical
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Action, Change, FieldEdit, Guard
from controller.sync.run import Run

UPDATED = (Action.CONFIGURE, Action.ADOPT, Action.TAKE_OVER, Action.MERGE)
WRITTEN = (Action.WRITE_BACK, Action.IMPORT, Action.REMOVE_DOCUMENT, Action.MERGE)
TOUCHED = {Action.CREATE, Action.PRUNE, *UPDATED, *WRITTEN}
LONGEST_VALUE = 100  # characters of a value that lost; the whole of it is in Git's history, or was never agreed on


def phase_of_run(run: Run, guards: Sequence[Guard]) -> tuple[api.JobPhase, Finding | None]:
    """The final phase, and what kept the job from ending well. `guards` are those that stopped the plan."""
    if run.was_cancelled:
        return api.JobPhase.CANCELLED, Finding(Reason.PROGRESSING, "cancelled; what was done by then is kept")
    if run.problem is not None:
        return api.JobPhase.FAILED, Finding.of(run.problem)
    if run.guarded:
        stopped = "; ".join(guard.message for guard in guards)
        return api.JobPhase.FAILED, Finding(guards[0].reason, f"{stopped}; confirm it, or put it right")
    if run.results.failed:
        key, found = min(run.results.failed.items())
        return api.JobPhase.PARTIALLY_COMPLETED, Finding(found.reason, f"{key}: {found.message}")
    return api.JobPhase.COMPLETED, None


def statistics_of(run: Run, changes: Sequence[Change]) -> Json:
    """`status.statistics`. `changes` are those of the job's objects."""
    counts = run.results.counts
    failed = len(run.results.failed)
    touched = sum(counts.get(action, 0) for action in TOUCHED)
    return {
        "created": counts.get(Action.CREATE, 0),
        "updated": sum(counts.get(action, 0) for action in UPDATED),
        "deleted": counts.get(Action.PRUNE, 0),
        "written": sum(counts.get(action, 0) for action in WRITTEN),
        "skipped": max(0, len(changes) - touched - failed),
        "failed": failed,
        "conflictsDetected": sum(change.conflict is not None for change in changes),
        "conflictsResolved": run.conflicts_settled,
    }


def errors_of_run(run: Run) -> list[Json]:
    """`status.errors`, the last that it has room for."""
    found = [
        {"object": str(key), "file": item.path or None, "reason": item.reason.value, "message": item.message}
        for key, item in sorted(run.results.failed.items(), key=lambda pair: pair[0])
    ]
    if run.problem is not None:
        found.append({"reason": run.problem.reason.value, "message": run.problem.message})
    told = [{name: value for name, value in entry.items() if value is not None} for entry in found]
    return told[-api.MAX_ERRORS :]


def warnings_of_run(run: Run, changes: Sequence[Change]) -> list[Json]:
    """`status.warnings`, the last that it has room for: objects that were put off, for what passes by itself."""
    told = [
        {"object": str(change.key), "reason": change.reason.value, "message": change.message}
        for change in changes
        if change.reason is not None and change.conflict is None and change.key not in run.results.failed
    ]
    return told[-api.MAX_WARNINGS :]


def results_of(run: Run, changes: Sequence[Change]) -> list[Json]:
    """`status.results`: the first objects with which anything was done, or that were left alone for a reason."""
    return [_result(change, run) for change in changes if change.is_telling][: api.MAX_RESULTS]


def _result(change: Change, run: Run) -> Json:
    key = change.key
    failed = run.results.failed.get(key)
    outcome = "Done" if key in run.results.done else "Failed" if failed is not None else "Skipped"
    message = change.message or "; ".join(map(_lost, change.overruled))
    return {
        "object": str(key),
        "action": change.action.value,
        "outcome": outcome,
        "message": message if failed is None else failed.message,
    }


def _lost(edit: FieldEdit) -> str:
    """A change of either side that lost, with the value it wanted; a Secret's is hidden already."""
    value = canonical(edit.new).decode() if edit.new_present else "nothing"
    shown = value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"
    return f"lost: {render_path(edit.path)}: {shown}"
