"""Where the sops program is on this machine, and why this one.

Looked up in this order, the first hit wins: the flag `--sops`, PATH, Tandem's cache, which `python -m
controller.dev.build` fills. Asked anew whenever it is needed: a program that is installed later is found then.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.folders import tandem_cache

VERSION = "v3.13.3"  # what the recipe builds, and what the tests run with


@dataclass(frozen=True, slots=True)
class Found:
    """The program, None where there is none; `why` is fit for `tandem doctor`."""

    program: Path | None
    why: str

    def describe(self) -> str:
        """Where it was found and by which rule, or where it was looked for."""
        return f"{self.program} ({self.why})" if self.program else self.why


def built_sops(environ: Mapping[str, str]) -> Path:
    """Where a sops that is built here is kept."""
    return tandem_cache(environ) / "sops" / VERSION / "sops"


def find_sops(given: str, environ: Mapping[str, str]) -> Found:
    """Look in each place in turn. `given` is what the flag says, "" for nothing; then nowhere else is looked."""
    if given:
        path = shutil.which(given, path=environ.get("PATH", os.defpath))
        return Found(Path(path).absolute(), "--sops") if path else Found(None, f"--sops {given} is no program")
    if path := shutil.which("sops", path=environ.get("PATH", os.defpath)):
        return Found(Path(path).absolute(), "PATH")
    built = built_sops(environ)
    if os.access(built, os.X_OK):
        return Found(built, "Tandem's own cache")
    return Found(None, f"there is no sops on PATH, and no {built}")
