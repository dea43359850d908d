"""Where the programs of the control plane are on this machine, and why these.

Looked up in this order, the first hit wins: `KUBEBUILDER_ASSETS`, the store of `setup-envtest`, the cache that
`build.py` fills. Nothing is started or built here, so that `tandem doctor` can ask at any time.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from controller.dev.recipe import control_plane_recipes, go_platform, is_built, kubernetes_version
from controller.folders import home_folder, tandem_cache, xdg_folder

NEEDED = ("etcd", "kube-apiserver", "kubectl")  # what controller-runtime's convention puts into such a folder
CONTROLLERS = "kube-controller-manager"  # what it does not
OLDEST_MINOR = 29  # of Kubernetes 1.x: the first with CEL rules in CRDs and strict field validation for everybody


@dataclass(frozen=True)
class Programs:
    """The programs of a control plane."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    kube_controller_manager: Path | None  # None: nothing collects garbage, deleted namespaces stay Terminating

    @classmethod
    def in_folder(cls, folder: Path) -> Programs:
        """The programs as they lie in one folder."""
        manager = folder / CONTROLLERS
        etcd, kube_apiserver, kubectl = (folder / name for name in NEEDED)
        return cls(etcd, kube_apiserver, kubectl, manager if _is_program(manager) else None)


@dataclass(frozen=True)
class Search:
    """What was found, in words fit for `tandem doctor`."""

    programs: Programs | None
    why: str
    passed_over: tuple[str, ...]  # each earlier place, and why it was not taken

    def describe(self) -> str:
        """Several lines: the place taken, then the ones before it."""
        return "\n".join([self.why, *(f"  passed over {place}" for place in self.passed_over)])


@dataclass(frozen=True)
class Miss:
    """A place that was looked at in vain."""

    reason: str


def find_programs(environ: Mapping[str, str]) -> Search:
    """Look in each place in turn. `environ` is the environment, for HOME, KUBEBUILDER_ASSETS and the XDG folders."""
    cache = cache_folder(environ)
    places: dict[str, Callable[[], Path | Miss]] = {
        "KUBEBUILDER_ASSETS": lambda: _assets(environ),
        "the store of setup-envtest": lambda: _envtest_store(envtest_folder(environ)),
        "Tandem's own cache": lambda: _own_cache(cache),
    }
    missed: list[str] = []
    for name, look in places.items():
        found = look()
        if isinstance(found, Miss):
            missed.append(f"{name}: {found.reason}")
            continue
        programs, borrowed = _with_controllers(Programs.in_folder(found), cache)
        return Search(programs, f"{found} ({name}){borrowed}", tuple(missed))
    return Search(None, "nowhere on this machine", tuple(missed))


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where programs built here are kept, one folder a version."""
    return tandem_cache(environ) / "controlplane" / kubernetes_version()


def envtest_folder(environ: Mapping[str, str]) -> Path:
    """Where `setup-envtest` keeps what it downloads."""
    if sys.platform == "darwin":
        return home_folder(environ) / "Library/Application Support/io.kubebuilder.envtest/k8s"
    return xdg_folder(environ, "XDG_DATA_HOME", ".local/share") / "kubebuilder-envtest" / "k8s"


def _assets(environ: Mapping[str, str]) -> Path | Miss:
    said = environ.get("KUBEBUILDER_ASSETS")
    if not said:
        return Miss("not set")
    return _complete(Path(said))


def _envtest_store(store: Path) -> Path | Miss:
    """The newest version that is made for this machine and new enough."""
    if not store.is_dir():
        return Miss(f"there is no {store}")
    pattern = re.compile(r"1\.(\d+)\.(\d+)-{}-{}".format(*go_platform()))
    versions = {
        (int(match[1]), int(match[2])): folder
        for folder in store.iterdir()
        if (match := pattern.fullmatch(folder.name))
    }
    if not versions:
        return Miss(f"{store} holds nothing for {'-'.join(go_platform())}")
    newest = max(versions)
    if newest[0] < OLDEST_MINOR:
        return Miss(f"the newest there is 1.{newest[0]}.{newest[1]}, Tandem needs Kubernetes 1.{OLDEST_MINOR} or newer")
    return _complete(versions[newest])


def _own_cache(folder: Path) -> Path | Miss:
    if not folder.is_dir():
        return Miss(f"there is no {folder}; `python -m controller.dev.build` fills it")
    if not is_built(folder, control_plane_recipes()):
        return Miss(f"{folder} was built from another recipe; `python -m controller.dev.build` renews it")
    return _complete(folder)


def _complete(folder: Path) -> Path | Miss:
    missing = [name for name in NEEDED if not _is_program(folder / name)]
    return Miss(f"{folder} lacks {', '.join(missing)}") if missing else folder


def _with_controllers(programs: Programs, cache: Path) -> tuple[Programs, str]:
    """Take the controller manager from our own cache where the place has none; it may be missing there, too."""
    if programs.kube_controller_manager is not None:
        return programs, ""
    if is_built(cache, control_plane_recipes()) and _is_program(cache / CONTROLLERS):
        return replace(programs, kube_controller_manager=cache / CONTROLLERS), f", {CONTROLLERS} from {cache}"
    return programs, (
        f"; there is no {CONTROLLERS}, so nothing collects garbage and deleted namespaces stay: "
        "`python -m controller.dev.build` adds one"
    )


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
