"""Save the results of a run in the database, for the console. I/O."""

from sqlalchemy.exc import SQLAlchemyError

from cli.twilio.doctor.asking_storage import check_file
from pipeline.check_results import CheckRun
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.store.check_runs import CheckRuns
from pipeline.store.database import open_database


def not_saved(settings: Settings, run: CheckRun) -> str | None:
    """Save the results in place of the earlier ones. Return why they are not saved, or None if they
    are.

    The database is not migrated here: a command must not change tables under roles of an earlier
    release.
    """
    if settings.database_url is None:
        return "the results are not saved: FLEXCAPTURE_DATABASE_URL is not set"
    try:
        engine = open_database(settings.database_url)
        try:
            check_file(engine, settings.database_url)
            CheckRuns(engine).save(run)
        finally:
            engine.dispose()
    except (SQLAlchemyError, SettingsError, LookupError) as error:
        # Not the text of the database's error: it has the statement, and perhaps a password.
        why = str(error) if isinstance(error, LookupError) else type(error).__name__
        return f"the results are not saved for the console: {why}; see the check `database`"
    return None
