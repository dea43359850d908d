"""Who this database is: an id of its own, made once (half of the epoch), and the installation it served last."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from controller.store.engine import Database
from controller.store.schema import installation

_ROW = 1


@dataclass(frozen=True, slots=True)
class InstallationRow:
    """`database_id` is new in a new file; `install_id` is "" until the installation has told its id."""

    database_id: str
    install_id: str


class InstallationTable:
    """The one row about the database itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> InstallationRow | None:
        """The row, None in a database that has not been used yet."""
        async with self._database.snapshot() as connection:
            row = (await connection.execute(select(installation))).first()
        return None if row is None else InstallationRow(row.database_id, row.install_id or "")

    async def ensure(self) -> InstallationRow:
        """The row, made with a new database id if this is the first time."""
        async with self._database.transaction() as connection:
            found = await self.read()
            if found is None:
                found = InstallationRow(str(uuid.uuid4()), "")
                await connection.execute(insert(installation).values(id=_ROW, database_id=found.database_id))
            return found

    async def remember_install_id(self, install_id: str) -> None:
        """Keep the installation's id, for the day its ConfigMap is gone."""
        async with self._database.transaction() as connection:
            await self.ensure()
            await connection.execute(update(installation).values(install_id=install_id))
