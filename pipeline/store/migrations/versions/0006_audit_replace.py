"""`console_audit` takes new entries at its end only: `INSERT OR REPLACE` cannot change an entry.

For a REPLACE, SQLite deletes the conflicting row without firing DELETE triggers, unless the
connection sets `recursive_triggers`. So a trigger on INSERT must refuse it. In
PostgreSQL an upsert fires the trigger on UPDATE of version 0004.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Before the row is inserted, SQLite shows a position that it will choose itself as -1 (or NULL).
# So entries may not have such a position; that is known only after the row is inserted.
_AT_THE_END = """
CREATE TRIGGER console_audit_no_replace BEFORE INSERT ON console_audit
WHEN NEW.position > 0 AND NEW.position <= (SELECT MAX(position) FROM console_audit)
BEGIN SELECT RAISE(ABORT, 'console_audit is append-only'); END
"""
_POSITIVE = """
CREATE TRIGGER console_audit_positive AFTER INSERT ON console_audit WHEN NEW.position <= 0
BEGIN SELECT RAISE(ABORT, 'positions of console_audit are positive'); END
"""


def upgrade() -> None:
    """Add the triggers to SQLite."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_AT_THE_END)
        op.execute(_POSITIVE)


def downgrade() -> None:
    """Refuse: entries could be replaced."""
    raise NotImplementedError("version 0006 cannot be undone: restore a backup")
