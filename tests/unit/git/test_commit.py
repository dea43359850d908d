"""Building commits: what changes, what stays as it is, what is refused."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from controller.errors import Reason
from controller.git.commit import Person, Stamp, build_commit, clean
from controller.git.errors import PathRefusedError
from tests.support.stamps import BOT, GRACE, NOON, stamp
from tests.support.worktree import WorkTree, git

Changes = dict[str, bytes | None]
MESSAGE = "Write back 1 object from default/demo\n"


def build(
    repository: pygit2.Repository, parent: str | None, changes: Changes, directory: str = "", author: Person = GRACE
) -> str:
    """A commit with the usual rest."""
    return build_commit(repository, parent, directory, changes, MESSAGE, stamp(author))


def listed(bare: Path, commit: str) -> dict[str, str]:
    """What the real git finds in a commit: path to "mode content"."""
    lines = git("ls-tree", "-r", "-z", commit, cwd=bare).split("\0")[:-1]
    found = {}
    for line in lines:
        about, path = line.split("\t")
        mode, kind, identity = about.split()
        found[path] = f"{mode} {git('cat-file', 'blob', identity, cwd=bare)}" if kind == "blob" else mode
    return found


def test_only_the_changed_paths_change(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"a": "1", "d/b": "2", "d/e/c": "3", "gone": "4"})
    commit = build(repository, head, {"d/e/c": b"three", "new/x": b"5", "gone": None})
    assert listed(bare, commit) == {
        "a": "100644 1",
        "d/b": "100644 2",
        "d/e/c": "100644 three",
        "new/x": "100644 5",
    }
    assert git("fsck", "--strict", commit, cwd=bare) == ""


def test_who_and_when_and_why(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"a": "1"})
    commit = build(repository, head, {"a": b"2"})
    assert git("cat-file", "commit", commit, cwd=bare).splitlines()[1:] == [
        f"parent {head}",
        f"author {GRACE.name} <{GRACE.email}> {NOON} +0000",
        f"committer {BOT.name} <{BOT.email}> {NOON} +0000",
        "",
        MESSAGE.strip(),
    ]


def test_the_same_arguments_give_the_same_commit(repository: pygit2.Repository, person: WorkTree) -> None:
    head = person.publish({"a": "1"})
    assert build(repository, head, {"a": b"2"}) == build(repository, head, {"a": b"2"})


@pytest.mark.parametrize(
    "changes",
    [{}, {"a": b"1"}, {"nothing/there": None}, {"a": b"1", "d/b": b"2", "x": None}],
    ids=["none", "the same content", "deleting what is not there", "several"],
)
def test_a_change_of_nothing_is_no_commit(repository: pygit2.Repository, person: WorkTree, changes: Changes) -> None:
    head = person.publish({"a": "1", "d/b": "2"})
    assert build(repository, head, changes) == head


def test_line_ends_and_marks_are_kept(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"a": "x", ".gitattributes": "* text=auto eol=lf\n"})
    content = b"\xef\xbb\xbfa: 1\r\nb: 2\r\n# no end"
    commit = build(repository, head, {"a": content})
    assert (repository[commit].peel(pygit2.Tree) / "a").peel(pygit2.Blob).data == content


def test_a_script_stays_executable(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    person.write({"run.sh": "#!/bin/sh\n"})
    (person.folder / "run.sh").chmod(0o755)
    head = person.publish({"plain": "1"})
    commit = build(repository, head, {"run.sh": b"#!/bin/sh -e\n", "plain": b"2"})
    assert listed(bare, commit) == {"run.sh": "100755 #!/bin/sh -e", "plain": "100644 2"}


def test_links_and_submodules_beside_a_change_stay(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    (person.folder / "link").symlink_to("/etc/passwd")
    person.write({"a": "1"})
    person("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    person("add", "a", "link")
    person("commit", "--quiet", "--message=m")
    person.push()
    commit = build(repository, person.head, {"a": b"2"})
    assert listed(bare, commit) == {"a": "100644 2", "link": "120000 /etc/passwd", "module": "160000"}


def test_a_folder_goes_with_its_last_file(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"a": "1", "d/e/b": "2"})
    assert listed(bare, build(repository, head, {"d/e/b": None})) == {"a": "100644 1"}


def test_the_last_file_of_all_may_go(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"d/a": "1"})
    commit = build(repository, head, {"d/a": None})
    assert listed(bare, commit) == {}
    assert git("rev-parse", f"{commit}^", cwd=bare) == head


def test_a_first_commit(repository: pygit2.Repository, bare: Path) -> None:
    commit = build(repository, None, {"d/a": b"1"}, "d")
    assert listed(bare, commit) == {"d/a": "100644 1"}
    assert "parent" not in git("cat-file", "commit", commit, cwd=bare)


def test_a_first_commit_of_nothing_is_a_commit(repository: pygit2.Repository, bare: Path) -> None:
    assert listed(bare, build(repository, None, {})) == {}


def test_a_name_that_only_looks_like_the_directory(repository: pygit2.Repository, person: WorkTree) -> None:
    head = person.publish({"apps/a": "1", "apps-other/b": "2"})
    with pytest.raises(PathRefusedError, match="outside the fabric's directory 'apps'") as caught:
        build(repository, head, {"apps/a": b"2", "apps-other/b": b"3"}, "./apps/")
    assert caught.value.reason is Reason.OUT_OF_SCOPE


HOSTILE = {
    "../escape": "relative",
    "/etc/passwd": "relative",
    "a//b": "relative",
    "a/./b": "relative",
    "a/": "relative",
    "": "relative",
    ".git/config": "Git itself",
    "a/.GIT/hooks/x": "Git itself",
    ".gitmodules": "Git itself",
    "sub/.gitattributes": "Git itself",
    "git~1/config": "Git itself",
    ".g\u200cit/config": "Git itself",
    "a\\b": "backslash",
    "a\0b": "control character",
    "line\nbreak": "control character",
    "half\ud800": "control character",
    "x" * 256: "longer than 255 bytes",
    "ä" * 128: "longer than 255 bytes",
}


@pytest.mark.parametrize(("path", "why"), HOSTILE.items(), ids=[ascii(path)[:30] for path in HOSTILE])
@pytest.mark.parametrize("directory", ["", "apps"])
def test_hostile_paths(repository: pygit2.Repository, person: WorkTree, path: str, why: str, directory: str) -> None:
    head = person.publish({"apps/a": "1"})
    place = f"{directory}/{path}" if directory else path
    with pytest.raises(PathRefusedError, match=why) as caught:
        build(repository, head, {place: b"x"}, directory)
    assert caught.value.reason is Reason.FIELD_REFUSED
    with pytest.raises(PathRefusedError):
        build(repository, head, {place: None}, directory)


@pytest.fixture
def mixed(person: WorkTree) -> str:
    """A commit with a link, a link to a folder, a submodule and a plain file."""
    person.write({"real/a": "1", "file": "2"})
    (person.folder / "folder-link").symlink_to("real")
    (person.folder / "file-link").symlink_to("file")
    person("add", "--all")
    person("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    person("commit", "--quiet", "--message=m")
    person.push()
    return person.head


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("folder-link/a", "'folder-link' cannot be written into: it is a symbolic link"),
        ("folder-link/new/b", "'folder-link' cannot be written into: it is a symbolic link"),
        ("module/a", "'module' cannot be written into: it is a submodule"),
        ("file/a", "'file' cannot be written into: it is a file"),
        ("file-link", "'file-link' cannot be written to Git: it is a symbolic link"),
        ("module", "'module' cannot be written to Git: it is a submodule"),
        ("real", "'real' cannot be written to Git: it is a folder"),
    ],
)
@pytest.mark.parametrize("content", [b"x", None], ids=["write", "delete"])
def test_what_is_in_the_way(
    repository: pygit2.Repository, mixed: str, path: str, why: str, content: bytes | None
) -> None:
    with pytest.raises(PathRefusedError, match=why):
        build(repository, mixed, {path: content})


@pytest.mark.parametrize(
    ("present", "path"),
    [
        ("web.yaml", "Web.yaml"),
        ("apps/web.yaml", "APPS/other.yaml"),
        ("apps/web.yaml", "apps/WEB.yaml"),
        ("straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("Dir/a", "dir"),
    ],
)
def test_names_that_differ_in_case_only(
    repository: pygit2.Repository, person: WorkTree, present: str, path: str
) -> None:
    head = person.publish({present: "1"})
    with pytest.raises(PathRefusedError, match="upper and lower case"):
        build(repository, head, {path: b"x"})


def test_two_new_names_that_differ_in_case_only(repository: pygit2.Repository, person: WorkTree) -> None:
    head = person.publish({"a": "1"})
    with pytest.raises(PathRefusedError, match="upper and lower case"):
        build(repository, head, {"d/Web.yaml": b"1", "d/web.yaml": b"2"})


def test_an_old_clash_is_left_alone(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "1", "Web.yaml": "2", "b": "3"})
    commit = build(repository, head, {"web.yaml": b"one", "c": b"4"})
    assert listed(bare, commit)["web.yaml"] == "100644 one"
    assert listed(bare, commit)["Web.yaml"] == "100644 2"


def test_a_change_of_case_is_a_rename(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "1"})
    assert listed(bare, build(repository, head, {"web.yaml": None, "Web.yaml": b"1"})) == {"Web.yaml": "100644 1"}


def test_a_path_that_is_file_and_folder(repository: pygit2.Repository) -> None:
    with pytest.raises(PathRefusedError, match="written as a file as well"):
        build(repository, None, {"a": b"1", "a/b": b"2"})


def test_a_refused_path_leaves_nothing_behind(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({"a": "1"})
    with pytest.raises(PathRefusedError):
        build(repository, head, {"a": b"written", ".git/x": b"refused"})
    blob = git("hash-object", "--stdin", cwd=bare, stdin=b"written")
    assert blob not in repository.odb


@pytest.mark.parametrize(
    ("person_given", "written"),
    [
        (Person("Ada <root@x>\n", "a\nb@c"), "Ada root@x <ab@c>"),
        (Person("", ""), "- <->"),
        (Person("", "ada@example.com"), "ada@example.com <ada@example.com>"),
        (Person("Åsa 王", "asa@example.com"), "Åsa 王 <asa@example.com>"),
    ],
)
def test_odd_authors(repository: pygit2.Repository, bare: Path, person_given: Person, written: str) -> None:
    commit = build(repository, None, {"a": b"1"}, author=person_given)
    assert git("log", "-1", "--format=%an <%ae>", commit, cwd=bare) == written
    assert git("fsck", "--strict", commit, cwd=bare) == ""


def test_a_big_commit(repository: pygit2.Repository, bare: Path, person: WorkTree) -> None:
    head = person.publish({f"d{n % 10}/{n}.yaml": str(n) for n in range(300)})
    changes: Changes = {f"d{n % 10}/{n}.yaml": f"{n}!".encode() if n % 3 else None for n in range(300)}
    commit = build(repository, head, changes)
    assert git("diff", "--shortstat", head, commit, cwd=bare).split(",")[0] == " 300 files changed"
    assert len(git("ls-tree", "-r", "--name-only", commit, cwd=bare).splitlines()) == 200


def test_a_stamp_holds_utc(repository: pygit2.Repository, bare: Path) -> None:
    commit = build_commit(repository, None, "", {"a": b"1"}, "m\n", Stamp(GRACE, BOT, 0))
    assert (
        git("log", "-1", "--format=%aI %cI", commit, cwd=bare) == "1970-01-01T00:00:00+00:00 1970-01-01T00:00:00+00:00"
    )


def test_what_was_done_before_it_was_committed_says_so(repository: pygit2.Repository, bare: Path) -> None:
    commit = build_commit(repository, None, "", {"a": b"1"}, "m\n", Stamp(GRACE, BOT, 100, authored=40))
    assert git("log", "-1", "--format=%at %ct", commit, cwd=bare) == "40 100"


def test_what_a_signature_may_hold() -> None:
    assert clean("  a<b>\x00c\u2028 ") == "abc"
