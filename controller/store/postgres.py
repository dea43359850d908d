"""A database of a PostgreSQL server: one session that writes and holds the lock, a few that read.

One controller works on a database at a time. What says so is an advisory lock, held by the very session that writes:
a session that is lost takes the lock and its transaction with it, so nothing can be written without the lock. The next
session takes the lock again, and goes on only if nobody else held it meanwhile: whoever takes it signs the one row of
`holder`, and what another process wrote this one does not know.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from controller.store.address import PostgresDatabase, TlsMode
from controller.store.errors import DatabaseLockedError, DatabaseUrlError, StoreError, told
from controller.store.schema import holder
from controller.store.sql import upsert

LOCK = int.from_bytes(b"tandem", "big")  # the advisory lock's key; each database has its own
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60.0  # for one statement: a server that says nothing is as good as gone
BELL = "tandem_hints"  # the channel on which hints are announced
LOCK_SECONDS = 1.0  # for the lock of a process that was killed a moment ago
LOCK_PAUSE = 0.2
READERS = 4
_NAME = 63  # bytes; the server cuts a longer application name
_ROW = 1
_HOLDERS = """
SELECT activity.pid, activity.application_name,
       to_char(activity.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
FROM pg_locks AS lock JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
  AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (lock.classid::bigint << 32) | lock.objid::bigint = {key}
"""
# A peer that vanished without a word is noticed after half a minute, by both sides; the default is two hours.
_KEEPALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4"}


class PostgresBackend:
    """Engines over one database of a server."""

    is_remote = True

    def __init__(self, address: PostgresDatabase, *, exclusive: bool, tells: bool = False) -> None:
        self.place = str(address)
        self._address = address
        self._exclusive = exclusive
        self._tells = tells
        self._token = secrets.token_hex(8)
        self._name = f"tandem {self._token} pid {os.getpid()} on {socket.gethostname()}"[:_NAME]
        self._claimed = False
        self._loss: DatabaseLockedError | None = None
        self._tls: ssl.SSLContext | None = None
        self.writer = self._engine(self._connect_writer, 1, "READ COMMITTED")
        self.readers = self._engine(self._connect_reader, READERS, "REPEATABLE READ")

    async def prepare(self) -> None:
        """Read the certificates. Raises DatabaseUrlError. The lock comes with the session that writes."""
        self._tls = await asyncio.to_thread(_tls_context, self._address)

    async def claim(self, connection: AsyncConnection) -> None:
        """Sign as the one who holds the lock. Raises DatabaseLockedError if this session does not."""
        await self._check_lock(connection)
        await connection.execute(upsert(holder, connection), [{"id": _ROW, "token": self._token, "name": self._name}])
        self._claimed = True

    async def check(self, connection: AsyncConnection) -> None:
        """Raise DatabaseLockedError unless this session holds the lock, and nobody else did since `claim`."""
        await self._check_lock(connection)
        found = await connection.scalar(text("SELECT token FROM holder"))
        if found != self._token:
            self._lose("it was restored, or another controller worked on it, while this one was cut off from it")

    async def ring(self, connection: AsyncConnection) -> Callable[[], None]:
        """The server tells when the transaction is committed."""
        await connection.execute(text(f"NOTIFY {BELL}"))
        return lambda: None

    async def listen(self, heard: Callable[[], None], lost: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """Call `heard` whenever somebody rings, `lost` when the session ends; the result ends it. Raises StoreError."""
        connection = await self._connect({"default_transaction_read_only": "on"})
        connection.add_termination_listener(lambda _: lost())
        await connection.add_listener(BELL, lambda *_: heard())
        close: Callable[[], Awaitable[None]] = connection.close
        return close

    async def close(self) -> None:
        """Close all sessions; the lock goes with the one that holds it."""
        await self.writer.dispose()
        await self.readers.dispose()

    async def _check_lock(self, connection: AsyncConnection) -> None:
        """A pooler that hands a session from one client to the next would hand the lock on with it."""
        query = f"SELECT count(*) FROM ({_HOLDERS.format(key=LOCK)}) AS holders WHERE pid = pg_backend_pid()"  # noqa: S608  # a constant
        if not await connection.scalar(text(query)):
            self._lose("the lock is not this session's: is there a pooler between that is not in session mode?")

    def _lose(self, why: str) -> None:
        """This process is out; it must not take the lock again by itself, because its memory is of another time."""
        self._loss = DatabaseLockedError(f"{self.place}: {why}; this controller ends, start it again")
        raise self._loss

    def _engine(self, connect: Any, size: int, isolation: Any) -> AsyncEngine:
        """A pool that looks whether a session still lives before it hands it out: servers are started again."""
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            isolation_level=isolation,
        )

    async def _connect_reader(self) -> Any:
        return await self._connect({"default_transaction_read_only": "on"})

    async def _connect_writer(self) -> Any:
        """A session that holds the lock, where there is one to hold; one that only tells needs none."""
        if not self._exclusive:
            return await (self._connect({}) if self._tells else self._connect_reader())
        if self._loss is not None:
            raise self._loss
        connection = await self._connect({})
        try:
            await self._lock(connection)
        except BaseException as error:
            connection.terminate()
            if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError | TimeoutError):
                raise StoreError(f"{self.place}: {told(error)}") from error
            raise
        return connection

    async def _lock(self, connection: Any) -> None:
        """Take the lock. Raises DatabaseLockedError, which names who has it."""
        for _ in range(round(LOCK_SECONDS / LOCK_PAUSE)):
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                break
            if self._claimed:  # the server may not have noticed yet that our last session is no more
                own = f"SELECT pg_terminate_backend(pid) FROM ({_HOLDERS.format(key=LOCK)}) AS holders"  # noqa: S608
                await connection.fetch(f"{own} WHERE application_name = $1", self._name)
            await asyncio.sleep(LOCK_PAUSE)
        else:
            await self._refuse(connection)
        if self._claimed and await connection.fetchval("SELECT token FROM holder") != self._token:
            self._lose("it was restored, or another controller worked on it, while this one was cut off from it")

    async def _refuse(self, connection: Any) -> None:
        found = await connection.fetchrow(_HOLDERS.format(key=LOCK))
        name = (found and found["application_name"]) or "another session"
        if name == self._name:
            raise StoreError(f"{self.place}: an earlier session of this controller has not ended yet; tried again")
        # Without the token, which tells processes apart but tells people nothing.
        words = name.split(" ")
        who = " ".join(words[2:]) if words[0] == "tandem" else name
        since = f", connected {found['since']}" if found and found["since"] else ""
        error = DatabaseLockedError(
            f"{self.place} is in use by {who}{since}; stop that controller first, or give this one another --database"
        )
        if self._claimed:
            self._loss = error
        raise error

    async def _connect(self, settings: dict[str, str]) -> Any:
        address = self._address
        try:
            return await asyncpg.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password,
                database=address.name,
                ssl=self._tls or False,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings={"application_name": self._name, **_KEEPALIVE, **settings},
            )
        except ssl.SSLError as error:
            raise StoreError(
                f"{self.place}: {error.reason or error}: {getattr(error, 'verify_message', '') or 'no TLS'}; give "
                "?sslrootcert=FILE with the authority that the server's certificate is of"
            ) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise StoreError(f"{self.place}: {told(error)}") from error


def _tls_context(address: PostgresDatabase) -> ssl.SSLContext | None:
    """What to trust and to show, None for no TLS. Raises DatabaseUrlError for a file that cannot be used."""
    if address.tls is TlsMode.DISABLE:
        return None
    try:
        context = ssl.create_default_context(cafile=address.root)
        if address.certificate is not None:
            context.load_cert_chain(address.certificate, address.key)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(str(path) for path in (address.root, address.certificate, address.key) if path is not None)
        raise DatabaseUrlError(f"--database: {names} cannot be used for TLS: {error}") from error
    context.check_hostname = address.tls is TlsMode.VERIFY_FULL
    if address.tls is TlsMode.REQUIRE:
        context.verify_mode = ssl.CERT_NONE
    return context
