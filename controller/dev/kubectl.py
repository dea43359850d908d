"""The real kubectl, as the demo and `tandem dev` call it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from controller.dev.shell import plain_environment, run, scripts_folder
from controller.objects import Json


class Kubectl:
    """`kubectl("get", "deployments")` returns what it prints; a failure raises `CommandError` with what it said."""

    def __init__(self, program: Path, kubeconfig: Path, cache: Path) -> None:
        """`cache` keeps discovery away from ~/.kube, where a server of the same port may have left another one's."""
        self.program = program
        self._environ = plain_environment() | {
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(cache),
            "PATH": os.pathsep.join([*command_folders(program), os.environ.get("PATH", os.defpath)]),
        }

    def __call__(self, *arguments: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> str:
        """What kubectl prints. Raises `CommandError` with what it said when it fails."""
        return run([self.program, *arguments], environ=self._environ | dict(environ or {}), stdin=stdin)

    def find(self, kind: str, name: str) -> Json | None:
        """An object, or None where there is none of that name."""
        said = self("get", kind, name, "--output=json", "--ignore-not-found")
        return json.loads(said) if said else None

    def items(self, kind: str) -> list[Json]:
        """All objects of a kind in the namespace."""
        found: list[Json] = json.loads(self("get", kind, "--output=json"))["items"]
        return found


def command_folders(kubectl: Path) -> tuple[str, str]:
    """What has to be on PATH for `kubectl tandem` to be found: the plug-in's folder, and this kubectl's."""
    return str(scripts_folder()), str(kubectl.parent)
