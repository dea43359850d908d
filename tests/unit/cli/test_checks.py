"""`tandem doctor`: what counts as well, and what is said to do where something is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from controller.api.v1alpha1 import KINDS
from controller.cli.checks import (
    Check,
    Grade,
    check_control_plane,
    check_database,
    check_sops,
    definition_check,
    failed,
    is_too_old,
)
from controller.cli.definitions import Definition, State, compared, is_established, wanted_definitions
from controller.cli.doctor import check_lines
from controller.cli.permissions import Right, needed_rights, told
from controller.cli.version import definition_line
from controller.errors import Reason, WaitingError
from controller.objects import Json
from controller.settings import Settings
from controller.store import Store
from controller.store.errors import DatabaseVersionError

ESTABLISHED = {"conditions": [{"type": "Established", "status": "True"}]}


def text(check: Check) -> list[str]:
    return [line.plain for line in check_lines(check)]


class TestLines:
    def test_ok_is_one_line(self) -> None:
        assert text(Check("cluster", Grade.OK, "https://x")) == ["ok    cluster        https://x"]

    def test_what_to_do_stands_below(self) -> None:
        assert text(Check("definitions", Grade.FAIL, "not installed\n  and more", "install them")) == [
            "fail  definitions    not installed",
            "                     and more",
            "                     → install them",
        ]

    def test_an_error_is_a_failed_look(self) -> None:
        check = failed("git", WaitingError(Reason.UNREACHABLE, "no way; look at the network"))
        assert check == Check("git", Grade.FAIL, "no way; look at the network")

    def test_programs_get_the_same(self) -> None:
        assert Check("git", Grade.OK, "m").to_json() == {"subject": "git", "grade": "ok", "message": "m"}
        assert Check("git", Grade.NOTE, "m", "do").to_json()["remedy"] == "do"


@pytest.mark.parametrize(
    ("major", "minor", "old"),
    [("1", "29", False), ("1", "35+", False), ("2", "0", False), ("1", "28", True), ("1", "9+", True), ("", "", True)],
)
def test_how_old_a_cluster_may_be(major: str, minor: str, old: bool) -> None:
    assert is_too_old(major, minor) is old


class TestDefinitions:
    def live(self, **changes: Any) -> Json:
        """A definition as the server keeps it: with defaults of its own beside ours."""
        wanted = wanted_definitions()[0]
        spec = wanted["spec"] | {"conversion": {"strategy": "None"}, "preserveUnknownFields": False} | changes
        return {"metadata": wanted["metadata"], "spec": spec, "status": ESTABLISHED}

    def test_there_is_one_for_every_kind(self) -> None:
        assert len(wanted_definitions()) == len(KINDS)

    def test_what_the_server_adds_is_no_difference(self) -> None:
        found = compared(self.live(), wanted_definitions()[0])
        assert found == Definition("fabrics.tandem.dev", ("v1alpha1",), State.SAME)

    @pytest.mark.parametrize("changes", [{"scope": "Cluster"}, {"versions": []}, {"names": {"plural": "fabrics"}}])
    def test_what_differs_from_ours_is_another_version(self, changes: Json) -> None:
        assert compared(self.live(**changes), wanted_definitions()[0]).state is State.DIFFERENT

    def test_missing_and_not_served_yet(self) -> None:
        wanted = wanted_definitions()[0]
        assert compared(None, wanted) == Definition("fabrics.tandem.dev", (), State.MISSING)
        assert compared(self.live() | {"status": {}}, wanted).state is State.PENDING

    @pytest.mark.parametrize(
        ("status", "served"),
        [(ESTABLISHED, True), ({}, False), ({"conditions": [{"type": "Established", "status": "False"}]}, False)],
    )
    def test_whether_it_is_served(self, status: Json, served: bool) -> None:
        assert is_established({"status": status}) is served

    @pytest.mark.parametrize(
        ("state", "grade", "word"),
        [
            (State.SAME, Grade.OK, ""),
            (State.DIFFERENT, Grade.FAIL, "kubectl tandem crds --install"),
            (State.MISSING, Grade.FAIL, "kubectl tandem crds --install"),
            (State.PENDING, Grade.FAIL, "kubectl describe crd fabrics.tandem.dev"),
        ],
    )
    def test_each_state_says_what_to_do(self, state: State, grade: Grade, word: str) -> None:
        check = definition_check(Definition("fabrics.tandem.dev", ("v1alpha1",), state), "kubectl tandem")
        assert check.grade is grade
        assert check.message == f"fabrics.tandem.dev (v1alpha1): {state}"
        assert word in check.remedy

    def test_version_says_them_in_a_line(self) -> None:
        assert definition_line(Definition("a", ("v1", "v2"), State.SAME)) == "a   v1, v2, same as this program's"
        assert definition_line(Definition("a", (), State.MISSING)) == "a   not installed"


class TestPermissions:
    def test_only_the_identity_is_asked_for_in_one_namespace(self) -> None:
        assert {right.resource for right in needed_rights("ops") if right.namespace == "ops"} == {"configmaps"}

    def test_what_is_missing_is_told_by_object(self) -> None:
        missing = [
            Right("list", "fabrics", "tandem.dev"),
            Right("watch", "fabrics", "tandem.dev"),
            Right("patch", "fabrics", "tandem.dev", "status"),
            Right("get", "configmaps", namespace="ops"),
        ]
        assert told(missing) == (
            "list, watch fabrics.tandem.dev; patch fabrics.tandem.dev/status; get configmaps in ops"
        )


class TestDatabase:
    async def test_none_is_a_note(self, tmp_path: Path) -> None:
        check = await check_database(Settings(data_dir=tmp_path))
        assert check.grade is Grade.NOTE
        assert check.message == f"there is none at {tmp_path / 'tandem.db'}"
        assert "--database" in check.remedy
        assert list(tmp_path.iterdir()) == []

    async def test_one_of_this_version_is_ok_and_left_alone(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path)
        await (await Store.open(settings.database_url)).close()
        before = sorted(path.name for path in tmp_path.iterdir())
        check = await check_database(settings)
        assert check.grade is Grade.OK
        assert check.message.startswith(f"{tmp_path / 'tandem.db'}, 0.")
        assert sorted(path.name for path in tmp_path.iterdir()) == before

    async def test_one_of_another_version_is_named(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path)
        connection = sqlite3.connect(tmp_path / "tandem.db")
        connection.execute("create table t (a)")
        connection.commit()
        connection.close()
        with pytest.raises(DatabaseVersionError, match=f"^{tmp_path}/tandem.db is of version none"):
            await check_database(settings)


def test_a_machine_without_a_control_plane_is_no_failure(tmp_path: Path) -> None:
    check = check_control_plane({"HOME": str(tmp_path)})
    assert check.grade is Grade.NOTE
    assert "nowhere on this machine" in check.message
    assert "tandem dev" in check.remedy


def test_a_machine_without_sops_is_no_failure(tmp_path: Path) -> None:
    check = check_sops(Settings(data_dir=tmp_path), {"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert (check.grade, check.message.startswith("there is no sops on PATH")) == (Grade.NOTE, True)
    assert "only encrypted files need it" in check.remedy
    program = tmp_path / "sops"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = check_sops(Settings(data_dir=tmp_path, sops=str(program)), {"HOME": str(tmp_path), "PATH": ""})
    assert (found.grade, found.message) == (Grade.OK, f"{program} (--sops)")
