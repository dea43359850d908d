"""What a PostgreSQL server does to the store: restarts, refusals, full disks, another controller, wrong certificates.

What both databases must do alike is in tests/unit/store, which runs on both.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.dev.certificates import Authority
from controller.objects import Base, ObjectKey, Provenance
from controller.store import Store
from controller.store.engine import Database
from controller.store.errors import DatabaseLockedError, DatabaseUrlError, StoreError
from controller.store.fabrics import FabricRow
from controller.store.postgres import LOCK
from tests.support.postgres import PASSWORD, ROLE, PostgresServer

BASE = Base(b"{}", b"{}", "uid", "7", "epoch", "v1", Provenance("a.yaml"))


def key(number: int) -> ObjectKey:
    return ObjectKey("", "ConfigMap", "shop", f"c{number}")


@pytest.fixture
def url(postgres: PostgresServer, postgres_database: str) -> str:
    return postgres.url(postgres_database)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    yield opened
    await opened.close()


@pytest.fixture
async def fabric(store: Store) -> FabricRow:
    return await store.fabrics.register("uid-1", "default", "shop")


def end_sessions(postgres: PostgresServer, database: str) -> None:
    postgres.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")


# ---- who may write ----


async def test_a_second_controller_is_refused_by_name(url: str, store: Store) -> None:
    with pytest.raises(DatabaseLockedError) as caught:
        await Store.open(url)
    for part in (store.database.place, f"in use by pid {os.getpid()} on {socket.gethostname()}, connected 20"):
        assert part in caught.value.message
    assert PASSWORD not in caught.value.message


async def test_whoever_else_holds_the_lock_is_named(url: str, postgres: PostgresServer, postgres_database: str) -> None:
    database = postgres_database
    hold = f"SET application_name = 'a person'; SELECT pg_advisory_lock({LOCK}), pg_sleep(30)"
    waiting = asyncio.create_task(asyncio.to_thread(_ended, postgres, hold, database))
    seen = f"SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SET%{LOCK}%' AND datname = '{database}'"
    while postgres.sql(seen) == "0" or postgres.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0":
        await asyncio.sleep(0.02)
    with pytest.raises(DatabaseLockedError, match="in use by a person; stop"):
        await Store.open(url)
    end_sessions(postgres, database)
    await waiting
    await (await Store.open(url)).close()


def _ended(postgres: PostgresServer, statement: str, database: str) -> None:
    with pytest.raises(AssertionError, match="terminating connection"):
        postgres.sql(statement, database)


async def test_the_lock_is_taken_again_after_a_lost_session(
    store: Store, fabric: FabricRow, postgres: PostgresServer, postgres_database: str, url: str
) -> None:
    end_sessions(postgres, postgres_database)
    await store.bases.write(fabric.id, {key(1): BASE})
    await store.hold()
    with pytest.raises(DatabaseLockedError):
        await Store.open(url)


async def test_who_lost_the_lock_to_another_writes_nothing_more(
    store: Store, fabric: FabricRow, postgres: PostgresServer, postgres_database: str, url: str
) -> None:
    end_sessions(postgres, postgres_database)
    other = await Store.open(url)
    for _ in range(2):
        with pytest.raises(DatabaseLockedError, match="in use by pid"):
            await store.bases.write(fabric.id, {key(1): BASE})
    await other.close()
    with pytest.raises(DatabaseLockedError):  # its memory is of another time, whoever has the lock now
        await store.bases.write(fabric.id, {key(1): BASE})
    again = await Store.open(url)
    assert await again.bases.count(fabric.id) == 0
    await again.close()


async def test_a_turn_of_another_controller_in_between_is_noticed(
    store: Store, fabric: FabricRow, postgres: PostgresServer, postgres_database: str, url: str
) -> None:
    end_sessions(postgres, postgres_database)
    await (await Store.open(url)).close()
    with pytest.raises(DatabaseLockedError, match="another controller worked on it"):
        await store.bases.write(fabric.id, {key(1): BASE})


async def test_keeping_ends_when_the_database_is_another(
    store: Store, postgres: PostgresServer, postgres_database: str
) -> None:
    keeping = asyncio.create_task(store.keep())
    postgres.sql("UPDATE holder SET token = 'another'", postgres_database)
    with pytest.raises(DatabaseLockedError, match="it was restored, or another controller"):
        await store.hold()
    with pytest.raises(DatabaseLockedError):
        await asyncio.wait_for(keeping, 30)


async def test_a_session_without_the_lock_is_no_session_of_ours(store: Store, fabric: FabricRow) -> None:
    """As behind a pooler that hands sessions around."""
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
    with pytest.raises(DatabaseLockedError, match="is there a pooler between"):
        await store.hold()


# ---- what servers do ----


async def test_a_restart_between_two_calls_is_not_noticed(
    store: Store, fabric: FabricRow, postgres: PostgresServer
) -> None:
    await store.bases.write(fabric.id, {key(1): BASE})
    postgres.stop()
    postgres.start()
    assert await store.bases.count(fabric.id) == 1
    await store.bases.write(fabric.id, {key(2): BASE})
    assert await store.bases.count(fabric.id) == 2


async def test_a_crash_in_a_transaction_leaves_nothing_of_it_and_the_rows_are_written_later(
    store: Store, fabric: FabricRow, postgres: PostgresServer
) -> None:
    writer = store.bases.writer(fabric.id)
    writer.put(key(1), BASE)
    with pytest.raises(StoreError, match="nothing is lost"):
        async with writer.flushing():
            postgres.crash()
            await store.fabrics.all()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1.*is the server up, and to be reached"):
        await store.fabrics.all()
    with pytest.raises(StoreError, match="is the server up"):
        await writer.flush()
    postgres.start()
    assert await store.bases.count(fabric.id) == 0
    await writer.flush()
    assert await store.bases.load_all(fabric.id) == {key(1): BASE}


REFUSALS = {
    "disk full": ("53100", "the server's disk is full: make room"),
    "serialization failure": ("40001", "it is tried again"),
    "deadlock": ("40P01", "it is tried again"),
    "shutting down": ("57P01", "it is tried again"),
    "something else": ("XX000", "look at the server's log"),
}


@pytest.mark.parametrize(("state", "remedy"), REFUSALS.values(), ids=REFUSALS)
async def test_a_write_that_the_server_refuses_is_made_later(
    store: Store, fabric: FabricRow, postgres: PostgresServer, postgres_database: str, state: str, remedy: str
) -> None:
    writer = store.bases.writer(fabric.id)
    writer.put(key(1), BASE)
    with refusing(postgres, postgres_database, state):
        with pytest.raises(StoreError, match=f"refused here; .*{remedy}") as caught:
            await writer.flush()
        assert "canary" not in caught.value.message, "the detail may hold what nobody may see"
    await writer.flush()
    assert await store.bases.count(fabric.id) == 1


@contextmanager
def refusing(postgres: PostgresServer, database: str, state: str) -> Iterator[None]:
    """Every write of a base row ends in this SQLSTATE, in the server itself."""
    refuse = f"RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'refused here', DETAIL = 'canary'"
    function = f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse}; END $$"
    postgres.sql(function, database)
    postgres.sql("CREATE TRIGGER refuse BEFORE INSERT ON bases EXECUTE FUNCTION refuse()", database)
    yield
    postgres.sql("DROP FUNCTION refuse CASCADE", database)


async def test_a_server_that_takes_no_writes(
    store: Store, fabric: FabricRow, postgres: PostgresServer, postgres_database: str
) -> None:
    """As a standby, or one that its owner has set read-only for want of space."""
    postgres.sql(f"ALTER DATABASE {postgres_database} SET default_transaction_read_only = on")
    end_sessions(postgres, postgres_database)
    assert await store.fabrics.all() == [fabric]
    with pytest.raises(StoreError, match="read-only transaction; the server takes no writes now"):
        await store.bases.write(fabric.id, {key(1): BASE})
    postgres.sql(f"ALTER DATABASE {postgres_database} RESET default_transaction_read_only")
    end_sessions(postgres, postgres_database)
    await store.bases.write(fabric.id, {key(1): BASE})


async def test_a_name_as_long_as_the_api_server_allows(store: Store, fabric: FabricRow) -> None:
    """Roles may have names of more than 253 characters."""
    long = ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "r" * 1_000)
    await store.bases.write(fabric.id, {long: BASE})
    assert set(await store.bases.load_all(fabric.id)) == {long}


# ---- who it is, and how it is spoken to ----


async def test_a_wrong_password_is_told_without_it(postgres: PostgresServer, postgres_database: str) -> None:
    with pytest.raises(StoreError, match="look at the user, the password") as caught:
        await Store.open(postgres.url(postgres_database, password="wrong-canary"))
    assert "canary" not in f"{caught.value.message}{caught.value.__cause__!r}"


async def test_a_database_that_is_not_there(postgres: PostgresServer) -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist; make the database: createdb'):
        await Store.open(postgres.url("nowhere"))


async def test_a_database_of_somebody_else(postgres: PostgresServer) -> None:
    name = postgres.make_database()
    postgres.sql(f"ALTER DATABASE {name} OWNER TO postgres")
    try:
        with pytest.raises(StoreError, match="permission denied for schema public; the user must own the database"):
            await Store.open(postgres.url(name))
    finally:
        postgres.drop_database(name)


async def test_nobody_answers(postgres: PostgresServer, postgres_database: str) -> None:
    url = postgres.url(postgres_database).replace(f":{postgres.port}/", ":9/")
    with pytest.raises(StoreError, match="is the server up, and to be reached from here"):
        await Store.open(url)


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
async def test_another_authority_is_not_trusted(
    postgres: PostgresServer, postgres_database: str, tmp_path: Path, mode: str
) -> None:
    foreign = Authority(tmp_path / "foreign").certificate
    with pytest.raises(StoreError, match=r"CERTIFICATE_VERIFY_FAILED.*give \?sslrootcert=FILE"):
        await Store.open(postgres.url(postgres_database, query=f"sslmode={mode}&sslrootcert={foreign}"))


async def test_the_systems_authorities_are_asked_where_none_is_given(
    postgres: PostgresServer, postgres_database: str
) -> None:
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        await Store.open(postgres.url(postgres_database, query="port=1"))


async def test_a_certificate_for_another_name(postgres: PostgresServer, postgres_database: str) -> None:
    """The server's is for 127.0.0.1: under another name it is good for `verify-ca` only."""
    url = postgres.url(postgres_database).replace("127.0.0.1", "localhost")
    with pytest.raises(StoreError, match=r"CERTIFICATE_VERIFY_FAILED.*localhost"):
        await Store.open(url)
    await (await Store.open(f"{url}&sslmode=verify-ca")).close()


