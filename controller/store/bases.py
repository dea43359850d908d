"""The sync base: for each object what both sides last agreed on, both documents whole.

The hot path of the store: 10,000 rows are written while 10,000 objects are applied, so rows are gathered, compressed
off the loop, and written 500 at a time.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, select

from controller.objects import Base, ObjectKey, Provenance
from controller.store.engine import Database
from controller.store.schema import bases
from controller.store.sql import is_key, key_parameters, upsert

BATCH = 500  # rows a transaction; a row written alone costs fifty times as much
_LEVEL = 1  # the fastest: manifests shrink to a third with it, and hardly more with the others
_MEMORY = 5  # zlib's memLevel: the default clears 256 KB before every document, ten times the work of a small one
_PART = 1000  # rows read between two turns of the loop

_OF_FABRIC = bases.c.fabric_id == bindparam("fabric")
_SELECT = select(bases).where(_OF_FABRIC)
_COUNT = select(func.count()).select_from(bases).where(_OF_FABRIC)
_DELETE = delete(bases).where(and_(_OF_FABRIC, is_key(bases)))


class Bases:
    """The base rows of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self, fabric_id: int) -> dict[ObjectKey, Base]:
        """Every base of a fabric."""
        found: dict[ObjectKey, Base] = {}
        shared: dict[str, str] = {}
        async with self._database.snapshot() as connection:
            rows = await connection.stream(_SELECT, {"fabric": fabric_id})
            async for part in rows.partitions(_PART):
                found.update(_from_row(row, shared) for row in part)
        return found

    async def count(self, fabric_id: int) -> int:
        """How many bases a fabric has."""
        async with self._database.snapshot() as connection:
            return int(await connection.scalar(_COUNT, {"fabric": fabric_id}) or 0)

    async def write(self, fabric_id: int, rows: Mapping[ObjectKey, Base], dropped: Collection[ObjectKey] = ()) -> None:
        """Record `rows` and forget `dropped`, all or nothing. Raises FabricGoneError."""
        written = await asyncio.to_thread(_to_rows, fabric_id, rows) if rows else []
        async with self._database.transaction() as connection:
            if dropped:
                await connection.execute(_DELETE, [{"fabric": fabric_id} | key_parameters(key) for key in dropped])
            if written:
                # Straight to the driver: SQLAlchemy's own way of binding costs as much as the write itself.
                statement = str(upsert(bases, connection).compile(dialect=connection.dialect))
                await connection.exec_driver_sql(statement, written)

    def writer(self, fabric_id: int) -> BaseWriter:
        """A buffer in front of `write`."""
        return BaseWriter(self._database, self, fabric_id)


class BaseWriter:
    """Gathers the rows of one fabric. `put` and `drop` return at once; a full batch is written in the background.

    Nothing is certain before `flush` returns, or `flushing` ends.
    """

    def __init__(self, database: Database, repository: Bases, fabric_id: int) -> None:
        self._database = database
        self._repository = repository
        self._fabric_id = fabric_id
        self._waiting: dict[ObjectKey, Base | None] = {}
        self._background: asyncio.Task[None] | None = None

    def put(self, key: ObjectKey, row: Base) -> None:
        """Record this base, in place of an earlier one."""
        self._add(key, row)

    def drop(self, key: ObjectKey) -> None:
        """Forget the base of this object."""
        self._add(key, None)

    async def flush(self) -> None:
        """Write everything gathered so far. Raises StoreError; what could not be written is kept for the next time."""
        async with self.flushing():
            pass

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        """A transaction that holds everything gathered so far, and what the block records: all of it or nothing.

        Must not be entered inside another transaction: a batch under way in the background would wait for its end.
        """
        background, self._background = self._background, None
        if background is not None:
            await background
        batch, self._waiting = self._waiting, {}
        try:
            async with self._database.transaction():
                await self._write(batch)
                yield
        except BaseException:
            self._waiting = batch | self._waiting
            raise

    def _add(self, key: ObjectKey, row: Base | None) -> None:
        self._waiting[key] = row
        if len(self._waiting) >= BATCH and self._background is None:
            self._background = asyncio.create_task(self._write_batches(), name="write base rows")

    async def _write_batches(self) -> None:
        """Write while there is a full batch. A failure ends the background's work; `flush` raises it."""
        while len(self._waiting) >= BATCH:
            batch, self._waiting = self._waiting, {}
            try:
                await self._write(batch)
            except BaseException:
                self._waiting = batch | self._waiting
                raise
        self._background = None

    async def _write(self, batch: Mapping[ObjectKey, Base | None]) -> None:
        rows = {key: row for key, row in batch.items() if row is not None}
        await self._repository.write(self._fabric_id, rows, [key for key, row in batch.items() if row is None])


def _to_rows(fabric_id: int, rows: Mapping[ObjectKey, Base]) -> list[tuple[Any, ...]]:
    """The values of rows, in the order of the table's columns."""
    return [
        (
            fabric_id,
            *key,
            _packed(row.declared, row.actual),
            row.uid,
            row.resource_version,
            row.epoch,
            row.api_version,
            row.origin.path,
            row.origin.line,
            row.origin.index,
            row.origin.item,
            row.origin.blob,
            row.origin.commit,
        )
        for key, row in rows.items()
    ]


def _from_row(row: Any, shared: dict[str, str]) -> tuple[ObjectKey, Base]:
    """The base a row holds. `shared` keeps one copy of what most rows repeat: epoch, commit, file, version."""

    def once(text: str) -> str:
        return shared.setdefault(text, text)

    _, group, kind, namespace, name, contents, uid, version, epoch, api_version, *place = row
    path, line, index, item, blob, commit = place
    declared, actual = _unpacked(contents)
    origin = Provenance(once(path), line, index, item, blob, once(commit))
    base = Base(declared, actual, uid, version, once(epoch), once(api_version), origin)
    return ObjectKey(once(group), once(kind), once(namespace), name), base


def _packed(declared: bytes, actual: bytes) -> bytes:
    """Both documents, compressed as one text. Canonical JSON holds no newline, so one can part them."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY)
    return deflate.compress(declared) + deflate.compress(b"\n") + deflate.compress(actual) + deflate.flush()


def _unpacked(contents: bytes) -> tuple[bytes, bytes]:
    declared, _, actual = zlib.decompress(contents).partition(b"\n")
    return declared, actual
