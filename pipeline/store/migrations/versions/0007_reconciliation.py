"""The result of the comparison with Twilio's records."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the result of a contact, and its word for searches. Existing contacts have none."""
    op.add_column("contacts", sa.Column("reconciliation", sa.JSON, nullable=True))
    op.add_column("contacts", sa.Column("reconciled", sa.String(16), nullable=True))
    op.create_index("contacts_reconciled", "contacts", ["reconciled", "started_at"])


def downgrade() -> None:
    """Remove them: the topic `contacts` has them still."""
    op.drop_index("contacts_reconciled", "contacts")
    op.drop_column("contacts", "reconciled")
    op.drop_column("contacts", "reconciliation")
