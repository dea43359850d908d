"""Everything at once: a Kubernetes control plane, a Git server with a sample repository, a Fabric, the controller.

`tandem dev` keeps a session up for a person (dev.py), the demo walks through a story on one (demo.py). All of its state
is in one folder, from which it starts again; only a cluster that somebody lent keeps its own.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from controller.api.crd import crd_files
from controller.dev import sample
from controller.dev.certificates import write_private
from controller.dev.children import Child
from controller.dev.cluster import Cluster
from controller.dev.controllerprocess import ControllerProcess
from controller.dev.errors import CommandError, StartError
from controller.dev.gitserver import GitServer
from controller.dev.kubectl import Kubectl
from controller.dev.ports import free_port
from controller.dev.progress import Progress
from controller.dev.repository import Clone, ServerRepository
from controller.dev.waiting import NotYetError, wait_for

SYNCED = 60.0  # seconds until the sample must be in step; about one where nothing else runs
LEAVE = 5.0  # seconds for the Fabric to go from a cluster that stays
GIT_USER = "dev"


@dataclass(frozen=True)
class Setup:
    """How a session differs from the usual one."""

    documents: Mapping[str, str]  # what a new repository holds
    controller: bool = True  # whether there is one


class Session:
    """One session. A context manager; only in the main thread (see children.py)."""

    def __init__(self, cluster: Cluster, folder: Path, setup: Setup, progress: Progress) -> None:
        self.folder = folder
        self.setup = setup
        self._progress = progress
        self._stack = ExitStack()
        self.cluster = cluster
        self.kubectl = Kubectl(cluster.kubectl, cluster.kubeconfig, folder / "kubectl-cache")
        self.controller = ControllerProcess(cluster.kubeconfig, folder / "controller")
        self._password = ""
        self._git: GitServer | None = None

    @property
    def git_server(self) -> GitServer:
        """The server of the sample repository. There from the start on."""
        if self._git is None:
            raise StartError(f"the session in {self.folder} was not started yet")
        return self._git

    @property
    def repository(self) -> ServerRepository:
        """The sample repository as the server has it."""
        return ServerRepository(self.git_server.path_of(sample.NAME))

    @property
    def url(self) -> str:
        """Where the sample repository is fetched from, without credentials."""
        return self.git_server.url_of(sample.NAME)

    @property
    def url_with_credentials(self) -> str:
        """The same as a person can type it: the server is on loopback, and its password is made for this folder."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{GIT_USER}:{self._password}@{parts.netloc}").geturl()

    @property
    def children(self) -> list[Child]:
        """The processes that have to run."""
        plane = self.cluster.plane
        servers = [plane.etcd, plane.apiserver, plane.controller_manager] if plane else []
        return [child for child in (*servers, self.controller.child if self.setup.controller else None) if child]

    @contextmanager
    def step(self, done: str) -> Iterator[None]:
        """Say that something was done, and how long it took."""
        started = time.monotonic()
        self._progress.show(f"  …   {done}")
        yield
        self._progress.say(f"  ok  {done:<66} {time.monotonic() - started:4.1f} s")

    def start(self) -> None:
        """Bring everything up; a new sample is in step then. Stops again what it started when that fails."""
        with self._stack as undo:
            if (plane := self.cluster.plane) is not None:
                with self.step("Kubernetes API server, etcd and controller manager"):
                    plane.start()
                    undo.callback(plane.stop)
            with self.step("Tandem's custom resources: Fabric, SyncJob, SyncConflict"):
                self._install_definitions()
            with self.step("Git server with a sample repository, and a Fabric for it"):
                self._start_git(undo)
                self._seed_repository()
                is_new = self._make_fabric()
            if self.setup.controller:
                with self.step(f"the controller{', and both sides of the sample in step' if is_new else ''}"):
                    undo.callback(self.controller.stop)
                    self.controller.start()
                    if is_new:  # one that is there may be suspended, or have conflicts that wait
                        self._wait_synced()
                if plane is None:
                    undo.callback(self._take_leave)
            self._stack = undo.pop_all()

    def stop(self) -> None:
        """End everything, the last started first. What is in the folder stays."""
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def look_synced(self, revision: str) -> None:
        """Whether kubectl shows the Fabric Ready at this commit. Raises `NotYetError` with what it shows instead."""
        found = self.kubectl.find("fabric", sample.NAME) or {}
        status = found.get("status", {})
        ready = {condition["type"]: condition for condition in status.get("conditions", [])}.get("Ready", {})
        applied = status.get("revision", {}).get("applied", "no commit")
        if ready.get("status") != "True" or applied != revision:
            said = f"{ready['status']}: {ready['reason']}: {ready['message']}" if ready else "not there"
            raise NotYetError(f"the Fabric's condition Ready is {said}; applied is {applied}")

    def _wait_synced(self) -> None:
        head = self.repository.head()
        try:
            wait_for(lambda: self.look_synced(head), SYNCED)
        except NotYetError as error:
            raise StartError(
                f"the sample is not in step at {head} within {SYNCED:g} s: {error}; the controller's log "
                f"({self.controller.child.log}) says last:\n{self.controller.child.log_tail()}"
            ) from None

    def _install_definitions(self) -> None:
        definitions = "---\n".join(crd_files().values())
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=definitions)
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", "--filename=-", stdin=definitions)

    def _start_git(self, undo: ExitStack) -> None:
        """On the port and with the password of the last time, if there was one: clones go on working."""
        kept = self.folder / "git.json"
        known = json.loads(kept.read_text()) if kept.exists() else {}
        self._password = known.get("password") or secrets.token_urlsafe(12)
        root = self.folder / "git"
        root.mkdir(parents=True, exist_ok=True)
        log = self.folder / "git-requests.log"
        try:
            server = GitServer(
                root, known.get("port") or free_port(), username=GIT_USER, password=self._password, log_file=log
            )
            server.start()
        except OSError:  # somebody else has the port by now
            server = GitServer(root, free_port(), username=GIT_USER, password=self._password, log_file=log)
            server.start()
        undo.callback(server.stop)
        self._git = server
        write_private(kept, json.dumps({"port": server.port, "password": self._password}).encode())

    def _seed_repository(self) -> None:
        self.git_server.create(sample.NAME)
        if not self.repository.head():
            seed = Clone(self.folder / "seed", self.url_with_credentials)
            seed.publish(self.setup.documents, "Add the shop")

    def _make_fabric(self) -> bool:
        """Whether it had to be made. One that is there keeps what somebody made of it; only its URL has to be right."""
        found = self.kubectl.find("fabric", sample.NAME)
        if found is None:
            items = [*sample.account(), sample.credentials(GIT_USER, self._password), sample.fabric(self.url)]
            listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=listed)
        elif found["spec"]["repository"]["url"] != self.url:
            patch = {"spec": {"repository": {"url": self.url}}}
            self.kubectl("patch", "fabric", sample.NAME, "--type=merge", f"--patch={json.dumps(patch)}")
        return found is None

    def _take_leave(self) -> None:
        """Delete the Fabric of a cluster that goes on without us, while there is a controller to let it go."""
        try:
            self.kubectl("delete", "fabric", sample.NAME, "--ignore-not-found", f"--timeout={LEAVE:g}s")
        except CommandError as error:
            self._progress.say(f"The Fabric {sample.NAME} is left in the cluster: {error}")
