"""Which mirrors are removed from the disk, and which never are."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from controller.git.disk import GRACE, IDLE, evict
from controller.git.repository import exclusive, lock_of

KB = 1000


def copy(folder: Path, letter: str, size: int, age: float) -> Path:
    """A mirror that was used `age` seconds ago."""
    path = folder / (letter * 32)
    with exclusive(path):
        path.mkdir()
        (path / "pack").write_bytes(b"x" * size)
    last = time.time() - age
    for part in (path, lock_of(path)):
        os.utime(part, (last, last))
    return path


def names(folder: Path) -> str:
    """The letters of the mirrors that are there, in any part."""
    return "".join(sorted({path.name[0] for path in folder.iterdir()}))


@pytest.mark.parametrize(
    ("quota", "left"),
    [
        pytest.param(10 * KB, "abcd", id="there is room"),
        pytest.param(3 * KB, "acd", id="the longest unused goes first"),
        pytest.param(2 * KB, "cd", id="as many as need be"),
        pytest.param(0, "cd", id="never one that is used, or was just now"),
    ],
)
def test_the_oldest_that_nobody_uses_goes_first(tmp_path: Path, quota: int, left: str) -> None:
    copy(tmp_path, "a", KB, GRACE * 2)
    copy(tmp_path, "b", KB, GRACE * 3)
    used = copy(tmp_path, "c", KB, GRACE * 4)
    copy(tmp_path, "d", KB, GRACE / 2)
    usage = evict(tmp_path, {used}, quota)
    assert names(tmp_path) == left
    assert usage.size == len(left) * KB
    assert len(usage.evicted) == 4 - len(left)
    assert evict(tmp_path, {used}, quota).evicted == ()


def test_what_nobody_used_for_a_day_goes_in_any_case(tmp_path: Path) -> None:
    used = copy(tmp_path, "a", KB, IDLE * 2)
    copy(tmp_path, "b", KB, IDLE * 2)
    copy(tmp_path, "c", KB, IDLE / 2)
    evict(tmp_path, {used}, 10 * KB)
    assert names(tmp_path) == "ac"


def test_what_a_killed_process_left_beside_goes_too(tmp_path: Path) -> None:
    path = copy(tmp_path, "a", KB, IDLE * 2)
    for suffix in (".new", ".old", ".aside", ".home"):
        beside = path.with_suffix(suffix)
        beside.mkdir()
        (beside / "identity").write_text("a key")
        os.utime(beside, (0, 0))
    (tmp_path / "something else").mkdir()
    evict(tmp_path, (), 10 * KB)
    assert [left.name for left in tmp_path.iterdir()] == ["something else"]


def test_credentials_that_a_killed_process_left_go_at_once_and_no_others(tmp_path: Path) -> None:
    killed, working = copy(tmp_path, "a", KB, 0), copy(tmp_path, "b", KB, 0)
    for path in (killed, working):
        path.with_suffix(".home").mkdir()
    with exclusive(working):
        assert evict(tmp_path, {killed, working}, 10 * KB).evicted == ()
    assert not killed.with_suffix(".home").exists()
    assert working.with_suffix(".home").exists()
    assert (killed / "pack").exists()


def test_one_that_somebody_works_on_is_left(tmp_path: Path) -> None:
    path = copy(tmp_path, "a", KB, IDLE * 2)
    with exclusive(path):
        os.utime(lock_of(path), (0, 0))
        assert evict(tmp_path, (), 0).evicted == ()
        assert (path / "pack").exists()
    os.utime(lock_of(path), (0, 0))
    assert evict(tmp_path, (), 0).evicted == (path,)
    assert evict(tmp_path / "never made", (), 0).evicted == ()