@pytest.mark.parametrize(("query", "encrypted"), [("sslmode=require", "t"), ("sslmode=disable", "f")])
async def test_modes_without_a_check(
    postgres: PostgresServer, postgres_database: str, query: str, encrypted: str
) -> None:
    store = await Store.open(postgres.url(postgres_database, query=query))
    looking = (
        f"SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{postgres_database}'"
    )
    assert postgres.sql(looking) == encrypted
    await store.close()


async def test_a_server_without_tls_gets_no_password(postgres: PostgresServer, postgres_database: str) -> None:
    postgres.set_tls("off")
    try:
        for query in ("sslmode=require", f"sslrootcert={postgres.authority}"):
            with pytest.raises(StoreError, match="rejected SSL upgrade"):
                await Store.open(postgres.url(postgres_database, query=query))
    finally:
        postgres.set_tls("on")


async def test_a_unix_socket(postgres: PostgresServer, postgres_database: str) -> None:
    url = f"postgresql://{ROLE}@/{postgres_database}?host={postgres.folder}&port={postgres.port}"
    store = await Store.open(url)
    assert store.database.place == f"postgresql:///{postgres_database}?host={postgres.folder}"
    await store.close()


@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcert"])
async def test_a_file_that_cannot_be_read_is_named(
    postgres: PostgresServer, postgres_database: str, tmp_path: Path, parameter: str
) -> None:
    missing = tmp_path / "missing.crt"
    with pytest.raises(DatabaseUrlError, match=f"{missing} cannot be used for TLS"):
        await Store.open(postgres.url(postgres_database, query=f"{parameter}={missing}"))


async def test_nothing_is_left_open(postgres: PostgresServer, postgres_database: str, url: str) -> None:
    database = await Database.open(url)
    async with database.snapshot():
        pass
    await database.close()
    assert postgres.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{postgres_database}'") == "0"
