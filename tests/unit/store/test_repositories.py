"""The smaller tables: what is put in comes out, per fabric, and goes with its fabric."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from controller.errors import Reason
from controller.store import Store
from controller.store.errors import FabricGoneError
from controller.store.fabrics import FabricRow
from controller.store.history import Archived
from controller.store.pushlog import PushState
from controller.store.schema import metadata
from tests.unit.store.rows import (
    ARCHIVED,
    BASE,
    GUARD,
    LETTER,
    NAMESPACE,
    PUSH,
    REFUSAL,
    REQUEST,
    RUN,
    TOLD,
    WAITING,
    WEB,
)


async def test_the_database_has_an_id_of_its_own_made_once(url: str) -> None:
    store = await Store.open(url)
    assert await store.installation.read() is None
    made = await store.installation.ensure()
    assert uuid.UUID(made.database_id).version == 4
    assert made.install_id == ""
    await store.close()
    again = await Store.open(url)
    assert await again.installation.ensure() == await again.installation.read() == made
    await again.close()


async def test_two_databases_have_two_ids(file_url: str, server_url: str) -> None:
    ids = set()
    for url in (file_url, server_url):
        store = await Store.open(url)
        ids.add((await store.installation.ensure()).database_id)
        await store.close()
    assert len(ids) == 2


async def test_the_install_id_is_remembered_beside_it(store: Store) -> None:
    await store.installation.remember_install_id("0b5e")
    row = await store.installation.ensure()
    assert row.install_id == "0b5e"
    await store.installation.remember_install_id("77aa")
    assert await store.installation.read() == replace(row, install_id="77aa")


async def test_a_fabric_is_registered_once(store: Store) -> None:
    first = await store.fabrics.register("uid-1", "default", "shop")
    assert first == FabricRow(first.id, "uid-1", "default", "shop")
    assert await store.fabrics.register("uid-1", "default", "shop") == first
    assert await store.fabrics.find("uid-2") is None
    second = await store.fabrics.register("uid-2", "default", "shop")  # deleted and made again: another fabric
    assert await store.fabrics.all() == [first, second]


async def test_how_far_a_fabric_has_come_is_saved_whole(store: Store, fabric: FabricRow) -> None:
    moved = FabricRow(
        id=fabric.id,
        uid=fabric.uid,
        namespace="elsewhere",
        name="renamed",
        epoch="e",
        url="https://git.example.com/r.git",
        branch="main",
        directory="clusters",
        planned_commit="c3",
        planned_tree="t3",
        pushed_commit="c2",
        pushed_tree="t2",
        applied_commit="c1",
    )
    await store.fabrics.save(moved)
    assert await store.fabrics.find(fabric.uid) == moved


async def test_a_dropped_fabric_cannot_be_saved(store: Store, fabric: FabricRow) -> None:
    await store.fabrics.drop(fabric.uid)
    with pytest.raises(FabricGoneError, match="default/shop: fabric uid-1 has been dropped"):
        await store.fabrics.save(fabric)


async def test_list_versions_are_replaced_together(store: Store, fabric: FabricRow) -> None:
    assert await store.fabrics.list_versions(fabric.id) == {}
    await store.fabrics.save_list_versions(fabric.id, {"/api/v1/configmaps": "7", "/apis/apps/v1/deployments": "9"})
    await store.fabrics.save_list_versions(fabric.id, {"/api/v1/configmaps": "11"})
    assert await store.fabrics.list_versions(fabric.id) == {"/api/v1/configmaps": "11"}
    await store.fabrics.save_list_versions(fabric.id, {})
    assert await store.fabrics.list_versions(fabric.id) == {}


async def test_our_commits_are_known_by_the_log(store: Store, fabric: FabricRow) -> None:
    await store.pushes.prepare(fabric.id, PUSH)
    await store.pushes.prepare(fabric.id, replace(PUSH, commit="c2", time=200.0))
    assert await store.pushes.find(fabric.id, ["c0", "c1"]) == {"c1": PUSH}
    assert await store.pushes.find(fabric.id, []) == {}
    await store.pushes.mark(fabric.id, "c1", PushState.PUSHED)
    found = await store.pushes.find(fabric.id, ["c1", "c2"])
    assert (found["c1"].state, found["c2"].state) == (PushState.PUSHED, PushState.PREPARED)


async def test_the_push_log_is_read_and_trimmed_by_time(store: Store, fabric: FabricRow) -> None:
    for number in (3, 1, 2):
        await store.pushes.prepare(fabric.id, replace(PUSH, commit=f"c{number}", time=number * 100.0))
    assert [push.commit for push in await store.pushes.since(fabric.id, 200.0)] == ["c2", "c3"]
    await store.pushes.trim(fabric.id, 300.0)
    assert [push.commit for push in await store.pushes.since(fabric.id, 0.0)] == ["c3"]


async def test_a_commit_of_another_fabric_is_a_strangers(store: Store, fabric: FabricRow) -> None:
    other = await store.fabrics.register("uid-2", "default", "other")
    await store.pushes.prepare(fabric.id, PUSH)
    assert await store.pushes.find(other.id, ["c1"]) == {}
    await store.pushes.mark(other.id, "c1", PushState.REFUSED)
    assert (await store.pushes.find(fabric.id, ["c1"]))["c1"].state is PushState.PREPARED


async def test_refusals_are_replaced_and_dropped(store: Store, fabric: FabricRow) -> None:
    await store.refusals.save(fabric.id, {WEB: REFUSAL, NAMESPACE: REFUSAL})
    await store.refusals.save(fabric.id, {WEB: replace(REFUSAL, blob="other", reason=Reason.UNKNOWN_FIELD)})
    await store.refusals.drop(fabric.id, [NAMESPACE])
    assert await store.refusals.load_all(fabric.id) == {
        WEB: replace(REFUSAL, blob="other", reason=Reason.UNKNOWN_FIELD)
    }


async def test_saving_and_dropping_nothing_is_fine(store: Store, fabric: FabricRow) -> None:
    await store.refusals.save(fabric.id, {})
    await store.refusals.drop(fabric.id, [])
    await store.guards.confirm(fabric.id, [])
    assert await store.refusals.load_all(fabric.id) == {}


async def test_a_token_stands_for_its_entries_until_it_is_dropped(store: Store, fabric: FabricRow) -> None:
    await store.guards.save(fabric.id, GUARD)
    await store.guards.save(fabric.id, replace(GUARD, token="t2", reason=Reason.EDIT_GUARD, deletions=0, edits=300))
    await store.guards.confirm(fabric.id, ["t1", "unknown"])
    found = await store.guards.load_all(fabric.id)
    assert found["t1"] == replace(GUARD, confirmed=True)
    assert not found["t2"].confirmed
    await store.guards.drop(fabric.id, ["t1"])
    assert set(await store.guards.load_all(fabric.id)) == {"t2"}


async def test_runs_come_the_newest_first(store: Store, fabric: FabricRow) -> None:
    for number in (2, 1, 3):
        await store.history.record(fabric.id, replace(RUN, operation_id=f"op-{number}", started=number * 10.0))
    assert [run.operation_id for run in await store.history.latest(fabric.id, 2)] == ["op-3", "op-2"]
    await store.history.trim(20.0)
    assert [run.operation_id for run in await store.history.latest(fabric.id)] == ["op-3", "op-2"]


async def test_a_run_comes_back_as_it_was_and_is_replaced_by_its_id(store: Store, fabric: FabricRow) -> None:
    await store.history.record(fabric.id, RUN)
    assert await store.history.latest(fabric.id) == [RUN]
    await store.history.record(fabric.id, replace(RUN, outcome="Failed"))
    assert await store.history.latest(fabric.id) == [replace(RUN, outcome="Failed")]


async def test_finished_jobs_and_conflicts_live_on_in_the_archive(store: Store, fabric: FabricRow) -> None:
    conflict = Archived("c-uid", "SyncConflict", "c", 50.0, {"spec": {"fields": [{"path": "/a", "git": None}]}})
    await store.archive.put(fabric.id, ARCHIVED)
    await store.archive.put(fabric.id, conflict)
    await store.archive.put(fabric.id, replace(ARCHIVED, uid="later", finished=200.0))
    assert [item.uid for item in await store.archive.latest(fabric.id, "SyncJob")] == ["later", "job-uid"]
    assert await store.archive.latest(fabric.id, "SyncConflict") == [conflict]
    assert len(await store.archive.latest(fabric.id, "SyncJob", limit=1)) == 1


async def test_a_dropped_fabric_leaves_nothing_and_nobody_else_loses_anything(store: Store) -> None:
    for uid in ("uid-1", "uid-2"):
        row = await store.fabrics.register(uid, "default", uid)
        await store.fabrics.save_list_versions(row.id, {"/api/v1/configmaps": "7"})
        await store.bases.write(row.id, {WEB: BASE})
        await store.pushes.prepare(row.id, PUSH)
        await store.refusals.save(row.id, {WEB: REFUSAL})
        await store.guards.save(row.id, GUARD)
        await store.requests.save(row.id, REQUEST)
        await store.requests.save_edits(row.id, {WEB: WAITING})
        await store.told.save(row.id, {"failure": TOLD})
        await store.outbox.put(row.id, [LETTER])
        await store.history.record(row.id, replace(RUN, operation_id=f"op-{uid}"))
        await store.archive.put(row.id, replace(ARCHIVED, uid=f"job-{uid}"))
    assert set((await rows_per_table(store)).values()) == {2}
    await store.fabrics.drop("uid-1")
    await store.fabrics.drop("uid-1")
    assert set((await rows_per_table(store)).values()) == {1}
    await store.fabrics.drop("uid-2")
    assert set((await rows_per_table(store)).values()) == {0}


async def rows_per_table(store: Store) -> dict[str, int]:
    """How many rows each table has, but for those about the database itself and about branches."""
    async with store.database.snapshot() as connection:
        return {
            table.name: int(await connection.scalar(select(func.count()).select_from(table)) or 0)
            for table in metadata.sorted_tables
            if table.name not in {"installation", "holder", "hints"}
        }


async def test_what_no_text_of_postgresql_can_hold_is_replaced(store: Store, fabric: FabricRow) -> None:
    """The API server quotes a document's keys as they are."""
    quoted = replace(REFUSAL, field="/data/a\0b", message="data[a\0b]: Invalid value")
    await store.refusals.save(fabric.id, {WEB: quoted})
    await store.guards.save(fabric.id, replace(GUARD, message="a\0b"))
    await store.history.record(fabric.id, replace(RUN, errors=({"message": "a\0b"},)))
    found = (await store.refusals.load_all(fabric.id))[WEB]
    assert (found.field, found.message) == ("/data/a\ufffdb", "data[a\ufffdb]: Invalid value")
    assert (await store.history.latest(fabric.id))[0].errors == ({"message": "a\0b"},)
