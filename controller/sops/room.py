"""Private folders in memory, for the moment in which a text is there that must not be kept.

sops edits by way of a file. It lies on a file system in memory where there is one, in a folder for its owner only, and
goes with the folder. If this process is killed in that moment, sops still ends by itself and removes the file; if both
are, the folder is removed by the next one that starts here: whoever uses a folder holds a lock on it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "tandem-sops-"
MEMORY = Path("/dev/shm")  # noqa: S108  # tmpfs: every Linux has it, containers as well


def best_place(otherwise: Path) -> Path:
    """Where private folders are made: in memory if possible, else in `otherwise`, a folder for its owner only."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK):
        return MEMORY
    otherwise.mkdir(parents=True, exist_ok=True, mode=0o700)
    return otherwise


@contextmanager
def private_folder(place: Path) -> Iterator[Path]:
    """A folder of its owner's, gone afterwards whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(place: Path) -> int:
    """Remove what processes that were killed left behind; how many folders that were."""
    swept = 0
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with _locked(folder):
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
    return swept


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder. Raises BlockingIOError if somebody else does. The kernel drops the lock with the process."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(number)
