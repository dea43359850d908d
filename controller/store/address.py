"""What `--database` names: a file of SQLite, or a database of a PostgreSQL server. Pure.

A URL may hold a password, so no message shows one whole, not even one that cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from controller.store.errors import DatabaseUrlError

POSTGRES_PORT = 5432
_POSTGRES = ("postgresql", "postgres")
_PARAMETERS = ("host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey")
_EXAMPLES = "write sqlite:////absolute/path, sqlite:///relative/path or postgresql://user:password@host/database"


class TlsMode(StrEnum):
    """How a connection is protected, in libpq's words. Those of its modes that fall back to plain text are refused."""

    DISABLE = "disable"
    REQUIRE = "require"  # encrypted, to whomever
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A database in a file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database of a server. `host` is a name, an address, or the folder of a Unix socket (it begins with `/`).

    `user` and `password` None: as the driver finds them (PGUSER, PGPASSWORD, ~/.pgpass).
    """

    host: str
    port: int
    name: str
    user: str | None
    password: str | None = field(repr=False)
    tls: TlsMode
    root: Path | None = None  # certificates to trust; None: the system's
    certificate: Path | None = None  # of the client
    key: Path | None = None

    def __str__(self) -> str:
        """As people may see it."""
        if self.host.startswith("/"):
            return f"postgresql:///{self.name}?host={self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{self.name}"


def database_at(url: str) -> SqliteFile | PostgresDatabase:
    """What a URL names. Raises DatabaseUrlError, which says what to write instead."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUrlError(f"--database is no URL; {_EXAMPLES}") from None
    if parsed.drivername == "sqlite":
        return _file(parsed)
    if parsed.drivername in _POSTGRES:
        return _postgres(parsed)
    raise DatabaseUrlError(f"--database {parsed.drivername}:…: this version keeps no such database; {_EXAMPLES}")


def _file(url: URL) -> SqliteFile:
    if not url.database or url.database == ":memory:":
        raise DatabaseUrlError("--database: this version stores in a file; use sqlite:////path/to/tandem.db")
    return SqliteFile(Path(url.database))


def _postgres(url: URL) -> PostgresDatabase:
    given = _parameters(url)
    host = url.host or given.get("host", "")
    if not host or "," in host:
        raise DatabaseUrlError(f"--database names no single server; {_EXAMPLES}, or ?host=/folder/of/the/socket")
    if not url.database:
        raise DatabaseUrlError(f"--database names no database of {host}; {_EXAMPLES}")
    port = str(url.port or given.get("port", POSTGRES_PORT))
    if not port.isdecimal():
        raise DatabaseUrlError("--database: the port is no number")
    tls = _tls(given, is_local=host.startswith("/"))
    root, certificate, key = (_path(given, name) for name in ("sslrootcert", "sslcert", "sslkey"))
    if tls is TlsMode.REQUIRE and root is not None:
        tls = TlsMode.VERIFY_CA  # as libpq: who names an authority wants it to be asked
    return PostgresDatabase(host, int(port), url.database, url.username, _text(url), tls, root, certificate, key)


def _parameters(url: URL) -> dict[str, str]:
    """What follows the question mark. A name that is not known is refused: it may be a check that would not be made."""
    for name, value in url.query.items():
        if name not in _PARAMETERS:
            raise DatabaseUrlError(f"--database: ?{name}= is not known; these are: {', '.join(_PARAMETERS)}")
        if not isinstance(value, str):
            raise DatabaseUrlError(f"--database: ?{name}= is given twice")
    return {name: str(value) for name, value in url.query.items()}


def _tls(given: Mapping[str, str], *, is_local: bool) -> TlsMode:
    """The mode asked for; without one a server is verified in full, and a Unix socket needs none."""
    if "sslmode" not in given:
        return TlsMode.DISABLE if is_local else TlsMode.VERIFY_FULL
    try:
        return TlsMode(given["sslmode"])
    except ValueError:
        raise DatabaseUrlError(
            f"--database: ?sslmode={given['sslmode']} may end in plain text; write one of {', '.join(TlsMode)}"
        ) from None


def _path(given: Mapping[str, str], name: str) -> Path | None:
    return Path(given[name]) if name in given else None


def _text(url: URL) -> str | None:
    return None if url.password is None else str(url.password)
