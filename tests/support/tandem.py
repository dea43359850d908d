"""The real `tandem run` as a process of its own, that a test starts, asks, stops, kills and starts again."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from controller.dev.children import Child
from controller.dev.ports import free_port
from controller.sops.locate import find_sops
from tests.support.wait import wait_until
from tests.support.warm import WarmChild

READY = 60.0  # seconds until a controller must be of use; one or two where nothing else runs
STOP = 20.0  # seconds until it must have ended after SIGTERM, before it is killed: it promises 10
TAIL = 40  # lines of its log that a failure shows


@dataclass(frozen=True)
class Launch:
    """How a controller is started. Everything it keeps is below `folder`, and found again by the next start."""

    kubeconfig: Path
    folder: Path
    namespace: str  # the controller's own: its identity lies there
    allow_namespaces: str = "*"  # "" allows the Fabric's own namespace only
    allow_insecure_git: bool = True
    database: str = ""  # "": a SQLite file in `folder`
    environ: Mapping[str, str] = field(default_factory=dict)  # besides this process's, without its TANDEM_*
    flags: Sequence[str] = ()
    warm: bool = False  # begun by a fork, see `warm.py`

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def database_file(self) -> Path:
        return self.folder / "tandem.db"

    def command(self, port: int) -> list[str]:
        """The command line, with the probes on `port`."""
        flags = {
            "--kubeconfig": str(self.kubeconfig),
            "--database": self.database or f"sqlite:///{self.database_file}",
            "--data-dir": str(self.data_dir),
            "--metrics-bind": f"127.0.0.1:{port}",
            "--controller-namespace": self.namespace,
        }
        if self.allow_namespaces:
            flags["--allow-namespaces"] = self.allow_namespaces
        insecure = ["--allow-insecure-git"] if self.allow_insecure_git else []
        pairs = [part for pair in flags.items() for part in pair]
        return [sys.executable, "-m", "controller", "run", *pairs, *insecure, *self.flags]

    def environment(self) -> dict[str, str]:
        """The whole environment: nothing of the developer's own installation may get in."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
        sops = find_sops("", os.environ).program  # it would be looked for below another HOME
        ours = {"HOME": str(self.folder)} | ({"TANDEM_SOPS": str(sops)} if sops else {})
        return inherited | ours | dict(self.environ)


class Tandem:
    """One controller. `start` only from the main thread: it dies with the thread that started it."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.port = free_port()
        launch.folder.mkdir(parents=True, exist_ok=True)
        log = launch.folder / "tandem.log"
        begin = WarmChild if launch.warm else Child
        self._child: Child = begin("tandem run", launch.command(self.port), log, env=launch.environment())

    @property
    def url(self) -> str:
        """Where /livez, /readyz and /metrics are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child.running

    @property
    def exit_code(self) -> int | None:
        """As in `subprocess`: negative for a signal, None while it runs."""
        return self._child.exit_code

    def start(self) -> None:
        """Start it, and return when it is ready."""
        self.launch_only()
        self.wait_ready()

    def launch_only(self) -> None:
        """Start it and return at once, for a test of what happens before it is ready."""
        self._child.start()

    def wait_ready(self, deadline: float = READY) -> None:
        """Return when /readyz says ok; fails at once when the process has ended."""
        try:
            wait_until(lambda: not self.running or self.is_ready(), deadline)
        except AssertionError:
            raise AssertionError(f"not ready within {deadline:g} s: {self.probe('/readyz')}\n{self.logs()}") from None
        assert self.running, f"tandem run ended with {self.exit_code}:\n{self.logs()}"

    def is_ready(self) -> bool:
        """Whether /readyz says ok now."""
        return self.probe("/readyz")[0] == 200

    def probe(self, path: str) -> tuple[int, str]:
        """The status and text of one of its pages; (0, why) where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310  # loopback
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics as Prometheus writes it: `name{label="value"}` → value."""
        status, text = self.probe("/metrics")
        assert status == 200, f"/metrics answers {status}: {text}"
        return {
            _sample_name(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def stop(self) -> int | None:
        """End it as Kubernetes would, by SIGTERM; its exit code, or None if it never ran."""
        self._child.stop(STOP)
        return self.exit_code

    def kill(self) -> None:
        """End it as a crash would."""
        self._child.kill()

    def restart(self) -> None:
        """Stop it, and start it on what it kept."""
        self.stop()
        self.start()

    def wait_ended(self, deadline: float = STOP) -> int:
        """The exit code of a process that ends by itself."""
        return self._child.wait(deadline)

    def logs(self, lines: int = TAIL) -> str:
        """The last lines it wrote, over all its starts."""
        return self._child.log_tail(lines)

    def log_lines(self) -> list[dict[str, Any]]:
        """Everything it logged, decoded; lines that are not JSON (a traceback of a crash) as {"event": line}."""
        text = self._child.log.read_text(errors="replace") if self._child.log.exists() else ""
        return [_decoded(line) for line in text.splitlines()]


class Stage:
    """Who runs on the session's control plane. Never two: each looks after every Fabric in every namespace."""

    def __init__(self) -> None:
        self.current: Tandem | None = None

    def enter(self, tandem: Tandem) -> None:
        """Have `tandem` and nobody else running."""
        if self.current is not None and self.current is not tandem:
            self.current.stop()
        self.current = tandem
        if not tandem.running:
            tandem.start()
        else:
            tandem.wait_ready()

    @property
    def is_attended(self) -> bool:
        """Whether a controller runs now, so that finalizers are taken care of."""
        return self.current is not None and self.current.running


def _sample_name(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name


def _decoded(line: str) -> dict[str, Any]:
    try:
        decoded = json.loads(line)
    except ValueError:
        return {"event": line}
    return decoded if isinstance(decoded, dict) else {"event": line}
