"""What a directory would hold if a branch were merged: three trees brought together in the object database.

Only the directory's own trees are looked at, so the cost is its size, not the repository's. Nothing refers to what is
built here, and nothing is pushed.
"""

from __future__ import annotations

from dataclasses import dataclass

import pygit2

from controller.git.paths import normalized_directory
from controller.git.snapshot import commit_at

MOST_NAMED = 20  # of the files that cannot be merged


@dataclass(frozen=True, slots=True)
class Merged:
    """The tree of the directory after the merge; "" where `conflicts` names files that both sides changed.

    `touched`: whether the branch changed anything in the directory since it left the base.
    """

    tree: str
    touched: bool
    conflicts: tuple[str, ...] = ()


def merge_directory(repository: pygit2.Repository, base: str, head: str, directory: str) -> Merged:
    """Merge the commit `head` into the commit `base`, as far as the directory goes. Paths are from the root."""
    folder = normalized_directory(directory)
    ours, theirs = (_tree(repository, commit, folder) for commit in (base, head))
    common = repository.merge_base(base, head)
    ancestor = _empty(repository) if common is None else _tree(repository, str(common), folder)
    if ancestor == theirs:
        return Merged(str(ours), touched=False)
    index = repository.merge_trees(ancestor, ours, theirs)
    if index.conflicts is None:
        return Merged(str(index.write_tree(repository)), touched=True)
    paths = sorted({side.path for sides in index.conflicts for side in sides if side is not None})
    prefix = f"{folder}/" if folder else ""
    return Merged("", True, tuple(f"{prefix}{path}" for path in paths[:MOST_NAMED]))


def _tree(repository: pygit2.Repository, commit: str, folder: str) -> pygit2.Oid:
    """The tree of the folder at a commit; the empty one where there is none."""
    tree = commit_at(repository, commit).tree
    for name in filter(None, folder.split("/")):
        if name not in tree or not isinstance(tree[name], pygit2.Tree):
            return _empty(repository)
        tree = repository[tree[name].id].peel(pygit2.Tree)
    return tree.id


def _empty(repository: pygit2.Repository) -> pygit2.Oid:
    return repository.TreeBuilder().write()
