"""Requests and the edits that wait in them: written whole, found again, gone with their fabric."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.store.errors import FabricGoneError
from controller.store.fabrics import FabricRow
from controller.store.store import Store
from tests.unit.store.rows import CONFIG, REQUEST, WAITING, WEB


async def test_a_request_is_replaced_and_dropped(store: Store, fabric: FabricRow) -> None:
    assert await store.requests.load(fabric.id) is None
    await store.requests.save(fabric.id, REQUEST)
    assert await store.requests.load(fabric.id) == REQUEST
    moved = replace(REQUEST, number=8, opened=False)
    await store.requests.save(fabric.id, moved)
    assert await store.requests.load(fabric.id) == moved
    await store.requests.drop(fabric.id)
    assert await store.requests.load(fabric.id) is None


async def test_edits_stay_until_they_are_dropped(store: Store, fabric: FabricRow) -> None:
    await store.requests.save_edits(fabric.id, {WEB: WAITING, CONFIG: WAITING})
    rejected = replace(WAITING, rejected="closed\0")
    await store.requests.save_edits(fabric.id, {WEB: rejected})
    await store.requests.drop(fabric.id)
    await store.requests.drop_edits(fabric.id, [CONFIG])
    await store.requests.drop_edits(fabric.id, [])
    await store.requests.save_edits(fabric.id, {})
    kept = replace(WAITING, rejected="closed\N{REPLACEMENT CHARACTER}")
    assert await store.requests.load_edits(fabric.id) == {WEB: kept}


async def test_both_go_with_their_fabric(store: Store, fabric: FabricRow) -> None:
    other = await store.fabrics.register("uid-2", "default", "other")
    for one in (fabric, other):
        await store.requests.save(one.id, REQUEST)
        await store.requests.save_edits(one.id, {WEB: WAITING})
    await store.fabrics.drop(fabric.uid)
    assert await store.requests.load(fabric.id) is None
    assert await store.requests.load_edits(fabric.id) == {}
    assert await store.requests.load(other.id) == REQUEST
    assert await store.requests.load_edits(other.id) == {WEB: WAITING}
    with pytest.raises(FabricGoneError):
        await store.requests.save(fabric.id, REQUEST)
    with pytest.raises(FabricGoneError):
        await store.requests.save_edits(fabric.id, {WEB: WAITING})
