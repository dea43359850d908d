"""The database's version: from nothing to this one, and what is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from controller.store import Store
from controller.store.engine import Database
from controller.store.errors import DatabaseVersionError, StoreError
from controller.store.migrate import current_version, program_version
from controller.store.schema import metadata


def differences(connection: Connection) -> list[Any]:
    """What the database's tables lack of those in the code."""
    options = {"compare_type": True, "compare_server_default": True, "render_as_batch": True}
    found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found


def set_version(path: str, version: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.commit()
    connection.close()


async def test_the_migrations_end_at_the_tables_of_the_code(store: Store) -> None:
    async with store.database.snapshot() as connection:
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(current_version) == program_version()


async def test_the_comparison_would_notice_a_difference(store: Store) -> None:
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql("DROP INDEX ix_runs_fabric_id_started")
        await connection.exec_driver_sql("ALTER TABLE guards DROP COLUMN edits")
        kinds = {
            entry[0] if isinstance(entry, tuple) else entry[0][0] for entry in await connection.run_sync(differences)
        }
    assert kinds == {"add_index", "add_column"}


async def test_every_row_of_a_fabric_goes_with_it(store: Store) -> None:
    keys = {
        table.name: [(key.column.table.name, key.ondelete) for key in table.foreign_keys]
        for table in metadata.tables.values()
        if table.name not in {"installation", "holder", "hints", "fabrics"}
    }
    assert set(map(tuple, keys.values())) == {(("fabrics", "CASCADE"),)}


async def test_numbers_of_fabrics_are_never_given_out_again(store: Store) -> None:
    first = await store.fabrics.register("uid-1", "n", "f")
    await store.fabrics.drop("uid-1")
    second = await store.fabrics.register("uid-1", "n", "f")
    assert second.id > first.id


async def test_a_newer_database_is_refused_and_left_as_it_is(file_url: str) -> None:
    store = await Store.open(file_url)
    await store.fabrics.register("uid-1", "n", "f")
    path = store.database.place
    await store.close()
    set_version(path, "9999")
    before = Path(path).read_bytes()
    for exclusive in (True, False):
        with pytest.raises(DatabaseVersionError) as caught:
            await Store.open(file_url, exclusive=exclusive)
        for part in (path, "9999", program_version()):
            assert part in caught.value.message
    assert Path(path).read_bytes() == before
    set_version(path, program_version())
    again = await Store.open(file_url)
    assert len(await again.fabrics.all()) == 1
    await again.close()


async def test_a_newer_database_of_a_server_is_refused(server_url: str) -> None:
    store = await Store.open(server_url)
    place = store.database.place
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await store.close()
    for exclusive in (True, False):
        with pytest.raises(DatabaseVersionError) as caught:
            await Store.open(server_url, exclusive=exclusive)
        for part in (place, "9999", program_version()):
            assert part in caught.value.message


async def test_a_reader_refuses_a_database_without_tables(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(DatabaseVersionError, match="of version none"):
        await Store.open(f"sqlite:///{path}", exclusive=False)


async def test_a_reader_refuses_a_server_without_tables(server_url: str) -> None:
    with pytest.raises(DatabaseVersionError, match="of version none"):
        await Store.open(server_url, exclusive=False)


async def test_a_migration_that_fails_leaves_an_empty_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = command.upgrade

    def fail(config: Any, revision: str) -> None:
        finish(config, revision)
        raise StoreError("the disk is full")

    monkeypatch.setattr(command, "upgrade", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        await Store.open(url)
    monkeypatch.undo()
    database = Database.of(url, exclusive=False)
    async with database.snapshot() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
    await database.close()
    await (await Store.open(url)).close()


async def test_opening_again_migrates_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await Store.open(url)).close()

    def fail(*_: object) -> None:
        pytest.fail("there was nothing to migrate")

    monkeypatch.setattr(command, "upgrade", fail)
    await (await Store.open(url)).close()
