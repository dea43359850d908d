"""Tokens of stopped plans. A confirmed one admits every later plan whose guarded entries are among its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update

from controller.errors import Reason
from controller.objects import ObjectKey
from controller.store.engine import Database
from controller.store.schema import guards
from controller.store.sql import printable, upsert


@dataclass(frozen=True, slots=True)
class GuardRow:
    """What a token stands for: `entries` are (object, action)."""

    token: str
    reason: Reason
    message: str
    entries: frozenset[tuple[ObjectKey, str]]
    time: float
    deletions: int = 0
    edits: int = 0
    confirmed: bool = False


class GuardTokens:
    """The guard tokens of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self, fabric_id: int) -> dict[str, GuardRow]:
        """All tokens of a fabric."""
        async with self._database.snapshot() as connection:
            rows = await connection.execute(select(guards).where(guards.c.fabric_id == fabric_id))
            return {row.token: _from_row(row) for row in rows}

    async def save(self, fabric_id: int, guard: GuardRow) -> None:
        """Record or replace a token. Raises FabricGoneError."""
        row = {
            "fabric_id": fabric_id,
            "token": guard.token,
            "reason": guard.reason.value,
            "message": printable(guard.message),
            "deletions": guard.deletions,
            "edits": guard.edits,
            "entries": [[list(key), action] for key, action in sorted(guard.entries)],
            "confirmed": guard.confirmed,
            "time": guard.time,
        }
        async with self._database.transaction() as connection:
            await connection.execute(upsert(guards, connection), [row])

    async def confirm(self, fabric_id: int, tokens: Collection[str]) -> None:
        """Somebody confirmed these tokens; those that are not known mean nothing."""
        which = (guards.c.fabric_id == fabric_id) & guards.c.token.in_(list(tokens))
        async with self._database.transaction() as connection:
            await connection.execute(update(guards).where(which).values(confirmed=True))

    async def drop(self, fabric_id: int, tokens: Collection[str]) -> None:
        """Forget tokens whose plans passed, or are no longer wanted."""
        which = (guards.c.fabric_id == fabric_id) & guards.c.token.in_(list(tokens))
        async with self._database.transaction() as connection:
            await connection.execute(delete(guards).where(which))


def _from_row(row: Any) -> GuardRow:
    return GuardRow(
        token=row.token,
        reason=Reason(row.reason),
        message=row.message,
        entries=frozenset((ObjectKey(*key), action) for key, action in row.entries),
        time=row.time,
        deletions=row.deletions,
        edits=row.edits,
        confirmed=row.confirmed,
    )
