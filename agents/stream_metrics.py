"""The stream manager's metrics: the records that it publishes, and the time that is not captured.

Records that are handled again after a crash are counted again.
"""

from typing import Any

from agents.faust_runner.core import Step
from agents.metrics import (
    CONTRADICTED_LEGS,
    FAILED_STARTS,
    STREAM_RECORDS,
    UNDECIDABLE_CALLS,
    UNSTREAMED_SECONDS,
    UNVERIFIED_LEGS,
)
from pipeline.policy import decide
from pipeline.streams.conference_search import has_no_conference
from pipeline.streams.marks import NoLeg
from pipeline.streams.reconcile import NEVER_REACHED
from pipeline.streams.verification import VERIFY, is_unverified
from pipeline.twilio.check_tasks import is_check_task
from schemas.records import (
    CallStreams,
    CommandAnswered,
    MediaStreamChanged,
    RecordingDecided,
)
from schemas.states import LegResult, StreamState
from schemas.topics import MEDIA

LONGEST_TICK_MS = 5_000
"""The most time that one tick adds. If ticks are further apart, none was handled in between, and
nothing is known about the rest of the time."""
_FORGET_MS = 60_000
_MANY_CALLS = 1_000
_TOO_MANY_REQUESTS = (429, 20429)
_TWILIO_CODES = 10_000
"""Twilio's own codes begin here; smaller numbers are HTTP statuses."""
_NO_LEG = frozenset(reason.value for reason in NoLeg)

for _kind in ("refused", "unreachable", "no-leg", "never-reached-gateway"):
    FAILED_STARTS.labels(_kind)


class StreamMetrics:
    """Updates the metrics from the core's steps. `starts`: whether media streams are started. If
    not, time without one is not counted, because it is intended."""

    def __init__(self, *, starts: bool = True) -> None:
        self._starts = starts
        self._unstreamed_at: dict[str, int] = {}
        self._unverified_at: dict[str, int] = {}

    def observe(
        self, key: str, before: CallStreams | None, record: Any, step: Step[CallStreams], now: int
    ) -> None:
        """Count a step; `record` is None for a tick. A test call is not counted."""
        if record is None and before is not None:
            if self._starts:
                self.ticked(key, before, now)
        elif isinstance(record, CommandAnswered) and not is_check_task(key):
            self.answered(record)
        self._published(step)

    def ticked(self, key: str, state: CallStreams, now: int) -> None:
        """Add the time since the call's last tick if a media stream should have been running and
        was not. `now`: the tick's time (ms); `state`: the state before it."""
        self._note_unverified(key, state, now)
        streamed = any(stream.state == StreamState.RUNNING for stream in state.media_streams)
        if not state.desired or streamed or has_no_conference(state):
            self._unstreamed_at.pop(key, None)
            return
        since = self._unstreamed_at.get(key, state.seen_at)
        UNSTREAMED_SECONDS.inc(min(max(0, now - since), LONGEST_TICK_MS) / 1000)
        self._unstreamed_at[key] = now
        if len(self._unstreamed_at) > _MANY_CALLS:  # drop calls of lost partitions
            self._unstreamed_at = {
                key: at for key, at in self._unstreamed_at.items() if now - at < _FORGET_MS
            }

    def _note_unverified(self, key: str, state: CallStreams, now: int) -> None:
        if is_unverified(state, now):
            self._unverified_at[key] = now
        elif self._unverified_at:
            self._unverified_at.pop(key, None)
            since = now - LONGEST_TICK_MS  # drop ended and lost calls
            self._unverified_at = {k: at for k, at in self._unverified_at.items() if at >= since}
        UNVERIFIED_LEGS.set(len(self._unverified_at))

    def answered(self, answer: CommandAnswered) -> None:
        """Count a start that the adapter gave up, or a leg that belongs to another call."""
        if answer.command == VERIFY and answer.outcome == LegResult.CONTRADICTED:
            CONTRADICTED_LEGS.inc()
        if answer.command == "start" and (kind := failed_start(answer)) is not None:
            FAILED_STARTS.labels(kind).inc()

    def _published(self, step: Step[CallStreams]) -> None:
        for output in step.outputs:
            match output.record:
                case RecordingDecided() if output.topic is MEDIA:
                    pass  # the copy of a decision on `stream.events`
                case RecordingDecided() as decided:
                    STREAM_RECORDS.labels("RecordingDecided", decided.decision).inc()
                    if step.state is not None and step.state.reason_kind == decide.NO_DIRECTION:
                        UNDECIDABLE_CALLS.inc()
                case MediaStreamChanged() as changed:
                    STREAM_RECORDS.labels("MediaStreamChanged", changed.state).inc()
                    if changed.state == StreamState.FAILED and changed.reason == NEVER_REACHED.text:
                        FAILED_STARTS.labels("never-reached-gateway").inc()
                case other:
                    STREAM_RECORDS.labels(type(other).__name__, "").inc()


def failed_start(answer: CommandAnswered) -> str | None:
    """Return the kind of failure that the answer to a start reports, or None."""
    if answer.outcome in ("done", "superseded"):
        return None
    if answer.outcome == "failed" or _is_refusal(answer.code):
        return "refused"
    return "no-leg" if answer.detail in _NO_LEG else "unreachable"


def _is_refusal(code: int | None) -> bool:
    """Return whether Twilio's code, or else the HTTP status, means that Twilio refuses the
    request."""
    if code is None or code in _TOO_MANY_REQUESTS:
        return False
    return code < 500 or code >= _TWILIO_CODES
