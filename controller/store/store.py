"""The store: one database and the repositories over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from controller.store.bases import Bases
from controller.store.engine import Database
from controller.store.fabrics import FabricTable
from controller.store.guards import GuardTokens
from controller.store.hints import Hints
from controller.store.history import Archive, History
from controller.store.installation import InstallationTable
from controller.store.outbox import Outbox
from controller.store.pushlog import PushLog
from controller.store.refusals import Refusals
from controller.store.requests import Requests
from controller.store.told import ToldTable


class Store:
    """Everything that is kept outside Kubernetes and Git. Every method of a repository raises StoreError.

    Each call is a transaction of its own, unless it is made inside `transaction()`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.installation = InstallationTable(database)
        self.fabrics = FabricTable(database)
        self.bases = Bases(database)
        self.pushes = PushLog(database)
        self.requests = Requests(database)
        self.refusals = Refusals(database)
        self.guards = GuardTokens(database)
        self.hints = Hints(database)
        self.told = ToldTable(database)
        self.outbox = Outbox(database)
        self.history = History(database)
        self.archive = Archive(database)

    @classmethod
    async def open(cls, url: str, *, exclusive: bool = True) -> Self:
        """Open the database at `url`. See `Database.open`: `exclusive` for the controller, else read only."""
        return cls(await Database.open(url, exclusive=exclusive))

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()

    async def hold(self) -> None:
        """Make sure that this process is still the database's only controller, before it acts on what it remembers."""
        await self.database.hold()

    async def keep(self) -> None:
        """Hold on to the database for good; ends with DatabaseLockedError when another controller took it over."""
        await self.database.keep()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """What this task writes inside the block is written together or not at all."""
        async with self.database.transaction():
            yield
