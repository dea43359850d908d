"""Recipes: pinned Go modules, shipped as package data, and the programs made from them.

`go.mod` names the versions and `go.sum` the checksum of everything that goes in, so a program is what it is wherever it
is built. Programs that only tests need have recipes of the same shape beside the tests.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RECIPES = Path(__file__).with_name("recipes")
LABEL = "built.json"  # beside the programs


@dataclass(frozen=True)
class Recipe:
    """A folder with `go.mod` and `go.sum`, and what to build from it."""

    folder: Path
    programs: Mapping[str, str]  # the program's file name → its Go package
    stamps: Mapping[str, str] = field(default_factory=dict)  # Go variable → the text the linker puts there
    beside: Sequence[str] = ()  # folders of the programs' module that they read, and that are copied beside them

    def version(self, module: str) -> str:
        """The version of a module that `go.mod` requires, such as v1.35.4."""
        found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", self._text("go.mod"), re.MULTILINE)
        if found is None:
            raise LookupError(f"{self.folder / 'go.mod'} does not require {module}")
        return found[1]

    def oldest_go(self) -> tuple[int, ...]:
        """The oldest Go that `go.mod` allows, such as (1, 25, 8)."""
        found = re.search(r"^go (\S+)$", self._text("go.mod"), re.MULTILINE)
        return tuple(int(number) for number in found[1].split(".")) if found else ()

    def digest(self) -> str:
        """Changes whenever what would be built changes."""
        parts = [self._text("go.mod"), self._text("go.sum"), repr(sorted(self.programs.items()))]
        parts += [repr(sorted(self.stamps.items())), *self.beside]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text()


def label_of(recipes: Iterable[Recipe]) -> dict[str, str]:
    """What is written beside programs built from these recipes on this machine: another label, other programs."""
    system, architecture = go_platform()
    digest = hashlib.sha256("".join(recipe.digest() for recipe in recipes).encode()).hexdigest()
    return {"recipe": digest[:12], "os": system, "architecture": architecture}


def is_built(folder: Path, recipes: Iterable[Recipe]) -> bool:
    """Whether this folder holds what these recipes, as they are now, make on this machine."""
    try:
        return bool(json.loads((folder / LABEL).read_text()) == label_of(recipes))
    except (OSError, ValueError):
        return False


def go_platform() -> tuple[str, str]:
    """This machine in Go's words, as in linux-amd64."""
    machine = platform.machine().lower()
    return sys.platform, {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def etcd_recipe() -> Recipe:
    """The etcd server."""
    return Recipe(RECIPES / "etcd", {"etcd": "go.etcd.io/etcd/server/v3"})


def kubernetes_recipe() -> Recipe:
    """kube-apiserver, kube-controller-manager and kubectl, stamped with their version as the releases are."""
    programs = ("kube-apiserver", "kube-controller-manager", "kubectl")
    unstamped = Recipe(RECIPES / "kubernetes", {name: f"k8s.io/kubernetes/cmd/{name}" for name in programs})
    version = unstamped.version("k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return Recipe(
        unstamped.folder,
        unstamped.programs,
        {f"{package}.{name}": value for package in packages for name, value in stamps.items()},
    )


def control_plane_recipes() -> tuple[Recipe, ...]:
    """All that a control plane consists of."""
    return etcd_recipe(), kubernetes_recipe()


def sops_recipe() -> Recipe:
    """The sops program, with which the controller reads and writes encrypted files."""
    return Recipe(RECIPES / "sops", {"sops": "github.com/getsops/sops/v3/cmd/sops"})


def kubernetes_version() -> str:
    """The version of Kubernetes that is built where none is found."""
    return kubernetes_recipe().version("k8s.io/kubernetes")
