"""The stream manager's metrics: the records that it publishes, and the time that is not captured.

Records that are handled again after a crash are counted again.
"""

from prometheus_client import Counter, Gauge

from pipeline.policy import decide
from pipeline.streams import manager
from pipeline.streams.conference_search import has_no_conference
from pipeline.streams.marks import NoLeg
from pipeline.streams.reconcile import NEVER_REACHED
from pipeline.streams.state import FAILED, RUNNING
from pipeline.streams.verification import CONTRADICTED, VERIFY, is_unverified
from schemas.records import (
    CallAlias,
    CallStreams,
    CommandAnswered,
    LegFetched,
    MediaStreamChanged,
    RecordingDecided,
    StreamCommand,
)

LONGEST_TICK_MS = 5_000
"""The most time that one tick adds. If ticks are further apart, none was handled in between, and
nothing is known about the rest of the time."""
_FORGET_MS = 60_000
_MANY_CALLS = 1_000
_TOO_MANY_REQUESTS = (429, 20429)
_TWILIO_CODES = 10_000
"""Twilio's own codes begin here; smaller numbers are HTTP statuses."""
_NO_LEG = frozenset(reason.value for reason in NoLeg)

PUBLISHED = Counter(
    "flexcapture_stream_manager_records", "Commands and decisions", ["record", "what"]
)
UNSTREAMED = Counter(
    "flexcapture_unstreamed_seconds",
    "Seconds for which calls had to be recorded and had no running media stream; tasks without a "
    "conference do not count",
)
FAILED_STARTS = Counter(
    "flexcapture_failed_starts",
    "Starts of media streams that failed: refused, unreachable, no-leg, never-reached-gateway",
    ["kind"],
)
UNDECIDABLE = Counter(
    "flexcapture_stream_manager_undecidable_calls",
    "Calls of monitored agents that are not recorded because their direction is unknown",
)
CONTRADICTED_LEGS = Counter(
    "flexcapture_stream_manager_contradicted_legs",
    "Streamed legs that belong to another call according to Twilio; recordings are withheld",
)
UNVERIFIED = Gauge(
    "flexcapture_stream_manager_unverified_legs",
    "Calls with a streamed leg that Twilio has not confirmed for 30 s",
)
for _kind in ("refused", "unreachable", "no-leg", "never-reached-gateway"):
    FAILED_STARTS.labels(_kind)


class StreamMetrics:
    """Updates the metrics from the core's steps."""

    def __init__(self) -> None:
        self._unstreamed_at: dict[str, int] = {}
        self._unverified_at: dict[str, int] = {}

    def ticked(self, key: str, state: CallStreams, now: int) -> None:
        """Add the time since the call's last tick if a media stream should have been running and
        was not. `now`: the tick's time (ms); `state`: the state before it."""
        self._note_unverified(key, state, now)
        streamed = any(stream.state == RUNNING for stream in state.media_streams)
        if not state.desired or streamed or has_no_conference(state):
            self._unstreamed_at.pop(key, None)
            return
        since = self._unstreamed_at.get(key, state.seen_at)
        UNSTREAMED.inc(min(max(0, now - since), LONGEST_TICK_MS) / 1000)
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
        UNVERIFIED.set(len(self._unverified_at))

    def answered(self, answer: CommandAnswered) -> None:
        """Count a start that the adapter gave up, or a leg that belongs to another call."""
        if answer.command == VERIFY and answer.outcome == CONTRADICTED:
            CONTRADICTED_LEGS.inc()
        if answer.command == "start" and (kind := failed_start(answer)) is not None:
            FAILED_STARTS.labels(kind).inc()

    def published(self, following: manager.Next) -> None:
        """Count the records that a step publishes."""
        for told in following.told:
            if isinstance(told, StreamCommand):
                PUBLISHED.labels(type(told).__name__, "").inc()
                continue
            match told:
                case LegFetched() | CallAlias():
                    PUBLISHED.labels(type(told).__name__, "").inc()
                case RecordingDecided():
                    PUBLISHED.labels("RecordingDecided", told.decision).inc()
                    state = following.state
                    if state is not None and state.reason_kind == decide.NO_DIRECTION:
                        UNDECIDABLE.inc()
                case MediaStreamChanged():
                    PUBLISHED.labels("MediaStreamChanged", told.state).inc()
                    if told.state == FAILED and told.reason == NEVER_REACHED:
                        FAILED_STARTS.labels("never-reached-gateway").inc()


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
