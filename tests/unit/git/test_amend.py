"""Commits for the branch of a request: forward only, on the newest base, and nobody's commits lost."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from controller.errors import Reason
from controller.git.amend import Amendment, build_amendment
from controller.git.errors import AmendmentRefusedError
from tests.support.stamps import stamp
from tests.support.worktree import WorkTree, git

LINES = "".join(f"{number}\n" for number in range(30))


def amend(repository: pygit2.Repository, place: Amendment, **files: str | None) -> str:
    changes = {name: None if text is None else text.encode() for name, text in files.items()}
    return build_amendment(repository, place, "", changes, "Write back\n", stamp())


def parents(bare: Path, commit: str) -> list[str]:
    return git("rev-list", "--parents", "--max-count=1", commit, cwd=bare).split()[1:]


def show(bare: Path, commit: str, name: str) -> str:
    return git("show", f"{commit}:{name}", cwd=bare)


def on_top(person: WorkTree, commit: str, files: dict[str, str | bytes | None]) -> str:
    """Somebody's commit on top of another one, on the server."""
    person("fetch", "--quiet", "origin", "review")
    person("checkout", "--quiet", "--detach", commit)
    made = person.commit(files)
    person("push", "--quiet", "--force", "origin", "HEAD:refs/heads/review")
    return made


def put(bare: Path, commit: str) -> None:
    git("update-ref", "refs/heads/review", commit, cwd=bare)


def test_the_first_commit_is_on_the_base(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    base = person.publish({"a": "1"})
    made = amend(repository, Amendment(base), a="2")
    assert (parents(bare, made), show(bare, made, "a")) == ([base], "2")


def test_an_amendment_says_all_that_is_proposed_now(
    repository: pygit2.Repository, bare: Path, person: WorkTree
) -> None:
    base = person.publish({"a": "1", "b": "1"})
    first = amend(repository, Amendment(base), a="2")
    place = Amendment(base, first, first)
    assert amend(repository, place, a="2") == first, "it says it already"
    second = amend(repository, place, b="2")
    assert parents(bare, second) == [first]
    assert (show(bare, second, "a"), show(bare, second, "b")) == ("1", "2"), "what is proposed no longer is gone"


def test_a_base_that_moved_becomes_a_parent_too(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    base = person.publish({"a": "1"})
    first = amend(repository, Amendment(base), a="2")
    moved = person.publish({"a": "1\nx"})
    second = amend(repository, Amendment(moved, first, first), a="2\nx")
    assert parents(bare, second) == [first, moved]
    third = amend(repository, Amendment(moved, second, second), a="3\nx")
    assert parents(bare, third) == [second]


def test_after_a_merge_it_starts_anew(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    base = person.publish({"a": "1"})
    first = amend(repository, Amendment(base), a="2")
    put(bare, first)
    person("fetch", "--quiet", "origin", "review")
    person("merge", "--quiet", "--ff-only", "FETCH_HEAD")
    person.push()
    assert parents(bare, amend(repository, Amendment(first, first, first), a="3")) == [first]


def test_a_branch_that_was_there_before_gets_a_commit_of_this_request(
    repository: pygit2.Repository, bare: Path, person: WorkTree
) -> None:
    base = person.publish({"a": "1"})
    old = amend(repository, Amendment(base), a="2")
    made = amend(repository, Amendment(base, old), a="2")
    assert (parents(bare, made), show(bare, made, "a")) == ([old], "2")


def test_a_reviewers_commit_stays(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    base = person.publish({"a": LINES, "b": "1"})
    ours = amend(repository, Amendment(base), a=LINES.replace("\n20\n", "\ntwenty\n"))
    put(bare, ours)
    theirs = on_top(person, ours, {"a": LINES.replace("\n20\n", "\ntwenty\n").replace("\n3\n", "\nthree\n")})
    wanted = LINES.replace("\n20\n", "\ntwenty\n").replace("\n27\n", "\nlast\n")
    made = amend(repository, Amendment(base, theirs, ours), a=wanted, b="2")
    assert parents(bare, made) == [theirs]
    text = show(bare, made, "a")
    assert all(word in text.split("\n") for word in ("three", "twenty", "last"))
    assert show(bare, made, "b") == "2"
    assert amend(repository, Amendment(base, made, made), a=text + "\n", b="2") == made


@pytest.mark.parametrize("known", [True, False], ids=["our commit is known", "it is not"])
def test_the_same_lines_cannot_be_merged(
    known: bool, repository: pygit2.Repository, bare: Path, person: WorkTree
) -> None:
    base = person.publish({"a": "1\n"})
    ours = amend(repository, Amendment(base), a="2\n")
    put(bare, ours)
    theirs = on_top(person, ours, {"a": "reviewed\n"})
    with pytest.raises(AmendmentRefusedError, match="change the same of a") as caught:
        amend(repository, Amendment(base, theirs, ours if known else ""), a="3\n")
    assert caught.value.reason is Reason.PUSH_REJECTED


def test_a_branch_of_another_history_is_refused(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    base = person.publish({"a": "1"})
    person("checkout", "--quiet", "--orphan", "elsewhere")
    person.commit({"a": "2"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/review")
    with pytest.raises(AmendmentRefusedError, match="no commit in common"):
        amend(repository, Amendment(base, person.head), a="3")
