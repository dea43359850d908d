"""A private copy of a database that somebody else may be writing to, for work that must leave no trace in it.

The copy is a file of SQLite, whatever the original is.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import insert, select

from controller.store.address import SqliteFile, database_at
from controller.store.engine import Database
from controller.store.errors import StoreError
from controller.store.migrate import check_version
from controller.store.schema import holder, metadata

_PART = 500  # rows read and written at once
_TRIES = 5  # a controller that starts or stops during the copy: rarely even twice


async def copy_database(url: str, target: Path) -> bool:
    """Copy the database at `url`, in one consistent state, to the file `target`; False if there is none.

    Raises StoreError, DatabaseUrlError.
    """
    address = database_at(url)
    if isinstance(address, SqliteFile):
        return await asyncio.to_thread(_copy_file, address.path, target)
    source = Database.of(url, exclusive=False)
    try:
        return await _copy_rows(source, target)
    finally:
        await source.close()


async def _copy_rows(source: Database, target: Path) -> bool:
    """Copy every table in one snapshot. False if the server's database has no tables yet."""
    if await source.is_empty():
        return False
    async with source.snapshot() as reading:
        await reading.run_sync(check_version, source.place)
        copy = await Database.open(f"sqlite:///{target}")
        try:
            async with copy.transaction() as writing:
                for table in metadata.sorted_tables:
                    if table is holder:
                        continue
                    rows = await reading.stream(select(table))
                    async for part in rows.mappings().partitions(_PART):
                        await writing.execute(insert(table), [dict(row) for row in part])
        finally:
            await copy.close()
    return True


def _copy_file(path: Path, target: Path) -> bool:
    """Copy a file of SQLite: about a second a gigabyte."""
    if not path.is_file():
        return False
    try:
        for _ in range(_TRIES):
            if _copied(path, target):
                return True
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{path} cannot be copied: {error}; look at the file's and its folder's permissions"
        ) from error
    raise StoreError(f"{path} changes without end while it is copied; try again")


@contextmanager
def told_as(original: str, copy: Path) -> Iterator[None]:
    """Errors of the copy that are raised inside name the database at the URL `original`: people know no other."""
    try:
        yield
    except StoreError as error:
        raise type(error)(error.message.replace(str(copy), str(database_at(original)))) from error


def _copied(source: Path, target: Path) -> bool:
    """Copy once; False if the copy may be of two states.

    A database that nobody has open (no write-ahead log beside it) is read as immutable: any other way of opening one
    makes a log and its index beside it, and those may then belong to another user than the controller's.
    """
    state = _state(source)
    is_quiet = state[0] == 0
    mode = "immutable=1" if is_quiet else "mode=ro"
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?{mode}", uri=True)) as reading,
        closing(sqlite3.connect(target)) as copy,
    ):
        reading.backup(copy)
    return not is_quiet or state == _state(source)


def _state(database: Path) -> tuple[int, int, int]:
    """Changes when somebody opens the database for writing, or writes: the log's inode, the file's time and size."""
    log = database.with_name(f"{database.name}-wal")
    try:
        inode = log.stat().st_ino
    except FileNotFoundError:
        inode = 0
    found = database.stat()
    return inode, found.st_mtime_ns, found.st_size
