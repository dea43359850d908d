"""What was told and what is on its way: per receiver in order, together or not at all, gone with the fabric."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.store import Store
from controller.store.errors import FabricGoneError
from controller.store.fabrics import FabricRow
from controller.store.outbox import Lane, Letter
from controller.store.told import Told
from tests.unit.store.rows import LETTER, TOLD


def lane(fabric: FabricRow, receiver: str = LETTER.receiver) -> Lane:
    return Lane(fabric.id, fabric.uid, fabric.namespace, fabric.name, receiver)


async def drain(store: Store, lane: Lane) -> list[str]:
    """The deliveries of a lane, in the order in which they would be sent."""
    found = []
    while (letter := await store.outbox.first(lane)) is not None:
        found.append(letter.delivery)
        await store.outbox.remove(letter)
    return found


def letters(*deliveries: str, receiver: str = LETTER.receiver) -> list[Letter]:
    return [replace(LETTER, delivery=delivery, receiver=receiver) for delivery in deliveries]


async def test_what_was_told_is_read_back(store: Store, fabric: FabricRow) -> None:
    await store.told.save(fabric.id, {"failure": TOLD, "conflict//Secret/shop/pay": Told(True)})
    await store.told.save(fabric.id, {"failure": Told(False, "", (7.0,))})
    assert await store.told.load_all(fabric.id) == {
        "failure": Told(False, "", (7.0,)),
        "conflict//Secret/shop/pay": Told(True),
    }
    await store.told.drop(fabric.id, ["failure", "never"])
    await store.told.drop(fabric.id, [])
    assert list(await store.told.load_all(fabric.id)) == ["conflict//Secret/shop/pay"]
    assert await store.told.load_all(fabric.id + 1) == {}


async def test_letters_come_out_whole_and_in_order(store: Store, fabric: FabricRow) -> None:
    other = await store.fabrics.register("uid-2", "default", "blog")
    await store.outbox.put(fabric.id, letters("d1", "d2"))
    await store.outbox.put(fabric.id, letters("e1", receiver="other"))
    await store.outbox.put(other.id, letters("f1"))
    await store.outbox.put(fabric.id, letters("d3"))
    lanes = await store.outbox.lanes()
    assert sorted(lanes) == sorted([lane(fabric), lane(fabric, "other"), lane(other)])
    first = await store.outbox.first(lane(fabric))
    assert first == replace(LETTER, delivery="d1", number=first.number if first else 0)
    assert await drain(store, lane(fabric)) == ["d1", "d2", "d3"]
    assert await drain(store, lane(fabric, "other")) == ["e1"]
    assert await store.outbox.lanes() == [lane(other)]


async def test_a_letter_that_waits_is_still_the_first(store: Store, fabric: FabricRow) -> None:
    await store.outbox.put(fabric.id, letters("d1", "d2"))
    first = await store.outbox.first(lane(fabric))
    assert first is not None
    later = replace(first, due=500.0, tries=3, recipients=("a@example.com",))
    await store.outbox.postpone(later)
    assert await store.outbox.first(lane(fabric)) == later


async def test_too_many_are_trimmed_from_the_oldest(store: Store, fabric: FabricRow) -> None:
    await store.outbox.put(fabric.id, letters(*(f"d{n}" for n in range(5))))
    await store.outbox.put(fabric.id, letters("e1", receiver="other"))
    assert await store.outbox.trim(lane(fabric), 5) == 0
    assert await store.outbox.trim(lane(fabric), 2) == 3
    assert await drain(store, lane(fabric)) == ["d3", "d4"]
    assert await drain(store, lane(fabric, "other")) == ["e1"]


async def test_told_and_letters_are_written_together_or_not_at_all(store: Store, fabric: FabricRow) -> None:
    with pytest.raises(ValueError, match="in between"):
        async with store.transaction():
            await store.told.save(fabric.id, {"failure": TOLD})
            await store.outbox.put(fabric.id, letters("d1"))
            raise ValueError("in between")
    assert await store.told.load_all(fabric.id) == {}
    assert await store.outbox.lanes() == []


async def test_a_number_is_never_given_out_again(store: Store, fabric: FabricRow) -> None:
    """A late answer about a letter that is gone must not remove another one."""
    await store.outbox.put(fabric.id, letters("d1"))
    gone = await store.outbox.first(lane(fabric))
    assert gone is not None
    await store.outbox.remove(gone)
    await store.outbox.put(fabric.id, letters("d2"))
    await store.outbox.remove(gone)
    await store.outbox.postpone(replace(gone, tries=9))
    assert await drain(store, lane(fabric)) == ["d2"]


async def test_a_fabric_that_is_gone_gets_no_letters(store: Store, fabric: FabricRow) -> None:
    await store.fabrics.drop(fabric.uid)
    with pytest.raises(FabricGoneError):
        await store.outbox.put(fabric.id, letters("d1"))
    with pytest.raises(FabricGoneError):
        await store.told.save(fabric.id, {"failure": TOLD})
