"""Reading: trees by id, differences, blobs byte for byte, history."""

from __future__ import annotations

import os
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pygit2.enums import FileMode

from controller.errors import Reason
from controller.git import trees
from controller.git.errors import MirrorDamagedError, ObjectMissingError, PathRefusedError, RepositoryTooLargeError
from controller.git.repository import Copy, is_whole, make_bare
from controller.git.snapshot import Snapshot
from controller.git.trees import SUBMODULE, SYMLINK, Entry, FileChange
from tests.support.worktree import WorkTree, git

Sides = list[tuple[str, str | None, str | None]]


def sides(snapshot: Snapshot, changes: list[FileChange]) -> Sides:
    """Changes as (path, old content, new content)."""
    return [
        (
            change.path,
            snapshot.read_blob(change.old.blob).decode() if change.old else None,
            snapshot.read_blob(change.new.blob).decode() if change.new else None,
        )
        for change in changes
    ]


def root(snapshot: Snapshot, commit: str) -> str:
    """The tree of a commit."""
    tree = snapshot.tree_of(commit)
    assert tree is not None
    return tree


@pytest.mark.parametrize(
    ("directory", "found"),
    [
        (".", ""),
        ("", ""),
        ("/", ""),
        ("apps", "apps"),
        ("apps/", "apps"),
        ("./apps/web", "apps/web"),
        ("/apps//web/", "apps/web"),
        ("missing", None),
        ("apps/missing", None),
        ("apps/web/a.yaml", None),
        ("link", None),
        ("Apps", None),
    ],
)
def test_the_tree_of_a_directory(person: WorkTree, snapshot: Snapshot, directory: str, found: str | None) -> None:
    person.write({"apps/web/a.yaml": "a\n"})
    (person.folder / "link").symlink_to("apps")
    commit = person.publish({})
    expected = person("rev-parse", f"HEAD:{found}") if found is not None else None
    assert snapshot.tree_of(commit, directory) == expected


def test_a_directory_outside_the_repository(person: WorkTree, snapshot: Snapshot) -> None:
    commit = person.publish({"a": "1"})
    with pytest.raises(PathRefusedError, match="leaves the repository"):
        snapshot.tree_of(commit, "apps/../..")


def test_a_walk_finds_every_file_once_and_sorted(person: WorkTree, snapshot: Snapshot) -> None:
    commit = person.publish({"b/c.yaml": "1", "a.yaml": "2", "b/a/d.yaml": "3"})
    entries = snapshot.walk(root(snapshot, commit))
    assert [entry.path for entry in entries] == ["a.yaml", "b/a/d.yaml", "b/c.yaml"]
    assert all(entry.is_regular for entry in entries)
    assert snapshot.read_blobs(entry.blob for entry in entries) == {
        entry.blob: content for entry, content in zip(entries, (b"2", b"3", b"1"), strict=True)
    }


def test_paths_start_with_the_prefix(person: WorkTree, snapshot: Snapshot) -> None:
    one = person.publish({"apps/web/a.yaml": "1"})
    two = person.publish({"apps/web/a.yaml": "2"})
    trees = [snapshot.tree_of(commit, "apps") or "" for commit in (one, two)]
    assert [entry.path for entry in snapshot.walk(trees[0], "apps")] == ["apps/web/a.yaml"]
    assert [entry.path for entry in snapshot.walk(trees[0], "./apps/")] == ["apps/web/a.yaml"]
    assert [entry.path for entry in snapshot.walk(trees[0], ".")] == ["web/a.yaml"]
    assert [change.path for change in snapshot.changes(trees[0], trees[1], "apps")] == ["apps/web/a.yaml"]


