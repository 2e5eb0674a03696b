"""The models agree with the migrations."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipeline.store.database import migrate, open_database
from pipeline.store.models import Base


def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    """A migrated database has no difference from the models, and migrating it again is nothing."""
    engine = open_database(database_url)
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
