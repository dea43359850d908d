"""What came of a job's run, as its status tells it."""

from __future__ import annotations

import pytest

from controller.api.v1alpha1.syncjob import MAX_ERRORS, MAX_RESULTS, MAX_WARNINGS, JobPhase
from controller.errors import Reason, StalledError, WaitingError
from controller.objects import ObjectKey
from controller.sync.execution import Results
from controller.sync.jobreport import errors_of_run, phase_of_run, results_of, statistics_of, warnings_of_run
from controller.sync.plan.model import Action, Change, Conflict, ConflictType, FieldEdit, Guard, Severity
from controller.sync.run import Run
from controller.sync.state import Exceptional

WEB = ObjectKey("", "ConfigMap", "shop", "web")
DATABASE = ObjectKey("", "ConfigMap", "shop", "db")
REFUSED = Exceptional(Reason.FIELD_REFUSED, "no such color", "cm.yaml", 3)
GUARD = Guard(Reason.EDIT_GUARD, "0123", "3 objects with edits", ())


def run(**fields: object) -> Run:
    made = Run("an-id", 0.0)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def change(key: ObjectKey, action: Action, **fields: object) -> Change:
    return Change(key, action, "a row", **fields)  # type: ignore[arg-type]  # a test's own keywords


PHASES = {
    "all went well": (run(), JobPhase.COMPLETED, None),
    "an object was refused": (
        run(results=Results(failed={WEB: REFUSED})),
        JobPhase.PARTIALLY_COMPLETED,
        "FieldRefused",
    ),
    "a guard": (run(guarded=True, results=Results(failed={WEB: REFUSED})), JobPhase.FAILED, "EditGuard"),
    "no remote": (run(problem=WaitingError(Reason.UNREACHABLE, "gone")), JobPhase.FAILED, "Unreachable"),
    "cancelled": (
        run(was_cancelled=True, problem=WaitingError(Reason.UNREACHABLE, "x")),
        JobPhase.CANCELLED,
        "Progressing",
    ),
}


@pytest.mark.parametrize(("ended", "phase", "reason"), PHASES.values(), ids=PHASES)
def test_the_phase_tells_the_worst(ended: Run, phase: JobPhase, reason: str | None) -> None:
    found, finding = phase_of_run(ended, [GUARD])
    assert found is phase
    assert found.is_final
    assert (finding and finding.reason) == reason


def test_a_guard_is_named_with_its_numbers() -> None:
    _, finding = phase_of_run(run(guarded=True), [GUARD])
    assert finding is not None
    assert finding.message.startswith("3 objects with edits; confirm it")


def test_counts_add_up_to_the_objects_of_the_job() -> None:
    conflict = Conflict(ConflictType.BOTH_CHANGED, (), Severity.LOW, auto_resolvable=False, token="")
    counts = {Action.CREATE: 2, Action.MERGE: 1, Action.IMPORT: 1, Action.PRUNE: 1, Action.CONFLICT: 1}
    ended = run(results=Results(counts=counts, failed={WEB: REFUSED}), conflicts_settled=1)
    changes = [change(WEB, Action.CONFIGURE)] * 8 + [change(DATABASE, Action.CONFLICT, conflict=conflict)]
    assert statistics_of(ended, changes) == {
        "created": 2,
        "updated": 1,
        "deleted": 1,
        "written": 2,
        "skipped": 3,
        "failed": 1,
        "conflictsDetected": 1,
        "conflictsResolved": 1,
    }


def test_errors_name_object_and_file_as_far_as_there_is_one() -> None:
    failed = {WEB: REFUSED, DATABASE: Exceptional(Reason.FORBIDDEN, "no")}
    ended = run(results=Results(failed=failed), problem=StalledError(Reason.URL_REFUSED, "not this one"))
    assert errors_of_run(ended) == [
        {"object": "ConfigMap/shop/db", "reason": "Forbidden", "message": "no"},
        {"object": "ConfigMap/shop/web", "file": "cm.yaml", "reason": "FieldRefused", "message": "no such color"},
        {"reason": "URLRefused", "message": "not this one"},
    ]


def test_errors_and_results_are_bounded() -> None:
    keys = [WEB._replace(name=f"n{number:03}") for number in range(MAX_ERRORS + 50)]
    ended = run(results=Results(failed=dict.fromkeys(keys, REFUSED)))
    assert len(errors_of_run(ended)) == MAX_ERRORS
    assert errors_of_run(ended)[-1]["object"] == str(keys[-1])
    assert len(results_of(ended, [change(key, Action.CREATE) for key in keys])) == MAX_RESULTS


def test_results_tell_what_was_done_and_what_lost() -> None:
    color = FieldEdit(("data", "color"), "blue", "green")
    size = FieldEdit(("data", "size"), "big", None, new_present=False)
    ended = run(results=Results(done={WEB}, failed={DATABASE: REFUSED}))
    changes = [
        change(WEB, Action.CONFIGURE, overruled=(color, size)),
        change(DATABASE, Action.CREATE, message="made"),
        change(WEB._replace(name="left"), Action.SKIP, message="disabled"),
        change(WEB._replace(name="steady"), Action.UNCHANGED),
    ]
    assert [(found["outcome"], found["message"]) for found in results_of(ended, changes)] == [
        ("Done", 'lost: /data/color: "green"; lost: /data/size: nothing'),
        ("Failed", "no such color"),
        ("Skipped", "disabled"),
    ]


def test_a_long_value_that_lost_is_cut() -> None:
    lost = change(WEB, Action.CONFIGURE, overruled=(FieldEdit(("data", "x"), "", "y" * 500),))
    (found,) = results_of(run(results=Results(done={WEB})), [lost])
    assert len(found["message"]) < 130
    assert found["message"].endswith("…")


def test_what_was_put_off_is_a_warning_and_what_failed_is_none() -> None:
    waiting = change(WEB, Action.WAIT, reason=Reason.TERMINATING, message="it is on its way out")
    refused = change(DATABASE, Action.SKIP, reason=Reason.FIELD_REFUSED, message="no such color")
    ended = run(results=Results(failed={DATABASE: REFUSED}))
    expected = {"object": str(WEB), "reason": "Terminating", "message": "it is on its way out"}
    assert warnings_of_run(ended, [waiting, refused, change(DATABASE, Action.UNCHANGED)]) == [expected]
    assert len(warnings_of_run(run(), [waiting] * (MAX_WARNINGS + 1))) == MAX_WARNINGS
