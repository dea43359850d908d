"""Opening and closing, transactions and snapshots, on a real file and a real server."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from controller.errors import Reason, WaitingError
from controller.store import Store
from controller.store.engine import Database
from controller.store.errors import DatabaseLockedError, DatabaseUrlError, FabricGoneError, StoreError
from controller.store.fabrics import FabricRow


async def test_a_new_database_is_made_with_its_folder(file_url: str, tmp_path: Path) -> None:
    store = await Store.open(file_url)
    await store.close()
    folder = tmp_path / "state"
    assert (folder / "tandem.db").is_file()
    assert folder.stat().st_mode & 0o077 == 0  # Secrets' documents are in there


async def test_how_sqlite_is_set_up(file_store: Store) -> None:
    async with file_store.database.transaction() as connection:
        values = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1}


async def test_what_was_written_is_there_after_reopening(url: str) -> None:
    store = await Store.open(url)
    made = await store.fabrics.register("uid-1", "default", "shop")
    await store.close()
    again = await Store.open(url)
    assert await again.fabrics.all() == [made]
    await again.close()


async def test_a_second_controller_is_refused_by_name(url: str, store: Store) -> None:
    with pytest.raises(DatabaseLockedError) as caught:
        await Store.open(url)
    for part in (store.database.place, f"pid {os.getpid()} on {socket.gethostname()}", "another --database"):
        assert part in str(caught.value)
    assert await store.fabrics.all() == []


async def test_the_lock_is_free_after_closing(url: str) -> None:
    for _ in range(2):
        store = await Store.open(url)
        await store.close()


async def test_the_lock_is_free_after_a_failed_opening(file_url: str, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    file = tmp_path / "state" / "tandem.db"
    file.write_bytes(b"this is no database, but it is long enough to look at" * 100)
    for _ in range(2):
        with pytest.raises(StoreError, match="file is not a database"):
            await Store.open(file_url)
    file.unlink()
    await (await Store.open(file_url)).close()


async def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.transaction():
            await store.fabrics.register("uid-1", "default", "shop")
            raise ZeroDivisionError
    assert await store.fabrics.all() == []


async def test_calls_inside_a_transaction_are_one_with_it_and_see_what_it_wrote(store: Store) -> None:
    async with store.transaction():
        made = await store.fabrics.register("uid-1", "default", "shop")
        assert await store.fabrics.find("uid-1") == made
        async with store.transaction():
            await store.fabrics.register("uid-2", "default", "other")
    assert len(await store.fabrics.all()) == 2


async def test_a_reader_beside_a_transaction_sees_the_state_before_it(store: Store) -> None:
    async with store.transaction():
        await store.fabrics.register("uid-1", "default", "shop")
        seen = await asyncio.create_task(store.fabrics.all())
        assert seen == []
    assert len(await store.fabrics.all()) == 1


async def test_a_task_started_inside_a_transaction_waits_for_its_own(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.transaction():
            await store.fabrics.register("uid-1", "default", "shop")
            other = asyncio.create_task(store.fabrics.register("uid-2", "default", "other"))
            await asyncio.sleep(0)
            raise ZeroDivisionError
    await other
    assert [row.uid for row in await store.fabrics.all()] == ["uid-2"]


async def test_many_tasks_write_one_after_the_other(store: Store) -> None:
    rows = await asyncio.gather(*(store.fabrics.register(f"uid-{i}", "n", f"f{i}") for i in range(50)))
    assert len({row.id for row in rows}) == 50


async def test_registering_one_fabric_from_many_tasks_makes_one_row(store: Store) -> None:
    rows = await asyncio.gather(*(store.fabrics.register("uid-1", "n", "f") for _ in range(20)))
    assert len(set(rows)) == 1


async def test_an_error_of_the_database_is_a_store_error_that_waits(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        async with store.database.transaction() as connection:
            await connection.execute(text("SELECT * FROM nowhere"))
    assert isinstance(caught.value, WaitingError)
    assert caught.value.reason is Reason.PROGRESSING
    is_file = store.database.place.startswith("/")
    cause = (
        "no such table: nowhere; look at the disk's free space"
        if is_file
        else 'relation "nowhere" does not exist; look'
    )
    for part in (store.database.place, cause):
        assert part in caught.value.message


async def test_a_row_of_a_dropped_fabric_is_an_error_of_its_own(store: Store, fabric: FabricRow) -> None:
    await store.fabrics.drop(fabric.uid)
    with pytest.raises(FabricGoneError, match="dropped meanwhile"):
        await store.fabrics.save_list_versions(fabric.id, {"/api/v1/pods": "7"})


async def test_the_database_can_be_read_beside_its_controller(url: str, store: Store, fabric: FabricRow) -> None:
    reader = await Store.open(url, exclusive=False)
    assert await reader.fabrics.all() == [fabric]
    second = await store.fabrics.register("uid-2", "default", "other")
    assert await reader.fabrics.all() == [fabric, second]
    with pytest.raises(StoreError, match=r"read-?only"):
        await reader.fabrics.drop(fabric.uid)
    await reader.close()
    assert await store.fabrics.all() == [fabric, second]


async def test_a_reader_does_not_make_a_database(file_url: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUrlError, match="does not exist; a controller makes it when it starts"):
        await Store.open(file_url, exclusive=False)
    assert not (tmp_path / "state").exists()


async def test_a_writer_of_another_process_is_waited_for(file_store: Store) -> None:
    foreign = sqlite3.connect(file_store.database.place, isolation_level=None, check_same_thread=False)
    foreign.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(file_store.fabrics.register("uid-1", "default", "shop"))
    assert await file_store.fabrics.all() == []  # readers go on meanwhile
    assert not waiting.done()
    foreign.execute("COMMIT")
    foreign.close()
    assert (await waiting).uid == "uid-1"


async def test_a_database_can_be_opened_without_repositories(url: str) -> None:
    database = await Database.open(url)
    async with database.snapshot() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await database.close()
    assert {"bases", "fabrics", "pushes", "alembic_version"} <= set(tables)


async def test_a_store_that_is_held_says_nothing(store: Store) -> None:
    await store.hold()
    await store.hold()
