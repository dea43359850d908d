"""`tandem` without the second in which Python loads what it is made of: forked from a process that has it all.

Such a controller or command is a process of its own like any other, with its command line, environment, files, process
group and end; only its hash seed is that of its fellows. A third of what the end-to-end tests cost was this second.
`tandem dev`, `tandem demo` and the benchmarks start the program from nothing, and so do the tests of these, of the
plugin, and of commands on a terminal or with somebody waiting at their end of a pipe.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from controller.cli.app import COMMANDS, main
from controller.dev.children import Child
from controller.dev.leash import PR_SET_PDEATHSIG

# Loaded once: what any command is made of.
_PRELOADED = [f"controller.cli.{name}" for name in sorted({command.module for command in COMMANDS.values()})]

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([*_PRELOADED, __name__])


@dataclass(frozen=True)
class Place:
    """Where a process finds itself: its whole environment, its folder, and the files that it reads and appends to."""

    environ: Mapping[str, str]
    stdout: Path
    stderr: Path
    folder: Path | None = None
    stdin: Path = Path(os.devnull)


class WarmChild(Child):
    """`python -m controller …`, begun by a fork. Its command is that of the `Child` it stands for."""

    def _begin(self) -> Forked:
        assert self._env is not None  # it would be the fork server's
        place = Place(self._env, stdout=self.log, stderr=self.log, folder=self._cwd)
        return Forked(["tandem", *(str(part) for part in self.command[3:])], place)


class Forked:
    """One such process, as `subprocess.Popen` would show it."""

    def __init__(self, command: list[str], place: Place) -> None:
        """`command`: the name it is called by, and its arguments."""
        ready, tell = _SERVER.Pipe(duplex=False)
        self._process: ForkServerProcess = _SERVER.Process(target=_become, args=(command, place, tell))
        self._process.start()
        tell.close()
        with ready, suppress(EOFError):  # it leads its group before anybody can want to end it
            ready.recv_bytes()

    @property
    def pid(self) -> int:
        """Its number, which is also its group's."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises `subprocess.TimeoutExpired` after so many seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self._process.exitcode


def _become(command: list[str], place: Place, tell: Connection) -> None:
    """In the new process: be `tandem`, and nothing of whoever started it."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.environ.clear()
    os.environ.update(place.environ)
    if place.folder is not None:
        os.chdir(place.folder)
    appending = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for number, path, flags in (
        (0, place.stdin, os.O_RDONLY),
        (1, place.stdout, appending),
        (2, place.stderr, appending),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # multiprocessing has put the null device in its place
    with tell:
        tell.send_bytes(b"ready")
    sys.argv = command
    sys.exit(main())
