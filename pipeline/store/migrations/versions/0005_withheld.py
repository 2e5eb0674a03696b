"""Withheld recordings, and values of attributes that contradict the valid ones."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column to each table. Existing rows are not withheld."""
    op.add_column(
        "recordings",
        sa.Column("withheld_because", sa.String(32), nullable=False, server_default=""),
    )
    op.add_column(
        "contacts", sa.Column("contradictions", sa.JSON, nullable=False, server_default="[]")
    )


def downgrade() -> None:
    """Refuse: a withheld recording would be audible."""
    raise NotImplementedError("version 0005 cannot be undone: restore a backup")
