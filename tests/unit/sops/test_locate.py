"""Where sops is looked for, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.sops.locate import built_sops, find_sops


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}


def test_the_first_place_that_has_it_is_taken(environ: dict[str, str], tmp_path: Path) -> None:
    assert find_sops("", environ).program is None
    built = program(built_sops(environ))
    assert find_sops("", environ).describe() == f"{built} (Tandem's own cache)"
    on_path = program(tmp_path / "bin" / "sops")
    assert find_sops("", environ).describe() == f"{on_path} (PATH)"
    named = program(tmp_path / "bin" / "sops-3")
    assert find_sops("sops-3", environ).describe() == f"{named} (--sops)"
    assert find_sops(str(named), environ).program == named


def test_a_flag_that_names_none_is_not_made_good_by_another(environ: dict[str, str], tmp_path: Path) -> None:
    program(tmp_path / "bin" / "sops")
    found = find_sops("/nowhere/sops", environ)
    assert (found.program, found.describe()) == (None, "--sops /nowhere/sops is no program")


def test_where_there_is_none_it_says_where_it_was_looked_for(environ: dict[str, str]) -> None:
    assert find_sops("", environ).describe() == f"there is no sops on PATH, and no {built_sops(environ)}"


def test_a_file_that_cannot_be_run_is_no_program(environ: dict[str, str]) -> None:
    program(built_sops(environ)).chmod(0o644)
    assert find_sops("", environ).program is None
