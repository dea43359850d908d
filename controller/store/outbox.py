"""Messages on their way to receivers: written with what they tell, removed when they arrived or were given up.

Addresses are not kept here: they are read from the Fabric and its Secrets when a message is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update

from controller.objects import Json
from controller.store.engine import Database
from controller.store.schema import fabrics, outbox


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one receiver. Times in seconds since 1970; `due` is when it is tried next.

    `delivery` is the same at every try, so that who gets it twice can tell. `recipients`: those that an earlier try
    left; empty: all. `number` is given by the database, in the order of writing.
    """

    receiver: str
    delivery: str
    notice: Json
    made: float
    due: float
    tries: int = 0
    recipients: tuple[str, ...] = ()
    number: int = 0


class Lane(NamedTuple):
    """What one receiver of one fabric waits for; its letters go out one after the other."""

    fabric_id: int
    uid: str
    namespace: str
    name: str
    receiver: str


class Outbox:
    """The messages of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, fabric_id: int, letters: Iterable[Letter]) -> None:
        """Write messages, in this order. Raises FabricGoneError."""
        rows = [
            {
                "fabric_id": fabric_id,
                "receiver": letter.receiver,
                "delivery": letter.delivery,
                "made": letter.made,
                "due": letter.due,
                "tries": letter.tries,
                "notice": letter.notice,
                "recipients": list(letter.recipients),
            }
            for letter in letters
        ]
        async with self._database.transaction() as connection:
            for row in rows:  # one by one: the order of many at once is the driver's
                await connection.execute(insert(outbox).values(row))

    async def lanes(self) -> list[Lane]:
        """Every receiver that a message waits for."""
        columns = (fabrics.c.id, fabrics.c.uid, fabrics.c.namespace, fabrics.c.name, outbox.c.receiver)
        query = select(*columns).join(fabrics, fabrics.c.id == outbox.c.fabric_id).distinct()
        async with self._database.snapshot() as connection:
            return [Lane(*row) for row in await connection.execute(query)]

    async def first(self, lane: Lane) -> Letter | None:
        """The oldest message of a lane."""
        query = select(outbox).where(*_of(lane)).order_by(outbox.c.number).limit(1)
        async with self._database.snapshot() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _letter(row)

    async def postpone(self, letter: Letter) -> None:
        """Write down when the message is tried again, how often it was, and for whom."""
        values = {"due": letter.due, "tries": letter.tries, "recipients": list(letter.recipients)}
        async with self._database.transaction() as connection:
            await connection.execute(update(outbox).where(outbox.c.number == letter.number).values(values))

    async def remove(self, letter: Letter) -> None:
        """The message arrived, or is given up."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(outbox).where(outbox.c.number == letter.number))

    async def trim(self, lane: Lane, most: int) -> int:
        """Remove the oldest messages of a lane beyond `most`; how many that were."""
        newest = select(outbox.c.number).where(*_of(lane)).order_by(outbox.c.number.desc()).limit(most)
        async with self._database.transaction() as connection:
            kept = [row.number for row in await connection.execute(newest)]
            done = await connection.execute(delete(outbox).where(*_of(lane), outbox.c.number.not_in(kept)))
        return done.rowcount


def _of(lane: Lane) -> tuple[Any, Any]:
    return outbox.c.fabric_id == lane.fabric_id, outbox.c.receiver == lane.receiver


def _letter(row: Any) -> Letter:
    return Letter(
        receiver=row.receiver,
        delivery=row.delivery,
        notice=row.notice,
        made=row.made,
        due=row.due,
        tries=row.tries,
        recipients=tuple(row.recipients),
        number=row.number,
    )
