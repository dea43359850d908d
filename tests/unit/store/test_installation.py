"""The one row about the database itself: made once, kept, and its secret shown to nobody."""

from __future__ import annotations

from pathlib import Path

from controller.store.store import Store


async def test_a_new_database_is_given_an_id_and_a_secret_of_its_own(tmp_path: Path) -> None:
    rows = []
    for name in ("one.db", "two.db"):
        store = await Store.open(f"sqlite:///{tmp_path / name}")
        assert await store.installation.read() is None
        rows.append(await store.installation.ensure())
        await store.close()
    assert rows[0].database_id != rows[1].database_id
    assert rows[0].salt != rows[1].salt
    assert [len(row.salt) for row in rows] == [32, 32]


async def test_both_outlive_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.db'}"
    store = await Store.open(url)
    made = await store.installation.ensure()
    await store.installation.remember_install_id("the-id")
    await store.close()
    store = await Store.open(url)
    found = await store.installation.ensure()
    await store.close()
    assert (found.database_id, found.install_id, found.salt) == (made.database_id, "the-id", made.salt)


async def test_the_secret_is_in_no_text(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'one.db'}")
    row = await store.installation.ensure()
    await store.close()
    assert "salt" not in repr(row)
    assert repr(row.salt) not in repr(row)