def test_links_and_submodules_are_named_and_not_followed(person: WorkTree, snapshot: Snapshot) -> None:
    person.write({"file": "x", "run.sh": "#!/bin/sh\n", "inside/secret": "s"})
    (person.folder / "run.sh").chmod(0o755)
    (person.folder / "link").symlink_to("/etc/passwd")
    (person.folder / "folder").symlink_to("inside")
    person("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    person("add", "--all", "--", "file", "run.sh", "inside", "link", "folder")
    person("commit", "--quiet", "--message=all kinds")
    person.push()
    entries = {entry.path: entry for entry in snapshot.walk(root(snapshot, person.head))}
    assert {path: entry.mode for path, entry in entries.items()} == {
        "file": 0o100644,
        "folder": SYMLINK,
        "inside/secret": 0o100644,
        "link": SYMLINK,
        "module": SUBMODULE,
        "run.sh": 0o100755,
    }
    assert [path for path, entry in entries.items() if entry.is_regular] == ["file", "inside/secret", "run.sh"]
    assert snapshot.read_blob(entries["link"].blob) == b"/etc/passwd"
    assert entries["module"].blob == "1" * 40


def test_changes_name_what_was_added_changed_and_deleted(person: WorkTree, snapshot: Snapshot) -> None:
    one = person.publish({"kept": "0", "changed": "1", "deleted": "2", "d/moved": "3"})
    two = person.publish({"changed": "one", "deleted": None, "added": "4", "d/moved": None, "e/moved": "3"})
    changes = snapshot.changes(root(snapshot, one), root(snapshot, two))
    assert sides(snapshot, changes) == [
        ("added", None, "4"),
        ("changed", "1", "one"),
        ("d/moved", "3", None),
        ("deleted", "2", None),
        ("e/moved", None, "3"),
    ]


def test_equal_trees_are_not_even_opened(tmp_path: Path) -> None:
    nowhere = Snapshot(tmp_path / "nowhere", lambda proven: None)
    assert nowhere.changes("1" * 40, "1" * 40) == []
    assert nowhere.changes(None, None) == []


def test_an_unchanged_subtree_is_not_read(person: WorkTree, bare: Path) -> None:
    """Its objects are taken away: who read them would fail."""
    one = person.publish({"still/a": "1", "still/deep/b": "2", "c": "3"})
    two = person.publish({"c": "4"})
    still = [person("rev-parse", f"HEAD:{path}") for path in ("still", "still/deep", "still/a", "still/deep/b")]
    for gone in still:
        (bare / "objects" / gone[:2] / gone[2:]).unlink()
    snapshot = Snapshot(bare, lambda proven: None)
    assert sides(snapshot, snapshot.changes(root(snapshot, one), root(snapshot, two))) == [("c", "3", "4")]


def test_from_nothing_and_to_nothing(person: WorkTree, snapshot: Snapshot) -> None:
    tree = root(snapshot, person.publish({"a": "1", "d/b": "2"}))
    assert sides(snapshot, snapshot.changes(None, tree)) == [("a", None, "1"), ("d/b", None, "2")]
    assert sides(snapshot, snapshot.changes(tree, None)) == [("a", "1", None), ("d/b", "2", None)]


def test_a_file_that_becomes_a_link_is_one_change(person: WorkTree, snapshot: Snapshot) -> None:
    one = person.publish({"a": "1"})
    (person.folder / "a").unlink()
    (person.folder / "a").symlink_to("b")
    two = person.publish({})
    (change,) = snapshot.changes(root(snapshot, one), root(snapshot, two))
    assert change.old is not None
    assert change.new is not None
    assert (change.path, change.old.mode, change.new.mode) == ("a", 0o100644, SYMLINK)


def test_a_file_that_becomes_a_folder(person: WorkTree, snapshot: Snapshot) -> None:
    one = person.publish({"a": "1"})
    person.write({"a": None})
    two = person.publish({"a/b": "2"})
    changes = snapshot.changes(root(snapshot, one), root(snapshot, two))
    assert sides(snapshot, changes) == [("a", "1", None), ("a/b", None, "2")]


def test_a_mode_alone_is_a_change(person: WorkTree, snapshot: Snapshot) -> None:
    one = person.publish({"a": "1"})
    (person.folder / "a").chmod(0o755)
    two = person.publish({})
    (change,) = snapshot.changes(root(snapshot, one), root(snapshot, two))
    assert change.old is not None
    assert change.new is not None
    assert change.old.blob == change.new.blob
    assert (change.old.mode, change.new.mode) == (0o100644, 0o100755)


def test_permissions_that_only_old_programs_wrote(bare: Path, snapshot: Snapshot) -> None:
    blob = git("hash-object", "-w", "--stdin", cwd=bare, stdin=b"1")
    raw = b"".join(mode + b"\0" + bytes.fromhex(blob) for mode in (b"100664 a", b"100775 b"))
    tree = git("hash-object", "-w", "--stdin", "-t", "tree", "--literally", cwd=bare, stdin=raw)
    assert [(entry.path, entry.mode) for entry in snapshot.walk(tree)] == [("a", 0o100644), ("b", 0o100755)]


def test_a_name_that_is_not_utf_8_is_readable_and_harms_nobody(person: WorkTree, snapshot: Snapshot) -> None:
    (Path(os.fsdecode(os.fsencode(person.folder) + b"/caf\xe9.yaml"))).write_text("1")
    commit = person.publish({"b.yaml": "2"})
    assert [entry.path for entry in snapshot.walk(root(snapshot, commit))] == ["b.yaml", "caf\\xe9.yaml"]


def test_names_with_spaces_quotes_and_other_scripts(person: WorkTree, snapshot: Snapshot) -> None:
    names = {'a "quoted" name': "1", "naïve/配置.yaml": "2", "tab\there": "3"}
    commit = person.publish(dict(names))
    entries = snapshot.walk(root(snapshot, commit))
    assert {entry.path: snapshot.read_blob(entry.blob).decode() for entry in entries} == names


@pytest.mark.parametrize("content", [b"", b"a: 1\r\nb: 2\r\n", b"\xef\xbb\xbfa: 1", b"a: 1", b"\0\xff\n"])
def test_a_blob_is_read_byte_for_byte(person: WorkTree, snapshot: Snapshot, content: bytes) -> None:
    person("config", "core.autocrlf", "false")
    commit = person.publish({"a": content})
    entry = snapshot.entry(root(snapshot, commit), "a")
    assert entry is not None
    assert snapshot.read_blob(entry.blob) == content
    assert snapshot.size(entry.blob) == len(content)


def test_one_entry(person: WorkTree, snapshot: Snapshot) -> None:
    tree = root(snapshot, person.publish({"d/a": "1"}))
    assert snapshot.entry(tree, "d/a") == Entry("d/a", person("rev-parse", "HEAD:d/a"), 0o100644)
    assert snapshot.entry(tree, "d") is None
    assert snapshot.entry(tree, "d/b") is None
    assert snapshot.entry(tree, "d/a/b") is None


def test_a_blob_that_is_not_there(person: WorkTree, snapshot: Snapshot) -> None:
    person.publish({"a": "1"})
    with pytest.raises(ObjectMissingError, match="1111"):
        snapshot.read_blobs(["1" * 40])


def test_history(person: WorkTree, snapshot: Snapshot) -> None:
    one, two, three = (person.publish({"a": str(number)}, f"change {number}") for number in range(3))
    assert [commit.id for commit in snapshot.commits_between(None, three)] == [three, two, one]
    assert [commit.id for commit in snapshot.commits_between(one, three)] == [three, two]
    assert [commit.id for commit in snapshot.commits_between(None, three, limit=2)] == [three, two]
    assert snapshot.commits_between(three, three) == []
    assert snapshot.is_ancestor(one, three)
    assert snapshot.is_ancestor(three, three)
    assert not snapshot.is_ancestor(three, one)
    assert snapshot.merge_base(one, three) == one


def test_the_commits_of_a_merge_come_after_their_children(person: WorkTree, snapshot: Snapshot) -> None:
    base = person.publish({"a": "1"})
    person("checkout", "--quiet", "-b", "side")
    side = person.commit({"b": "1"})
    person("checkout", "--quiet", "main")
    mine = person.commit({"c": "1"})
    person("merge", "--quiet", "--no-edit", "side")
    person.push()
    found = snapshot.commits_between(base, person.head)
    assert found[0].id == person.head
    assert set(found[0].parents) == {mine, side}
    assert {commit.id for commit in found} == {person.head, mine, side}
    assert snapshot.merge_base(mine, side) == base
    assert not snapshot.is_ancestor(mine, side)


def test_a_commit_that_is_not_here_is_in_nobodys_history(person: WorkTree, snapshot: Snapshot) -> None:
    commit = person.publish({"a": "1"})
    unknown = "1" * 40
    assert not snapshot.has(unknown)
    assert not snapshot.is_ancestor(unknown, commit)
    assert snapshot.merge_base(unknown, commit) is None
    for base, head in ((unknown, commit), (None, unknown)):
        with pytest.raises(ObjectMissingError):
            snapshot.commits_between(base, head)
    with pytest.raises(ObjectMissingError):
        snapshot.is_ancestor(commit, unknown)


def test_a_lost_part_of_the_history_is_not_taken_for_a_rewrite(person: WorkTree, bare: Path) -> None:
    one, two, _, four = (person.publish({"a": str(number)}) for number in range(4))
    for lost in (one, two):
        (bare / "objects" / lost[:2] / lost[2:]).unlink()
    damages: list[bool] = []
    snapshot = Snapshot(bare, damages.append)
    with pytest.raises(MirrorDamagedError):
        snapshot.is_ancestor(one, four)
    with pytest.raises(MirrorDamagedError):
        snapshot.merge_base(one, four)
    assert len(damages) == 2


def test_what_a_commit_says(person: WorkTree, snapshot: Snapshot) -> None:
    parent = person.publish({"a": "1"})
    person("commit", "--quiet", "--allow-empty", "--date=1600000000 +0200", "--message=größer\n\nKey: value")
    person.push()
    commit = snapshot.commit(person.head)
    assert commit.parents == (parent,)
    assert commit.message == "größer\n\nKey: value\n"
    assert commit.author == "Ada <ada@example.com>"
    assert commit.tree == snapshot.tree_of(parent)
    assert commit.time == int(person("log", "-1", "--format=%ct"))  # the committer's, not the author's


def test_a_blob_is_no_tree(person: WorkTree, snapshot: Snapshot) -> None:
    person.publish({"a": "1"})
    with pytest.raises(ObjectMissingError):
        snapshot.walk(person("rev-parse", "HEAD:a"))


def test_a_commit_in_another_encoding(person: WorkTree, snapshot: Snapshot) -> None:
    person.publish({"a": "1"})
    person("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "--quiet", "--allow-empty", "--file=-",
           stdin="größer".encode("latin-1"))  # fmt: skip
    person.push()
    assert snapshot.commit(person.head).message == "gr\ufffd\ufffder\n"


def test_who_changed_a_file_last(person: WorkTree, snapshot: Snapshot) -> None:
    first = person.publish({"d/a": "1", "b": "1"}, "first")
    second = person.publish({"d/a": "2"}, "second")
    head = person.publish({"b": "2"}, "third")
    changed = snapshot.last_change(head, "d/a")
    assert changed is not None
    assert (changed.id, changed.message) == (second, "second\n")
    deleted = person.publish({"d/a": None})
    gone = snapshot.last_change(deleted, "d/a")
    assert gone is not None
    assert gone.id == deleted
    assert snapshot.last_change(head, "d/a", limit=1) is None
    assert (snapshot.last_change(first, "b") or snapshot.commit(head)).id == first


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.sampled_from(["1", "2", "3"]), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=TREES, new=TREES)
def test_changes_are_what_two_walks_differ_in(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, str], new: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("trees") / "bare"
    make_bare(path)
    snapshot = Snapshot(path, lambda proven: None)
    trees = [written(path, files) for files in (old, new)]
    before, after = ({entry.path: entry for entry in snapshot.walk(tree)} for tree in trees)
    changed = {
        name: (before.get(name), after.get(name)) for name in before | after if before.get(name) != after.get(name)
    }
    assert {change.path: (change.old, change.new) for change in snapshot.changes(*trees)} == changed


