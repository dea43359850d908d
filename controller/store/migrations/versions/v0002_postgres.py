"""What PostgreSQL needs: who held the lock last, and names as long as the API server allows them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Make `holder`. SQLite heeds no length, so its tables stay as they are."""
    op.create_table(
        "holder",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_holder"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("bases", "refusals"):
            for column in ("group", "kind", "namespace", "name"):
                op.alter_column(table, column, type_=sa.Text())
