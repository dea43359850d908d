"""`tandem dev`: a session that is kept up until somebody ends it, and what to type meanwhile."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.dev import sample
from controller.dev.children import Child
from controller.dev.cluster import Loan, lent_cluster, own_cluster
from controller.dev.errors import ControlPlaneError, StartError
from controller.dev.interruption import interruptible
from controller.dev.kubectl import command_folders
from controller.dev.progress import Progress
from controller.dev.repository import check_git
from controller.dev.session import Session, Setup

LOOK = 0.5  # seconds between two looks at whether everything runs
SHORT_LIFE = 10.0  # seconds; whatever ends sooner after its start …
TRIES = 3  # … so many times in a row will not do better the next time


@dataclass(frozen=True)
class DevOptions:
    """What `tandem dev` was asked for."""

    data_dir: Path | None = None  # None: a new folder, removed at the end
    loan: Loan | None = None  # None: a control plane of its own


def run_dev(options: DevOptions) -> int:
    """Keep everything up until SIGINT or SIGTERM; returns 0 then. Raises `ControlPlaneError`."""
    progress = Progress()
    began = time.monotonic()
    with interruptible(), session_folder(options.data_dir, "dev", progress) as folder:
        try:
            check_git()
            lasting = options.data_dir is not None
            loan = options.loan
            cluster = lent_cluster(loan, folder) if loan else own_cluster(folder, progress, lasting=lasting)
            with Session(cluster, folder, Setup(sample.documents()), progress) as session:
                print(instructions(session, time.monotonic() - began, lasting=lasting), flush=True)
                _Keeper(session.children, progress).keep_up()
        except KeyboardInterrupt:
            progress.say("Stopped.")
    return 0


@contextmanager
def session_folder(chosen: Path | None, purpose: str, progress: Progress) -> Iterator[Path]:
    """The folder of a session: the chosen one, or a new one that goes when all went well."""
    if chosen is not None:
        folder = chosen.expanduser().absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StartError(f"{folder} cannot be used: {error.strerror}; give another --data-dir") from error
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix=f"tandem-{purpose}-"))
    try:
        yield folder
    except ControlPlaneError:
        if any(folder.iterdir()):
            progress.say(f"Logs and data of this try are left in {folder}.")
        else:
            folder.rmdir()
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def instructions(session: Session, seconds: float, *, lasting: bool) -> str:
    """What to type, and where everything is. Each indented line can be typed as it stands.

    The variables of the last export are the controller's settings: `tandem plan` reads its database and has its rules.
    """
    path = os.pathsep.join([*command_folders(session.kubectl.program), ""])
    data = shlex.quote(str(session.controller.folder))
    fate = "kept" if lasting else "removed at the end"
    logs = "\n           ".join(dict.fromkeys(str(log) for log in _logs(session)))
    return f"""
Tandem is up ({seconds:.1f} s). In another terminal:

  export KUBECONFIG={shlex.quote(str(session.cluster.kubeconfig))}
  export PATH={shlex.quote(path)}$PATH
  export TANDEM_DATA_DIR={data} TANDEM_ALLOW_INSECURE_GIT=true TANDEM_ALLOW_NAMESPACES='*'

What is in Git is in the cluster, and a commit gets there within a second or two:

  git clone {session.url_with_credentials}
  kubectl get deployments,configmaps

What you change in the cluster becomes a commit; `git pull` brings it:

  kubectl edit deployment web
  kubectl scale deployment web --replicas=4

How it is going, what a run would change, and what waits for a decision:

  kubectl tandem status {sample.NAME}
  kubectl tandem plan {sample.NAME}
  kubectl tandem conflicts list
  kubectl get tandem

Metrics    {session.controller.url}/metrics
Logs       {logs}
State      {session.folder} ({fate})

Ctrl-C ends it all.
"""


def _logs(session: Session) -> Iterator[Path]:
    yield session.controller.child.log
    if session.cluster.plane is not None:
        yield session.cluster.plane.etcd.log.parent
    yield session.folder / "git-requests.log"


class _Keeper:
    """Starts again whatever ends by itself."""

    def __init__(self, children: list[Child], progress: Progress) -> None:
        self._children = children
        self._progress = progress
        self._started = dict.fromkeys((child.name for child in children), time.monotonic())
        self._early = dict.fromkeys(self._started, 0)  # ends in a row that came soon after a start

    def keep_up(self) -> None:
        """Look after the children for ever. Raises `StartError` about one that does not stay up."""
        while True:
            time.sleep(LOOK)
            for child in self._children:
                if not child.running:
                    self._start_again(child)

    def _start_again(self, child: Child) -> None:
        now = time.monotonic()
        self._early[child.name] = self._early[child.name] + 1 if now - self._started[child.name] < SHORT_LIFE else 0
        if self._early[child.name] >= TRIES:
            raise StartError(
                f"{child.name} ended {TRIES} times in a row ({child.log}); it said last:\n{child.log_tail()}"
            )
        self._progress.say(f"{child.name} ended with {child.exit_code} and is started again ({child.log})")
        child.start()
        self._started[child.name] = now
