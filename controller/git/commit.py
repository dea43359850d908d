"""Building a commit in the object database: no work tree, no index, nothing but the changed files and their folders.

The same arguments give the same commit id, so a process that died after building and before pushing builds it again.
What would be wrong in somebody's checkout is refused here, where the trees are known: a folder that is really a link,
two names that differ only in upper and lower case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pygit2
from pygit2.enums import FileMode, ObjectType

from controller.git.errors import PathRefusedError
from controller.git.paths import check_path, folded
from controller.git.snapshot import commit_at

NEW_FILE = int(FileMode.BLOB)


Sign = Callable[[bytes], str]
"""Makes the signature of a commit's bytes, in its armor."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a commit names. Characters that end a name or an address are dropped."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who made a commit and when: `time` in seconds since 1970; the zone is UTC. `authored`: what it says was done
    then, if that was at another time."""

    author: Person
    committer: Person
    time: int
    authored: int | None = None


@dataclass
class Folder:
    """The changes below one folder: files by name (None: delete), and folders."""

    files: dict[str, bytes | None] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)


def build_commit(
    repository: pygit2.Repository,
    parent: str | None,
    directory: str,
    changes: Mapping[str, bytes | None],
    message: str,
    stamp: Stamp,
    sign: Sign | None = None,
) -> str:
    """Write the commit that puts `changes` (path from the root → content, or None to delete) on top of `parent`.

    Returns its id, or `parent` if nothing differs. `parent` None makes a first commit. A file keeps its mode, a new one
    is 0644; deleting what is not there is no change. `sign` makes the signature that the commit carries.
    PathRefusedError names the first path that must not be written.
    """
    tree = changed_tree(repository, parent, directory, changes)
    if parent and commit_at(repository, parent).tree.id == tree:
        return parent
    return write_commit(repository, [parent] if parent else [], tree, message, stamp, sign)


def changed_tree(
    repository: pygit2.Repository, commit: str | None, directory: str, changes: Mapping[str, bytes | None]
) -> pygit2.Oid:
    """Write the tree of `commit` with `changes`; see build_commit."""
    for path in sorted(changes):
        check_path(path, directory)
    base = commit_at(repository, commit).tree if commit else None
    return write_folder(repository, base, folder_of(changes), "") or repository.TreeBuilder().write()


def write_commit(
    repository: pygit2.Repository,
    parents: Sequence[str],
    tree: pygit2.Oid,
    message: str,
    stamp: Stamp,
    sign: Sign | None = None,
) -> str:
    """Write a commit of a tree that is there; its id."""
    authored = stamp.time if stamp.authored is None else stamp.authored
    author, committer = signature(stamp.author, authored), signature(stamp.committer, stamp.time)
    before: list[pygit2.Oid | str] = [*parents]
    if sign is None:
        return str(repository.create_commit(None, author, committer, message, tree, before))
    unsigned = str(repository.create_commit_string(author, committer, message, tree, before))
    return str(repository.create_commit_with_signature(unsigned, sign(unsigned.encode()), "gpgsig"))


def folder_of(changes: Mapping[str, bytes | None]) -> Folder:
    """The changes as a tree of folders. A path that is file and folder at once is refused."""
    root = Folder()
    for path in sorted(changes):
        *parents, name = path.split("/")
        place = root
        for parent in parents:
            if parent in place.files:
                raise PathRefusedError(f"{path!r} cannot be written to Git: {parent!r} is written as a file as well")
            place = place.folders.setdefault(parent, Folder())
        place.files[name] = changes[path]
    return root


def write_folder(
    repository: pygit2.Repository, base: pygit2.Tree | None, folder: Folder, path: str
) -> pygit2.Oid | None:
    """Write one folder with its changes; None if nothing is left in it, since Git keeps no empty folder."""
    builder = repository.TreeBuilder(base) if base is not None else repository.TreeBuilder()
    added: set[str] = set()
    removed: set[str] = set()
    for name, content in folder.files.items():
        mode = file_mode(entry_of(base, name), f"{path}{name}")
        if content is None:
            removed.add(name)
        else:
            builder.insert(name, repository.create_blob(content), mode)
            added.add(name)
    for name, below in folder.folders.items():
        written = write_folder(repository, subfolder(entry_of(base, name), f"{path}{name}"), below, f"{path}{name}/")
        if written is None:
            removed.add(name)
        else:
            builder.insert(name, written, FileMode.TREE)
            added.add(name)
    for name in removed:
        if entry_of(base, name) is not None:
            builder.remove(name)
    check_case({name for name in added if entry_of(base, name) is None}, base, removed, path)
    return builder.write() if len(builder) else None


def entry_of(tree: pygit2.Tree | None, name: str) -> pygit2.Object | None:
    """What a folder holds under a name."""
    return tree[name] if tree is not None and name in tree else None


def file_mode(entry: pygit2.Object | None, path: str) -> int:
    """The mode a file keeps; PathRefusedError if something that is no file stands in its place."""
    if entry is None:
        return NEW_FILE
    if entry.type != ObjectType.BLOB or entry.filemode == FileMode.LINK:
        raise PathRefusedError(f"{path!r} cannot be written to Git: it is {nature_of(entry)} there")
    return int(FileMode.BLOB_EXECUTABLE if entry.filemode & 0o111 else FileMode.BLOB)


def subfolder(entry: pygit2.Object | None, path: str) -> pygit2.Tree | None:
    """The folder to write into; None if it is new, PathRefusedError if it is none."""
    if entry is None or isinstance(entry, pygit2.Tree):
        return entry
    raise PathRefusedError(f"{path!r} cannot be written into: it is {nature_of(entry)} in Git")


def nature_of(entry: pygit2.Object) -> str:
    """What stands there, in words."""
    if entry.filemode == FileMode.COMMIT:
        return "a submodule"
    if entry.filemode == FileMode.LINK:
        return "a symbolic link"
    return "a folder" if entry.type == ObjectType.TREE else "a file"


def check_case(fresh: set[str], tree: pygit2.Tree | None, removed: set[str], path: str) -> None:
    """Refuse a new name that some file systems take for another one in its folder. Old clashes are left alone."""
    if not fresh:
        return
    kept = {entry.name for entry in tree or () if entry.name is not None} - removed
    seen = {folded(name): name for name in kept}
    for name in sorted(fresh):
        other = seen.setdefault(folded(name), name)
        if other != name:
            raise PathRefusedError(
                f"{path + name!r} cannot be written to Git: {other!r} differs from it in upper and lower case only"
            )


def signature(person: Person, time: int) -> pygit2.Signature:
    """Author or committer as Git stores it. An empty name would be refused, so it becomes the address or a dash."""
    name, email = clean(person.name), clean(person.email)
    return pygit2.Signature(name or email or "-", email or "-", time, 0)


def clean(text: str) -> str:
    """Text without what would end a name or an address in a commit."""
    return "".join(character for character in text if character.isprintable() and character not in "<>").strip()
