"""Calling programs as somebody at a terminal does: in an environment where nothing is set up but what we set up."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from controller.dev.errors import CommandError

TIMEOUT = 60.0  # seconds for one command; they take well under one where nothing else runs
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}  # nothing on this machine is behind one; git would ask it


def run(command: Sequence[str | Path], *, environ: Mapping[str, str], cwd: Path | None = None, stdin: str = "") -> str:
    """What the command prints. Raises `CommandError` with what it said when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env=dict(environ),
            cwd=cwd,
            input=stdin.encode(),
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"`{' '.join(words)}` did not run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise CommandError(f"`{' '.join(words)}` ended with {done.returncode}: {said}")
    return done.stdout.decode()


def plain_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without the settings of another Tandem and without proxies."""
    return {
        name: value for name, value in environ.items() if not name.startswith("TANDEM_") and name.lower() not in PROXIES
    }


def scripts_folder() -> Path:
    """Where `tandem` and `kubectl-tandem` were installed with this Python."""
    return Path(sysconfig.get_path("scripts"))
