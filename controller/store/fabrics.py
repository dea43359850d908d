"""One row per fabric: how far it has come. Everything else of a fabric hangs on this row and goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update

from controller.store.engine import Database
from controller.store.errors import FabricGoneError
from controller.store.schema import fabrics, list_versions


@dataclass(frozen=True, slots=True)
class FabricRow:
    """How far a fabric has come; "" is "not yet".

    `id` is the number that the other tables know it by. `epoch` is that of the last recorded plan; `url`, `branch` and
    `directory` are the source of it. `planned` is the last commit (and the tree of the directory) that was planned;
    `pushed` the last one Tandem pushed; `applied` is `status.revision.applied`.
    """

    id: int
    uid: str
    namespace: str
    name: str
    epoch: str = ""
    url: str = ""
    branch: str = ""
    directory: str = ""
    planned_commit: str = ""
    planned_tree: str = ""
    pushed_commit: str = ""
    pushed_tree: str = ""
    applied_commit: str = ""


class FabricTable:
    """The fabrics this database knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, uid: str, namespace: str, name: str) -> FabricRow:
        """The row of a fabric, made if it is new."""
        async with self._database.transaction() as connection:
            found = await self.find(uid)
            if found is None:
                await connection.execute(insert(fabrics).values(uid=uid, namespace=namespace, name=name))
                found = await self.find(uid)
        if found is None:
            raise FabricGoneError(f"{namespace}/{name}: the row of fabric {uid} vanished while it was made")
        return found

    async def find(self, uid: str) -> FabricRow | None:
        """The row of a fabric, None if it has none."""
        async with self._database.snapshot() as connection:
            row = (await connection.execute(select(fabrics).where(fabrics.c.uid == uid))).first()
        return None if row is None else _from_row(row)

    async def all(self) -> list[FabricRow]:
        """Every row, in the order of their making."""
        async with self._database.snapshot() as connection:
            return [_from_row(row) for row in await connection.execute(select(fabrics).order_by(fabrics.c.id))]

    async def save(self, row: FabricRow) -> None:
        """Replace the row of a fabric. Raises FabricGoneError."""
        values = asdict(row)
        del values["id"], values["uid"]
        async with self._database.transaction() as connection:
            done = await connection.execute(update(fabrics).where(fabrics.c.id == row.id).values(values))
        if done.rowcount != 1:
            raise FabricGoneError(f"{row.namespace}/{row.name}: fabric {row.uid} has been dropped meanwhile")

    async def drop(self, uid: str) -> None:
        """Forget a fabric with everything that hangs on it. Nothing happens if it is not known."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(fabrics).where(fabrics.c.uid == uid))

    async def list_versions(self, fabric_id: int) -> dict[str, str]:
        """Path of each list → the resourceVersion of its latest complete answer that was recorded."""
        query = select(list_versions).where(list_versions.c.fabric_id == fabric_id)
        async with self._database.snapshot() as connection:
            return {row.resource: row.resource_version for row in await connection.execute(query)}

    async def save_list_versions(self, fabric_id: int, versions: Mapping[str, str]) -> None:
        """Replace all list versions of a fabric. Raises FabricGoneError."""
        rows = [
            {"fabric_id": fabric_id, "resource": resource, "resource_version": version}
            for resource, version in versions.items()
        ]
        async with self._database.transaction() as connection:
            await connection.execute(delete(list_versions).where(list_versions.c.fabric_id == fabric_id))
            if rows:
                await connection.execute(insert(list_versions), rows)


def _from_row(row: Any) -> FabricRow:
    """The columns stand in the order of the fields."""
    return FabricRow(*row)
