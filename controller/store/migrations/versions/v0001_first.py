"""The first tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KEY = ("group", "kind", "namespace", "name")


def upgrade() -> None:
    """Make all tables of version 0001. Later versions change them in migrations of their own, never here."""
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("database_id", sa.String(36), nullable=False),
        sa.Column("install_id", sa.String(36)),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    op.create_table(
        "fabrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(253), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        *_texts("epoch", "url", "branch", "directory"),
        *_texts("planned_commit", "planned_tree", "pushed_commit", "pushed_tree", "applied_commit"),
        sa.PrimaryKeyConstraint("id", name="pk_fabrics"),
        sa.UniqueConstraint("uid", name="uq_fabrics_uid"),
        sqlite_autoincrement=True,
    )
    _of_fabric(
        "list_versions",
        ("fabric_id", "resource"),
        sa.Column("resource", sa.String(1024), nullable=False),
        *_texts("resource_version"),
    )
    _of_fabric(
        "bases",
        ("fabric_id", *KEY),
        *_key(),
        sa.Column("contents", sa.LargeBinary(), nullable=False),
        *_texts("uid", "resource_version", "epoch", "api_version", "path"),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("document", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer()),
        *_texts("blob", "commit"),
    )
    _of_fabric(
        "pushes",
        ("fabric_id", "commit"),
        sa.Column("commit", sa.String(64), nullable=False),
        *_texts("branch", "run"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("objects", sa.JSON(), nullable=False),
    )
    op.create_index("ix_pushes_fabric_id_time", "pushes", ["fabric_id", "time"])
    _of_fabric(
        "refusals",
        ("fabric_id", *KEY),
        *_key(),
        *_texts("blob", "live"),
        sa.Column("reason", sa.String(64), nullable=False),
        *_texts("field", "message"),
    )
    _of_fabric(
        "guards",
        ("fabric_id", "token"),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        *_texts("message"),
        sa.Column("deletions", sa.Integer(), nullable=False),
        sa.Column("edits", sa.Integer(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
    )
    _of_fabric(
        "runs",
        ("operation_id",),
        sa.Column("operation_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("trigger", sa.String(32), nullable=False),
        *_texts("initiated_by"),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("started", sa.Float(), nullable=False),
        sa.Column("finished", sa.Float(), nullable=False),
        *_texts("revision_before", "revision_after"),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("errors", sa.JSON(), nullable=False),
        sa.Column("commits", sa.JSON(), nullable=False),
    )
    op.create_index("ix_runs_fabric_id_started", "runs", ["fabric_id", "started"])
    _of_fabric(
        "archive",
        ("uid",),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(63), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("finished", sa.Float(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_archive_fabric_id_kind_finished", "archive", ["fabric_id", "kind", "finished"])


def _of_fabric(table: str, primary_key: Sequence[str], *columns: sa.Column[Any]) -> None:
    """A table whose rows go with their fabric."""
    op.create_table(
        table,
        sa.Column("fabric_id", sa.Integer(), autoincrement=False, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["fabric_id"], ["fabrics.id"], name=f"fk_{table}_fabric_id_fabrics", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*primary_key, name=f"pk_{table}"),
    )


def _key() -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(253), nullable=False) for name in KEY]


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]
