"""Hints: written beside a controller, taken by it at once, one for each branch."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import text

from controller.store import Store
from controller.store.bell import SocketBell
from controller.store.errors import StoreError
from controller.store.hints import Hint, HintBox

URL = "https://git.example.com/fleet"
LONG = 600.0  # seconds that no test waits: what comes before them was announced
DEADLINE = 20.0


def hint(commit: str = "c1", branch: str = "main", time: float = 1.0, url: str = URL) -> Hint:
    return Hint(url, branch, commit, time)


@pytest.fixture
async def box(url: str, store: Store) -> AsyncIterator[HintBox]:
    opened = await HintBox.open(url)
    yield opened
    await opened.close()


async def test_one_hint_for_a_branch_whoever_shares_it(store: Store, box: HintBox) -> None:
    await box.put(hint("c1", time=3.0))
    await box.put(hint("c2", time=4.0))
    await box.put(hint("", "next", time=2.0))
    assert await store.hints.take() == [hint("", "next", time=2.0), hint("c2", time=4.0)]
    assert await store.hints.take() == []


async def test_a_hint_that_comes_while_others_are_taken_stays(store: Store, box: HintBox) -> None:
    await box.put(hint("c1"))
    async with store.database.snapshot() as connection:
        await connection.execute(text("SELECT 1 FROM hints"))
        await box.put(hint("c2"))
    assert [one.commit for one in await store.hints.take()] == ["c2"]


async def test_it_is_taken_at_once(store: Store, box: HintBox) -> None:
    async with aclosing(store.hints.follow(LONG)) as coming, asyncio.timeout(DEADLINE):
        first = asyncio.ensure_future(anext(coming))
        await asyncio.sleep(0)
        for commit in ("c1", "c2", "c3"):
            await box.put(hint(commit))
        seen = await first
        while seen[-1].commit != "c3":
            seen += await anext(coming)


async def test_what_was_written_before_anybody_listened_is_found(store: Store, box: HintBox) -> None:
    await box.put(hint("c1"))
    async with aclosing(store.hints.follow(LONG)) as coming, asyncio.timeout(DEADLINE):
        assert await anext(coming) == [hint("c1")]


async def test_an_announcement_that_is_lost_costs_a_moment(
    store: Store, box: HintBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object) -> object:
        raise StoreError("nobody listens")

    monkeypatch.setattr(store.database, "listen", deaf)
    async with aclosing(store.hints.follow(0.01)) as coming, asyncio.timeout(DEADLINE):
        first = asyncio.ensure_future(anext(coming))
        await box.put(hint("c1"))
        monkeypatch.undo()
        assert await first == [hint("c1")]


async def test_it_writes_nothing_but_hints_beside_a_controller(url: str, store: Store, box: HintBox) -> None:
    """A controller's own database is never made or changed by the process that only tells."""
    await store.fabrics.register("uid-1", "default", "shop")
    await box.put(hint())
    assert len(await store.fabrics.all()) == 1


async def test_a_database_that_no_controller_has_made_is_refused(file_url: str) -> None:
    with pytest.raises(StoreError, match="does not exist; a controller makes it"):
        await HintBox.open(file_url)


class TestBell:
    def test_nobody_has_to_listen(self, tmp_path: Path) -> None:
        SocketBell(tmp_path / "tandem.db").ring()
        SocketBell(tmp_path / "gone" / "tandem.db").ring()

    async def test_one_look_serves_many_rings(self, tmp_path: Path) -> None:
        deep = tmp_path.joinpath(*["a" * 60] * 3)  # deeper than a socket's name may be long
        deep.mkdir(parents=True)
        bell, heard = SocketBell(deep / "tandem.db"), asyncio.Event()
        end = bell.listen(heard.set)
        for _ in range(200):
            bell.ring()
        async with asyncio.timeout(DEADLINE):
            await heard.wait()
        assert stat.S_IMODE((deep / "tandem.db.bell").stat().st_mode) == 0o600
        await end()
        bell.ring()

    async def test_the_socket_of_a_process_that_was_killed_is_no_hindrance(self, tmp_path: Path) -> None:
        bell, heard = SocketBell(tmp_path / "tandem.db"), asyncio.Event()
        await bell.listen(lambda: None)()
        end = bell.listen(heard.set)
        bell.ring()
        async with asyncio.timeout(DEADLINE):
            await heard.wait()
        await end()
