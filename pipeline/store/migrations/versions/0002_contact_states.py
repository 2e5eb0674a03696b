"""The state from which each contact was made, so that a late record can be added to it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table. Earlier contacts have no row in it."""
    op.create_table(
        "contact_states",
        sa.Column(
            "contact_id", sa.String(255), sa.ForeignKey("contacts.contact_id"), primary_key=True
        ),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("contact_states")
