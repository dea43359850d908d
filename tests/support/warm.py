"""Controllers without the second in which Python loads what they are made of: forked from a process that has it all.

Such a controller is a process of its own like any other, with its command line, environment, log, process group and
end; only its hash seed is that of its fellows. A quarter of what the end-to-end tests cost was this second.
`tandem dev`, `tandem demo` and the benchmarks start the program from nothing, and so do the tests of these.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from controller.dev.children import Child
from controller.dev.leash import PR_SET_PDEATHSIG

PROGRAM = "controller.cli.run"  # what is loaded once: the module of `tandem run`, with all that it imports

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([PROGRAM, __name__])


class WarmChild(Child):
    """`python -m controller …`, begun by a fork. Its command is that of the `Child` it stands for."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, *, env: Mapping[str, str]) -> None:
        super().__init__(name, command, log, env=env)
        self._environ = dict(env)

    def _begin(self) -> Forked:
        return Forked([str(part) for part in self.command[3:]], self._environ, self.log)


class Forked:
    """One such process, as `subprocess.Popen` would show it."""

    def __init__(self, arguments: list[str], environ: dict[str, str], log: Path) -> None:
        """`arguments`: those of `tandem`."""
        ready, tell = _SERVER.Pipe(duplex=False)
        self._process: ForkServerProcess = _SERVER.Process(target=_become, args=(arguments, environ, str(log), tell))
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


def _become(arguments: list[str], environ: dict[str, str], log: str, tell: Connection) -> None:
    """In the new process: be `tandem` with these arguments, and nothing of whoever started it."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.environ.clear()
    os.environ.update(environ)
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for output in (1, 2):
        os.dup2(written, output)
    os.close(written)
    with tell:
        tell.send_bytes(b"ready")
    sys.argv = ["tandem", *arguments]
    from controller.cli import main  # noqa: PLC0415  # loaded already

    sys.exit(main())
