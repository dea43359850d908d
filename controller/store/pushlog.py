"""What Tandem pushed. A commit stands here before it is pushed, so that a crash in between cannot make it a stranger's.

After a crash the next run knows its own commits by this log: they move the base first, and nobody conflicts with
himself.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update

from controller.objects import Base, Json, ObjectKey, Provenance
from controller.store.engine import Database
from controller.store.schema import pushes
from controller.store.sql import upsert

_LEVEL = 1  # as the base rows


class PushState(StrEnum):
    """How far a push is."""

    PREPARED = "prepared"  # about to be pushed: whether it was is told by the branch
    PUSHED = "pushed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PushedObject:
    """One object in a commit, and the base that the commit makes true; None: the commit removes its document."""

    key: ObjectKey
    base: Base | None


@dataclass(frozen=True, slots=True)
class Push:
    """One commit of ours. `time` in seconds since 1970; `run` is the operation id."""

    commit: str
    branch: str
    run: str
    state: PushState
    time: float
    objects: tuple[PushedObject, ...]


class PushLog:
    """The commits of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, fabric_id: int, push: Push) -> None:
        """Log a commit, before it is pushed. Raises FabricGoneError."""
        row = {
            "fabric_id": fabric_id,
            "commit": push.commit,
            "branch": push.branch,
            "run": push.run,
            "state": push.state.value,
            "time": push.time,
            "objects": [_to_json(item) for item in push.objects],
        }
        async with self._database.transaction() as connection:
            await connection.execute(upsert(pushes, connection), [row])

    async def mark(self, fabric_id: int, commit: str, state: PushState) -> None:
        """Record what became of a push."""
        which = (pushes.c.fabric_id == fabric_id) & (pushes.c.commit == commit)
        async with self._database.transaction() as connection:
            await connection.execute(update(pushes).where(which).values(state=state.value))

    async def find(self, fabric_id: int, commits: Collection[str]) -> dict[str, Push]:
        """Those of the commits that are ours."""
        query = select(pushes).where(pushes.c.fabric_id == fabric_id, pushes.c.commit.in_(list(commits)))
        return {push.commit: push for push in await self._read(query)}

    async def since(self, fabric_id: int, time: float) -> list[Push]:
        """Commits logged since then, the oldest first."""
        query = select(pushes).where(pushes.c.fabric_id == fabric_id, pushes.c.time >= time).order_by(pushes.c.time)
        return await self._read(query)

    async def trim(self, fabric_id: int, before: float) -> None:
        """Forget older commits; once the base has moved past a commit nobody asks for it."""
        which = (pushes.c.fabric_id == fabric_id) & (pushes.c.time < before)
        async with self._database.transaction() as connection:
            await connection.execute(delete(pushes).where(which))

    async def _read(self, query: Any) -> list[Push]:
        async with self._database.snapshot() as connection:
            return [_from_row(row) for row in await connection.execute(query)]


def _from_row(row: Any) -> Push:
    objects = tuple(_objects(row.objects))
    return Push(row.commit, row.branch, row.run, PushState(row.state), row.time, objects)


def _to_json(item: PushedObject) -> Json:
    base = item.base
    if base is None:
        return [list(item.key), None]
    origin = base.origin
    return [
        list(item.key),
        [
            base64.b64encode(zlib.compress(base.declared, _LEVEL)).decode(),
            base64.b64encode(zlib.compress(base.actual, _LEVEL)).decode(),
            base.uid,
            base.resource_version,
            base.epoch,
            base.api_version,
            [origin.path, origin.line, origin.index, origin.item, origin.blob, origin.commit],
        ],
    ]


def _objects(rows: Iterable[Json]) -> Iterable[PushedObject]:
    for key, values in rows:
        yield PushedObject(ObjectKey(*key), None if values is None else _base(*values))


def _base(declared: str, actual: str, uid: str, version: str, epoch: str, api_version: str, origin: Json) -> Base:
    git, cluster = (zlib.decompress(base64.b64decode(text)) for text in (declared, actual))
    return Base(git, cluster, uid, version, epoch, api_version, Provenance(*origin))
