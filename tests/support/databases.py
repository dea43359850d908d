"""Where a test's controller keeps its database, and how that is lost, backed up and put back: a file, or a server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol

from tests.support.postgres import ROLE, PostgresServer


class KeptDatabase(Protocol):
    """A controller's database, from outside. The controller does not run when it is lost or restored."""

    url: str

    def lose(self) -> None:
        """All that it holds is gone; the place is there for a new one."""

    def back_up(self) -> None:
        """Remember it as it is now, whether a controller has it open or not."""

    def restore(self) -> None:
        """Put what was remembered in its place."""


class FileDatabase:
    """SQLite."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "database" / "tandem.db"
        self._backup = folder / "backup.db"
        self.url = f"sqlite:///{self._path}"

    def lose(self) -> None:
        files = list(self._path.parent.glob(f"{self._path.name}*"))
        assert files
        for file in files:
            file.unlink()

    def back_up(self) -> None:
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(self._backup)) as target:
            source.backup(target)

    def restore(self) -> None:
        self.lose()
        self._path.write_bytes(self._backup.read_bytes())


class ServerDatabase:
    """PostgreSQL."""

    def __init__(self, server: PostgresServer, name: str, folder: Path) -> None:
        self._server = server
        self._name = name
        self._backup = folder / "backup.dump"
        self.url = server.url(name)

    def lose(self) -> None:
        owner = f"CREATE SCHEMA public AUTHORIZATION {ROLE}"
        self._server.sql(f"DROP SCHEMA public CASCADE; {owner}", self._name)

    def back_up(self) -> None:
        self._server.dump(self._name, self._backup)

    def restore(self) -> None:
        self._server.restore(self._backup, self._name)
