"""The bare copy of one remote on disk. A cache: it may be deleted, broken or replaced at any moment, and is made again.

Apart from mirror.py, because it knows folders and nothing of servers. A copy is made beside its place and renamed into
it, so a process that dies leaves either no copy or a whole one. It is never garbage collected: commits that the base
refers to may be on no branch any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pygit2
from pygit2.enums import FileMode

from controller.git.libgit2 import FOLLOW_REDIRECTS, UNREADABLE

# Locks of references, unfinished packs, and what a fetch of the git program leaves where it was killed.
LEFTOVERS = (
    "*.lock",
    "refs/**/*.lock",
    "objects/pack/pack_git2_*",
    "objects/pack/tmp_*",
    "objects/pack/*.lock",
    "objects/pack/*.keep",
)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the copy's lock: no other process or thread fetches into it, replaces it or pushes from it meanwhile.

    The kernel lets go of it when the process dies. So a lock file of Git's found under it belongs to nobody.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with lock_of(path).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_current(lock, path):  # else its file was removed while we waited for it
                os.utime(lock.fileno())  # when it was last used
                yield
                return


@contextmanager
def unlocked(path: Path) -> Iterator[bool]:
    """Hold the copy's lock if nobody else does; whether that is so."""
    with lock_of(path).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield is_current(lock, path)


def lock_of(path: Path) -> Path:
    """The file by which a copy is locked. Its time is that of the copy's last use."""
    return path.with_suffix(".lock")


def is_current(lock: IO[str], path: Path) -> bool:
    """Whether an open lock file is the one that others find, too."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(lock.fileno()), lock_of(path).stat())
    return False


class Copy:
    """One thread's hold on the bare repository at `path`; notices when the folder became another one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._repository: pygit2.Repository | None = None
        self._identity: tuple[int, int] | None = None

    def opened(self) -> pygit2.Repository:
        """The repository as it is on disk now. Raises one of UNREADABLE if there is none that can be used."""
        identity = identity_of(self.path)
        if self._repository is None or identity != self._identity:
            self.close()
            self._repository = open_bare(self.path)
            self._identity = identity
        return self._repository

    def close(self) -> None:
        """Give back the open files; `opened` takes them again."""
        if self._repository is not None:
            self._repository.free()
        self._repository = None


def identity_of(path: Path) -> tuple[int, int]:
    """Tells one copy from its replacement at the same path; OSError if there is none. HEAD is written only once."""
    status = (path / "HEAD").stat()
    return status.st_ino, status.st_mtime_ns


def open_bare(path: Path) -> pygit2.Repository:
    """Open an existing copy; one of UNREADABLE if it is none of ours. Without our configuration it is none."""
    repository = pygit2.Repository(str(path))
    if repository.config.get_bool(FOLLOW_REDIRECTS):
        raise ValueError(f"{path} would follow redirects")
    return repository


def make_bare(path: Path) -> None:
    """Put an empty copy at `path`, in place of whatever is there. Call it under `exclusive`."""
    fresh = path.with_suffix(".new")
    discard(fresh)
    repository = pygit2.init_repository(str(fresh), bare=True)
    repository.config[FOLLOW_REDIRECTS] = False
    repository.free()
    replace_copy(path, fresh)


def replace_copy(path: Path, fresh: Path) -> None:
    """Put another copy in this one's place. Call it under `exclusive`."""
    discard(path)
    fresh.rename(path)


def discard(path: Path) -> None:
    """Remove a copy, whatever it is by now: first out of the way by a rename, so that nobody opens half of it."""
    removed = path.with_suffix(".old")
    remove(removed)
    with suppress(FileNotFoundError):
        path.rename(removed)
        remove(removed)


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with what is in it; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def clear_leftovers(path: Path) -> None:
    """Remove what a killed process left half-written: lock files of references, unfinished packs. Under `exclusive`."""
    for pattern in LEFTOVERS:
        for leftover in path.glob(pattern):
            with suppress(OSError):
                leftover.unlink()


def is_whole(repository: pygit2.Repository, beat: Callable[[], None]) -> bool:
    """Whether every branch's whole history, and every object of its newest tree, is there. Contents are not read."""
    try:
        for name in repository.references:
            tip = repository.references[name].peel(pygit2.Commit)
            for commit in repository.walk(tip.id):
                beat()
                if commit.tree_id not in repository.odb:
                    return False
            if not all_present(repository, tip.tree):
                return False
    except UNREADABLE:
        return False
    return True


def all_present(repository: pygit2.Repository, top: pygit2.Tree) -> bool:
    """Whether each object below a tree is in the object database. A tree is opened once, however often it is held."""
    seen, waiting = {top.id}, [top]
    while waiting:
        for entry in waiting.pop():
            if entry.filemode == FileMode.TREE:
                if entry.id not in seen:
                    seen.add(entry.id)
                    waiting.append(repository[entry.id])  # type: ignore[arg-type]  # its mode says tree
            elif entry.filemode != FileMode.COMMIT and entry.id not in repository.odb:  # a submodule's is elsewhere
                return False
    return True
