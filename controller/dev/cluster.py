"""The cluster that a session works on: a control plane of its own, or one that somebody has and lends."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from controller.dev import sample
from controller.dev.build import ensure_programs, ensure_sops
from controller.dev.certificates import write_private
from controller.dev.controlplane import ControlPlane, Options
from controller.dev.errors import BuildError, StartError
from controller.dev.kubeconfig import is_own_context
from controller.dev.progress import Progress
from controller.dev.shell import plain_environment, run


@dataclass(frozen=True)
class Cluster:
    """Where kubectl leads. `plane` is ours to start and stop; None for a cluster that runs without us."""

    kubeconfig: Path
    kubectl: Path
    plane: ControlPlane | None = None


@dataclass(frozen=True)
class Loan:
    """Somebody's cluster, as named on the command line."""

    kubeconfig: Path | None = None  # None: as kubectl finds it
    context: str | None = None  # None: the current one
    granted: bool = False  # whether they said that it may be written to


def own_cluster(folder: Path, progress: Progress, *, lasting: bool) -> Cluster:
    """A control plane below `folder`, not started yet; its programs are built the first time.

    One that is not `lasting` need not bring its data to the disk. Raises `ControlPlaneError`.
    """
    programs = ensure_programs(os.environ, progress).programs
    if programs is None:
        raise StartError("the programs of the control plane are not there")
    try:
        ensure_sops(os.environ, progress)
    except BuildError as error:  # everything but encrypted files works without it
        progress.say(f"There is no sops, so encrypted files are not read: {error}")
    plane = ControlPlane(programs, folder / "controlplane", Options(fsync=lasting))
    return Cluster(plane.kubeconfig, programs.kubectl, plane)


def lent_cluster(loan: Loan, folder: Path) -> Cluster:
    """Somebody's cluster, with a kubeconfig below `folder` that knows no other.

    Raises `StartError` for one that was not made by Tandem, unless the loan is granted: the sample goes into it.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise StartError("kubectl is missing: put it on PATH, or leave out --kubeconfig and --use-cluster")
    named = {"KUBECONFIG": str(loan.kubeconfig.expanduser().absolute())} if loan.kubeconfig else {}
    wanted = [f"--context={loan.context}"] if loan.context else []
    view = [kubectl, "config", "view", "--minify", "--flatten", "--output=json", *wanted]
    config = json.loads(run(view, environ=plain_environment() | named))
    context = config["current-context"]
    if not (loan.granted or is_own_context(config, context)):
        server = config["clusters"][0]["cluster"]["server"]
        raise StartError(
            f"the context {context} ({server}) leads to a cluster that Tandem did not make; --use-cluster lets it put "
            f"its definitions, a Secret, a Fabric and two objects there, into the namespace {sample.NAMESPACE}"
        )
    config["contexts"][0]["context"]["namespace"] = sample.NAMESPACE
    path = folder / "kubeconfig"
    write_private(path, (json.dumps(config, indent=2) + "\n").encode())
    return Cluster(path, Path(kubectl))
