"""A store on a real file, and rows to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.store import Store
from controller.store.fabrics import FabricRow


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database that does not exist yet, in a folder that does not either."""
    return f"sqlite:///{tmp_path}/state/tandem.db"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    yield opened
    await opened.close()


@pytest.fixture
async def fabric(store: Store) -> FabricRow:
    return await store.fabrics.register("uid-1", "default", "shop")
