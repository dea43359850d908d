"""Hints: somebody who knows says that a branch has moved. One row for each (URL, branch), whoever shares it.

A hint is written by the process that listens to Git servers and taken by the controller. It is only a reason to look at
the branch: one that is lost costs the wait for the next poll.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import structlog
from sqlalchemy import and_, delete, or_, select

from controller.store.engine import Database
from controller.store.errors import StoreError
from controller.store.schema import hints
from controller.store.sql import printable, upsert

LOOK_SECONDS = 5.0  # between two looks without an announcement, which may be lost

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hint:
    """The branch is at `commit` by now, or ("") somewhere else than before. `time` in seconds since 1970."""

    url: str  # normalised
    branch: str
    commit: str
    time: float


class Hints:
    """The hints, as the controller takes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self) -> list[Hint]:
        """All hints, the oldest first; they are gone then. One that is written meanwhile is for the next call."""
        async with self._database.snapshot() as connection:
            rows = list(await connection.execute(select(hints).order_by(hints.c.time)))
        if not rows:
            return []
        async with self._database.transaction() as connection:
            await connection.execute(delete(hints).where(or_(*(_is(row) for row in rows))))
        return [Hint(row.url, row.branch, row.commit, row.time) for row in rows]

    async def follow(self, seconds: float = LOOK_SECONDS) -> AsyncGenerator[list[Hint], None]:
        """The hints as they come, at once when announced, else at the next look. A failing database is waited for."""
        rung, ears = asyncio.Event(), _Ears(self._database)
        try:
            while True:
                rung.clear()
                try:
                    await ears.open(rung.set)
                    found = await self.take()
                except StoreError as error:
                    log.warning("hints cannot be read", problem=error.message)
                    found = []
                if found:
                    yield found
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await rung.wait()
        finally:
            await ears.close()


class _Ears:
    """Listens for announcements, anew when the session was lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._end: Callable[[], Awaitable[None]] | None = None

    async def open(self, heard: Callable[[], None]) -> None:
        """Listen, unless that is so already. Raises StoreError."""

        def lost() -> None:
            self._end = None
            heard()

        if self._end is None:
            self._end = await self._database.listen(heard, lost)

    async def close(self) -> None:
        """Listen no more."""
        end, self._end = self._end, None
        if end is not None:
            await end()


class HintBox:
    """The hints, as the process that listens to Git servers writes them, beside a controller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the controller's database. Raises StoreError: it is not there yet, or of another version."""
        return cls(await Database.open(url, exclusive=False, tells=True))

    async def put(self, hint: Hint) -> None:
        """Write a hint, in place of an earlier one of the branch, and announce it. It is durable when this returns."""
        row = {
            "url": printable(hint.url),
            "branch": printable(hint.branch),
            "commit": printable(hint.commit),
            "token": secrets.token_hex(8),
            "time": hint.time,
        }
        async with self._database.transaction() as connection:
            await connection.execute(upsert(hints, connection), [row])
            ring = await self._database.ring(connection)
        ring()

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()


def _is(row: Any) -> Any:
    return and_(hints.c.url == row.url, hints.c.branch == row.branch, hints.c.token == row.token)
