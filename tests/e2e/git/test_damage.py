"""The copy on disk is a cache: whatever happens to it, the next fetch but one works."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from controller.dev.gitserver import GitServer
from controller.git.errors import MirrorDamagedError, ObjectMissingError
from controller.git.mirror import Mirror
from controller.git.mirrors import Mirrors
from controller.git.remote import UrlRules
from controller.git.repository import exclusive
from tests.support.stamps import stamp
from tests.support.wait import eventually
from tests.support.worktree import WorkTree

FILES: dict[str, str | bytes | None] = {f"many/{number}.yaml": f"a: {number}\n" * 20 for number in range(40)}


def spoil(path: Path) -> None:
    """Overwrite the middle of a file in place, its length kept."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 3)
        file.write(b"\xff" * (path.stat().st_size // 3))


def pack_of(mirror: Path) -> Path:
    """The one pack of a fresh mirror."""
    return next((mirror / "objects" / "pack").glob("*.pack"))


def replaced_by_a_file(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.write_text("not a repository")


def emptied(mirror: Path) -> None:
    for entry in mirror.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)


def empty(path: Path) -> None:
    """What a power cut leaves of a file that was not written to disk yet."""
    path.chmod(0o644)
    path.write_bytes(b"")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "deleted": shutil.rmtree,
    "emptied": emptied,
    "replaced by a file": replaced_by_a_file,
    "HEAD deleted": lambda mirror: (mirror / "HEAD").unlink(),
    "HEAD spoiled": lambda mirror: (mirror / "HEAD").write_bytes(b"\0" * 40),
    "config deleted": lambda mirror: (mirror / "config").unlink(),
    "config spoiled": lambda mirror: (mirror / "config").write_bytes(b"[[[\0"),
    "objects deleted": lambda mirror: shutil.rmtree(mirror / "objects"),
    "packs deleted": lambda mirror: shutil.rmtree(mirror / "objects" / "pack"),
    "pack deleted": lambda mirror: pack_of(mirror).unlink(),
    "index of the pack deleted": lambda mirror: pack_of(mirror).with_suffix(".idx").unlink(),
    "pack spoiled": lambda mirror: spoil(pack_of(mirror)),
    "reference spoiled": lambda mirror: (mirror / "refs/heads/main").write_bytes(b"\0garbage"),
    "reference emptied": lambda mirror: empty(mirror / "refs/heads/main"),
    "references deleted": lambda mirror: shutil.rmtree(mirror / "refs"),
    "reference locked by the dead": lambda mirror: (mirror / "refs/heads/main.lock").touch(),
    "config locked by the dead": lambda mirror: (mirror / "config.lock").touch(),
    "half a pack left by the dead": lambda mirror: (mirror / "objects/pack/pack_git2_abc").write_bytes(b"PACK"),
}


async def read_everything(mirror: Mirror) -> dict[str, bytes]:
    """Every file of main, tried again while the copy is being mended."""
    for _ in range(3):
        try:
            head = await mirror.fetch("main")
            entries = mirror.snapshot.walk(head.tree)
            blobs = mirror.snapshot.read_blobs(entry.blob for entry in entries)
        except MirrorDamagedError:
            continue
        return {entry.path: blobs[entry.blob] for entry in entries}
    raise AssertionError("not mended by the third fetch")


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_copy_mends_itself(
    tmp_path: Path, server: GitServer, person: WorkTree, damage: Callable[[Path], object], restarted: bool
) -> None:
    person.publish(FILES)
    rules = UrlRules(allow_insecure=True)
    mirror = Mirrors(tmp_path / "mirrors", rules, 20).get(server.url_of("demo"))
    await mirror.fetch("main")
    damage(mirror.path)
    if restarted:
        mirror = Mirrors(tmp_path / "mirrors", rules, 20).get(server.url_of("demo"))
    person.publish({"web.yaml": "a: 1\n"})
    content = await read_everything(mirror)
    assert content == {**{path: str(text).encode() for path, text in FILES.items()}, "web.yaml": b"a: 1\n"}
    head = (await mirror.fetch("main")).commit
    commit = await mirror.build_commit(head, "", {"web.yaml": b"a: 2\n"}, "m\n", stamp())
    await mirror.push(commit, "main", head)
    assert (await mirror.fetch("main")).commit == commit
    assert not restarted or not list(mirror.path.glob("objects/pack/pack_git2_*"))


async def test_reading_a_deleted_copy_says_what_to_do(mirror: Mirror, person: WorkTree) -> None:
    person.publish(FILES)
    head = await mirror.fetch("main")
    shutil.rmtree(mirror.path)
    with pytest.raises(MirrorDamagedError, match="fetched anew"):
        mirror.snapshot.walk(head.tree)
    await mirror.fetch("main")
    assert len(mirror.snapshot.walk(head.tree)) == len(FILES)


async def test_reading_before_the_first_fetch(mirror: Mirror) -> None:
    with pytest.raises(MirrorDamagedError):
        mirror.snapshot.has("0" * 40)


async def test_an_unknown_id_does_not_cost_the_copy(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    """History that was rewritten before it was fetched here, or a status that somebody wrote into."""
    person.publish(FILES)
    head = await mirror.fetch("main")
    inode = (mirror.path / "HEAD").stat().st_ino
    server.log.clear()
    for unknown in ("1" * 40, "not an id", ""):
        with pytest.raises(ObjectMissingError):
            mirror.snapshot.tree_of(unknown)
        with pytest.raises(ObjectMissingError):
            mirror.snapshot.changes(unknown, head.tree)
        assert (await mirror.fetch("main")) == head
    assert (mirror.path / "HEAD").stat().st_ino == inode
    assert set(server.log.traffic()) == {"/demo.git/info/refs"}


async def test_a_lost_object_deep_in_the_tree_is_noticed(mirror: Mirror, person: WorkTree) -> None:
    """The branch and its trees are there, so only reading shows it; then the whole copy is looked through."""
    person.publish(FILES)
    head = await mirror.fetch("main")
    lost = mirror.snapshot.walk(head.tree)[7].blob
    content = mirror.snapshot.read_blob(lost)
    mirror.snapshot.close()
    await unpacked(mirror)
    (mirror.path / "objects" / lost[:2] / lost[2:]).unlink()
    with pytest.raises(ObjectMissingError):
        mirror.snapshot.read_blob(lost)
    await mirror.fetch("main")
    assert mirror.snapshot.read_blob(lost) == content


async def unpacked(mirror: Mirror) -> None:
    """Turn the pack into single objects."""
    pack = pack_of(mirror.path)
    moved = mirror.path.parent / pack.name
    pack.rename(moved)
    for left in pack.parent.iterdir():
        left.unlink()
    with moved.open("rb") as stream:
        process = await asyncio.create_subprocess_exec("git", "unpack-objects", "-q", cwd=mirror.path, stdin=stream)
        assert await process.wait() == 0


async def test_an_object_that_a_power_cut_left_empty(mirror: Mirror, person: WorkTree) -> None:
    """libgit2 would take the empty file for the object, and never write it again."""
    head = person.publish(FILES)
    await mirror.fetch("main")
    change = {"web.yaml": b"a: 1\n"}
    commit = await mirror.build_commit(head, "", change, "m\n", stamp())
    empty(mirror.path / "objects" / commit[:2] / commit[2:])
    for path in (mirror.path / "objects").glob("??/*"):
        empty(path)
    with pytest.raises(MirrorDamagedError):
        await mirror.push(commit, "main", head)
    await mirror.fetch("main")
    assert await mirror.build_commit(head, "", change, "m\n", stamp()) == commit
    await mirror.push(commit, "main", head)
    assert (await mirror.fetch("main")).commit == commit


async def test_a_folder_that_cannot_be_written(tmp_path: Path, server: GitServer, person: WorkTree) -> None:
    person.publish(FILES)
    (tmp_path / "blocked").mkdir()
    mirror = Mirrors(tmp_path / "blocked" / "mirrors", UrlRules(allow_insecure=True), 20).get(server.url_of("demo"))
    (mirror.path.parent).mkdir()
    mirror.path.with_suffix(".new").mkdir()
    (mirror.path.with_suffix(".new") / "HEAD").mkdir()  # in the way, and removed
    assert (await mirror.fetch("main")).branch == "main"


async def test_another_process_at_work_is_waited_for(mirror: Mirror, person: WorkTree) -> None:
    """Two processes share one folder; neither takes the other's locks for leftovers."""
    commit = person.publish(FILES)
    with exclusive(mirror.path):
        waiting = asyncio.create_task(mirror.fetch("main"))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
    assert (await waiting).commit == commit


async def test_no_file_stays_open_behind_a_forgotten_mirror(mirrors: Mirrors, mirror: Mirror, person: WorkTree) -> None:
    person.publish(FILES)
    head = await mirror.fetch("main")
    mirror.snapshot.read_blobs(entry.blob for entry in mirror.snapshot.walk(head.tree))
    mirrors.forget(mirror)
    await eventually(lambda: not mirror.path.exists())
    await eventually(lambda: not any(mirror.path.name in path for path in open_files()))


def open_files() -> list[str]:
    """What this process has open."""
    opened = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            opened.append(str(entry.readlink()))
    return opened
