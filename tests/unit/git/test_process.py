"""Programs that are started: what they see, how they end, and that nothing of them stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.git.errors import UnreachableError
from controller.git.process import MOST_OUTPUT, Answer, run_program
from tests.support.wait import wait_until


class Patient:
    """A caller who waits for ever; `leaves` after so many looks."""

    def __init__(self, leaves: int = -1) -> None:
        self.left = leaves
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1

    def check(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise InterruptedError("nobody waits")


def run(*command: str, folder: Path, pulse: Patient | None = None, patience: float = 20.0, most: int = 0) -> Answer:
    env = {"PATH": os.environ["PATH"], "SEEN": "yes"}
    return run_program(command, folder=folder, env=env, pulse=pulse or Patient(), patience=patience, most_bytes=most)


def test_both_outputs_and_the_code_come_back(tmp_path: Path) -> None:
    assert run("sh", "-c", "pwd; env | grep -c HOME; echo $SEEN >&2; exit 3", folder=tmp_path) == Answer(
        3, f"{tmp_path}\n0\n", "yes\n"
    )


def test_no_more_than_a_bound_is_kept_of_what_it_says(tmp_path: Path) -> None:
    pulse = Patient()
    answer = run(sys.executable, "-c", f"print('x' * {2 * MOST_OUTPUT})", folder=tmp_path, pulse=pulse)
    assert (answer.code, len(answer.output)) == (0, MOST_OUTPUT)
    assert pulse.beats > 1


def test_one_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="the program no-such-git is not installed where the controller runs"):
        run("no-such-git", folder=tmp_path)


HANGING = "sleep 1000 & echo $! > child; echo $$ > self; exec >&- 2>&-; wait"
SILENT = "sleep 1000 & echo $! > child; echo $$ > self; wait"


def ended(folder: Path) -> bool:
    """Whether the program and what it started are gone, or wait for their parent to notice."""
    return all(not is_alive((folder / name).read_text().strip()) for name in ("self", "child"))


def is_alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("script", [SILENT, HANGING], ids=["silent", "without outputs"])
def test_one_that_hangs_is_killed_with_all_it_started(tmp_path: Path, script: str) -> None:
    with pytest.raises(UnreachableError, match="it is tried again"):
        run("sh", "-c", script, folder=tmp_path, patience=1.0)
    wait_until(lambda: ended(tmp_path))


def test_one_that_nobody_waits_for_is_killed_with_all_it_started(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        run("sh", "-c", SILENT, folder=tmp_path, pulse=Patient(leaves=3))
    wait_until(lambda: ended(tmp_path))


LEAVING = """
import os, sys, threading, time
from pathlib import Path
from tests.unit.git.test_process import SILENT, run

folder = Path(sys.argv[1])
threading.Thread(target=lambda: run("sh", "-c", SILENT, folder=folder), daemon=True).start()
while not (folder / "self").exists() or not (folder / "self").read_text():
    time.sleep(0.01)
"""


def test_what_runs_ends_with_this_process(tmp_path: Path) -> None:
    """The threads that wait for programs are daemons: nobody waits for them at the end."""
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", LEAVING, str(tmp_path)], cwd=root, check=True, timeout=60)
    wait_until(lambda: ended(tmp_path))


def test_it_writes_no_file_larger_than_its_bound(tmp_path: Path) -> None:
    script = "import sys; open('small', 'wb').write(b'x' * 50_000); open('large', 'wb').write(b'x' * 200_000)"
    answer = run(sys.executable, "-c", script, folder=tmp_path, most=102_400)
    assert answer.code == 1
    assert "File too large" in answer.said
    assert (tmp_path / "small").stat().st_size == 50_000
    assert (tmp_path / "large").stat().st_size <= 102_400
