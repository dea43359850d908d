"""The real `tandem` and `kubectl tandem` as a person types them: a process, its two outputs, its exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from controller.dev.children import kill_process
from controller.dev.controlplane import ControlPlane
from tests.support.tandem import Launch
from tests.support.warm import Forked, Place

PROGRAMS = Path(sys.executable).parent  # where the console scripts are installed
TIMEOUT = 90.0  # seconds for one command; two where nothing else runs
ESCAPE = "\x1b"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Said:
    """How one command ended."""

    code: int
    out: str
    err: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of the standard output."""
        return self.out.splitlines()

    @property
    def plain(self) -> str:
        """The standard output without colours."""
        return _ESCAPES.sub("", self.out)

    def json(self) -> Any:
        """The standard output, parsed."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """`cli("status", "web")` runs `tandem status web` on the control plane, in the namespace."""

    kubeconfig: Path | None
    home: Path
    namespace: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    launched: Launch | None = None  # the controller whose database and rules `plan` and `doctor` are to use

    @classmethod
    def of(cls, plane: ControlPlane, home: Path, namespace: str = "", user: str = "admin") -> Self:
        """As one of the control plane's users."""
        return cls(plane.kubeconfig_of(user), home, namespace)

    def using(self, **changes: Any) -> Cli:
        """The same with another kubeconfig, namespace, environment, …."""
        return replace(self, **changes)

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = TIMEOUT) -> Said:
        """Run a command to its end, with its outputs in files."""
        with tempfile.TemporaryDirectory() as folder:
            given, out, err = (Path(folder, name) for name in ("in", "out", "err"))
            given.write_text(stdin)
            process = Forked(self.command(*arguments), Place(self.environment(), out, err, self.home, given))
            try:
                code = process.wait(timeout)
            finally:
                kill_process(process)
            return Said(code, out.read_text(), err.read_text())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that waits for something; the caller ends it."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def on_terminal(self, *arguments: str) -> Said:
        """Run a command whose output is a terminal; both outputs are in `out`, as a person sees them."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            self.command(*arguments),
            env={"TERM": "xterm-256color", "COLUMNS": "160"} | self.environment(),
            cwd=self.home,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            seen = _read_all(ours)
            code = process.wait(TIMEOUT)
        return Said(code, seen.replace("\r\n", "\n"))

    def command(self, *arguments: str) -> list[str]:
        """The command line."""
        scope = ["-n", self.namespace] if self.namespace else []
        where = ["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else []
        return [str(PROGRAMS / "tandem"), *where, *scope, *arguments]

    def environment(self) -> dict[str, str]:
        """The whole environment: nothing of the developer's own installation may get in."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return kept | {"HOME": str(self.home)} | self._engine() | dict(self.environ)

    def _engine(self) -> dict[str, str]:
        """The engine's settings, as an administrator would export them beside a controller."""
        if self.launched is None:
            return {}
        launch = self.launched
        return {
            "TANDEM_DATABASE": launch.database or f"sqlite:///{launch.database_file}",
            "TANDEM_DATA_DIR": str(launch.data_dir),
            "TANDEM_CONTROLLER_NAMESPACE": launch.namespace,
            "TANDEM_ALLOW_NAMESPACES": launch.allow_namespaces,
            "TANDEM_ALLOW_INSECURE_GIT": str(launch.allow_insecure_git).lower(),
        }


def _read_all(terminal: int) -> str:
    """What is written to a terminal until its last user closes it."""
    seen = b""
    try:
        while chunk := os.read(terminal, 65_536):
            seen += chunk
    except OSError:  # Linux says EIO where others say end of file
        pass
    finally:
        os.close(terminal)
    return seen.decode(errors="replace")
