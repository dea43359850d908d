"""A commit for the branch of a pull request: what the request proposes, on the newest state of what it goes into.

The branch is only ever moved forward. What a reviewer pushed onto it stays: their commit and the new proposal are
merged, and what cannot be merged is refused. Where the branch was not brought up to date for a while, the commit has
two parents, so that the forge shows no more than what is proposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pygit2

from controller.git.commit import Sign, Stamp, changed_tree, write_commit
from controller.git.errors import AmendmentRefusedError
from controller.git.snapshot import commit_at

NAMED_PATHS = 3  # of the files that cannot be merged, in the message


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a commit for a request follows.

    `base`: the commit of the branch it goes into. `head`: where the request's branch is, "" if there is none. `ours`:
    our last commit there, from which somebody else's are told apart; "" if none is known to be of this request.
    """

    base: str
    head: str = ""
    ours: str = ""


def build_amendment(
    repository: pygit2.Repository,
    place: Amendment,
    directory: str,
    changes: Mapping[str, bytes | None],
    message: str,
    stamp: Stamp,
    sign: Sign | None = None,
) -> str:
    """Write the commit that proposes `changes` to `base`; see build_commit. Its id.

    It is `head` if that says it already, and is a commit of this request's: a new one gets a commit of its own, by
    which it is told from those before it on the same branch. AmendmentRefusedError if somebody else's commits on the
    branch change the same lines. PathRefusedError.
    """
    wanted = changed_tree(repository, place.base, directory, changes)
    if not place.head or _is_part(repository, place.head, place.base):
        return write_commit(repository, [place.base], wanted, message, stamp, sign)
    tree = wanted if place.head == place.ours else _merged(repository, place, wanted)
    if place.ours and commit_at(repository, place.head).tree.id == tree:
        return place.head
    parents = [place.head]
    if not _is_part(repository, place.base, place.head):
        parents.append(place.base)
    return write_commit(repository, parents, tree, message, stamp, sign)


def _merged(repository: pygit2.Repository, place: Amendment, wanted: pygit2.Oid) -> pygit2.Oid:
    """The proposal, and what others put on the branch since our last commit there."""
    common = place.ours or repository.merge_base(place.base, place.head)
    if common is None:
        raise AmendmentRefusedError("the branch of the request has no commit in common with what it goes into")
    ancestor = commit_at(repository, str(common)).tree
    theirs = commit_at(repository, place.head).tree
    index = repository.merge_trees(ancestor, repository[wanted].peel(pygit2.Tree), theirs)
    if index.conflicts is not None:
        paths = sorted({entry.path for entries in index.conflicts for entry in entries if entry is not None})
        named = ", ".join(paths[:NAMED_PATHS]) + (", …" if len(paths) > NAMED_PATHS else "")
        raise AmendmentRefusedError(f"somebody else's commits on the branch of the request change the same of {named}")
    return index.write_tree(repository)


def _is_part(repository: pygit2.Repository, commit: str, of: str) -> bool:
    """Whether `of` holds the history of `commit`."""
    return commit == of or repository.descendant_of(of, commit)
