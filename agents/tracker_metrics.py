"""The tracker's metrics: each is counted from a step of its core."""

from collections.abc import Callable
from typing import Any

from agents.faust_runner.core import Step
from agents.metrics import (
    CALL_VERSIONS,
    CALLS_FORGOTTEN,
    CALLS_SWEPT,
    CONTRADICTIONS,
    EVENTS_IGNORED,
    EVENTS_REPEATED,
)
from agents.other_channels import OtherChannels
from pipeline.calls.channels import names_call
from pipeline.calls.claims import new_contradictions
from pipeline.calls.lifetime import Kept
from pipeline.calls.workers import value
from schemas.records import Call
from schemas.states import CallState
from schemas.topics import CALLS

REPEATED = "repeated"
"""Why the tracker ignored an event that changed nothing."""


_VERSIONS = {state: CALL_VERSIONS.labels(state) for state in CallState}
"""Looking a counter up by its label for each version costs more than counting."""


class TrackerMetrics:
    """Counts steps. `report_ignored` is called with the name of another channel once for each of
    its tasks that has a call."""

    def __init__(self, report_ignored: Callable[[str], None] | None = None) -> None:
        self._report_ignored = report_ignored or OtherChannels().report

    def observe(
        self,
        key: str,  # noqa: ARG002 - an `Observe` has it
        before: Kept | None,
        record: Any,
        step: Step[Kept],
        now: int,  # noqa: ARG002
    ) -> None:
        """Count a step; `record` is None for a tick."""
        versions = [output.record for output in step.outputs if output.topic is CALLS]
        for call in versions:
            _VERSIONS[call.state].inc()
        call_before = before if isinstance(before, Call) else None
        if record is None:
            CALLS_SWEPT.inc(len(versions))
            CALLS_FORGOTTEN.inc(call_before is not None and not isinstance(step.state, Call))
        elif step.ignored == REPEATED:
            EVENTS_REPEATED.inc()
        elif step.ignored is not None:
            EVENTS_IGNORED.labels(step.ignored).inc()
        elif versions and step.refused is None:
            *earlier, latest = versions
            self._count_changes(earlier[-1] if earlier else call_before, latest)

    def _count_changes(self, before: Call | None, after: Call) -> None:
        if _is_ignored_call(after) and not _is_ignored_call(before):
            self._report_ignored(value(after.facts, "channel") or "")
        for each in new_contradictions(before, after):
            CONTRADICTIONS.labels(each.name).inc()


def _is_ignored_call(call: Call | None) -> bool:
    return call is not None and call.state == CallState.IGNORED and names_call(call)
