"""Live edits on their way to Git that are not on the branch yet: a push that is being tried again.

They stand here before the push, so that a restart neither reverts them nor makes them twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, delete, select

from controller.objects import Json, ObjectKey
from controller.store.engine import Database
from controller.store.schema import pending
from controller.store.sql import is_key, key_of, key_parameters, key_values, upsert

_OF_FABRIC = pending.c.fabric_id == bindparam("fabric")


@dataclass(frozen=True, slots=True)
class PendingEdit:
    """One path: `old` → `new`. A value that is not `present` is absent, not null."""

    path: str
    old: Json = None
    new: Json = None
    old_present: bool = True
    new_present: bool = True
    manager: str = ""


@dataclass(frozen=True, slots=True)
class PendingRow:
    """The pending edits of one object; `deleted`: it is the removal of its document that is pending."""

    uid: str
    branch: str
    time: float
    edits: tuple[PendingEdit, ...] = ()
    deleted: bool = False


class PendingEdits:
    """The pending edits of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self, fabric_id: int) -> dict[ObjectKey, PendingRow]:
        """All pending edits of a fabric."""
        async with self._database.snapshot() as connection:
            rows = await connection.execute(select(pending).where(_OF_FABRIC), {"fabric": fabric_id})
            return {key_of(row): _from_row(row) for row in rows}

    async def save(self, fabric_id: int, rows: Mapping[ObjectKey, PendingRow]) -> None:
        """Record or replace pending edits. Raises FabricGoneError."""
        values = [
            {
                "fabric_id": fabric_id,
                **key_values(key),
                "uid": row.uid,
                "branch": row.branch,
                "time": row.time,
                "deleted": row.deleted,
                "edits": [_to_json(edit) for edit in row.edits],
            }
            for key, row in rows.items()
        ]
        if values:
            async with self._database.transaction() as connection:
                await connection.execute(upsert(pending), values)

    async def drop(self, fabric_id: int, keys: Collection[ObjectKey]) -> None:
        """Forget pending edits: they are on the branch, or given up."""
        statement = delete(pending).where(and_(_OF_FABRIC, is_key(pending)))
        if keys:
            async with self._database.transaction() as connection:
                await connection.execute(statement, [{"fabric": fabric_id} | key_parameters(key) for key in keys])


def _to_json(edit: PendingEdit) -> Json:
    return [edit.path, edit.old, edit.new, edit.old_present, edit.new_present, edit.manager]


def _from_row(row: Any) -> PendingRow:
    return PendingRow(row.uid, row.branch, row.time, tuple(PendingEdit(*edit) for edit in row.edits), row.deleted)
