"""Sessions of people at the console, and the record of sign-ins and of the audio that was played.

`console_audit` is append-only: triggers refuse to change or to delete a row.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQLITE = """
CREATE TRIGGER console_audit_no_{event} BEFORE {event} ON console_audit
BEGIN SELECT RAISE(ABORT, 'console_audit is append-only'); END
"""
_POSTGRES_FUNCTION = """
CREATE FUNCTION console_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'console_audit is append-only'; END $$
"""
_POSTGRES = """
CREATE TRIGGER console_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON console_audit
FOR EACH STATEMENT EXECUTE FUNCTION console_audit_refuse()
"""


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "console_sessions",
        sa.Column("session_id", sa.String(255), primary_key=True),
        sa.Column("cookie_hash", sa.String(64), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("active_at", sa.BigInteger, nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("user_agent", sa.String(255), nullable=False),
    )
    op.create_index("console_sessions_cookie", "console_sessions", ["cookie_hash"], unique=True)
    op.create_table(
        "console_audit",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("inum", sa.String(32), nullable=False),
        sa.Column("recording_id", sa.String(255), nullable=False),
        sa.Column("detail", sa.String(255), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("console_audit_inum", "console_audit", ["inum"])
    _refuse_changes()


def _refuse_changes() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("update", "delete"):
            op.execute(_SQLITE.format(event=event))
    else:
        op.execute(_POSTGRES_FUNCTION)
        op.execute(_POSTGRES)


def downgrade() -> None:
    """Refuse: the audit table must not be lost."""
    raise NotImplementedError("version 0004 cannot be undone: restore a backup")
