"""The real kubectl, as a test calls it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

from controller.dev.controlplane import ControlPlane


class KubectlError(Exception):
    """kubectl ended with another code than 0; the message is what it said."""


class Kubectl:
    """`kubectl("get", "configmaps")` returns what it prints; any failure raises with what it said."""

    def __init__(self, program: Path, kubeconfig: Path, cache: Path, namespace: str | None = None) -> None:
        """`cache` keeps discovery away from ~/.kube, where a server of the same port may have left another one's."""
        self.program = program
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self._cache = cache

    @classmethod
    def of(cls, plane: ControlPlane, user: str = "admin") -> Self:
        return cls(plane.kubectl, plane.kubeconfig_of(user), plane.folder / "kubectl-cache")

    def within(self, namespace: str) -> Kubectl:
        """The same in another default namespace."""
        return Kubectl(self.program, self.kubeconfig, self._cache, namespace)

    def using(self, kubeconfig: Path) -> Kubectl:
        """The same as somebody else, or through the fault proxy."""
        return Kubectl(self.program, kubeconfig, self._cache, self.namespace)

    def command(self, *arguments: str) -> list[str]:
        """The whole command line, for a test that runs it in its own way."""
        scope = ["--namespace", self.namespace] if self.namespace else []
        where = ["--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self._cache)]
        return [str(self.program), *where, *scope, *arguments]

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        done = self._run(arguments, stdin, timeout)
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def fails(self, *arguments: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        """For a command that must be refused: what kubectl said on standard error."""
        done = self._run(arguments, stdin, timeout)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} was to fail but said: {done.stdout}"
        return done.stderr

    def json(self, *arguments: str, timeout: float = 60.0) -> Any:
        """What the command prints with `-o json`, parsed."""
        return json.loads(self(*arguments, "-o", "json", timeout=timeout))

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object, or None where there is none of that name."""
        said = self("get", kind, name, "-o", "json", "--ignore-not-found", "--show-managed-fields")
        return json.loads(said) if said else None

    def apply(self, documents: str, *arguments: str) -> str:
        """`kubectl apply -f -`; pass `--server-side` and the like as `arguments`."""
        return self("apply", "-f", "-", *arguments, stdin=documents)

    def patch(self, kind: str, name: str, patch: Any, *arguments: str) -> str:
        """A merge patch, or a JSON patch if `patch` is a list."""
        how = "json" if isinstance(patch, list) else "merge"
        return self("patch", kind, name, f"--type={how}", "--patch", json.dumps(patch), *arguments)

    def _run(self, arguments: tuple[str, ...], stdin: str | None, timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), input=stdin or "", capture_output=True, text=True, timeout=timeout, check=False
        )
