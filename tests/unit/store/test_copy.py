"""A copy of a database that a controller may have open, and no trace of it beside the original."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from controller.store import Store
from controller.store.copy import copy_database, told_as
from controller.store.engine import database_path
from controller.store.errors import DatabaseUrlError, DatabaseVersionError, StoreError


def files(url: str) -> dict[str, tuple[int, int]]:
    """What lies in the database's folder: name → size and time."""
    folder = database_path(url).parent
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


async def installation_in(path: Path) -> str:
    copy = await Store.open(f"sqlite:///{path}", exclusive=False)
    try:
        row = await copy.installation.read()
        assert row is not None
        return row.install_id
    finally:
        await copy.close()


async def test_what_is_committed_while_a_controller_has_it_open_is_in_the_copy(
    store: Store, url: str, tmp_path: Path
) -> None:
    await store.installation.ensure()
    await store.installation.remember_install_id("the-id")
    assert copy_database(url, tmp_path / "copy.db")
    assert await installation_in(tmp_path / "copy.db") == "the-id"
    await store.installation.remember_install_id("another")
    assert await installation_in(tmp_path / "copy.db") == "the-id", "the copy is nobody else's"


async def test_a_database_that_nobody_has_open_is_left_without_a_trace(url: str, tmp_path: Path) -> None:
    store = await Store.open(url)
    await store.installation.ensure()
    await store.installation.remember_install_id("the-id")
    await store.close()
    before = files(url)
    assert copy_database(url, tmp_path / "copy.db")
    assert files(url) == before
    assert await installation_in(tmp_path / "copy.db") == "the-id"


async def test_what_a_killed_controller_left_in_its_log_is_in_the_copy(url: str, tmp_path: Path, store: Store) -> None:
    """The log of a process that died is what counts, although nobody has the database open."""
    await store.installation.ensure()
    await store.installation.remember_install_id("in the log")
    source = database_path(url)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in (source.name, f"{source.name}-wal"):
        (crashed / name).write_bytes((source.parent / name).read_bytes())
    assert copy_database(f"sqlite:///{crashed / source.name}", tmp_path / "copy.db")
    assert await installation_in(tmp_path / "copy.db") == "in the log"


def test_no_database_is_no_copy(tmp_path: Path) -> None:
    assert not copy_database(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "tandem.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"tandem\.db cannot be copied"):
        copy_database(f"sqlite:///{tmp_path / 'tandem.db'}", tmp_path / "copy.db")


def test_one_that_changes_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tandem.db"
    sqlite3.connect(path).close()
    path.touch()
    states = iter(range(1_000))
    monkeypatch.setattr("controller.store.copy._state", lambda _: (0, next(states), 0))
    with pytest.raises(StoreError, match="changes without end"):
        copy_database(f"sqlite:///{path}", tmp_path / "copy.db")


def test_a_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUrlError, match="sqlite:///"):
        copy_database("postgresql://host/tandem", tmp_path / "copy.db")


async def test_errors_of_the_copy_name_the_original(tmp_path: Path) -> None:
    original = f"sqlite:///{tmp_path / 'tandem.db'}"
    copy = tmp_path / "scratch" / "copy.db"
    copy.parent.mkdir()
    connection = sqlite3.connect(tmp_path / "tandem.db")
    connection.execute("create table t (a)")
    connection.commit()
    connection.close()
    assert copy_database(original, copy)
    with pytest.raises(DatabaseVersionError) as caught, told_as(original, copy):
        await Store.open(f"sqlite:///{copy}", exclusive=False)
    assert caught.value.message.startswith(f"{tmp_path / 'tandem.db'} is of version none")
