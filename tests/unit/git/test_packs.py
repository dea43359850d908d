"""Merging packs: few files afterwards, and every object as before."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from controller.git.packs import SMALL, drop_packs, ids_in, merge_packs, small_packs
from controller.git.repository import Copy, identity_of
from controller.git.snapshot import Snapshot
from tests.support.worktree import WorkTree, git

ROUNDS = 5


@pytest.fixture
def commits(bare: Path, person: WorkTree) -> list[str]:
    """One pushed commit a round, each in a pack of its own; the middle one is on no branch any more."""
    git("config", "receive.unpackLimit", "1", cwd=bare)
    made = [person.publish({"a": f"{number}\n" * 50, f"b{number}": "x"}) for number in range(ROUNDS - 1)]
    person("reset", "--quiet", "--hard", made[1])
    made.append(person.commit({"a": "forced\n"}))
    person.push("--force")
    return made


def everything(bare: Path) -> set[str]:
    """The ids of all objects in packs, as the real git sees them."""
    listing = git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", cwd=bare)
    return set(listing.split())


def test_the_ids_of_a_pack_are_those_that_git_finds(bare: Path, commits: list[str]) -> None:
    for pack in small_packs(bare):
        index = pack.with_suffix(".idx")
        shown = git("show-index", cwd=bare, stdin=index.read_bytes()).splitlines()
        assert [str(identity) for identity in ids_in(index)] == [line.split()[1] for line in shown]


def test_after_a_merge_every_object_is_there(bare: Path, commits: list[str]) -> None:
    before, packs = everything(bare), small_packs(bare)
    assert len(packs) == ROUNDS
    merged = merge_packs(Copy(bare).opened(), bare, packs)
    assert set(merged) == set(packs)
    drop_packs(bare, merged)
    assert len(small_packs(bare)) == 1
    assert everything(bare) == before
    assert git("fsck", "--full", "--strict", "--no-dangling", cwd=bare) == ""
    snapshot = Snapshot(bare, lambda proven: None)
    for commit in commits:
        tree = snapshot.tree_of(commit)
        assert tree is not None
        assert snapshot.read_blobs(entry.blob for entry in snapshot.walk(tree))


def test_a_death_between_writing_and_dropping_harms_nothing(bare: Path, commits: list[str]) -> None:
    before = everything(bare)
    merge_packs(Copy(bare).opened(), bare, small_packs(bare))
    assert everything(bare) == before
    again = small_packs(bare)
    assert len(again) == ROUNDS + 1
    drop_packs(bare, merge_packs(Copy(bare).opened(), bare, again))
    assert everything(bare) == before


def test_a_death_while_dropping_harms_nothing(bare: Path, commits: list[str]) -> None:
    before, packs = everything(bare), small_packs(bare)
    merged = merge_packs(Copy(bare).opened(), bare, packs)
    merged[0].with_suffix(".idx").unlink()
    assert merged[0] not in small_packs(bare)
    assert everything(bare) == before


def test_one_pack_is_not_merged_into_itself(bare: Path, commits: list[str]) -> None:
    """The merged pack would have the same name; dropping the old one would drop everything."""
    drop_packs(bare, merge_packs(Copy(bare).opened(), bare, small_packs(bare)))
    (only,) = small_packs(bare)
    before = everything(bare)
    drop_packs(bare, merge_packs(Copy(bare).opened(), bare, [only]))
    assert everything(bare) == before


def test_a_large_pack_is_left_alone(bare: Path, commits: list[str]) -> None:
    large = small_packs(bare)[0]
    large.chmod(0o644)
    with large.open("r+b") as file:
        file.truncate(SMALL)
    assert large not in small_packs(bare)
    assert len(small_packs(bare)) == ROUNDS - 1


def test_readers_open_anew_after_packs_went(bare: Path, commits: list[str]) -> None:
    before, copy = identity_of(bare), Copy(bare)
    opened = copy.opened()
    drop_packs(bare, [])
    assert identity_of(bare) != before
    assert copy.opened() is not opened


def test_a_broken_pack_is_not_merged_away(bare: Path, commits: list[str]) -> None:
    packs = small_packs(bare)
    packs[0].chmod(0o644)
    content = packs[0].read_bytes()
    packs[0].write_bytes(content[:12] + b"\xff" * (len(content) - 32) + content[-20:])
    with pytest.raises((pygit2.GitError, KeyError)):
        merge_packs(Copy(bare).opened(), bare, packs)
    assert set(packs) <= set(small_packs(bare))
