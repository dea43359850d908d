"""`tandem sync`: the job that flags ask for, and its steps and end in words."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.api.v1alpha1.syncjob import SyncJob
from controller.cli.app import parser_of
from controller.cli.sync import conflict_lines, execute, job_body, progress_line, result_lines
from controller.objects import Json


def body(*arguments: str, asked_by: str = "ada") -> Json:
    parser, _ = parser_of("sync")
    return job_body(parser.parse(arguments, {}), asked_by)


def job(**status: Any) -> SyncJob:
    return SyncJob.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "SyncJob",
            "metadata": {"name": "web-1", "namespace": "shop"},
            "spec": {"fabricRef": {"name": "web"}},
            "status": status,
        }
    )


def results(**status: Any) -> list[str]:
    return [line.plain for line in result_lines(job(**status))]


class TestBody:
    def test_what_flags_leave_open_is_the_fabric_s(self) -> None:
        assert body("web") == {
            "metadata": {"generateName": "web-", "labels": {"tandem.dev/fabric": "web"}},
            "spec": {"fabricRef": {"name": "web"}, "type": "Sync", "trigger": "Manual", "initiatedBy": "ada"},
        }

    def test_everything_that_can_be_asked_for(self) -> None:
        spec = body(
            "web", "--direction", "gitTOcluster", "--force", "--kind", "Deployment,ConfigMap", "--kind", "Job",
            "--name", "web-*,api", asked_by="",
        )["spec"]  # fmt: skip
        assert spec == {
            "fabricRef": {"name": "web"},
            "type": "Sync",
            "trigger": "Manual",
            "direction": "GitToCluster",
            "filters": {"kinds": ["Deployment", "ConfigMap", "Job"], "names": ["web-*", "api"]},
            "options": {"force": True},
        }

    def test_a_job_s_name_fits_whatever_the_fabric_is_called(self) -> None:
        name = body("f" * 200)["metadata"]["generateName"]
        assert len(name) + 5 <= 63

    @pytest.mark.parametrize("arguments", [["web", "--force"], ["web", "--force", "--direction", "Bidirectional"]])
    def test_force_needs_a_side_that_wins(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        parser, _ = parser_of("sync")
        options = parser.parse(arguments, {})
        options.parser = parser
        with pytest.raises(SystemExit) as end:
            execute(options)
        assert end.value.code == 64
        assert "--force needs --direction" in capsys.readouterr().err

    def test_the_filters_of_one_call_are_not_those_of_the_next(self) -> None:
        assert body("web", "--kind", "Job")["spec"]["filters"] == {"kinds": ["Job"]}
        assert "filters" not in body("web")["spec"]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ({}, "Pending"),
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "InProgress", "currentPhase": "SyncingData"}, "InProgress   SyncingData"),
        (
            {"phase": "InProgress", "currentPhase": "SyncingData", "progress": {"targeted": 1, "processed": 0}},
            "InProgress   SyncingData   0 of 1 object",
        ),
        ({"phase": "Completed", "progress": {"targeted": 3, "processed": 3}}, "Completed   3 of 3 objects"),
    ],
)
def test_each_step_is_one_line(status: Json, line: str) -> None:
    assert progress_line(job(**status)) == line


def test_a_job_that_waits_says_for_what() -> None:
    reconciling = {
        "type": "Reconciling",
        "status": "True",
        "reason": "Progressing",
        "message": "waits: the Fabric is suspended",
        "lastTransitionTime": "2026-01-10T11:00:00Z",
    }
    line = progress_line(job(phase="Pending", conditions=[reconciling]))
    assert line == "Pending   waits: the Fabric is suspended"


class TestResults:
    def test_what_was_done_is_counted(self) -> None:
        said = results(
            phase="Completed", statistics={"created": 2, "written": 1, "skipped": 4}, commitSHA="0123456789abcd"
        )
        assert said == ["2 created, 1 written, 4 skipped", "commit 0123456789ab"]

    @pytest.mark.parametrize(("skipped", "said"), [(0, "nothing to do"), (3, "nothing to do, 3 skipped")])
    def test_nothing_is_said_too(self, skipped: int, said: str) -> None:
        assert results(phase="Completed", statistics={"skipped": skipped}) == [said]

    def test_a_failure_is_not_nothing_to_do(self) -> None:
        assert results(phase="Failed", statistics={}, errors=[{"reason": "Unreachable", "message": "no way"}]) == [
            "error: Unreachable: no way"
        ]
        assert results(phase="Cancelled", statistics={"skipped": 2}) == ["2 skipped"]

    def test_errors_and_warnings_name_their_place(self) -> None:
        said = results(
            phase="PartiallyCompleted",
            errors=[
                {"object": "Job/shop/a", "file": "a.yaml", "reason": "Forbidden", "message": "may not"},
                {"reason": "Unreachable", "message": "no way"},
            ],
            warnings=[{"file": "b.yaml", "reason": "Progressing", "message": "slow"}],
        )
        assert said == ["b.yaml: slow", "Job/shop/a a.yaml: Forbidden: may not", "error: Unreachable: no way"]

    def test_a_job_that_failed_as_a_whole_says_why(self) -> None:
        ready = {
            "type": "Ready",
            "status": "False",
            "reason": "DeletionGuard",
            "message": "12 of 14 would go",
            "lastTransitionTime": "2026-01-10T11:00:00Z",
        }
        assert results(phase="Failed", conditions=[ready]) == ["12 of 14 would go"]
        assert results(phase="Completed", conditions=[ready]) == []


def test_open_conflicts_are_named_with_how_to_look_at_them() -> None:
    conflict = SyncConflict.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "SyncConflict",
            "metadata": {"name": "web-deployment-web-1", "namespace": "shop"},
            "spec": {
                "fabricRef": {"name": "web"},
                "type": "BothChanged",
                "object": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
            },
        }
    )
    assert [line.plain for line in conflict_lines([conflict], "kubectl tandem")] == [
        "1 conflict to decide:",
        "  Deployment/shop/web   kubectl tandem conflicts show web-deployment-web-1 -n shop",
    ]
