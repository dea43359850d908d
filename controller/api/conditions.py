"""Conditions: what they look like, and the one place that derives them.

The gates of a run (source, guards, plan, documents, conflicts) contribute findings; the worst wins. The three kstatus
conditions are the same for every kind: `Ready` is always there, `Reconciling` and `Stalled` only while they are true.
A Fabric shows `SourceReady`, `Synced` and `Conflicted` beside them. Everything here is pure; the time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from controller.api.meta import Model, Timestamp
from controller.errors import Reason, StalledError, TandemError


class ConditionType(StrEnum):
    """The types of conditions, with their polarity."""

    READY = "Ready"  # normal-true: both sides hold the same
    RECONCILING = "Reconciling"  # abnormal-true: a run is under way; absent otherwise
    STALLED = "Stalled"  # abnormal-true: a person has to act; absent otherwise
    SOURCE_READY = "SourceReady"  # normal-true: the branch was fetched and takes pushes
    SYNCED = "Synced"  # normal-true: nothing is left to do, but for objects in an open conflict
    CONFLICTED = "Conflicted"  # abnormal-true: conflicts wait for a decision


class ConditionStatus(StrEnum):
    """The three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


MESSAGE_LENGTH = 2048  # a condition is read by people; whole error texts stand in status.errors


class Condition(Model):
    """One observation of the resource's state, in the form of metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=316, description="What is observed.")]
    status: ConditionStatus = Field(description="True, False or Unknown.")
    observed_generation: int = Field(default=0, ge=0, description="The generation of the spec that was judged.")
    last_transition_time: Timestamp = Field(description="When the status last became what it is.")
    reason: Annotated[
        str, Field(min_length=1, max_length=128, description="Why, in one CamelCase word out of a closed list.")
    ]
    message: Annotated[str, Field(max_length=32768, description="Why, for people, and what to do next.")] = ""


SOURCE_REASONS = frozenset(
    {
        Reason.AUTHENTICATION_FAILED,
        Reason.REPOSITORY_NOT_FOUND,
        Reason.BRANCH_NOT_FOUND,
        Reason.DIRECTORY_NOT_FOUND,
        Reason.EMPTY_REPOSITORY,
        Reason.UNREACHABLE,
        Reason.CERTIFICATE_INVALID,
        Reason.HOST_KEY_MISMATCH,
        Reason.HOST_KEY_UNKNOWN,
        Reason.SIGNATURE_INVALID,
        Reason.PUSH_REJECTED,
        Reason.REPOSITORY_TOO_LARGE,
        Reason.NEEDS_RENDERING,
        Reason.URL_REFUSED,
        Reason.DECRYPTION_FAILED,
        Reason.FORGE_REFUSED,
    }
)
"""The reasons that make `SourceReady` False."""

_UNSEEN = (SOURCE_REASONS - {Reason.PUSH_REJECTED, Reason.DECRYPTION_FAILED, Reason.FORGE_REFUSED}) | {
    Reason.API_UNREACHABLE,
    Reason.FORBIDDEN,
    Reason.INVALID_KUBECONFIG,
}
"""Reasons with which a side was not seen at all: whether the sides agree is unknown, not false."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate contributes: why the resource is not ready. `stalled`: a person has to act before it goes on."""

    reason: Reason
    message: str
    stalled: bool = False

    @classmethod
    def of(cls, error: TandemError) -> Self:
        """The finding that an error means."""
        return cls(error.reason, error.message, isinstance(error, StalledError))

    @property
    def rank(self) -> int:
        """How bad it is, 0 the worst: stalled, source, whatever else blocks the run, documents, conflicts."""
        if self.stalled:
            return 0
        if self.reason in SOURCE_REASONS:
            return 1
        return _RANKS.get(self.reason, 2)


_RANKS = {Reason.DOCUMENTS_FAILED: 3, Reason.CONFLICTS_OPEN: 4}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run, so far, says of a resource.

    `findings` None: nothing was judged yet, the last judgement stands. `progress`: what a run under way is doing, ""
    when none is. `healthy`: the message of Ready when nothing was found. `fetched`: what the source is at, such as
    `main@1a2b3c4`; "" when this run did not get that far.
    """

    findings: tuple[Finding, ...] | None = None
    progress: str = ""
    healthy: str = ""
    fetched: str = ""


def derived_conditions(
    previous: Sequence[Condition], verdict: Verdict, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Ready, Reconciling and Stalled of any resource.

    `previous` are the conditions in its status: an unchanged status keeps its lastTransitionTime, and what was not
    judged anew keeps its value.
    """
    writer = _Writer(previous, generation, now)
    return writer.kept(_kstatus(writer, verdict))


