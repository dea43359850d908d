"""What `--database` may say, and what is answered where it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.store.address import PostgresDatabase, SqliteFile, TlsMode, database_at
from controller.store.errors import DatabaseUrlError

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///tandem.db", "tandem.db"),
        ("sqlite:///state/tandem.db", "state/tandem.db"),
        ("sqlite:////var/lib/tandem.db", "/var/lib/tandem.db"),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: str) -> None:
    assert database_at(url) == SqliteFile(Path(path))


FULL = PostgresDatabase("db.example", 5432, "tandem", "ada", SECRET, TlsMode.VERIFY_FULL)


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password", "tls"),
    [
        ("postgresql://ada:hunter2@db.example/tandem", "db.example", 5432, "ada", SECRET, TlsMode.VERIFY_FULL),
        ("postgres://db.example:6543/tandem", "db.example", 6543, None, None, TlsMode.VERIFY_FULL),
        ("postgresql://ada@[::1]:6543/tandem?sslmode=disable", "::1", 6543, "ada", None, TlsMode.DISABLE),
        ("postgresql://ada:a%2Fb%40c@db.example/tandem?sslmode=require", "db.example", 5432, "ada", "a/b@c", "require"),
        ("postgresql://db.example/tandem?sslmode=verify-ca", "db.example", 5432, None, None, TlsMode.VERIFY_CA),
        ("postgresql:///tandem?host=/run/postgresql", "/run/postgresql", 5432, None, None, TlsMode.DISABLE),
        ("postgresql://ada@/tandem?host=/run/pg&port=6543", "/run/pg", 6543, "ada", None, TlsMode.DISABLE),
    ],
)
def test_a_server_by_its_url(
    url: str, host: str, port: int, user: str | None, password: str | None, tls: TlsMode
) -> None:
    assert database_at(url) == PostgresDatabase(host, port, "tandem", user, password, TlsMode(tls))


def test_files_for_tls() -> None:
    query = "sslmode=verify-full&sslrootcert=/ca.crt&sslcert=/me.crt&sslkey=/me.key"
    found = database_at(f"postgresql://db.example/tandem?{query}")
    assert isinstance(found, PostgresDatabase)
    assert (found.root, found.certificate, found.key) == (Path("/ca.crt"), Path("/me.crt"), Path("/me.key"))


def test_who_names_an_authority_has_it_asked() -> None:
    found = database_at("postgresql://db.example/tandem?sslmode=require&sslrootcert=/ca.crt")
    assert isinstance(found, PostgresDatabase)
    assert found.tls is TlsMode.VERIFY_CA


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "sqlite:////absolute"),
        ("tandem.db", "sqlite:////absolute"),
        ("sqlite:", "sqlite:////absolute"),
        ("sqlite://", "sqlite:////path"),
        ("sqlite:///:memory:", "sqlite:////path"),
        ("mysql://ada:hunter2@host/db", "postgresql://user:password@host/database"),
        ("postgresql+psycopg://ada:hunter2@host/db", "postgresql://user"),
        ("postgresql//ada:hunter2@host/db", "no URL"),
        ("postgresql://ada:hunter2@host:port/db", "no URL"),
        ("postgresql://ada:hunter2@one,two/db", "no single server"),
        ("postgresql:///db", "?host=/folder"),
        ("postgresql://ada:hunter2@host", "names no database of host"),
        ("postgresql://ada:hunter2@host/", "names no database of host"),
        ("postgresql:///db?host=/run&port=hunter2", "the port is no number"),
        ("postgresql://host/db?password=hunter2", "?password= is not known"),
        ("postgresql://host/db?sslmode=disable&sslmode=require", "given twice"),
        ("postgresql://ada:hunter2@host/db?sslmode=prefer", "disable, require, verify-ca, verify-full"),
        ("postgresql://ada:hunter2@host/db?sslmode=allow", "?sslmode=allow may end in plain text"),
    ],
)
def test_other_urls_are_refused_with_what_to_write_and_without_a_password(url: str, told: str) -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        database_at(url)
    assert told in caught.value.message
    assert SECRET not in caught.value.message


def test_an_address_is_shown_without_its_password() -> None:
    assert str(FULL) == "postgresql://db.example:5432/tandem"
    assert SECRET not in repr(FULL)
    assert str(database_at("postgresql://[::1]/tandem")) == "postgresql://[::1]:5432/tandem"
    assert str(database_at("postgresql:///tandem?host=/run/pg")) == "postgresql:///tandem?host=/run/pg"
    assert str(database_at("sqlite:////tandem.db")) == "/tandem.db"
