"""The one way to the database: opening and closing it, transactions, snapshots. The choke point of `controller.store`.

One connection writes, whichever database it is, and a few read beside it; what differs is in the two backends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from controller.store.address import SqliteFile, database_at
from controller.store.errors import DatabaseLockedError, StoreError, translated
from controller.store.migrate import check_version, current_version, upgrade
from controller.store.postgres import PostgresBackend
from controller.store.sqlite import SqliteBackend

HEARTBEAT = 5.0  # seconds between two looks whether the lock is still ours

log = structlog.get_logger(__name__)


class Backend(Protocol):
    """What differs between the databases: how one is connected to, and what keeps a second controller out."""

    is_remote: bool  # whether the lock may be lost while the process lives
    place: str  # for messages; without a password
    writer: AsyncEngine
    readers: AsyncEngine

    async def prepare(self) -> None:
        """Before the first connection."""

    async def claim(self, connection: AsyncConnection) -> None:
        """In the first write transaction of a controller, when the tables are there."""

    async def check(self, connection: AsyncConnection) -> None:
        """Raise DatabaseLockedError unless the controller is still the only one."""

    async def ring(self, connection: AsyncConnection) -> Callable[[], None]:
        """Inside a transaction that tells something; what is returned is to be called when it is over."""

    async def listen(self, heard: Callable[[], None], lost: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """Call `heard` whenever somebody rings, until the result is called; `lost` when nobody is listened to any more.

        A ring may be lost: look by a clock as well.
        """

    async def close(self) -> None:
        """Close all connections and give the lock back."""


class _Joined(NamedTuple):
    """The transaction under way in this context, and the task it belongs to."""

    database: Database
    task: asyncio.Task[Any] | None
    connection: AsyncConnection


_joined: ContextVar[_Joined | None] = ContextVar("transaction", default=None)


class Database:
    """An open database. Every statement runs inside `transaction()` or `snapshot()`, which translate errors."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._turn = asyncio.Lock()

    @classmethod
    def of(cls, url: str, *, exclusive: bool, tells: bool = False) -> Database:
        """The database that a URL names, not opened yet. Raises DatabaseUrlError."""
        address = database_at(url)
        if isinstance(address, SqliteFile):
            return cls(SqliteBackend(address, exclusive=exclusive, tells=tells))
        return cls(PostgresBackend(address, exclusive=exclusive, tells=tells))

    @classmethod
    async def open(cls, url: str, *, exclusive: bool = True, tells: bool = False) -> Database:
        """Open the database, make it if it is missing, and bring it to this version.

        `exclusive` (the controller) takes the database's lock: DatabaseLockedError names who has it. Otherwise it is
        only read, beside a controller or without one, and must be of this version (DatabaseVersionError). `tells`: as
        that, but hints for the controller can be written.
        """
        database = cls.of(url, exclusive=exclusive, tells=tells)
        try:
            await database.prepare(exclusive=exclusive)
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def place(self) -> str:
        """The file or the server's address, for messages."""
        return self._backend.place

    async def prepare(self, *, exclusive: bool) -> None:
        """Take the database and bring it to this version; or see that it is of this version."""
        await self._backend.prepare()
        if exclusive:
            async with self.transaction() as connection:
                await connection.run_sync(upgrade, self.place)
                await self._backend.claim(connection)
        else:
            async with self.snapshot() as connection:
                await connection.run_sync(check_version, self.place)

    async def is_empty(self) -> bool:
        """Whether no controller has made its tables yet. The first call on a database that is not opened."""
        await self._backend.prepare()
        async with self.snapshot() as connection:
            return await connection.run_sync(current_version) is None

    async def close(self) -> None:
        """Close all connections and give the lock back."""
        await self._backend.close()

    async def hold(self) -> None:
        """Make sure that this controller is still the only one. Raises DatabaseLockedError: it is not; StoreError."""
        if self._backend.is_remote:
            async with self.transaction() as connection:
                await self._backend.check(connection)

    async def keep(self) -> None:
        """Hold on for as long as the process lives. Raises DatabaseLockedError when another controller took over."""
        while True:
            try:
                await self.hold()
            except DatabaseLockedError:
                raise
            except StoreError as error:
                log.warning("the database cannot be reached", problem=error.message)
            await asyncio.sleep(HEARTBEAT)

    async def ring(self, connection: AsyncConnection) -> Callable[[], None]:
        """Announce what this transaction writes; call the result when it is over."""
        return await self._backend.ring(connection)

    async def listen(self, heard: Callable[[], None], lost: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """Call `heard` at every announcement, until the result is called or `lost`. Raises StoreError."""
        return await self._backend.listen(heard, lost)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Statements that are written together or not at all. Inside another transaction of this task: part of it."""
        joined = self._own_transaction()
        if joined is not None:
            yield joined
            return
        with translated(self.place):
            async with self._turn, self._backend.writer.begin() as connection:
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
        with translated(self.place):
            async with self._backend.readers.begin() as connection:
                yield connection

    def _own_transaction(self) -> AsyncConnection | None:
        """A task started inside a transaction inherits its context, but must not write into it."""
        joined = _joined.get()
        if joined is None or joined.database is not self or joined.task is not asyncio.current_task():
            return None
        return joined.connection
