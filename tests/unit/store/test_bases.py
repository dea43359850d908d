"""Base rows: whole documents in and out, many at a time, all or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from controller.objects import Base, ObjectKey, Provenance, canonical
from controller.store import Store
from controller.store.bases import BATCH, _packed, _unpacked
from controller.store.errors import FabricGoneError, StoreError
from controller.store.fabrics import FabricRow


def key(number: int, namespace: str = "shop") -> ObjectKey:
    return ObjectKey("apps", "Deployment", namespace, f"web-{number}")


def base(number: int) -> Base:
    declared = canonical({"metadata": {"name": f"web-{number}"}, "spec": {"replicas": number, "text": "é\n\x00"}})
    actual = canonical({"metadata": {"name": f"web-{number}", "uid": "u"}, "spec": {"replicas": number}})
    origin = Provenance(f"clusters/{number % 7}.yaml", 12, number % 100, number % 3 or None, "b" * 40, "c" * 40)
    return Base(declared, actual, f"uid-{number}", str(number), "epoch", "apps/v1", origin)


def bases(count: int) -> dict[ObjectKey, Base]:
    return {key(number): base(number) for number in range(count)}


async def test_a_base_comes_back_as_it_was(store: Store, fabric: FabricRow) -> None:
    rows = {
        key(1): base(1),
        ObjectKey("", "Namespace", "", "shop"): replace(base(2), origin=Provenance("a.yaml")),
        key(3): replace(base(3), declared=b"", actual=b"null"),
    }
    await store.bases.write(fabric.id, rows)
    assert await store.bases.load_all(fabric.id) == rows
    assert await store.bases.count(fabric.id) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
).map(canonical)


@given(json_values, json_values)
def test_no_document_is_changed_by_packing_it(declared: bytes, actual: bytes) -> None:
    assert _unpacked(_packed(declared, actual)) == (declared, actual)


def test_two_documents_that_are_alike_take_the_room_of_one() -> None:
    document = canonical({f"key{i}": f"value {i * 7919}" for i in range(400)})
    assert len(_packed(document, document)) < 1.1 * len(_packed(document, b""))


async def test_a_later_write_replaces_and_a_drop_forgets(store: Store, fabric: FabricRow) -> None:
    await store.bases.write(fabric.id, bases(4))
    await store.bases.write(fabric.id, {key(1): base(99)}, [key(2), key(77)])
    assert await store.bases.load_all(fabric.id) == {key(0): base(0), key(1): base(99), key(3): base(3)}


async def test_fabrics_do_not_see_each_others_rows(store: Store, fabric: FabricRow) -> None:
    other = await store.fabrics.register("uid-2", "default", "other")
    await store.bases.write(fabric.id, bases(2))
    await store.bases.write(other.id, {key(1): base(50)})
    assert await store.bases.load_all(fabric.id) == bases(2)
    assert await store.bases.load_all(other.id) == {key(1): base(50)}
    await store.bases.write(other.id, {}, [key(1)])
    assert await store.bases.load_all(fabric.id) == bases(2)


async def test_nothing_of_a_failed_write_remains(store: Store, fabric: FabricRow) -> None:
    await store.bases.write(fabric.id, bases(3))
    wrong = {key(0): base(7), key(1): replace(base(1), uid=None)}  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=r"(?i)not.null"):
        await store.bases.write(fabric.id, wrong, [key(2)])
    assert await store.bases.load_all(fabric.id) == bases(3)


async def test_ten_thousand_rows_are_written_in_groups_and_read_back(store: Store, fabric: FabricRow) -> None:
    rows = bases(10_000)
    commits = count_commits(store)
    writer = store.bases.writer(fabric.id)
    for number, (name, row) in enumerate(rows.items()):
        writer.put(name, row)
        if number % 100 == 0:
            await asyncio.sleep(0)  # as between two applies
    await writer.flush()
    assert await store.bases.load_all(fabric.id) == rows
    assert len(commits) <= 10_000 / BATCH + 1


async def test_a_full_batch_is_written_without_being_asked(store: Store, fabric: FabricRow) -> None:
    commits = count_commits(store)
    written = asyncio.Event()
    event.listen(store.database._backend.writer.sync_engine, "commit", lambda _: written.set())
    writer = store.bases.writer(fabric.id)
    for name, row in bases(BATCH).items():
        writer.put(name, row)
    await asyncio.wait_for(written.wait(), 10)
    assert await store.bases.count(fabric.id) == BATCH
    assert len(commits) == 1
    await writer.flush()


async def test_less_than_a_batch_waits_for_the_flush(store: Store, fabric: FabricRow) -> None:
    writer = store.bases.writer(fabric.id)
    for name, row in bases(BATCH - 1).items():
        writer.put(name, row)
    await asyncio.sleep(0)
    assert await store.bases.count(fabric.id) == 0
    await writer.flush()
    assert await store.bases.count(fabric.id) == BATCH - 1


async def test_of_several_words_about_one_object_the_last_counts(store: Store, fabric: FabricRow) -> None:
    writer = store.bases.writer(fabric.id)
    writer.put(key(1), base(1))
    writer.drop(key(1))
    writer.drop(key(2))
    writer.put(key(2), base(2))
    writer.put(key(3), base(3))
    writer.put(key(3), base(33))
    await writer.flush()
    assert await store.bases.load_all(fabric.id) == {key(2): base(2), key(3): base(33)}


async def test_what_is_put_while_a_batch_is_being_written_is_not_lost(store: Store, fabric: FabricRow) -> None:
    writer = store.bases.writer(fabric.id)
    for name, row in bases(BATCH).items():
        writer.put(name, row)
    await asyncio.sleep(0)  # the batch is under way
    writer.put(key(0), base(1_000))
    writer.drop(key(1))
    await writer.flush()
    found = await store.bases.load_all(fabric.id)
    assert found[key(0)] == base(1_000)
    assert key(1) not in found
    assert len(found) == BATCH - 1


async def test_a_flush_and_what_is_recorded_with_it_are_one(store: Store, fabric: FabricRow) -> None:
    writer = store.bases.writer(fabric.id)
    writer.put(key(1), base(1))
    moved = replace(fabric, applied_commit="c1")
    with pytest.raises(ZeroDivisionError):
        async with writer.flushing():
            await store.fabrics.save(moved)
            raise ZeroDivisionError
    assert (await store.bases.count(fabric.id), await store.fabrics.find(fabric.uid)) == (0, fabric)
    async with writer.flushing():
        await store.fabrics.save(moved)
    assert (await store.bases.count(fabric.id), await store.fabrics.find(fabric.uid)) == (1, moved)


async def test_a_flush_that_failed_can_be_tried_again(store: Store, fabric: FabricRow) -> None:
    writer = store.bases.writer(fabric.id)
    writer.put(key(1), base(1))
    writer.put(key(2), base(2))
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE bases RENAME TO elsewhere")
    with pytest.raises(StoreError, match=r"no such table|does not exist"):
        await writer.flush()
    writer.put(key(2), base(22))
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO bases")
    await writer.flush()
    assert await store.bases.load_all(fabric.id) == {key(1): base(1), key(2): base(22)}


async def test_a_background_failure_is_raised_by_the_flush_and_loses_nothing(store: Store, fabric: FabricRow) -> None:
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE bases RENAME TO elsewhere")
    writer = store.bases.writer(fabric.id)
    for name, row in bases(BATCH).items():
        writer.put(name, row)
    with pytest.raises(StoreError, match=r"no such table|does not exist"):
        await writer.flush()
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO bases")
    await writer.flush()
    assert await store.bases.load_all(fabric.id) == bases(BATCH)


async def test_a_cancelled_flush_loses_nothing(store: Store, fabric: FabricRow) -> None:
    writer = store.bases.writer(fabric.id)
    for name, row in bases(BATCH).items():
        writer.put(name, row)
    flushing = asyncio.create_task(writer.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    await writer.flush()
    assert await store.bases.load_all(fabric.id) == bases(BATCH)


async def test_rows_of_a_fabric_that_was_dropped_meanwhile_are_refused(store: Store, fabric: FabricRow) -> None:
    writer = store.bases.writer(fabric.id)
    writer.put(key(1), base(1))
    await store.fabrics.drop(fabric.uid)
    with pytest.raises(FabricGoneError):
        await writer.flush()


async def test_an_empty_flush_writes_nothing_and_is_fine(store: Store, fabric: FabricRow) -> None:
    await store.bases.writer(fabric.id).flush()
    assert await store.bases.load_all(fabric.id) == {}


def count_commits(store: Store) -> list[None]:
    """Grows by one with every transaction that is committed from now on."""
    commits: list[None] = []
    event.listen(store.database._backend.writer.sync_engine, "commit", lambda _: commits.append(None))
    return commits
