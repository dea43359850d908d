"""What the gates contribute, and the conditions that come of it: one table, and the rules of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.conditions import (
    MESSAGE_LENGTH,
    SOURCE_REASONS,
    Condition,
    Finding,
    Verdict,
    derived_conditions,
    fabric_conditions,
)
from controller.errors import Reason, RejectedError, StalledError, WaitingError

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)

UNREACHABLE = Finding(Reason.UNREACHABLE, "no route to host")
URL_REFUSED = Finding(Reason.URL_REFUSED, "loopback", stalled=True)
INVALID = Finding(Reason.INVALID_SPEC, "two kinds in one directory", stalled=True)
GUARDED = Finding(Reason.DELETION_GUARD, "120 deletions", stalled=True)
API_DOWN = Finding(Reason.API_UNREACHABLE, "connection refused")
FORBIDDEN = Finding(Reason.FORBIDDEN, "cannot list secrets")
PUSH_REJECTED = Finding(Reason.PUSH_REJECTED, "protected branch")
DOCUMENTS = Finding(Reason.DOCUMENTS_FAILED, "2 documents failed")
CONFLICTS = Finding(Reason.CONFLICTS_OPEN, "1 conflict is open")


def shown(conditions: tuple[Condition, ...]) -> dict[str, str]:
    return {condition.type: f"{condition.status.value}/{condition.reason}" for condition in conditions}


TABLE = {
    "nothing found": (
        (),
        {
            "Ready": "True/Synced",
            "SourceReady": "True/Fetched",
            "Synced": "True/Synced",
            "Conflicted": "False/NoConflicts",
        },
    ),
    "a conflict is open": (
        (CONFLICTS,),
        {
            "Ready": "False/ConflictsOpen",
            "SourceReady": "True/Fetched",
            "Synced": "True/Synced",
            "Conflicted": "True/ConflictsOpen",
        },
    ),
    "a document failed, a conflict is open": (
        (CONFLICTS, DOCUMENTS),
        {
            "Ready": "False/DocumentsFailed",
            "SourceReady": "True/Fetched",
            "Synced": "False/DocumentsFailed",
            "Conflicted": "True/ConflictsOpen",
        },
    ),
    "the source is unreachable": (
        (UNREACHABLE, CONFLICTS),
        {
            "Ready": "False/Unreachable",
            "SourceReady": "False/Unreachable",
            "Synced": "Unknown/Unreachable",
            "Conflicted": "True/ConflictsOpen",
        },
    ),
    "the push was refused": (
        (PUSH_REJECTED, DOCUMENTS),
        {
            "Ready": "False/PushRejected",
            "SourceReady": "False/PushRejected",
            "Synced": "False/PushRejected",
            "Conflicted": "False/NoConflicts",
        },
    ),
    "the API server is unreachable": (
        (API_DOWN, DOCUMENTS),
        {
            "Ready": "False/ApiUnreachable",
            "SourceReady": "True/Fetched",
            "Synced": "Unknown/ApiUnreachable",
            "Conflicted": "False/NoConflicts",
        },
    ),
    "a list is forbidden": (
        (FORBIDDEN,),
        {
            "Ready": "False/Forbidden",
            "SourceReady": "True/Fetched",
            "Synced": "Unknown/Forbidden",
            "Conflicted": "False/NoConflicts",
        },
    ),
    "a guard stopped the plan": (
        (GUARDED, DOCUMENTS, CONFLICTS),
        {
            "Ready": "False/DeletionGuard",
            "Stalled": "True/DeletionGuard",
            "SourceReady": "True/Fetched",
            "Synced": "False/DeletionGuard",
            "Conflicted": "True/ConflictsOpen",
        },
    ),
    "the spec is invalid": (
        (INVALID,),
        {
            "Ready": "False/InvalidSpec",
            "Stalled": "True/InvalidSpec",
            "SourceReady": "True/Fetched",
            "Synced": "False/InvalidSpec",
            "Conflicted": "False/NoConflicts",
        },
    ),
    "the URL is refused: a source reason that a person has to mend": (
        (URL_REFUSED, CONFLICTS),
        {
            "Ready": "False/URLRefused",
            "Stalled": "True/URLRefused",
            "SourceReady": "False/URLRefused",
            "Synced": "Unknown/URLRefused",
            "Conflicted": "True/ConflictsOpen",
        },
    ),
    "the source fails and a guard waits: what a person must do comes first": (
        (UNREACHABLE, GUARDED),
        {
            "Ready": "False/DeletionGuard",
            "Stalled": "True/DeletionGuard",
            "SourceReady": "False/Unreachable",
            "Synced": "False/DeletionGuard",
            "Conflicted": "False/NoConflicts",
        },
    ),
}


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_conditions_of_a_fabric(row: str) -> None:
    findings, expected = TABLE[row]
    verdict = Verdict(findings, fetched="main@1a2b3c4")
    assert shown(fabric_conditions((), verdict, generation=1, now=NOW)) == expected


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_the_order_of_findings_does_not_matter(row: str) -> None:
    findings, _ = TABLE[row]
    results = {
        fabric_conditions((), Verdict(order, fetched="x"), generation=1, now=NOW) for order in permutations(findings)
    }
    assert len(results) == 1


@pytest.mark.parametrize("reason", sorted(SOURCE_REASONS))
def test_every_source_reason_makes_the_source_not_ready(reason: Reason) -> None:
    conditions = shown(fabric_conditions((), Verdict((Finding(reason, "x"),)), generation=1, now=NOW))
    assert conditions["SourceReady"] == conditions["Ready"] == f"False/{reason.value}"


def test_a_resource_that_nobody_has_looked_at_is_unknown() -> None:
    assert shown(derived_conditions((), Verdict(), generation=1, now=NOW)) == {"Ready": "Unknown/Progressing"}


def test_a_run_under_way_is_reconciling_and_leaves_the_last_judgement() -> None:
    before = fabric_conditions((), Verdict((DOCUMENTS,), fetched="x"), generation=1, now=NOW)
    running = fabric_conditions(before, Verdict(progress="Applying 300 objects"), generation=1, now=LATER)
    assert shown(running) == {**shown(before), "Reconciling": "True/Progressing"}
    (reconciling,) = (condition for condition in running if condition.type == "Reconciling")
    assert (reconciling.message, reconciling.last_transition_time) == ("Applying 300 objects", LATER)


def test_a_run_for_a_changed_spec_makes_ready_unknown() -> None:
    before = derived_conditions((), Verdict(()), generation=1, now=NOW)
    running = derived_conditions(before, Verdict(progress="Planning"), generation=2, now=LATER)
    assert shown(running) == {"Ready": "Unknown/Progressing", "Reconciling": "True/Progressing"}
    assert running[0].message == "Planning"


def test_reconciling_goes_when_the_run_ends() -> None:
    running = derived_conditions((), Verdict(progress="Planning"), generation=1, now=NOW)
    assert shown(derived_conditions(running, Verdict(()), generation=1, now=LATER)) == {"Ready": "True/Synced"}


def test_what_is_stalled_is_not_reconciling() -> None:
    conditions = derived_conditions((), Verdict((INVALID,), progress="Planning"), generation=1, now=NOW)
    assert shown(conditions) == {"Ready": "False/InvalidSpec", "Stalled": "True/InvalidSpec"}


def test_a_stall_stands_until_it_is_judged_anew() -> None:
    stalled = derived_conditions((), Verdict((INVALID,)), generation=1, now=NOW)
    assert derived_conditions(stalled, Verdict(), generation=1, now=LATER) == stalled
    assert "Stalled" not in shown(derived_conditions(stalled, Verdict(), generation=2, now=LATER))
    assert "Stalled" not in shown(derived_conditions(stalled, Verdict(progress="Planning"), generation=1, now=LATER))
    assert "Stalled" not in shown(derived_conditions(stalled, Verdict(()), generation=1, now=LATER))


def test_the_source_keeps_its_condition_in_a_run_that_did_not_fetch() -> None:
    before = fabric_conditions((), Verdict((), fetched="main@1a2b3c4"), generation=1, now=NOW)
    after = fabric_conditions(before, Verdict((API_DOWN,)), generation=1, now=LATER)
    assert [condition for condition in after if condition.type == "SourceReady"] == [
        condition for condition in before if condition.type == "SourceReady"
    ]


def test_conditions_that_were_never_judged_are_absent() -> None:
    conditions = fabric_conditions((), Verdict(progress="Fetching"), generation=1, now=NOW)
    assert shown(conditions) == {"Ready": "Unknown/Progressing", "Reconciling": "True/Progressing"}


def test_the_transition_time_moves_with_the_status_only() -> None:
    first = derived_conditions((), Verdict((DOCUMENTS,)), generation=1, now=NOW)
    again = derived_conditions(first, Verdict((CONFLICTS,)), generation=2, now=LATER)
    assert (again[0].reason, again[0].observed_generation) == ("ConflictsOpen", 2)
    assert again[0].last_transition_time == NOW
    better = derived_conditions(again, Verdict((), healthy="412 objects"), generation=2, now=LATER)
    assert (better[0].message, better[0].last_transition_time) == ("412 objects", LATER)


def test_conditions_that_do_not_change_are_equal() -> None:
    verdict = Verdict((CONFLICTS,), healthy="x", fetched="main@1a2b3c4")
    before = fabric_conditions((), verdict, generation=1, now=NOW)
    assert fabric_conditions(before, verdict, generation=1, now=LATER) == before
    read = tuple(Condition.model_validate(condition.to_json()) for condition in before)
    assert fabric_conditions(read, verdict, generation=1, now=LATER) == read


def test_times_have_whole_seconds_as_the_server_returns_them() -> None:
    (ready,) = derived_conditions((), Verdict(()), generation=1, now=NOW + timedelta(microseconds=123_456))
    assert ready == Condition.model_validate(ready.to_json())


def test_a_long_message_is_cut() -> None:
    (ready,) = derived_conditions((), Verdict((Finding(Reason.UNREACHABLE, "x" * 9999),)), generation=1, now=NOW)
    assert len(ready.message) == MESSAGE_LENGTH
    assert ready.message.endswith("…")


@pytest.mark.parametrize(
    ("error", "stalled"),
    [
        (StalledError(Reason.INVALID_SPEC, "m"), True),
        (WaitingError(Reason.INVALID_SPEC, "m"), False),
        (RejectedError(Reason.INVALID_SPEC, "m"), False),
    ],
)
def test_an_error_is_a_finding(error: StalledError, stalled: bool) -> None:
    assert Finding.of(error) == Finding(Reason.INVALID_SPEC, "m", stalled)


FINDINGS = st.builds(Finding, st.sampled_from(Reason), st.just("m"), st.booleans())
VERDICTS = st.builds(
    Verdict,
    st.none() | st.lists(FINDINGS, max_size=4).map(tuple),
    st.sampled_from(["", "Planning"]),
    st.just(""),
    st.sampled_from(["", "main@1"]),
)


@given(VERDICTS, VERDICTS, st.integers(1, 2))
def test_whatever_happens_the_kstatus_rules_hold(first: Verdict, second: Verdict, generation: int) -> None:
    before = fabric_conditions((), first, generation=1, now=NOW)
    after = fabric_conditions(before, second, generation=generation, now=LATER)
    kinds = [condition.type for condition in after]
    assert len(kinds) == len(set(kinds))
    statuses = {condition.type: condition.status.value for condition in after}
    assert "Ready" in statuses
    assert statuses.get("Reconciling", "True") == statuses.get("Stalled", "True") == "True"
    assert not ("Reconciling" in statuses and "Stalled" in statuses)
    if "Stalled" in statuses:
        assert statuses["Ready"] == "False"
