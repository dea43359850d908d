"""The tables, as this version of the program sees them. `migrations` brings a database of any earlier version here.

Everything of a fabric hangs on its row in `fabrics` and goes with it. Object keys are four columns; documents are
canonical JSON, compressed; times are seconds since 1970 UTC. SQLite and PostgreSQL get the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# Names of RBAC objects have no bound of their own. SQLite heeds no length anyhow.
_KEY_PART = String(253).with_variant(Text(), "postgresql")


def _fabric(*, primary_key: bool = True) -> Column[int]:
    target = ForeignKey("fabrics.id", ondelete="CASCADE")
    return Column("fabric_id", Integer, target, primary_key=primary_key, autoincrement=False, nullable=False)


def _object() -> Iterator[Column[Any]]:
    for name in ("group", "kind", "namespace", "name"):
        yield Column(name, _KEY_PART, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("database_id", String(36), nullable=False),
    Column("install_id", String(36)),
    Column("salt", LargeBinary, nullable=False),
)

holder = Table(
    "holder",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("token", String(64), nullable=False),  # of the process that took the lock last; see `postgres`
    _text("name"),
)

fabrics = Table(
    "fabrics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String(64), nullable=False, unique=True),
    Column("namespace", String(253), nullable=False),
    Column("name", String(253), nullable=False),
    _text("epoch"),
    _text("url"),
    _text("branch"),
    _text("directory"),
    _text("planned_commit"),
    _text("planned_tree"),
    _text("pushed_commit"),
    _text("pushed_tree"),
    _text("applied_commit"),
    sqlite_autoincrement=True,  # an id is never given out again: a late row of a dropped fabric finds nobody
)

hints = Table(
    "hints",
    metadata,
    Column("url", Text, primary_key=True),  # normalised: of all its fabrics, however they spell it
    Column("branch", String(255), primary_key=True),
    _text("commit"),
    Column("token", String(32), nullable=False),  # another one with every hint
    Column("time", Float, nullable=False),
)

list_versions = Table(
    "list_versions",
    metadata,
    _fabric(),
    Column("resource", String(1024), primary_key=True),  # the path that was listed
    _text("resource_version"),
)

bases = Table(
    "bases",
    metadata,
    _fabric(),
    *_object(),
    Column("contents", LargeBinary, nullable=False),  # both documents together: they are nearly the same text
    _text("uid"),
    _text("resource_version"),
    _text("epoch"),
    _text("api_version"),
    _text("path"),
    Column("line", Integer, nullable=False),
    Column("document", Integer, nullable=False),
    Column("item", Integer),
    _text("blob"),
    _text("commit"),
)

pushes = Table(
    "pushes",
    metadata,
    _fabric(),
    Column("commit", String(64), primary_key=True),
    _text("branch"),
    _text("run"),
    Column("state", String(16), nullable=False),
    Column("time", Float, nullable=False),
    Column("objects", JSON, nullable=False),
    Index(None, "fabric_id", "time"),
)

requests = Table(
    "requests",
    metadata,
    _fabric(),
    _text("url"),
    _text("base_branch"),
    _text("branch"),
    Column("cause", String(16), nullable=False),
    Column("step", String(16), nullable=False),
    _text("commit"),
    _text("prepared"),
    _text("digest"),
    Column("opened", Boolean, nullable=False),
    Column("number", Integer, nullable=False),
    _text("link"),
)

pending = Table(
    "pending",
    metadata,
    _fabric(),
    *_object(),
    Column("content", LargeBinary, nullable=False),
    _text("rejected"),
)

refusals = Table(
    "refusals",
    metadata,
    _fabric(),
    *_object(),
    _text("blob"),
    _text("live"),
    Column("reason", String(64), nullable=False),
    _text("field"),
    _text("message"),
)

guards = Table(
    "guards",
    metadata,
    _fabric(),
    Column("token", String(64), primary_key=True),
    Column("reason", String(64), nullable=False),
    _text("message"),
    Column("deletions", Integer, nullable=False),
    Column("edits", Integer, nullable=False),
    Column("entries", JSON, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("time", Float, nullable=False),
)

told = Table(
    "told",
    metadata,
    _fabric(),
    Column("topic", Text, primary_key=True),  # see `controller.sync.notices`
    Column("is_open", Boolean, nullable=False),
    _text("detail"),
    Column("times", JSON, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", Integer, primary_key=True),  # the order in which a receiver gets them
    _fabric(primary_key=False),
    Column("receiver", String(64), nullable=False),
    Column("delivery", String(36), nullable=False),
    Column("made", Float, nullable=False),
    Column("due", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("notice", JSON, nullable=False),
    Column("recipients", JSON, nullable=False),  # those that an earlier try left; empty: all
    Index(None, "fabric_id", "receiver", "number"),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    Column("operation_id", String(64), primary_key=True),
    _fabric(primary_key=False),
    Column("kind", String(32), nullable=False),
    Column("trigger", String(32), nullable=False),
    _text("initiated_by"),
    Column("outcome", String(32), nullable=False),
    Column("started", Float, nullable=False),
    Column("finished", Float, nullable=False),
    _text("revision_before"),
    _text("revision_after"),
    Column("counts", JSON, nullable=False),
    Column("errors", JSON, nullable=False),
    Column("commits", JSON, nullable=False),
    Index(None, "fabric_id", "started"),
)

archive = Table(
    "archive",
    metadata,
    Column("uid", String(64), primary_key=True),
    _fabric(primary_key=False),
    Column("kind", String(63), nullable=False),
    Column("name", String(253), nullable=False),
    Column("finished", Float, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index(None, "fabric_id", "kind", "finished"),
)
