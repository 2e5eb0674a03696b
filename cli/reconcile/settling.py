"""Decide when the consolidator's results are those of the whole comparison. Pure."""

from collections.abc import Mapping

from pipeline.reconciliation.result import NOT_DELIVERED
from schemas.records import Reconciliation, ReconciliationEvidence


class SettlingResults:
    """The results for the compared tasks, as they are read repeatedly.

    `compared`: the evidence of each task; `quiet_s`: how long (s) the results must stay the same if
    the comparison added events, because several roles process these one after the other.
    """

    def __init__(self, compared: Mapping[str, ReconciliationEvidence], quiet_s: float) -> None:
        self._compared = compared
        self._quiet_s = quiet_s if any(e.added_events for e in compared.values()) else 0.0
        self._changed_at: float | None = None
        self.fresh: Mapping[str, Reconciliation] = {}

    def take(self, found: Mapping[str, Reconciliation], now: float) -> bool:
        """Take the results that were read at `now` (s). Return whether they are settled."""
        fresh = {
            sid: result
            for sid, result in found.items()
            if result.checked_at >= self._compared[sid].checked_at
        }
        if fresh != self.fresh or self._changed_at is None:
            self.fresh, self._changed_at = fresh, now
        if len(fresh) < len(self._compared) or any(map(_is_partial, fresh.values())):
            return False
        return now - self._changed_at >= self._quiet_s


def _is_partial(result: Reconciliation) -> bool:
    """Return whether a reservation is not known yet, though Twilio lists its acceptance."""
    return any(part.reason == NOT_DELIVERED for part in result.reservations)