def fabric_conditions(
    previous: Sequence[Condition], verdict: Verdict, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """All conditions of a Fabric: those of `derived_conditions`, and SourceReady, Synced and Conflicted."""
    writer = _Writer(previous, generation, now)
    own = [_source(writer, verdict), _synced(writer, verdict), _conflicted(writer, verdict)]
    return writer.kept([*_kstatus(writer, verdict), *own])


class _Writer:
    """Makes conditions that keep their transition time while their status stays."""

    def __init__(self, previous: Sequence[Condition], generation: int, now: datetime) -> None:
        self.previous = {condition.type: condition for condition in previous}
        self.generation = generation
        self.now = now.replace(microsecond=0)

    def write(self, kind: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> Condition:
        before = self.previous.get(kind)
        unchanged = before is not None and before.status == status
        return Condition(
            type=kind.value,
            status=status,
            observed_generation=self.generation,
            last_transition_time=before.last_transition_time if before and unchanged else self.now,
            reason=reason.value,
            message=_cut(message),
        )

    def last(self, kind: ConditionType) -> Condition | None:
        return self.previous.get(kind)

    @staticmethod
    def kept(conditions: Iterable[Condition | None]) -> tuple[Condition, ...]:
        return tuple(condition for condition in conditions if condition is not None)


def _kstatus(writer: _Writer, verdict: Verdict) -> list[Condition | None]:
    worst = _worst(verdict.findings or ())
    stalled = worst if worst and worst.stalled else None
    return [
        _ready(writer, verdict, worst),
        writer.write(ConditionType.RECONCILING, ConditionStatus.TRUE, Reason.PROGRESSING, verdict.progress)
        if verdict.progress and not stalled
        else None,
        writer.write(ConditionType.STALLED, ConditionStatus.TRUE, stalled.reason, stalled.message)
        if stalled
        else _still_stalled(writer, verdict),
    ]


def _ready(writer: _Writer, verdict: Verdict, worst: Finding | None) -> Condition:
    if verdict.findings is None:
        last = writer.last(ConditionType.READY)
        if last is not None and last.observed_generation == writer.generation:
            return last
        message = verdict.progress or "Not looked at yet"
        return writer.write(ConditionType.READY, ConditionStatus.UNKNOWN, Reason.PROGRESSING, message)
    if worst is None:
        return writer.write(ConditionType.READY, ConditionStatus.TRUE, Reason.SYNCED, verdict.healthy)
    return writer.write(ConditionType.READY, ConditionStatus.FALSE, worst.reason, worst.message)


def _still_stalled(writer: _Writer, verdict: Verdict) -> Condition | None:
    """A stall stands until it is judged anew, but not while a run for it is under way or the spec is another."""
    last = writer.last(ConditionType.STALLED)
    judged = verdict.findings is not None or verdict.progress
    return None if judged or last is None or last.observed_generation != writer.generation else last


def _source(writer: _Writer, verdict: Verdict) -> Condition | None:
    worst = _worst(finding for finding in verdict.findings or () if finding.reason in SOURCE_REASONS)
    if worst:
        return writer.write(ConditionType.SOURCE_READY, ConditionStatus.FALSE, worst.reason, worst.message)
    if verdict.fetched:
        message = f"Fetched {verdict.fetched}"
        return writer.write(ConditionType.SOURCE_READY, ConditionStatus.TRUE, Reason.FETCHED, message)
    return writer.last(ConditionType.SOURCE_READY)


def _synced(writer: _Writer, verdict: Verdict) -> Condition | None:
    if verdict.findings is None:
        return writer.last(ConditionType.SYNCED)
    worst = _worst(finding for finding in verdict.findings if finding.reason is not Reason.CONFLICTS_OPEN)
    if worst is None:
        return writer.write(ConditionType.SYNCED, ConditionStatus.TRUE, Reason.SYNCED, verdict.healthy)
    unseen = worst.reason in _UNSEEN
    status = ConditionStatus.UNKNOWN if unseen else ConditionStatus.FALSE
    return writer.write(ConditionType.SYNCED, status, worst.reason, worst.message)


def _conflicted(writer: _Writer, verdict: Verdict) -> Condition | None:
    if verdict.findings is None:
        return writer.last(ConditionType.CONFLICTED)
    for finding in verdict.findings:
        if finding.reason is Reason.CONFLICTS_OPEN:
            return writer.write(ConditionType.CONFLICTED, ConditionStatus.TRUE, finding.reason, finding.message)
    message = "No conflict is open"
    return writer.write(ConditionType.CONFLICTED, ConditionStatus.FALSE, Reason.NO_CONFLICTS, message)


def _worst(findings: Iterable[Finding]) -> Finding | None:
    """The worst finding; of equally bad ones the first by reason and message, so that the status does not flutter."""
    return min(findings, key=lambda finding: (finding.rank, finding.reason, finding.message), default=None)


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"
