"""Folders of the user, by the XDG base directory specification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def xdg_folder(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """What the variable says if that is an absolute path (else it does not count), or `default` below the home."""
    said = Path(environ.get(variable, ""))
    return said if said.is_absolute() else home_folder(environ) / default


def home_folder(environ: Mapping[str, str]) -> Path:
    """HOME, or what the system knows where it is not set."""
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def tandem_cache(environ: Mapping[str, str]) -> Path:
    """Where Tandem keeps what it can make again."""
    return xdg_folder(environ, "XDG_CACHE_HOME", ".cache") / "tandem"
