"""Where a server's branches and tags are: what is asked for, and what its list of references says of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from controller.git.errors import BranchNotFoundError, EmptyRepositoryError, RepositoryTooLargeError
from controller.git.remote import printable

BRANCHES, TAGS = "refs/heads/", "refs/tags/"
PEELED = "^{}"  # ends the name under which a server lists what an annotated tag stands for
MOST_TAGS = 10_000  # each is read at every look
NAMED_BRANCHES = 5  # of the branches that are there, in the message about the one that is not


@dataclass(frozen=True, slots=True)
class Head:
    """Where a branch is: the commit, and the tree of the repository's root. `tags`: name to id, if they were wanted."""

    branch: str
    commit: str
    tree: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a fetch brings: a branch, within so many bytes, and the tags of the repository or not."""

    branch: str
    most_bytes: int
    tags: bool


def reference_of(branch: str) -> str:
    """The full name of a branch at the server. What begins with `refs/` is one: the head of a pull request, say."""
    return branch if branch.startswith("refs/") else BRANCHES + branch


def local_reference(branch: str) -> str:
    """Where the local copy keeps a branch. One level deep, since `a` and `a/b` may follow each other on the server."""
    return f"{BRANCHES}{quote(branch, safe='')}"


def tip_of(references: Mapping[str, str], branch: str, url: str) -> str:
    """The commit that the server says the branch is at. Raises EmptyRepositoryError, BranchNotFoundError."""
    if (reference := reference_of(branch)) in references:
        return references[reference]
    place = printable(url)
    branches = sorted(name.removeprefix(BRANCHES) for name in references if name.startswith(BRANCHES))
    if not branches:
        raise EmptyRepositoryError(f"{place} has no commit yet; push one to branch {branch!r}")
    others = ", ".join(branches[:NAMED_BRANCHES]) + (", …" if len(branches) > NAMED_BRANCHES else "")
    raise BranchNotFoundError(
        f"{place} has no branch {branch!r}; push it, or name one of these in spec.repository.branch: {others}"
    )


def tags_of(references: Mapping[str, str], url: str) -> dict[str, str]:
    """Name to id of the server's tags, annotated or not. Raises RepositoryTooLargeError."""
    found = {name.removeprefix(TAGS): at for name, at in references.items() if name.startswith(TAGS)}
    tags = {name: at for name, at in found.items() if not name.endswith(PEELED)}
    if len(tags) > MOST_TAGS:
        raise RepositoryTooLargeError(
            f"{printable(url)} has {len(tags)} tags, more than the {MOST_TAGS} that are looked at; delete old ones, or "
            "use verify mode Head"
        )
    return tags
