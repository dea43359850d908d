"""The database's version: brought up to this program's when the controller starts, refused when it is newer.

Runs inside the caller's transaction, so a migration that fails, or is killed, leaves the database as it was.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from controller.store.errors import DatabaseVersionError

_MIGRATIONS = Path(__file__).with_name("migrations")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def current_version(connection: Connection) -> str | None:
    """The database's version, None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def program_version() -> str:
    """The version this program works with."""
    script = ScriptDirectory(str(_MIGRATIONS))
    (head,) = script.get_heads()
    return head


def upgrade(connection: Connection, place: str) -> None:
    """Bring the database to this program's version. Raises DatabaseVersionError if it is newer."""
    current, wanted = current_version(connection), program_version()
    if current == wanted:
        return
    known = {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseVersionError(
            f"{place} is of version {current}, which a newer Tandem wrote; this program knows versions up to {wanted}. "
            "Run the newer Tandem again, or give this one another --database"
        )
    command.upgrade(_config(connection), "head")


def check_version(connection: Connection, place: str) -> None:
    """Raise DatabaseVersionError unless the database is of exactly this program's version."""
    current, wanted = current_version(connection), program_version()
    if current != wanted:
        raise DatabaseVersionError(
            f"{place} is of version {current or 'none'}, this program reads version {wanted}; use the program of the "
            "controller that wrote it"
        )
