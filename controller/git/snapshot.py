"""Reading a mirror: trees by id, what changed between two of them, blobs, history. Nothing here touches the network.

Synchronous on purpose: each call takes microseconds to milliseconds (10,000 blobs 60 ms, so read those in batches).
An unchanged subtree costs nothing, because it has the same id. Symbolic links and submodules are reported by their
mode and never followed. Usable from any thread; calls of several take turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ObjectType, SortMode

from controller.git.errors import MirrorDamagedError, ObjectMissingError
from controller.git.libgit2 import UNREADABLE
from controller.git.paths import normalized_directory
from controller.git.repository import Copy
from controller.git.signatures import Signed, signed_commit, signed_tag
from controller.git.trees import Entry, FileChange, bounded, count_files, differences, files

MOST_COMMITS = 1_000  # of one look into history
MOST_COUNTS = 100_000  # trees whose files were counted, until all are forgotten: some 15 MB


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `author` is "Name <email>"; `time` is the committer's, in seconds since 1970, UTC."""

    id: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: str
    time: int


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag as it was made: its name, the commit it stands for, and when, in seconds since 1970."""

    name: str
    commit: str
    time: int
    signed: Signed


class Snapshot:
    """Reads one mirror. Every method may raise MirrorDamagedError: the copy vanished or broke, fetch again.

    An id that the copy does not hold raises ObjectMissingError, its subclass; what goes through whole trees may raise
    RepositoryTooLargeError. `on_damage(proven)` is told of both.
    """

    def __init__(self, path: Path, on_damage: Callable[[bool], None]) -> None:
        self._copy = Copy(path)
        self._on_damage = on_damage
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}  # files below a tree, by its id

    def has(self, commit: str) -> bool:
        """Whether the copy holds this commit. History that was rewritten before it was ever fetched here is not."""
        with self._reading() as repository:
            return commit in repository.odb

    def tree_of(self, commit: str, directory: str = "") -> str | None:
        """The id of a directory's tree at a commit; None if there is no such directory (or it is a link)."""
        with self._reading() as repository:
            tree = commit_at(repository, commit).tree
            for name in filter(None, normalized_directory(directory).split("/")):
                if name not in tree or tree[name].filemode != FileMode.TREE:
                    return None
                tree = repository[tree[name].id]  # type: ignore[assignment]  # its mode says tree
            return str(tree.id)

    def entry(self, tree: str, path: str) -> Entry | None:
        """One file below a tree; None if there is none, or something else is in its place."""
        with self._reading() as repository:
            top = repository[tree].peel(pygit2.Tree)
            if path not in top or top[path].filemode == FileMode.TREE:
                return None
            return Entry(path, str(top[path].id), int(top[path].filemode))

    def walk(self, tree: str, prefix: str = "") -> list[Entry]:
        """Every file below a tree, by path. `prefix` (the fabric's directory) is put before each path."""
        with self._reading() as repository:
            found = files(bounded(partial(raw_tree, repository)), tree, normalized_directory(prefix))
            return sorted(found, key=attrgetter("path"))

    def changes(self, old: str | None, new: str | None, prefix: str = "") -> list[FileChange]:
        """What differs between two trees, by path. None stands for an empty one. Equal ids cost nothing."""
        if old == new:
            return []
        with self._reading() as repository:
            found = differences(bounded(partial(raw_tree, repository)), old, new, normalized_directory(prefix))
            return sorted(found, key=attrgetter("path"))

    def count(self, tree: str) -> int:
        """How many files are below a tree. Only folders that were never counted are looked into."""
        with self._reading() as repository:
            if len(self._counts) > MOST_COUNTS:
                self._counts.clear()
            return count_files(bounded(partial(raw_tree, repository)), tree, self._counts)

    def size(self, blob: str) -> int:
        """How many bytes a blob has, without reading it."""
        with self._reading() as repository:
            return int(repository.odb.read_header(blob)[1])

    def read_blob(self, blob: str) -> bytes:
        """The content of one blob, byte for byte."""
        return self.read_blobs([blob])[blob]

    def read_blobs(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """The contents of many blobs by id. All of them are in memory afterwards: ask for batches."""
        with self._reading() as repository:
            read = repository.odb.read
            return {blob: read(blob)[1] for blob in blobs}

    def commit(self, commit: str) -> Commit:
        """One commit by its id."""
        with self._reading() as repository:
            return to_commit(commit_at(repository, commit))

    def signed_commit(self, commit: str) -> Signed:
        """What a commit's signature is of, and the signature."""
        with self._reading() as repository:
            return signed_commit(repository.odb.read(commit_at(repository, commit).id)[1])

    def tag(self, tag: str) -> Tag | None:
        """An annotated tag of a commit, by its id; None where the id is something else's, such as a commit's."""
        with self._reading() as repository:
            found = repository[tag]
            if not isinstance(found, pygit2.Tag) or repository.odb.read_header(found.target)[0] != ObjectType.COMMIT:
                return None
            time = found.tagger.time if found.tagger else 0
            return Tag(found.name or "", str(found.target), time, signed_tag(repository.odb.read(found.id)[1]))

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Whether `ancestor` is `commit` or in its history. One that the copy does not hold is in nobody's."""
        with self._reading() as repository:
            if not lacks(repository, ancestor, commit):
                return ancestor == commit or bool(repository.descendant_of(commit, ancestor))
            return False

    def merge_base(self, one: str, other: str) -> str | None:
        """The nearest commit that both histories hold; None if they have none in common. `one` may be unknown."""
        with self._reading() as repository:
            if lacks(repository, one, other):
                return None
            found = repository.merge_base(one, other)
            return str(found) if found else None

    def commits_between(self, base: str | None, head: str, limit: int = MOST_COMMITS) -> list[Commit]:
        """The commits that `head` has and `base` has not, newest first, at most `limit`. None: from the beginning."""
        with self._reading() as repository:
            walker = repository.walk(commit_at(repository, head).id, SortMode.TOPOLOGICAL | SortMode.TIME)
            if base is not None:
                walker.hide(commit_at(repository, base).id)
            return [to_commit(commit) for commit in islice(walker, limit)]

    def last_change(self, head: str, path: str, limit: int = MOST_COMMITS) -> Commit | None:
        """The newest commit that gave `path` (from the root) its content at `head`; None if it is further back."""
        with self._reading() as repository:
            for commit in islice(repository.walk(commit_at(repository, head).id, SortMode.TOPOLOGICAL), limit):
                content = id_at(commit, path)
                if all(id_at(parent, path) != content for parent in commit.parents):
                    return to_commit(commit)
            return None

    def close(self) -> None:
        """Give back the open files; the next call takes them again."""
        with self.closed():
            pass

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody reads within the block; whoever comes after it sees what is on disk then."""
        with self._lock:
            self._copy.close()
            yield

    @contextmanager
    def _reading(self) -> Iterator[pygit2.Repository]:
        """The repository, and its errors in our words."""
        with self._lock:
            try:
                yield self._copy.opened()
            except UNREADABLE as error:
                raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> MirrorDamagedError:
        """What a failed look means: an id that is not there proves nothing yet, an object that cannot be read does."""
        absent = isinstance(error, KeyError | ValueError | TypeError)
        self._on_damage(not absent)
        if absent:
            return ObjectMissingError(f"the local copy {self._copy.path} does not hold {error}; fetch again")
        return MirrorDamagedError(f"the local copy {self._copy.path} cannot be read ({error}); it is fetched anew")


def commit_at(repository: pygit2.Repository, commit: str) -> pygit2.Commit:
    """The commit of this id; KeyError if there is none."""
    return repository[commit].peel(pygit2.Commit)


def lacks(repository: pygit2.Repository, commit: str, head: str) -> bool:
    """Whether the copy does not hold a commit although it holds the whole history of `head`.

    The history is walked only then: a copy that lost a part of it must not be taken for history that was rewritten.
    """
    tip = commit_at(repository, head)
    if commit in repository.odb:
        return False
    for _ in repository.walk(tip.id):  # KeyError at the first that is missing
        pass
    return True


def raw_tree(repository: pygit2.Repository, tree: str) -> bytes:
    """A tree's bytes; KeyError if there is no tree of this id."""
    kind, content = repository.odb.read(tree)
    if kind != ObjectType.TREE:
        raise KeyError(tree)
    return content


def id_at(commit: pygit2.Commit, path: str) -> str | None:
    """The id of what a commit holds at a path; None if nothing."""
    try:
        return str(commit.tree[path].id)
    except KeyError:
        return None


def to_commit(commit: pygit2.Commit) -> Commit:
    """A commit's values, whatever encoding its author claimed."""
    return Commit(
        id=str(commit.id),
        tree=str(commit.tree_id),
        parents=tuple(str(parent) for parent in commit.parent_ids),
        message=commit.raw_message.decode("utf-8", "replace"),
        author=f"{raw(commit.author.raw_name)} <{raw(commit.author.raw_email)}>",
        time=commit.commit_time,
    )


def raw(text: bytes) -> str:
    """Bytes that should be UTF-8, as text."""
    return text.decode("utf-8", "replace")
