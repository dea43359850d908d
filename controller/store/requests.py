"""Edits that wait for a pull request, and the request itself: written before anything of them is pushed.

One request per fabric. What is proposed stands here whole, so that a process that died at any point builds the same
request again; where the request is at the forge is found again by its branch.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import and_, bindparam, delete, select

from controller.objects import Json, ObjectKey, canonical, decoded
from controller.store.engine import Database
from controller.store.schema import pending, requests
from controller.store.sql import is_key, key_of, key_parameters, key_values, printable, upsert

_OF_FABRIC = pending.c.fabric_id == bindparam("fabric")


class Cause(StrEnum):
    """Why edits go into a request."""

    SPEC = "spec"  # the Fabric says so
    REFUSED = "refused"  # the branch itself did not take them


class RequestStep(StrEnum):
    """How far a request is."""

    WANTED = "wanted"  # nothing is known to be pushed of what is proposed now
    PUSHED = "pushed"  # the branch holds it; the forge may not know yet
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class RequestRow:
    """The request of one fabric: from `branch` into `base_branch` of the repository at `url`.

    `commit`: our last commit that is known to have arrived on the branch; `prepared`: the one that was pushed last, and
    may not have. `digest`: of what `commit` proposes. `opened`: whether the forge was seen to have the request; its
    `number` and `link` are 0 and "" where it has none for it.
    """

    url: str
    base_branch: str
    branch: str
    cause: Cause
    step: RequestStep = RequestStep.WANTED
    commit: str = ""
    prepared: str = ""
    digest: str = ""
    opened: bool = False
    number: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class PendingRow:
    """One object's edits in the request. `content` is theirs who wrote it; `rejected`: why the request ended."""

    content: Json
    rejected: str = ""


class Requests:
    """The requests of all fabrics, and the edits in them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, fabric_id: int) -> RequestRow | None:
        """The request of a fabric."""
        async with self._database.snapshot() as connection:
            row = (await connection.execute(select(requests).where(requests.c.fabric_id == fabric_id))).first()
        if row is None:
            return None
        _, url, base_branch, branch, cause, step, *rest = row
        return RequestRow(url, base_branch, branch, Cause(cause), RequestStep(step), *rest)

    async def load_edits(self, fabric_id: int) -> dict[ObjectKey, PendingRow]:
        """The edits of a fabric that are on their way to Git."""
        async with self._database.snapshot() as connection:
            rows = await connection.execute(select(pending).where(_OF_FABRIC), {"fabric": fabric_id})
            return {key_of(row): PendingRow(decoded(zlib.decompress(row.content)), row.rejected) for row in rows}

    async def save(self, fabric_id: int, row: RequestRow) -> None:
        """Record or replace the request. Raises FabricGoneError."""
        values = {
            "fabric_id": fabric_id,
            "url": row.url,
            "base_branch": row.base_branch,
            "branch": row.branch,
            "cause": row.cause.value,
            "step": row.step.value,
            "commit": row.commit,
            "prepared": row.prepared,
            "digest": row.digest,
            "opened": row.opened,
            "number": row.number,
            "link": printable(row.link),
        }
        async with self._database.transaction() as connection:
            await connection.execute(upsert(requests, connection), [values])

    async def save_edits(self, fabric_id: int, rows: Mapping[ObjectKey, PendingRow]) -> None:
        """Record or replace edits. Raises FabricGoneError."""
        values = [
            {
                "fabric_id": fabric_id,
                **key_values(key),
                "content": zlib.compress(canonical(row.content)),
                "rejected": printable(row.rejected),
            }
            for key, row in rows.items()
        ]
        if values:
            async with self._database.transaction() as connection:
                await connection.execute(upsert(pending, connection), values)

    async def drop(self, fabric_id: int) -> None:
        """Forget the request; its edits stay until they are dropped."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(requests).where(requests.c.fabric_id == fabric_id))

    async def drop_edits(self, fabric_id: int, keys: Collection[ObjectKey]) -> None:
        """Forget the edits of these objects."""
        statement = delete(pending).where(and_(_OF_FABRIC, is_key(pending)))
        if keys:
            async with self._database.transaction() as connection:
                await connection.execute(statement, [{"fabric": fabric_id} | key_parameters(key) for key in keys])
