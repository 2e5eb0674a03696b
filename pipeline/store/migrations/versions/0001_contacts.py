"""Contacts, with their sessions, legs, recordings and decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _contacts()
    _parts()
    _recordings()


def downgrade() -> None:
    """Drop the tables."""
    for table in ("decisions", "recordings", "legs", "sessions", "contacts"):
        op.drop_table(table)


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.String(255), primary_key=True),
        sa.Column("task_sid", sa.String(255), nullable=False, unique=True),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("customer", sa.String(255)),
        sa.Column("queue", sa.String(255)),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("connections", sa.JSON, nullable=False),
        sa.Column("streams", sa.JSON, nullable=False),
        sa.Column("in_progress", sa.Boolean, nullable=False),
        sa.Column("searched", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("contacts_newest", "contacts", ["started_at", "contact_id"])
    op.create_index("contacts_customer", "contacts", ["customer", "started_at"])
    op.create_index("contacts_in_progress", "contacts", ["in_progress", "started_at"])


def _owner() -> sa.Column[str]:
    return sa.Column(
        "contact_id", sa.String(255), sa.ForeignKey("contacts.contact_id"), primary_key=True
    )


def _parts() -> None:
    op.create_table(
        "sessions",
        _owner(),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("reservation_sid", sa.String(255), nullable=False),
        sa.Column("extension", sa.String(255)),
        sa.Column("monitored", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("sessions_extension", "sessions", ["extension", "contact_id"])
    op.create_table("legs", _owner(), sa.Column("call_sid", sa.String(255), primary_key=True))
    op.create_index("legs_call_sid", "legs", ["call_sid"])
    op.create_table(
        "decisions",
        _owner(),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("decision", sa.String(32), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("policy_version", sa.BigInteger, nullable=False),
    )


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("stream_sid", sa.String(255), primary_key=True),
        sa.Column(
            "contact_id", sa.String(255), sa.ForeignKey("contacts.contact_id"), nullable=False
        ),
        sa.Column("inum", sa.String(32), nullable=False),
        sa.Column("call_sid", sa.String(255), nullable=False),
        sa.Column("extension", sa.String(255)),
        sa.Column("extensions", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger),
        *[
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("received", "lost", "duplicate", "invalid")
        ],
        sa.Column("audio", sa.Text),
        sa.Column("manifest", sa.Text),
    )
    op.create_index("recordings_contact", "recordings", ["contact_id", "started_at"])
    op.create_index("recordings_inum", "recordings", ["inum"])
