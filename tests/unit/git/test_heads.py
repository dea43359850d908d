"""What a server's list of references says: the branch that is asked for, its neighbours, and the tags."""

from __future__ import annotations

import pytest

from controller.git.errors import BranchNotFoundError, EmptyRepositoryError, RepositoryTooLargeError
from controller.git.heads import MOST_TAGS, local_reference, tags_of, tip_of

URL = "https://git.example.com/team/fleet.git"
ONE, TWO = "1" * 40, "2" * 40


def test_the_branch_is_found_by_its_whole_name() -> None:
    references = {"HEAD": TWO, "refs/heads/main": ONE, "refs/heads/feature/main": TWO, "refs/tags/main": TWO}
    assert tip_of(references, "main", URL) == ONE
    assert tip_of(references, "feature/main", URL) == TWO


def test_what_begins_with_refs_is_a_whole_name() -> None:
    references = {"refs/heads/main": ONE, "refs/pull/7/head": TWO}
    assert tip_of(references, "refs/pull/7/head", URL) == TWO
    with pytest.raises(BranchNotFoundError):
        tip_of(references, "refs/pull/8/head", URL)


def test_a_branch_that_is_missing_is_told_with_some_that_are_there() -> None:
    references = {f"refs/heads/b{number}": ONE for number in range(7)} | {"refs/tags/main": ONE}
    with pytest.raises(BranchNotFoundError) as caught:
        tip_of(references, "main", URL)
    assert caught.value.message.startswith(f"{URL} has no branch 'main'")
    assert caught.value.message.endswith("b0, b1, b2, b3, b4, …")


@pytest.mark.parametrize("references", [{}, {"refs/tags/v1": ONE}])
def test_a_repository_without_branches_is_empty(references: dict[str, str]) -> None:
    with pytest.raises(EmptyRepositoryError, match="has no commit yet"):
        tip_of(references, "main", URL)


def test_a_tag_is_listed_once_and_as_the_object_it_is() -> None:
    references = {"refs/heads/main": ONE, "refs/tags/v1": TWO, "refs/tags/v1^{}": ONE, "refs/tags/a/b": ONE}
    assert tags_of(references, URL) == {"v1": TWO, "a/b": ONE}


def test_more_tags_than_are_looked_at_are_refused() -> None:
    most = {f"refs/tags/v{number}": ONE for number in range(MOST_TAGS)}
    assert len(tags_of(most, URL)) == MOST_TAGS
    with pytest.raises(RepositoryTooLargeError, match="10001 tags, more than the 10000"):
        tags_of(most | {"refs/tags/one-more": ONE}, URL)


def test_branches_that_lie_in_one_another_do_not_clash_in_the_copy() -> None:
    assert local_reference("a") == "refs/heads/a"
    assert local_reference("a/b") == "refs/heads/a%2Fb"
