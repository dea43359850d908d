"""What receivers were told of each fabric, and the messages that are on their way to them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Make `told` and `outbox`."""
    op.create_table(
        "told",
        sa.Column("fabric_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["fabric_id"], ["fabrics.id"], name="fk_told_fabric_id_fabrics", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("fabric_id", "topic", name="pk_told"),
    )
    op.create_table(
        "outbox",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fabric_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("receiver", sa.String(64), nullable=False),
        sa.Column("delivery", sa.String(36), nullable=False),
        sa.Column("made", sa.Float(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("notice", sa.JSON(), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["fabric_id"], ["fabrics.id"], name="fk_outbox_fabric_id_fabrics", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_fabric_id_receiver_number", "outbox", ["fabric_id", "receiver", "number"])
