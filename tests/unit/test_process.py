"""Programs that are run: what is written to them, and where their bounds are. See tests/unit/git/test_process.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from controller.process import Bounds, Ended, ProgramHangsError, ProgramMissingError, run_to_end


class Patient:
    """A caller who waits for ever."""

    def beat(self) -> None:
        pass

    def check(self) -> None:
        pass


def run(*command: str, folder: Path, given: bytes = b"", bounds: Bounds | None = None) -> Ended:
    bounds = bounds or Bounds(20.0)
    return run_to_end(command, folder=folder, env={}, pulse=Patient(), bounds=bounds, given=given)


@pytest.mark.parametrize("size", [1, 5_000_000])
def test_what_it_is_given_arrives_while_it_answers(tmp_path: Path, size: int) -> None:
    ended = run("/bin/cat", folder=tmp_path, given=b"x" * size, bounds=Bounds(20.0, output=size))
    assert (ended.code, len(ended.output), ended.is_cut) == (0, size, False)


def test_one_that_does_not_want_what_it_is_given_ends_all_the_same(tmp_path: Path) -> None:
    assert run("/bin/sh", "-c", "exec <&-; echo done", folder=tmp_path, given=b"x" * 5_000_000).output == b"done\n"


def test_one_that_says_more_than_is_kept_is_told_apart(tmp_path: Path) -> None:
    exact = run("/bin/cat", folder=tmp_path, given=b"12345", bounds=Bounds(20.0, output=5))
    more = run("/bin/cat", folder=tmp_path, given=b"123456", bounds=Bounds(20.0, output=5))
    assert [(ended.output, ended.is_cut) for ended in (exact, more)] == [(b"12345", False), (b"12345", True)]


def test_one_that_goes_on_talking_has_an_end(tmp_path: Path) -> None:
    talking = "import time\nwhile True: print('.', flush=True); time.sleep(0.01)"
    with pytest.raises(ProgramHangsError, match=r"longer than 0\.5 s"):
        run(sys.executable, "-c", talking, folder=tmp_path, bounds=Bounds(20.0, longest=0.5))


def test_what_cannot_be_run_is_missing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for name in ("none", "text"):
        with pytest.raises(ProgramMissingError):
            run(str(tmp_path / name), folder=tmp_path)


def test_what_was_said_is_not_in_its_repr(tmp_path: Path) -> None:
    assert "secret" not in repr(run("/bin/cat", folder=tmp_path, given=b"secret"))
