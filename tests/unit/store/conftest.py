"""A store on a real file and on a real server, and rows to put into it.

A test that takes `url` or `store` runs on both databases; what is about SQLite's files alone takes `file_url`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.store import Store
from controller.store.fabrics import FabricRow
from tests.support.postgres import PostgresServer


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """The URL of a database that does not exist yet, in a folder that does not either."""
    return f"sqlite:///{tmp_path}/state/tandem.db"


@pytest.fixture
def server_url(postgres: PostgresServer, postgres_database: str) -> str:
    """The URL of an empty database of a server."""
    return postgres.url(postgres_database)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a database that has not been used yet."""
    fixture = "file_url" if request.param == "sqlite" else "server_url"
    found: str = request.getfixturevalue(fixture)
    return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    yield opened
    await opened.close()


@pytest.fixture
async def file_store(file_url: str) -> AsyncIterator[Store]:
    """A store on a file, for what is about files."""
    opened = await Store.open(file_url)
    yield opened
    await opened.close()


@pytest.fixture
async def fabric(store: Store) -> FabricRow:
    return await store.fabrics.register("uid-1", "default", "shop")
