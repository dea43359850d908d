"""What a directory would hold after a merge: the real git makes the branches."""

from __future__ import annotations

import pygit2
import pytest

from controller.git.merging import MOST_NAMED, Merged, merge_directory
from controller.git.snapshot import Snapshot
from tests.support.worktree import WorkTree


@pytest.fixture
def base(person: WorkTree) -> str:
    return person.publish({"deploy/a.yaml": "a: 1\n", "deploy/sub/b.yaml": "b: 1\nc: 1\n", "other/x.yaml": "x: 1\n"})


def branch(person: WorkTree, start: str, files: dict[str, str | None]) -> str:
    """A commit on a branch of its own that begins at `start`."""
    person("checkout", "--quiet", "--detach", start)
    commit = person.commit(files)
    person("push", "--quiet", "origin", f"HEAD:refs/heads/b-{commit[:8]}")
    return commit


def held(snapshot: Snapshot, merged: Merged) -> dict[str, str]:
    """Path → content, below the directory."""
    return {entry.path: snapshot.read_blob(entry.blob).decode() for entry in snapshot.walk(merged.tree)}


def test_both_sides_are_in_it(person: WorkTree, repository: pygit2.Repository, snapshot: Snapshot, base: str) -> None:
    head = branch(person, base, {"deploy/sub/b.yaml": "b: 2\nc: 1\n", "deploy/new.yaml": "n: 1\n"})
    moved = branch(person, base, {"deploy/a.yaml": "a: 2\n", "other/x.yaml": "x: 2\n"})
    merged = merge_directory(repository, moved, head, "deploy")
    assert merged.touched
    assert held(snapshot, merged) == {"a.yaml": "a: 2\n", "new.yaml": "n: 1\n", "sub/b.yaml": "b: 2\nc: 1\n"}
    whole = merge_directory(repository, moved, head, "")
    assert held(snapshot, whole)["other/x.yaml"] == "x: 2\n"


def test_a_branch_about_something_else_touches_nothing(
    person: WorkTree, repository: pygit2.Repository, snapshot: Snapshot, base: str
) -> None:
    head = branch(person, base, {"other/x.yaml": "x: 2\n"})
    moved = branch(person, base, {"deploy/a.yaml": "a: 2\n"})
    merged = merge_directory(repository, moved, head, "deploy")
    assert merged == Merged(snapshot.tree_of(moved, "deploy") or "", touched=False)


def test_a_branch_that_was_merged_touches_nothing(person: WorkTree, repository: pygit2.Repository, base: str) -> None:
    assert not merge_directory(repository, branch(person, base, {"deploy/a.yaml": "a: 2\n"}), base, "deploy").touched


def test_files_that_both_changed_are_named(person: WorkTree, repository: pygit2.Repository, base: str) -> None:
    head = branch(person, base, {"deploy/a.yaml": "a: 2\n", "deploy/sub/b.yaml": None})
    moved = branch(person, base, {"deploy/a.yaml": "a: 3\n", "deploy/sub/b.yaml": "b: 3\nc: 3\n"})
    assert merge_directory(repository, moved, head, "deploy") == Merged(
        "", True, ("deploy/a.yaml", "deploy/sub/b.yaml")
    )
    assert merge_directory(repository, moved, head, "deploy/sub").conflicts == ("deploy/sub/b.yaml",)


def test_not_all_of_them_are_named(person: WorkTree, repository: pygit2.Repository, base: str) -> None:
    many = [f"deploy/{number}.yaml" for number in range(MOST_NAMED + 5)]
    head = branch(person, base, dict.fromkeys(many, "a: 1\n"))
    moved = branch(person, base, dict.fromkeys(many, "a: 2\n"))
    assert len(merge_directory(repository, moved, head, "deploy").conflicts) == MOST_NAMED


def test_a_directory_may_come_or_go(
    person: WorkTree, repository: pygit2.Repository, snapshot: Snapshot, base: str
) -> None:
    head = branch(person, base, {"fresh/a.yaml": "a: 1\n", "other/x.yaml": None})
    assert held(snapshot, merge_directory(repository, base, head, "fresh")) == {"a.yaml": "a: 1\n"}
    assert held(snapshot, merge_directory(repository, base, head, "other")) == {}
    assert not merge_directory(repository, base, head, "nowhere").touched


def test_without_a_common_history_everything_is_new(person: WorkTree, repository: pygit2.Repository, base: str) -> None:
    person("checkout", "--quiet", "--orphan", "apart")
    apart = person.commit({"deploy/a.yaml": "a: 9\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/apart")
    assert "deploy/a.yaml" in merge_directory(repository, base, apart, "deploy").conflicts
