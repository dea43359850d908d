"""A Fabric's status, from the fabric's memory and what the gates of the run found. Pure: the time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from controller.api.conditions import Condition, Finding, Verdict, fabric_conditions
from controller.api.v1alpha1.fabricstatus import (
    MAX_ERRORS,
    MAX_EXCEPTIONS,
    MAX_GUARD_OBJECTS,
    DriftCounts,
    ErrorEntry,
    ExceptionEntry,
    FabricStatus,
    GuardEntry,
    Inventory,
    PendingCounts,
    Revision,
)
from controller.errors import Reason, TandemError
from controller.objects import Json, ObjectKey
from controller.sync.declared import Problem
from controller.sync.plan.model import Guard
from controller.sync.state import Exceptional, FabricState

WAITING_REASONS = frozenset({Reason.TERMINATING, Reason.PROGRESSING})
"""Reasons that pass by themselves: they are listed, but nothing has failed."""


def findings_of(state: FabricState, source: Finding | None) -> tuple[Finding, ...]:
    """What every gate has to say: the source, the watches, the guards, the documents, the conflicts."""
    found = [] if source is None else [source]
    found += [Finding(reason, message) for _, _, reason, message in state.view.errors()]
    found += [Finding(guard.reason, guard.message, stalled=True) for guard in state.guards]
    failures = _failures(state)
    problems = state.declared.problems()
    if failures:
        found.append(Finding(Reason.DOCUMENTS_FAILED, _failure_message(state, failures)))
    elif problems:
        found.append(Finding(Reason.DOCUMENTS_FAILED, _problem_message(problems)))
    if state.conflicts:
        names = ", ".join(str(key) for key in sorted(state.conflicts)[:3])
        more = f" and {len(state.conflicts) - 3} more" if len(state.conflicts) > 3 else ""
        message = f"{_count(len(state.conflicts), 'conflict')} to decide: {names}{more}; see kubectl get syncconflicts"
        found.append(Finding(Reason.CONFLICTS_OPEN, message))
    return tuple(found)


def status_of(
    state: FabricState,
    previous: FabricStatus,
    findings: tuple[Finding, ...],
    now: datetime,
    *,
    fetched: str,
    did_something: bool,
) -> FabricStatus:
    """The status after a run. `did_something`: the run changed, refused or failed something, so `lastSync` moves."""
    profile = state.profile
    kept = len(state.bases)
    verdict = Verdict(findings=findings, healthy=f"{_count(kept, 'object')} in step", fetched=fetched)
    errors = list(_errors(state))
    status = FabricStatus(
        observed_generation=profile.generation,
        last_handled_request=profile.requested_at or previous.last_handled_request,
        last_sync=previous.last_sync,
        revision=Revision(
            attempted=state.planned_commit or None,
            applied=state.applied_commit or None,
            pushed=state.pushed_commit or None,
        ),
        inventory=Inventory(declared=state.declared.count, kept=kept, exceptions=len(state.exceptions)),
        drift=DriftCounts(
            edits=sum(drift.edits for drift in state.drift.values()),
            by_others=sum(drift.by_others for drift in state.drift.values()),
        ),
        conflicts=len(state.conflicts),
        pending=PendingCounts(edits=len(state.unpushed)),
        exceptions=tuple(_exception(key, state.exceptions[key]) for key in sorted(state.exceptions)[:MAX_EXCEPTIONS]),
        errors=tuple(errors[:MAX_ERRORS]),
        error_count=len(errors),
        guards=tuple(_guard(guard) for guard in state.guards),
        conditions=fabric_conditions(previous.conditions, verdict, generation=profile.generation, now=now),
    )
    if did_something and status != previous:
        return status.model_copy(update={"last_sync": now.replace(microsecond=0)})
    return status


def stalled_status(body: Json, error: TandemError, now: datetime) -> Json:
    """The status of a Fabric that cannot even be looked at, everything else in it as it was."""
    metadata = body["metadata"]
    status = dict(body.get("status") or {})
    previous = [Condition.model_validate(condition) for condition in status.get("conditions", ())]
    generation = int(metadata.get("generation", 0))
    conditions = fabric_conditions(previous, Verdict(findings=(Finding.of(error),)), generation=generation, now=now)
    status["conditions"] = [condition.to_json() for condition in conditions]
    return status | {"observedGeneration": generation}


def _failures(state: FabricState) -> dict[ObjectKey, Exceptional]:
    return {key: found for key, found in state.exceptions.items() if found.reason not in WAITING_REASONS}


def _failure_message(state: FabricState, failures: dict[ObjectKey, Exceptional]) -> str:
    first = min(failures)
    found = failures[first]
    place = f"{found.path}:{found.line}: " if found.path and found.line else f"{found.path}: " if found.path else ""
    more = f" (and {len(failures) - 1} more, see status.exceptions)" if len(failures) > 1 else ""
    return f"{first}: {found.reason}: {place}{found.message}{more}"


def _problem_message(problems: Sequence[Problem]) -> str:
    """A file that cannot be read, and of which no object is known: nothing is left alone, and yet not all is well."""
    first = problems[0]
    more = f" (and {len(problems) - 1} more, see status.errors)" if len(problems) > 1 else ""
    return f"{first.path}:{first.line}: {first.reason}: {first.message}{more}"


def _errors(state: FabricState) -> Iterable[ErrorEntry]:
    for problem in state.declared.problems():
        yield ErrorEntry(
            file=problem.path,
            line=problem.line,
            field=problem.field or None,
            object=problem.object or None,
            reason=problem.reason,
            message=problem.message,
        )
    for key in sorted(state.exceptions):
        found = state.exceptions[key]
        if found.field or found.reason in {Reason.FIELD_REFUSED, Reason.UNKNOWN_FIELD}:
            yield ErrorEntry(
                file=found.path or None,
                line=found.line or None,
                field=found.field or None,
                object=str(key),
                reason=found.reason,
                message=found.message,
            )


def _exception(key: ObjectKey, found: Exceptional) -> ExceptionEntry:
    return ExceptionEntry(
        group=key.group,
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        reason=found.reason,
        message=found.message,
    )


def _guard(guard: Guard) -> GuardEntry:
    return GuardEntry(
        token=guard.token,
        reason=guard.reason,
        deletions=guard.deletions,
        edits=guard.edits,
        objects=tuple(f"{action} {key}" for key, action in guard.entries[:MAX_GUARD_OBJECTS]),
    )


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
