"""Child processes: started, stopped, killed, and gone when their parent is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.dev.children import Child, spawn, stop_process
from controller.dev.errors import StartError
from tests.support.processes import is_alive
from tests.support.wait import wait_until

REPOSITORY = Path(__file__).parents[3]

# Ends by SIGTERM, after having said so.
POLITE = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
PARENT = """
import sys, threading
from pathlib import Path
from controller.dev.children import Child
child = Child("sleeper", ["sleep", "600"], Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        child.kill()


@pytest.fixture
def shell(children: list[Child], tmp_path: Path) -> Shell:
    return Shell(children, tmp_path)


class Shell:
    """Makes children that run a shell script."""

    def __init__(self, made: list[Child], folder: Path) -> None:
        self._made, self._folder = made, folder

    def __call__(self, script: str, env: dict[str, str] | None = None) -> Child:
        child = Child("shell", ["sh", "-c", script], self._folder / "logs" / "shell.log", cwd=self._folder, env=env)
        self._made.append(child)
        return child

    def started(self, script: str) -> Child:
        child = self(script)
        child.start()
        wait_until(lambda: "ready" in child.log_tail())
        return child


def test_a_child_runs_in_its_folder_with_its_environment_and_writes_its_log(shell: Shell, tmp_path: Path) -> None:
    child = shell('pwd; echo "$WORD" >&2', env={"WORD": "hello", "PATH": os.defpath})
    assert not child.running and child.exit_code is None
    child.start()
    assert child.wait(10) == 0
    assert child.log_tail() == f"{tmp_path}\nhello"
    assert not child.running and child.exit_code == 0


def test_a_child_has_no_input_and_a_process_group_of_its_own(shell: Shell) -> None:
    child = shell.started("read line || echo ready; while :; do sleep 0.05; done")
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


def test_stop_lets_it_end_in_its_own_way(shell: Shell) -> None:
    child = shell.started(POLITE)
    child.stop()
    assert child.exit_code == 3
    assert child.log_tail().endswith("bye")


def test_stop_does_not_wait_for_ever(shell: Shell) -> None:
    child = shell.started(STUBBORN)
    child.stop(grace=0.2)
    assert child.exit_code == -9


def test_what_a_child_started_ends_with_it(shell: Shell, tmp_path: Path) -> None:
    child = shell.started(f'sh -c "{STUBBORN.replace("echo ready", "echo $$ > inner; echo ready")}" & wait')
    inner = int((tmp_path / "inner").read_text())
    assert is_alive(inner)
    child.stop()
    wait_until(lambda: not is_alive(inner))


def test_kill_is_a_crash(shell: Shell) -> None:
    child = shell.started(POLITE)
    child.kill()
    assert child.exit_code == -9
    assert "bye" not in child.log_tail()


def test_a_child_can_be_started_again_and_appends_to_its_log(shell: Shell) -> None:
    child = shell.started(POLITE)
    first = child.pid
    child.stop()
    child.start()
    wait_until(lambda: child.log_tail().count("ready") == 2)
    assert child.running and child.pid != first


def test_a_running_child_is_not_started_twice(shell: Shell) -> None:
    child = shell.started(POLITE)
    with pytest.raises(StartError, match=rf"shell is running already \(process {child.pid}\)"):
        child.start()


def test_stopping_what_never_ran_or_has_ended_does_nothing(shell: Shell) -> None:
    child = shell("exit 7")
    child.stop()
    child.kill()
    child.start()
    assert child.wait(10) == 7
    child.stop()
    child.kill()
    assert child.exit_code == 7


def test_what_was_not_started_has_no_process(shell: Shell) -> None:
    child = shell("true")
    with pytest.raises(StartError, match="shell was not started yet"):
        _ = child.pid
    assert child.log_tail() == "(nothing was written)"


def test_waiting_has_an_end(shell: Shell) -> None:
    child = shell.started(POLITE)
    with pytest.raises(TimeoutError, match=r"still runs after 0\.05 s"):
        child.wait(0.05)


def test_a_silent_child_has_an_empty_log(shell: Shell) -> None:
    child = shell("exit 1")
    child.start()
    child.wait(10)
    assert child.log_tail() == "(nothing was written)"


def test_only_the_last_lines_are_shown(shell: Shell) -> None:
    child = shell("for i in 1 2 3 4; do echo line $i; done")
    child.start()
    child.wait(10)
    assert child.log_tail(lines=2) == "line 3\nline 4"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    child = Child("ghost", [tmp_path / "ghost"], tmp_path / "log")
    with pytest.raises(StartError, match=f"{tmp_path}/ghost is not a program that can be run here"):
        child.start()


def test_children_start_from_the_main_thread_only() -> None:
    refused: list[BaseException] = []

    def start() -> None:
        try:
            spawn(["true"], stdout=subprocess.DEVNULL)
        except RuntimeError as error:
            refused.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "must be started from the main thread" in str(refused[0])


def test_a_spawned_process_gives_its_exit_code() -> None:
    process = spawn(["sh", "-c", "sleep 600"], stdout=subprocess.DEVNULL)
    assert stop_process(process, grace=5) == -15
    assert stop_process(process, grace=5) == -15


@pytest.mark.parametrize("ending", ["killed", "ended"])
def test_a_child_dies_with_its_parent(tmp_path: Path, ending: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path / "log"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None and parent.stdin is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        if ending == "killed":
            parent.kill()
        else:
            parent.stdin.close()
        wait_until(lambda: not is_alive(child))


def test_a_parent_that_died_before_the_child_could_ask_is_noticed() -> None:
    leash = REPOSITORY / "controller" / "dev" / "leash.py"
    somebody_else = 1
    done = subprocess.run(
        [sys.executable, "-I", "-S", leash, str(somebody_else), "/bin/echo", "ran"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
