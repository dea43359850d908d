"""`tandem run` as a child process, and when it is of use."""

from __future__ import annotations

import http.client
import sys
from pathlib import Path

from controller.dev.children import Child
from controller.dev.commands import LOOPBACK
from controller.dev.errors import StartError
from controller.dev.ports import free_port
from controller.dev.shell import plain_environment
from controller.dev.waiting import NotYetError, wait_for

READY = 60.0  # seconds until it must be of use; one or two where nothing else runs
STOP = 9.0  # seconds until it is killed; it promises to have let go of everything in 8


class ControllerProcess:
    """One controller. Its database and mirrors are below `folder`, and found again by the next start."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        command: list[str | Path] = [
            *(sys.executable, "-m", "controller", "run"),
            *("--kubeconfig", kubeconfig),
            *("--data-dir", folder),
            *("--metrics-bind", f"{LOOPBACK}:{self.port}"),
            *("--allow-namespaces", "*"),
            *("--log-format", "json"),
            "--allow-insecure-git",  # the local Git server speaks http, on loopback
        ]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The working directory is ours: with -m, a folder named `controller` in the user's would be run instead.
        self.child = Child("the controller", command, folder / "controller.log", cwd=folder, env=plain_environment())

    @property
    def url(self) -> str:
        """Where /livez, /readyz and /metrics are."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it and return when it is ready. Only from the main thread (see children.py)."""
        self.child.start()
        try:
            wait_for(self._look, READY)
        except NotYetError as error:
            raise StartError(f"{self._trouble(f'is not ready within {READY:g} s ({error})')}") from None

    def stop(self) -> None:
        """End it as Kubernetes would, by SIGTERM."""
        self.child.stop(STOP)

    def _look(self) -> None:
        if not self.child.running:
            raise StartError(self._trouble(f"ended with {self.child.exit_code}"))
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise NotYetError(answer.read().decode(errors="replace").strip())
        except OSError as error:
            raise NotYetError(str(error)) from None
        finally:
            connection.close()

    def _trouble(self, what: str) -> str:
        return f"the controller {what} ({self.child.log}); it said last:\n{self.child.log_tail()}"
