"""`tandem demo`: a commit becomes a live object, a live edit becomes a commit, two clashing edits become a conflict.

Nothing is taken from the controller's own words: commits are read by git from the server's bare repository, objects by
kubectl from the API server, and a step that is not true ends the demo.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from controller.dev import sample
from controller.dev.cluster import own_cluster
from controller.dev.dev import session_folder
from controller.dev.errors import ControlPlaneError, StartError
from controller.dev.interruption import interruptible
from controller.dev.narration import Narration
from controller.dev.progress import Progress
from controller.dev.repository import check_git
from controller.dev.session import Session, Setup
from controller.dev.stage import Stage
from controller.dev.waiting import NotYetError, wait_for

T = TypeVar("T")


@dataclass(frozen=True)
class DemoOptions:
    """What `tandem demo` was asked for."""

    data_dir: Path | None = None  # None: a new folder, removed when all went well
    patience: float = 20.0  # seconds for each step to become true; about one is usual
    controller: bool = True  # without one nothing can become true, which shows that the demo really looks


class NotTrueError(ControlPlaneError):
    """A step of the demo is not true. The message says which, and what was seen."""


def run_demo(options: DemoOptions) -> int:
    """Walk through the story; returns 0. Raises `NotTrueError` at the first step that is not true."""
    progress, narration = Progress(), Narration()
    with interruptible(), session_folder(options.data_dir, "demo", progress) as folder:
        if any(folder.iterdir()):
            raise StartError(f"{folder} is not empty: the demo starts from nothing; give another --data-dir")
        check_git()
        cluster = own_cluster(folder, progress, lasting=False)
        narration.title("Tandem on a real Kubernetes API server and a real Git server, all on this machine")
        began = time.monotonic()
        first = {sample.SETTINGS: sample.document(sample.SETTINGS)}
        setup = Setup(first, options.controller)
        with Session(cluster, folder, setup, progress) as session:
            started = time.monotonic()
            Demo(Stage(session), narration, options.patience).walk()
            ended = time.monotonic()
    narration.end(f"All of it was true: {started - began:.1f} s to start, {ended - started:.1f} s for the five steps.")
    narration.end("`make dev` (`tandem dev`) keeps all of this up, for you to try.")
    return 0


class Demo:
    """The story, step by step."""

    def __init__(self, stage: Stage, narration: Narration, patience: float) -> None:
        self._stage = stage
        self._repository = stage.repository
        self._narration = narration
        self._patience = patience

    def walk(self) -> None:
        """Every step in order. Raises `NotTrueError`."""
        self._step("1. A commit becomes a live object", self._commit_to_object)
        self._step("2. A live edit becomes a commit that touches one line", self._edit_to_commit)
        self._step("3. Two edits that clash become a conflict, and neither is lost", self._clash)
        self._step("4. A decision settles it on both sides", self._decide)
        self._step("5. Both sides hold the same", self._compare)

    def _commit_to_object(self) -> None:
        stage = self._stage
        commit = stage.publish(sample.document(sample.WEB), "Add the front end")
        self._tell_commit(commit)
        _, seconds = self._wait(lambda: stage.live(2, "nginx:1.27"))
        self._tell_object()
        self._proven("the Deployment is there as committed", seconds)

    def _edit_to_commit(self) -> None:
        stage, old, new = self._stage, "replicas: 2", "replicas: 3"
        before, text = self._repository.head(), self._repository.show(sample.WEB)
        self._edit(old, new)
        commit, seconds = self._wait(lambda: stage.commit_after(before))
        self._tell_commit(commit, message=True)
        stage.one_line(commit, text, text.replace(old, new))
        stage.edited_with(commit, "kubectl-edit")
        stage.live(3, "nginx:1.27")
        self._tell_object()
        self._proven("one commit, one file, one line, its comment kept, and the edit stays live", seconds)

    def _clash(self) -> None:
        stage, old, ours, theirs = self._stage, "nginx:1.27", "nginx:1.29", "nginx:1.28"
        self._narration.remark("The Fabric is suspended for a moment, so that both edits are there when it looks.")
        stage.suspend(yes=True)
        commit = stage.publish(self._repository.show(sample.WEB).replace(old, ours), "Move to nginx 1.29")
        self._tell_commit(commit)
        self._edit(old, theirs)
        stage.suspend(yes=False)
        conflict, seconds = self._wait(stage.open_conflict)
        self._run("get", "syncconflicts")
        self._run("tandem", "conflicts", "show", "deployment/web")
        stage.clash(conflict, base=old, git=ours, cluster=theirs)
        stage.live(3, theirs)
        stage.main_is(commit)
        self._proven("the conflict names all three values, and both sides are as their editors left them", seconds)

    def _decide(self) -> None:
        stage, git, cluster = self._stage, "nginx:1.29", "nginx:1.28"
        before, text = self._repository.head(), self._repository.show(sample.WEB)
        name = stage.open_conflict()["metadata"]["name"]
        began = time.monotonic()
        self._run("tandem", "conflicts", "resolve", "deployment/web", "--cluster", f"--timeout={self._patience:g}s")
        commit, _ = self._wait(lambda: stage.commit_after(before))
        self._tell_commit(commit)
        stage.one_line(commit, text, text.replace(git, cluster))
        self._wait(lambda: stage.settled(name))
        seconds = time.monotonic() - began
        self._proven("the live edit won: Git has its value, and the conflict is Resolved", seconds)

    def _compare(self) -> None:
        stage = self._stage
        _, seconds = self._wait(lambda: stage.session.look_synced(self._repository.head()))
        stage.live(3, "nginx:1.28")
        self._tell_object()
        self._narration.command(
            f"git -C {self._repository.path.name} show main:{sample.WEB} | grep -E 'replicas|image'"
        )
        declared = stage.declared_lines()
        self._narration.output("\n".join(declared))
        if declared != ["  replicas: 3   # one for each zone", '        image: "nginx:1.28"   # tried on Monday']:
            raise NotYetError(f"main's {sample.WEB} declares {declared}")
        self._run("get", "fabrics")
        self._proven("the Fabric is Ready at main's last commit", seconds)

    # --- how a step is told ----------------------------------------------------------------------------------------

    def _step(self, title: str, tell: Callable[[], None]) -> None:
        self._narration.title(title)
        try:
            tell()
        except (NotYetError, ControlPlaneError) as error:
            self._narration.failure(f"not true: {error}")
            raise NotTrueError(f"“{title}” is not true: {error}\n{self._stage.controller_state()}") from error

    def _wait(self, look: Callable[[], T]) -> tuple[T, float]:
        """What the look saw in the end, and the seconds until then."""
        began = time.monotonic()
        try:
            return wait_for(look, self._patience), time.monotonic() - began
        except NotYetError as error:
            raise NotYetError(f"within {self._patience:g} s, {error}") from None

    def _edit(self, old: str, new: str) -> None:
        self._narration.command("kubectl edit deployment web", f"in the editor: {old} → {new}")
        self._stage.edit_live(old, new)

    def _run(self, *arguments: str) -> None:
        self._narration.command(" ".join(["kubectl", *arguments]))
        self._narration.output(self._stage.kubectl(*arguments))

    def _tell_commit(self, commit: str, *, message: bool = False) -> None:
        """A commit as the server's bare repository has it."""
        path = self._repository.path.name
        self._narration.command(f"git -C {path} show {commit[:10]}", "main, on the Git server")
        self._narration.output(self._repository.describe(commit, whole=message))
        self._narration.diff(self._repository.patch(commit))

    def _tell_object(self) -> None:
        self._narration.command("kubectl get deployment web", "replicas and image of it")
        self._narration.output(self._stage.table())

    def _proven(self, text: str, seconds: float) -> None:
        self._narration.proof(text, seconds)
