"""What can go wrong with the database. The exceptions of SQLAlchemy and its drivers are translated here, once.

A failing database is nobody's commit's fault and may work again (a full disk, a lock held too long, a server that is
started again), so every error waits. It has no reason of its own in conditions: a Fabric whose run could not be
recorded is still Progressing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from controller.errors import Reason, WaitingError

_FILE = "look at the disk's free space, the file's permissions and the log of the database"
_AGAIN = "nothing is lost, and it is tried again"
# By the first characters of the SQLSTATE, the longest match first.
_REMEDIES = {
    "25006": "the server takes no writes now: is it a standby, or set read-only for want of space?",
    "28": "look at the user, the password and the server's pg_hba.conf",
    "3D000": "make the database: createdb --owner=USER NAME",
    "40": _AGAIN,
    "42501": "the user must own the database, or its tables and the schema they are in",
    "53100": "the server's disk is full: make room; nothing is lost, and it is tried again",
    "53300": "the server allows no more connections; Tandem needs five",
    "57": _AGAIN,
    "08": _AGAIN,
}
_SERVER = "look at the server's log; nothing is lost, and it is tried again"
_NETWORK = "is the server up, and to be reached from here? Nothing is lost, and it is tried again"


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
    """Raise what SQLAlchemy or the network raises as a StoreError that names the database at `place`."""
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        cause = _cause(error)
        if _is_orphan(cause):
            gone = f"{place}: the fabric of this row has been dropped meanwhile ({_text(cause)})"
            raise FabricGoneError(gone) from error
        raise StoreError(f"{place}: {told(error)}") from error


def told(error: BaseException) -> str:
    """What happened and what to do. Never the driver's own whole text: it may show the values of a row."""
    cause = _cause(error)
    return f"{_text(cause)}; {_remedy(cause)}"


def _cause(error: BaseException) -> BaseException:
    """What the driver raised, under what SQLAlchemy makes of it."""
    wrapped = getattr(error, "orig", None) or error
    return wrapped.__cause__ if hasattr(wrapped, "sqlstate") and wrapped.__cause__ is not None else wrapped


def _is_orphan(cause: BaseException) -> bool:
    """Whether a row belongs to a fabric that is not there."""
    return getattr(cause, "sqlstate", "") == "23503" or "FOREIGN KEY constraint" in str(cause)


def _text(cause: BaseException) -> str:
    """The message alone; PostgreSQL's detail and hint are apart from it."""
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError):
        return str(cause)
    return str(cause.args[0]) if cause.args else type(cause).__name__


def _remedy(cause: BaseException) -> str:
    if isinstance(cause, OSError | TimeoutError):
        return _NETWORK
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return _FILE
    return next((remedy for start, remedy in _REMEDIES.items() if state.startswith(start)), _SERVER)
