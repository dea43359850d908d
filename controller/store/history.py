"""What happened: one row for every run that changed, refused or failed something, and the finished jobs and conflicts.

Kubernetes forgets a finished SyncJob or SyncConflict after its time; its last state stays here.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import delete, select

from controller.objects import Json
from controller.store.engine import Database
from controller.store.schema import archive, runs
from controller.store.sql import upsert

_LEVEL = 6  # written once, seldom read


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. Times in seconds since 1970; `counts` by action; `errors` as in the status; `commits` that it pushed."""

    operation_id: str
    kind: str
    trigger: str
    outcome: str
    started: float
    finished: float
    initiated_by: str = ""
    revision_before: str = ""
    revision_after: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[Mapping[str, Json], ...] = ()
    commits: tuple[str, ...] = ()


class History:
    """The runs of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, fabric_id: int, run: RunRow) -> None:
        """Write a run, in place of an earlier row of its id. Raises FabricGoneError."""
        row = {
            "operation_id": run.operation_id,
            "fabric_id": fabric_id,
            "kind": run.kind,
            "trigger": run.trigger,
            "initiated_by": run.initiated_by,
            "outcome": run.outcome,
            "started": run.started,
            "finished": run.finished,
            "revision_before": run.revision_before,
            "revision_after": run.revision_after,
            "counts": dict(run.counts),
            "errors": [dict(error) for error in run.errors],
            "commits": list(run.commits),
        }
        async with self._database.transaction() as connection:
            await connection.execute(upsert(runs, connection), [row])

    async def latest(self, fabric_id: int, limit: int = 50) -> list[RunRow]:
        """The runs of a fabric, the newest first."""
        query = select(runs).where(runs.c.fabric_id == fabric_id).order_by(runs.c.started.desc()).limit(limit)
        async with self._database.snapshot() as connection:
            return [_run(row) for row in await connection.execute(query)]

    async def trim(self, before: float) -> None:
        """Forget the runs that began earlier."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(runs).where(runs.c.started < before))


@dataclass(frozen=True, slots=True)
class Archived:
    """The last state of a finished SyncJob or SyncConflict."""

    uid: str
    kind: str
    name: str
    finished: float
    content: Json


class Archive:
    """The finished jobs and conflicts of all fabrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, fabric_id: int, item: Archived) -> None:
        """Keep the last state of an object, in place of an earlier one. Raises FabricGoneError."""
        row = {
            "uid": item.uid,
            "fabric_id": fabric_id,
            "kind": item.kind,
            "name": item.name,
            "finished": item.finished,
            "content": zlib.compress(orjson.dumps(item.content), _LEVEL),
        }
        async with self._database.transaction() as connection:
            await connection.execute(upsert(archive, connection), [row])

    async def latest(self, fabric_id: int, kind: str, limit: int = 50) -> list[Archived]:
        """The finished objects of a kind, the newest first."""
        which = (archive.c.fabric_id == fabric_id) & (archive.c.kind == kind)
        query = select(archive).where(which).order_by(archive.c.finished.desc()).limit(limit)
        async with self._database.snapshot() as connection:
            return [_archived(row) for row in await connection.execute(query)]


def _run(row: Any) -> RunRow:
    return RunRow(
        operation_id=row.operation_id,
        kind=row.kind,
        trigger=row.trigger,
        outcome=row.outcome,
        started=row.started,
        finished=row.finished,
        initiated_by=row.initiated_by,
        revision_before=row.revision_before,
        revision_after=row.revision_after,
        counts=row.counts,
        errors=tuple(row.errors),
        commits=tuple(row.commits),
    )


def _archived(row: Any) -> Archived:
    return Archived(row.uid, row.kind, row.name, row.finished, orjson.loads(zlib.decompress(row.content)))
