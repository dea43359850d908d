"""A copy of a database that a controller may have open, and no trace of it beside the original."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from controller.objects import ObjectKey
from controller.store import Store
from controller.store.address import SqliteFile, database_at
from controller.store.copy import copy_database, told_as
from controller.store.errors import DatabaseUrlError, DatabaseVersionError, StoreError
from tests.unit.store.rows import ARCHIVED, BASE, GUARD, PUSH, REFUSAL, RUN, WEB


def path_of(url: str) -> Path:
    address = database_at(url)
    assert isinstance(address, SqliteFile)
    return address.path


def files(url: str) -> dict[str, tuple[int, int]]:
    """What lies in the database's folder: name → size and time."""
    folder = path_of(url).parent
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


def key(number: int) -> ObjectKey:
    return ObjectKey("", "ConfigMap", "shop", f"c{number}")


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
    assert await copy_database(url, tmp_path / "copy.db")
    assert await installation_in(tmp_path / "copy.db") == "the-id"
    await store.installation.remember_install_id("another")
    assert await installation_in(tmp_path / "copy.db") == "the-id", "the copy is nobody else's"


async def test_a_database_that_nobody_has_open_is_left_without_a_trace(file_url: str, tmp_path: Path) -> None:
    store = await Store.open(file_url)
    await store.installation.ensure()
    await store.installation.remember_install_id("the-id")
    await store.close()
    before = files(file_url)
    assert await copy_database(file_url, tmp_path / "copy.db")
    assert files(file_url) == before
    assert await installation_in(tmp_path / "copy.db") == "the-id"


async def test_what_a_killed_controller_left_in_its_log_is_in_the_copy(
    file_url: str, tmp_path: Path, file_store: Store
) -> None:
    """The log of a process that died is what counts, although nobody has the database open."""
    await file_store.installation.ensure()
    await file_store.installation.remember_install_id("in the log")
    source = path_of(file_url)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in (source.name, f"{source.name}-wal"):
        (crashed / name).write_bytes((source.parent / name).read_bytes())
    assert await copy_database(f"sqlite:///{crashed / source.name}", tmp_path / "copy.db")
    assert await installation_in(tmp_path / "copy.db") == "in the log"


async def test_no_database_is_no_copy(tmp_path: Path) -> None:
    assert not await copy_database(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / "none.db").exists()


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "tandem.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"tandem\.db cannot be copied"):
        await copy_database(f"sqlite:///{tmp_path / 'tandem.db'}", tmp_path / "copy.db")


async def test_one_that_changes_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tandem.db"
    sqlite3.connect(path).close()
    path.touch()
    states = iter(range(1_000))
    monkeypatch.setattr("controller.store.copy._state", lambda _: (0, next(states), 0))
    with pytest.raises(StoreError, match="changes without end"):
        await copy_database(f"sqlite:///{path}", tmp_path / "copy.db")


async def test_a_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUrlError, match="sqlite:////absolute"):
        await copy_database("mysql://host/tandem", tmp_path / "copy.db")


async def test_every_table_is_in_the_copy_of_a_server(server_url: str, tmp_path: Path) -> None:
    """Read as `tandem plan` reads it: by the repositories."""
    store = await Store.open(server_url)
    await store.installation.ensure()
    fabric = await store.fabrics.register("uid-1", "default", "shop")
    await store.fabrics.save_list_versions(fabric.id, {"/api/v1/pods": "7"})
    rows = {key(number): BASE for number in range(1_200)}
    await store.bases.write(fabric.id, rows)
    await store.pushes.prepare(fabric.id, PUSH)
    await store.refusals.save(fabric.id, {WEB: REFUSAL})
    await store.guards.save(fabric.id, GUARD)
    await store.history.record(fabric.id, RUN)
    await store.archive.put(fabric.id, ARCHIVED)
    assert await copy_database(server_url, tmp_path / "copy.db")
    copy = await Store.open(f"sqlite:///{tmp_path / 'copy.db'}", exclusive=False)
    for found in (store, copy):
        assert await found.bases.load_all(fabric.id) == rows
        assert list((await found.pushes.find(fabric.id, [PUSH.commit])).values()) == [PUSH]
        assert await found.refusals.load_all(fabric.id) == {WEB: REFUSAL}
        assert await found.guards.load_all(fabric.id) == {GUARD.token: GUARD}
        assert await found.history.latest(fabric.id) == [RUN]
        assert await found.archive.latest(fabric.id, "SyncJob") == [ARCHIVED]
        assert await found.fabrics.list_versions(fabric.id) == {"/api/v1/pods": "7"}
    assert await copy.installation.read() == await store.installation.read()
    await copy.close()
    await store.close()


async def test_an_empty_database_of_a_server_is_no_copy(server_url: str, tmp_path: Path) -> None:
    assert not await copy_database(server_url, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


async def test_errors_of_the_copy_name_the_original(tmp_path: Path) -> None:
    original = f"sqlite:///{tmp_path / 'tandem.db'}"
    copy = tmp_path / "scratch" / "copy.db"
    copy.parent.mkdir()
    connection = sqlite3.connect(tmp_path / "tandem.db")
    connection.execute("create table t (a)")
    connection.commit()
    connection.close()
    assert await copy_database(original, copy)
    with pytest.raises(DatabaseVersionError) as caught, told_as(original, copy):
        await Store.open(f"sqlite:///{copy}", exclusive=False)
    assert caught.value.message.startswith(f"{tmp_path / 'tandem.db'} is of version none")
