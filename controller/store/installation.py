"""Who this database is: an id of its own, made once (half of the epoch), and the installation it served last."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field

from sqlalchemy import insert, select, update

from controller.store.engine import Database
from controller.store.schema import installation

_ROW = 1
_SALT_BYTES = 32  # as long as the digests that it keys


@dataclass(frozen=True, slots=True)
class InstallationRow:
    """`database_id` is new in a new file; `install_id` is "" until the installation has told its id.

    `salt` is the installation's secret: it keys digests of values that nobody may guess, and never leaves the process.
    """

    database_id: str
    install_id: str
    salt: bytes = field(default=b"", repr=False)


class InstallationTable:
    """The one row about the database itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> InstallationRow | None:
        """The row, None in a database that has not been used yet."""
        async with self._database.snapshot() as connection:
            row = (await connection.execute(select(installation))).first()
        return None if row is None else InstallationRow(row.database_id, row.install_id or "", row.salt)

    async def ensure(self) -> InstallationRow:
        """The row, made with a new database id if this is the first time."""
        async with self._database.transaction() as connection:
            found = await self.read()
            if found is None:
                found = InstallationRow(str(uuid.uuid4()), "", secrets.token_bytes(_SALT_BYTES))
                values = {"id": _ROW, "database_id": found.database_id, "salt": found.salt}
                await connection.execute(insert(installation).values(values))
            return found

    async def remember_install_id(self, install_id: str) -> None:
        """Keep the installation's id, for the day its ConfigMap is gone."""
        async with self._database.transaction() as connection:
            await self.ensure()
            await connection.execute(update(installation).values(install_id=install_id))
