"""The results of the last run of `flexcapture twilio doctor`, in the database.

All methods block: call them in a thread. They raise an `SQLAlchemyError` while the database cannot
be reached, and if it was not migrated to this version.
"""

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError
from stamina import retry

from pipeline.check_results import CheckResult, CheckRun, CheckStatus
from pipeline.store.models import CheckRow

LONGEST_TEXT = 4_000


class CheckRuns:
    """The table of results in a migrated database of `open_database`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @retry(on=IntegrityError, attempts=5, timeout=30, wait_initial=0.05, wait_max=0.5)
    def save(self, run: CheckRun) -> None:
        """Replace the results of the previous run. If runs end at the same time, all results of one
        of them are kept."""
        rows = [
            {
                "position": position,
                "name": result.name,
                "status": result.status.value,
                "detail": _storable(result.detail),
                "remedy": _storable(result.remedy),
                "ran_at": run.at,
            }
            for position, result in enumerate(run.results)
        ]
        with self._engine.begin() as connection:
            connection.execute(delete(CheckRow))
            connection.execute(insert(CheckRow), rows)

    def last(self) -> CheckRun | None:
        """Return the last run; None if there was none."""
        columns = CheckRow.__table__.c
        query = select(*columns).order_by(columns.position)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        if not rows:
            return None
        results = (
            CheckResult(row["name"], CheckStatus(row["status"]), row["detail"], row["remedy"])
            for row in rows
        )
        return CheckRun(rows[0]["ran_at"], tuple(results))


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd")[:LONGEST_TEXT]
