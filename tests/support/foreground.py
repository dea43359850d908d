"""A `tandem` command that stays in the foreground, such as `tandem dev`: started, heard, signalled, awaited."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import children_of
from tests.support.wait import wait_until

COMES_UP = 100.0  # seconds; eight where nothing else runs
ENDS = 30.0  # seconds, for a command that ends by itself


class Foreground:
    """One running command. Its two outputs are files in `folder`, as in a pipe: without colours."""

    def __init__(self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        """`environ` replaces parts of this process's environment."""
        folder.mkdir(parents=True, exist_ok=True)
        self._outputs = folder / "stdout", folder / "stderr"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
        with self._outputs[0].open("wb") as out, self._outputs[1].open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controller", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=inherited | dict(environ or {}),
            )

    @property
    def stdout(self) -> str:
        """What it printed so far."""
        return self._outputs[0].read_text()

    @property
    def stderr(self) -> str:
        """What it said beside that so far."""
        return self._outputs[1].read_text()

    @property
    def children(self) -> list[int]:
        """The processes it has started and that run."""
        return list(children_of(self.process.pid))

    @property
    def controller(self) -> int | None:
        """The number of its controller's process, if it has one by now."""
        found = [pid for pid, command in children_of(self.process.pid).items() if _is_controller(command)]
        return found[0] if found else None

    def wait_said(self, text: str, deadline: float = COMES_UP) -> None:
        """Return when it has said this on either output; fails at once when it ends without."""

        def said() -> bool:
            over = self.process.poll() is not None
            return text in self.stdout + self.stderr or over

        try:
            wait_until(said, deadline)
        except AssertionError:
            raise AssertionError(f"{text!r} was not said within {deadline:g} s:\n{self.stderr[-4000:]}") from None
        assert text in self.stdout + self.stderr, f"it ended with {self.process.returncode}:\n{self.stderr}"

    def end(self, signal: int, deadline: float = ENDS) -> int:
        """Send it a signal; its exit code."""
        self.process.send_signal(signal)
        return self.wait_ended(deadline)

    def wait_ended(self, deadline: float = ENDS) -> int:
        """Its exit code, when it has ended."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {deadline:g} s; it said last:\n{self.stderr[-2000:]}") from None

    def kill(self) -> None:
        """End it whatever it does; for the end of a test."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _is_controller(command: list[str]) -> bool:
    return command[1:4] == ["-m", "controller", "run"]