def written(bare: Path, files: dict[str, str]) -> str:
    """A tree of these files; where a path is file and folder, the folder wins. Made by the real git."""
    index = bare / "index"
    index.unlink(missing_ok=True)
    listing = ""
    for path, content in sorted(files.items()):
        if not any(other.startswith(f"{path}/") for other in files):
            blob = git("hash-object", "-w", "--stdin", cwd=bare, stdin=content.encode())
            listing += f"100644 {blob}\t{path}\n"
    git("update-index", "--add", "--index-info", cwd=bare, stdin=listing.encode())
    return git("write-tree", cwd=bare)


def test_a_copy_that_was_replaced_is_opened_again(bare: Path, person: WorkTree) -> None:
    copy = Copy(bare)
    first = copy.opened()
    assert copy.opened() is first
    make_bare(bare)
    assert copy.opened() is not first


def nested(repository: pygit2.Repository, name: str, levels: int, times: int) -> str:
    """The tree of a branch whose folders hold each other: `times` in each, `levels` deep, a file at the bottom."""
    builder = repository.TreeBuilder()
    builder.insert("a.yaml", repository.create_blob(b""), FileMode.BLOB)
    tree = builder.write()
    for _ in range(levels):
        builder = repository.TreeBuilder()
        for number in range(times):
            builder.insert(str(number), tree, FileMode.TREE)
        tree = builder.write()
    somebody = pygit2.Signature("Ada", "ada@example.com", 0, 0)
    repository.create_commit(f"refs/heads/{name}", somebody, somebody, name, tree, [])
    return str(tree)


