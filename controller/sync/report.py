"""A Fabric's status, from the fabric's memory and what the gates of the run found. Pure: the time is an argument."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.api.conditions import Condition, Finding, Verdict, fabric_conditions
from controller.api.meta import to_rfc3339
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
from controller.sync.plan.model import Guard
from controller.sync.state import Exceptional, FabricState

WAITING_REASONS = frozenset({Reason.TERMINATING, Reason.PROGRESSING})
"""Reasons that pass by themselves: they are listed, but nothing has failed."""

LONGEST_TEXT = 1024
"""Characters. 100 exceptions and 20 errors of such texts stay below the 1.5 MB that etcd takes in one object."""

REFUSALS = frozenset(
    {
        Reason.FIELD_REFUSED,
        Reason.UNKNOWN_FIELD,
        Reason.KIND_UNKNOWN,
        Reason.NAMESPACE_NOT_FOUND,
        Reason.FORBIDDEN,
        Reason.ENCRYPTION_REQUIRED,
    }
)
"""Reasons for which a document, or what it needs, has to be changed: each such object is an error of its own."""


def findings_of(state: FabricState, source: Finding | None) -> tuple[Finding, ...]:
    """What every gate has to say: the source, the watches, the guards, the documents, the conflicts."""
    found = [] if source is None else [source]
    found += [Finding(reason, message) for reason, message in state.view.errors()]
    found += [Finding(guard.reason, guard.message, stalled=True) for guard in state.guards]
    found += _target_gone(state)
    errors, failures = errors_of(state), _failures(state)
    if errors:
        found.append(Finding(Reason.DOCUMENTS_FAILED, _error_message(errors)))
    elif failures:
        found.append(Finding(Reason.DOCUMENTS_FAILED, _failure_message(failures)))
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
    pending = _pending(state)
    verdict = Verdict(
        findings=findings, healthy=f"{_count(kept, 'object')} in step{_waiting(pending)}", fetched=fetched
    )
    errors = errors_of(state)
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
        pending=pending,
        exceptions=tuple(_exception(key, state.exceptions[key]) for key in sorted(state.exceptions)[:MAX_EXCEPTIONS]),
        errors=tuple(errors[:MAX_ERRORS]),
        error_count=len(errors),
        guards=tuple(_guard(guard) for guard in state.guards),
        conditions=fabric_conditions(previous.conditions, verdict, generation=profile.generation, now=now),
    )
    if did_something and status != previous:
        return status.model_copy(update={"last_sync": now.replace(microsecond=0)})
    return status


def _pending(state: FabricState) -> PendingCounts:
    waiting = {key for key, pending in state.pending.items() if not pending.rejected}
    request = state.request
    return PendingCounts(
        edits=len(waiting | state.unpushed),
        branch=request.branch if request else None,
        url=(request.link or None) if request else None,
    )


def _waiting(pending: PendingCounts) -> str:
    """Where edits wait, for the end of a sentence; "" if none do."""
    where = pending.url or pending.branch
    return f"; edits of {_count(pending.edits, 'object')} wait in {where}" if pending.edits and where else ""


def progress_status(body: Json, now: datetime) -> Json:
    """The status of a Fabric whose run takes long: the last judgement stands, and `Reconciling` since when."""
    return _with_conditions(body, Verdict(progress=f"A run is under way since {to_rfc3339(now)}"), now)


def stalled_status(body: Json, error: TandemError, now: datetime) -> Json:
    """The status of a Fabric that cannot even be looked at, everything else in it as it was."""
    status = _with_conditions(body, Verdict(findings=(Finding.of(error),)), now)
    return status | {"observedGeneration": int(body["metadata"].get("generation", 0))}


def _with_conditions(body: Json, verdict: Verdict, now: datetime) -> Json:
    """The status that stands there, with the conditions that the verdict makes of it."""
    status = dict(body.get("status") or {})
    previous = [Condition.model_validate(condition) for condition in status.get("conditions", ())]
    generation = int(body["metadata"].get("generation", 0))
    conditions = fabric_conditions(previous, verdict, generation=generation, now=now)
    return status | {"conditions": [condition.to_json() for condition in conditions]}


def _target_gone(state: FabricState) -> Iterator[Finding]:
    """Every object went with its namespace or definition: nothing can be done until that is back."""
    gone = [found for found in state.exceptions.values() if found.reason is Reason.TARGET_GONE]
    if gone and len(gone) == len(state.bases):
        message = f"all {_count(len(gone), 'object')} lost the place they live in: {gone[0].message}"
        yield Finding(Reason.TARGET_GONE, message, stalled=True)


def _failures(state: FabricState) -> dict[ObjectKey, Exceptional]:
    return {key: found for key, found in state.exceptions.items() if found.reason not in WAITING_REASONS}


def _failure_message(failures: dict[ObjectKey, Exceptional]) -> str:
    first = min(failures)
    found = failures[first]
    more = f" (and {len(failures) - 1} more, see status.exceptions)" if len(failures) > 1 else ""
    return f"{first}: {found.reason}: {found.message}{more}"


def _error_message(errors: list[ErrorEntry]) -> str:
    first = errors[0]
    more = f" (and {len(errors) - 1} more, see status.errors)" if len(errors) > 1 else ""
    return f"{place_of(first)}{first.reason}: {first.message}{more}"


def place_of(error: ErrorEntry) -> str:
    """`<file>:<line>: <field>: `, as far as it is known."""
    where = f"{error.file}:{error.line}" if error.file and error.line else error.file or error.object
    return "".join(f"{part}: " for part in (where, error.field) if part)


def errors_of(state: FabricState) -> list[ErrorEntry]:
    """What is wrong in the repository or was refused: faults of files first, then of single objects."""
    return [*_faults(state), *_refusals(state)]


def untold(state: FabricState) -> dict[ObjectKey, Exceptional]:
    """The exceptions that no error stands for: what is wrong is no document's fault."""
    told = {(problem.path, problem.line) for problem in state.declared.problems()}
    return {
        key: found
        for key, found in state.exceptions.items()
        if found.reason not in REFUSALS and (found.path, found.line) not in told
    }


def _faults(state: FabricState) -> Iterator[ErrorEntry]:
    for problem in state.declared.problems():
        yield ErrorEntry(
            file=cut(problem.path),
            line=problem.line,
            field=cut(problem.field) or None,
            object=cut(problem.object) or None,
            reason=problem.reason,
            message=cut(problem.message),
        )


def _refusals(state: FabricState) -> Iterator[ErrorEntry]:
    """Objects that were refused; those that a fault of their file holds back are named by that fault already."""
    told = {(problem.path, problem.line) for problem in state.declared.problems()}
    for key, found in sorted(state.exceptions.items(), key=lambda item: item[0]):
        if found.reason in REFUSALS and (found.path, found.line) not in told:
            yield ErrorEntry(
                file=cut(found.path) or None,
                line=found.line or None,
                field=cut(found.field) or None,
                object=cut(str(key)),
                reason=found.reason,
                message=cut(found.message),
            )


def _exception(key: ObjectKey, found: Exceptional) -> ExceptionEntry:
    return ExceptionEntry(
        group=key.group,
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        reason=found.reason,
        message=cut(found.message),
    )


def cut(text: str) -> str:
    """A text as it may stand in a status: files, fields and values that are quoted have no end of their own."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


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
