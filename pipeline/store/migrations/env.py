"""Alembic's environment: migrate on the given connection, in its transaction."""

from alembic import context

from pipeline.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
