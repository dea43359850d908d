"""Pull requests, and the edits that wait in them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KEY_PART = sa.String(253).with_variant(sa.Text(), "postgresql")


def upgrade() -> None:
    """Make `requests` and `pending`."""
    op.create_table(
        "requests",
        sa.Column("fabric_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("base_branch", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("prepared", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("opened", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fabric_id"], ["fabrics.id"], name="fk_requests_fabric_id_fabrics", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fabric_id", name="pk_requests"),
    )
    op.create_table(
        "pending",
        sa.Column("fabric_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group", KEY_PART, nullable=False),
        sa.Column("kind", KEY_PART, nullable=False),
        sa.Column("namespace", KEY_PART, nullable=False),
        sa.Column("name", KEY_PART, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("rejected", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["fabric_id"], ["fabrics.id"], name="fk_pending_fabric_id_fabrics", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("fabric_id", "group", "kind", "namespace", "name", name="pk_pending"),
    )
