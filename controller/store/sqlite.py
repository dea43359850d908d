"""A database in a file: one connection that writes, a few that read beside it, and a lock on the file.

SQLite has one writer at a time (WAL lets readers go on beside it). Write transactions begin `IMMEDIATE`: one that reads
first and writes later would otherwise fail where it could have waited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from controller.store.address import SqliteFile
from controller.store.bell import SocketBell
from controller.store.errors import DatabaseUrlError
from controller.store.lock import FileLock

BUSY_SECONDS = 30.0  # how long to wait for another process's write transaction before giving up
READERS = 4


class SqliteBackend:
    """Engines over one file."""

    is_remote = False

    def __init__(self, address: SqliteFile, *, exclusive: bool, tells: bool = False) -> None:
        self.place = str(address)
        self._path = address.path
        self._lock = FileLock(address.path) if exclusive else None
        writes = exclusive or tells
        self.writer = self._engine(begin="BEGIN IMMEDIATE" if writes else "BEGIN", size=1, read_only=not writes)
        self._bell = SocketBell(address.path)
        self.readers = self._engine(begin="BEGIN", size=READERS, read_only=True)

    async def prepare(self) -> None:
        """Make the file and take its lock, or see that there is one. Raises DatabaseLockedError, DatabaseUrlError."""
        path = self._path
        if self._lock is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600, exist_ok=True)  # documents of Secrets are in it; SQLite's other files copy the mode
            self._lock.acquire()
        elif not path.is_file():
            raise DatabaseUrlError(f"{path} does not exist; a controller makes it when it starts")

    async def claim(self, connection: AsyncConnection) -> None:
        """Nothing to write down: the operating system keeps the lock for as long as the process lives."""

    async def check(self, connection: AsyncConnection) -> None:
        """Nothing to look at, for the same reason."""

    async def ring(self, connection: AsyncConnection) -> Callable[[], None]:
        """The bell is a socket beside the file; to be rung when the transaction is over."""
        return self._bell.ring

    async def listen(self, heard: Callable[[], None], lost: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """Call `heard` whenever somebody rings; the result ends it. It is never lost."""
        return self._bell.listen(heard)

    async def close(self) -> None:
        """Close all connections and give the lock back."""
        await self.writer.dispose()
        await self.readers.dispose()
        if self._lock is not None:
            self._lock.release()

    def _engine(self, *, begin: str, size: int, read_only: bool) -> AsyncEngine:
        url = URL.create("sqlite+aiosqlite", database=str(self._path))
        engine = create_async_engine(
            url, pool_size=size, max_overflow=0, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}
        )

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