@pytest.mark.parametrize(
    ("levels", "times", "message"), [(12, 10, "more files than are looked at"), (3_000, 1, "more than 100 folders")]
)
def test_trees_made_to_be_endless_are_refused(
    repository: pygit2.Repository, snapshot: Snapshot, levels: int, times: int, message: str
) -> None:
    tree = nested(repository, "bomb", levels, times)
    with pytest.raises(RepositoryTooLargeError, match=message) as refused:
        snapshot.walk(tree)
    assert refused.value.reason is Reason.REPOSITORY_TOO_LARGE
    with pytest.raises(RepositoryTooLargeError, match=message):
        snapshot.changes(None, tree, "apps")
    assert snapshot.changes(tree, tree) == []


def test_files_are_counted_and_what_is_known_is_not_counted_again(
    person: WorkTree, bare: Path, snapshot: Snapshot, repository: pygit2.Repository
) -> None:
    one = person.publish({"still/a": "1", "still/deep/b": "2", "c": "3", "again/a": "1"})
    assert snapshot.count(root(snapshot, one)) == 4
    still = person("rev-parse", "HEAD:still")
    two = person.publish({"c": None, "d/e": "4", "d/f": "5"})
    (bare / "objects" / still[:2] / still[2:]).unlink()
    assert snapshot.count(root(snapshot, two)) == 5
    assert snapshot.count(nested(repository, "wide", 12, 10)) == 10**12
    with pytest.raises(RepositoryTooLargeError, match="within each other"):
        snapshot.count(nested(repository, "deep", 3_000, 1))


def test_every_look_may_read_as_much_as_the_one_before(
    repository: pygit2.Repository, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = nested(repository, "some", 4, 5)
    monkeypatch.setattr(trees, "MOST_BYTES", 50_000)  # one look takes some 43,000
    assert [len(snapshot.walk(tree)) for _ in range(3)] == [625] * 3


def test_a_copy_is_whole_also_with_trees_that_hold_each_other_endlessly(repository: pygit2.Repository) -> None:
    nested(repository, "wide", 12, 10)
    nested(repository, "deep", 3_000, 1)
    assert is_whole(repository, lambda: None)
