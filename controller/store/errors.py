"""What can go wrong with the database. SQLAlchemy's exceptions are translated here, once.

A failing database is nobody's commit's fault and may work again (a full disk, a lock held too long), so every error
waits. It has no reason of its own in conditions: a Fabric whose run could not be recorded is still Progressing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from controller.errors import Reason, WaitingError


class StoreError(WaitingError):
    """The database could not be opened, read or written."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.PROGRESSING, message)


class DatabaseUrlError(StoreError):
    """The database's URL is not one that this version can use."""


class DatabaseLockedError(StoreError):
    """Another controller has this database open; the message names it."""


class DatabaseVersionError(StoreError):
    """The database is newer than this program, or (where it is only read) older."""


class FabricGoneError(StoreError):
    """The fabric a row belongs to has been dropped meanwhile; there is nothing left to record."""


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Raise what SQLAlchemy raises as a StoreError that names the database at `place`."""
    try:
        yield
    except IntegrityError as error:
        raise FabricGoneError(f"{place}: the fabric of this row has been dropped meanwhile ({error.orig})") from error
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise StoreError(
            f"{place}: {cause}; look at the disk's free space, the file's permissions and the log of the database"
        ) from error
