"""Child processes that die with their parent, also when the parent is killed.

On Linux the kernel sees to that (`leash.py`); everywhere each child leads a process group of its own, so that Ctrl-C on
the terminal reaches only us and we stop the children in order, with all that they started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from controller.dev.errors import StartError

LEASH = Path(__file__).with_name("leash.py")


class Process(Protocol):
    """A process that was started, as `subprocess.Popen` shows it; it leads a process group."""

    @property
    def pid(self) -> int:
        """Its number, which is also its group's."""

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises `subprocess.TimeoutExpired` after so many seconds."""


def spawn(
    command: Sequence[str | Path],
    *,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes] = subprocess.STDOUT,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, without input; on Linux it is killed when this process ends.

    Must be called from the main thread: the kernel's parent is the *thread* that forked, and its end would kill the
    child while the process goes on.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"{command[0]} must be started from the main thread: it dies with the thread that starts it")
    return subprocess.Popen(
        _leashed([str(part) for part in command]),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=dict(env) if env is not None else None,
        process_group=0,
    )


def _leashed(command: list[str]) -> list[str]:
    program = shutil.which(command[0])
    if program is None:
        raise StartError(f"{command[0]} is not a program that can be run here; is it there, and executable?")
    if sys.platform != "linux":
        return [program, *command[1:]]
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), program, *command[1:]]


def stop_process(process: Process, grace: float) -> int:
    """SIGTERM to the whole group; what is left of it after `grace` seconds gets SIGKILL. Returns the exit code."""
    code = process.poll()
    if code is not None:  # its number may belong to somebody else by now
        return code
    _signal_group(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    _signal_group(process, signal.SIGKILL)
    return process.wait()


def kill_process(process: Process) -> None:
    """SIGKILL to the whole group, as a crash would be."""
    if process.poll() is None:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: Process, number: signal.Signals) -> None:
    # Gone is what we want; macOS says "not permitted" for a group of which only a zombie is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class Child:
    """A program with a name and a log file, that can be started, stopped or killed, and started again."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`env` replaces the whole environment; the log is appended to, and gets both of the program's outputs."""
        self.name = name
        self.command = tuple(command)
        self.log = log
        self._cwd = cwd
        self._env = env
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The process id of the last start. Fails before the first."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As in `subprocess`: negative for a signal, None while it runs or before the first start."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it and return at once. Only from the main thread (see `spawn`)."""
        if self.running:
            raise StartError(f"{self.name} is running already (process {self.pid})")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = self._begin()

    def wait(self, timeout: float) -> int:
        """Wait at most `timeout` seconds for its end and return the exit code; `TimeoutError` if it goes on."""
        try:
            return self._started().wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} (process {self.pid}) still runs after {timeout:g} s") from None

    def stop(self, grace: float = 10.0) -> None:
        """End it and all that it started: SIGTERM, and SIGKILL after `grace` seconds. Nothing if it never started."""
        if self._process is not None:
            stop_process(self._process, grace)

    def kill(self) -> None:
        """End it and all that it started at once, as a crash would."""
        if self._process is not None:
            kill_process(self._process)

    def log_tail(self, lines: int = 15) -> str:
        """The last lines it wrote, for an error message."""
        if not self.log.exists():
            return "(nothing was written)"
        with self.log.open(errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip() or "(nothing was written)"

    def _begin(self) -> Process:
        with self.log.open("ab") as log:
            return spawn(self.command, stdout=log, cwd=self._cwd, env=self._env)

    def _started(self) -> Process:
        if self._process is None:
            raise StartError(f"{self.name} was not started yet")
        return self._process
