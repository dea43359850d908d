"""What mirrors take of the disk, and which of them go when it is too much: those that nobody uses, the oldest first.

An evicted mirror is fetched again by whoever needs it. One that is in use is never evicted, however large it is: its
bounds are the Fabrics' (`maxBytes`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.git.home import home_of
from controller.git.repository import discard, lock_of, remove, unlocked

GRACE = 600.0  # seconds since its last call in which a mirror counts as used: of an earlier process, or of another one
IDLE = 24 * 3600.0  # seconds until one that nobody uses goes in any case: its credential was replaced, say
NAME = re.compile(r"[0-9a-f]{32}")  # of a mirror's folder; what lies beside it begins with it


@dataclass(frozen=True, slots=True)
class Usage:
    """The mirrors on disk after a look: what they take, in bytes, and the folders that were removed."""

    size: int
    evicted: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One mirror on disk; `last` is the time of its last call, in seconds since 1970."""

    path: Path
    size: int
    last: float


def evict(folder: Path, used: Collection[Path], quota: int) -> Usage:
    """Remove mirrors below `folder` that are not `used`, until all of them take `quota` bytes at most.

    Blocking: to be called in a thread. One that another process works on is left.
    """
    found = [found_at(path) for path in copies(folder)]
    size = sum(mirror.size for mirror in found)
    evicted = []
    now = time.time()
    for mirror in found:
        clear_home(mirror.path)
    for mirror in sorted(found, key=lambda mirror: mirror.last):
        age = now - mirror.last
        if mirror.path in used or age < GRACE or (size <= quota and age < IDLE):
            continue
        if removed(mirror.path):
            evicted.append(mirror.path)
            size -= mirror.size
    return Usage(size, tuple(evicted))


def copies(folder: Path) -> list[Path]:
    """The places of mirrors: also of those of which only a part is left."""
    if not folder.is_dir():
        return []
    names = {found[0] for path in folder.iterdir() if (found := NAME.match(path.name))}
    return [folder / name for name in sorted(names)]


def found_at(path: Path) -> Found:
    """What there is of one mirror."""
    size, last = 0, 0.0
    with suppress(OSError):
        last = lock_of(path).stat().st_mtime
    for part in parts(path):
        for file in [part, *part.rglob("*")]:
            with suppress(OSError):  # removed meanwhile
                status = file.lstat()
                size += status.st_size if file.is_file() else 0
                last = max(last, status.st_mtime if file == part else 0.0)
    return Found(path, size, last)


def clear_home(path: Path) -> None:
    """Remove the credentials that a killed process left, at the latest a minute after the next start."""
    if home_of(path).exists():
        with unlocked(path) as free:
            if free:
                remove(home_of(path))


def parts(path: Path) -> list[Path]:
    """The mirror's folder, and what an interrupted call left beside it; not its lock."""
    return [part for part in path.parent.glob(f"{path.name}*") if part != lock_of(path)]


def removed(path: Path) -> bool:
    """Remove a mirror with all that lies beside it, unless somebody works on it."""
    with unlocked(path) as free:
        if free:
            discard(path)
            for part in parts(path):
                remove(part)
            lock_of(path).unlink(missing_ok=True)
        return free
