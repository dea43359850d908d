"""What receivers were told of each fabric last: so that a restart neither tells it twice nor forgets it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select

from controller.store.engine import Database
from controller.store.schema import told
from controller.store.sql import printable, upsert


@dataclass(frozen=True, slots=True)
class Told:
    """The last word on a topic: open or over, why, and when it was spoken of lately (seconds since 1970)."""

    is_open: bool = False
    detail: str = ""
    times: tuple[float, ...] = ()


class ToldTable:
    """The last words on the topics of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self, fabric_id: int) -> dict[str, Told]:
        """Every topic of a fabric that was spoken of."""
        async with self._database.snapshot() as connection:
            rows = await connection.execute(select(told).where(told.c.fabric_id == fabric_id))
            return {row.topic: Told(row.is_open, row.detail, tuple(row.times)) for row in rows}

    async def save(self, fabric_id: int, topics: Mapping[str, Told]) -> None:
        """Record or replace topics. Raises FabricGoneError."""
        rows = [
            {
                "fabric_id": fabric_id,
                "topic": printable(topic),
                "is_open": last.is_open,
                "detail": printable(last.detail),
                "times": list(last.times),
            }
            for topic, last in topics.items()
        ]
        if rows:
            async with self._database.transaction() as connection:
                await connection.execute(upsert(told, connection), rows)

    async def drop(self, fabric_id: int, topics: Collection[str]) -> None:
        """Forget topics: nobody has to remember that they are over."""
        statement = delete(told).where(told.c.fabric_id == fabric_id, told.c.topic == bindparam("which"))
        if topics:
            async with self._database.transaction() as connection:
                await connection.execute(statement, [{"which": printable(topic)} for topic in topics])
