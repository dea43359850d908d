"""Documents the API server refused: not sent again until the document or the live object changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, delete, select

from controller.errors import Reason
from controller.objects import ObjectKey
from controller.store.engine import Database
from controller.store.schema import refusals
from controller.store.sql import is_key, key_of, key_parameters, key_values, printable, upsert

_OF_FABRIC = refusals.c.fabric_id == bindparam("fabric")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Holds for exactly this document (`blob` id) and this live content (`live`, its digest; "" absent)."""

    blob: str
    live: str
    reason: Reason
    field: str
    message: str


class Refusals:
    """The refused documents of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self, fabric_id: int) -> dict[ObjectKey, Refusal]:
        """All refusals of a fabric."""
        async with self._database.snapshot() as connection:
            rows = await connection.execute(select(refusals).where(_OF_FABRIC), {"fabric": fabric_id})
            return {
                key_of(row): Refusal(row.blob, row.live, Reason(row.reason), row.field, row.message) for row in rows
            }

    async def save(self, fabric_id: int, rows: Mapping[ObjectKey, Refusal]) -> None:
        """Record or replace refusals. Raises FabricGoneError."""
        values = [
            {
                "fabric_id": fabric_id,
                **key_values(key),
                "blob": row.blob,
                "live": row.live,
                "reason": row.reason.value,
                "field": printable(row.field),
                "message": printable(row.message),
            }
            for key, row in rows.items()
        ]
        if values:
            async with self._database.transaction() as connection:
                await connection.execute(upsert(refusals, connection), values)

    async def drop(self, fabric_id: int, keys: Collection[ObjectKey]) -> None:
        """Forget refusals: the document or the object is another one."""
        statement = delete(refusals).where(and_(_OF_FABRIC, is_key(refusals)))
        if keys:
            async with self._database.transaction() as connection:
                await connection.execute(statement, [{"fabric": fabric_id} | key_parameters(key) for key in keys])
