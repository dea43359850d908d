"""The one way to the database: opening and closing it, transactions, snapshots. The choke point of `controller.store`.

SQLite has one writer at a time, so there is one connection that writes, and a few that read beside it (WAL lets them).
Write transactions begin `IMMEDIATE`: a transaction that reads first and writes later would otherwise fail where it
could have waited.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from controller.store.errors import DatabaseUrlError, translated
from controller.store.lock import FileLock
from controller.store.migrate import check_version, upgrade

BUSY_SECONDS = 30.0  # how long to wait for another process's write transaction before giving up
READERS = 4


class _Joined(NamedTuple):
    """The transaction under way in this context, and the task it belongs to."""

    database: Database
    task: asyncio.Task[Any] | None
    connection: AsyncConnection


_joined: ContextVar[_Joined | None] = ContextVar("transaction", default=None)


def database_path(url: str) -> Path:
    """The file of a `sqlite:///` URL. Raises DatabaseUrlError for any other URL."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUrlError(
            f"--database {url!r} is no URL; use sqlite:///relative or sqlite:////absolute"
        ) from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        shown = parsed.render_as_string(hide_password=True)
        raise DatabaseUrlError(f"--database {shown}: this version stores in a file; use sqlite:////path/to/tandem.db")
    return Path(parsed.database)


class Database:
    """An open database. Every statement runs inside `transaction()` or `snapshot()`, which translate errors."""

    def __init__(self, path: Path, *, exclusive: bool) -> None:
        self.path = path
        self._lock = FileLock(path) if exclusive else None
        self._writer = _engine(path, begin="BEGIN IMMEDIATE" if exclusive else "BEGIN", size=1, read_only=not exclusive)
        self._readers = _engine(path, begin="BEGIN", size=READERS, read_only=True)
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, url: str, *, exclusive: bool = True) -> Database:
        """Open the database, make it if it is missing, and bring it to this version.

        `exclusive` (the controller) takes the file's lock: DatabaseLockedError names who has it. Otherwise the database
        is only read, beside a controller or without one, and must be of this version (DatabaseVersionError).
        """
        path = database_path(url)
        if exclusive:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600, exist_ok=True)  # documents of Secrets are in it; SQLite's other files copy the mode
        elif not path.is_file():
            raise DatabaseUrlError(f"{path} does not exist; a controller makes it when it starts")
        database = cls(path, exclusive=exclusive)
        try:
            await database._prepare()
        except BaseException:
            await database.close()
            raise
        return database

    async def _prepare(self) -> None:
        if self._lock is None:
            async with self.snapshot() as connection:
                await connection.run_sync(check_version, self.path)
            return
        self._lock.acquire()
        async with self.transaction() as connection:
            await connection.run_sync(upgrade, self.path)

    async def close(self) -> None:
        """Close all connections and give the lock back."""
        await self._writer.dispose()
        await self._readers.dispose()
        if self._lock is not None:
            self._lock.release()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Statements that are written together or not at all. Inside another transaction of this task: part of it."""
        joined = self._own_transaction()
        if joined is not None:
            yield joined
            return
        with translated(str(self.path)):
            async with self._turn, self._writer.begin() as connection:
                token = _joined.set(_Joined(self, asyncio.current_task(), connection))
                try:
                    yield connection
                finally:
                    _joined.reset(token)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Statements that read one state of the database; inside a transaction of this task, what it has written."""
        joined = self._own_transaction()
        if joined is not None:
            yield joined
            return
        with translated(str(self.path)):
            async with self._readers.begin() as connection:
                yield connection

    def _own_transaction(self) -> AsyncConnection | None:
        """A task started inside a transaction inherits its context, but must not write into it."""
        joined = _joined.get()
        if joined is None or joined.database is not self or joined.task is not asyncio.current_task():
            return None
        return joined.connection


def _engine(path: Path, *, begin: str, size: int, read_only: bool) -> AsyncEngine:
    url = URL.create("sqlite+aiosqlite", database=str(path))
    engine = create_async_engine(url, pool_size=size, max_overflow=0, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver starts no transactions of its own
        cursor = connection.cursor()
        # WAL: readers do not wait for the writer. NORMAL: a commit survives the death of the process at no fsync a
        # commit; after a power cut the last ones may be missing, which the next plan makes good.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", *_only_read(read_only)):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _only_read(read_only: bool) -> tuple[str, ...]:
    return ("query_only = ON",) if read_only else ()
