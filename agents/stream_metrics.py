"""Metrics of the stream manager: what it publishes, and what is not captured.

They are counted again for records that are handled again after a crash.
"""

from prometheus_client import Counter, Gauge

from pipeline.calls import policy
from pipeline.streams import manager
from pipeline.streams.marks import NoLeg
from pipeline.streams.reconcile import NEVER_REACHED
from pipeline.streams.state import FAILED, RUNNING
from pipeline.streams.verification import CONTRADICTED, VERIFY, is_unverified
from schemas.records import (
    CallStreams,
    CommandAnswered,
    FetchLeg,
    LegFetched,
    MediaStreamChanged,
    RecordingDecided,
    StartDuplicateStream,
    StopDuplicateStream,
    VerifyLeg,
)

LONGEST_TICK_MS = 5_000
"""Ticks that are further apart were not handled in between: nothing is known of that time."""
_FORGET_MS = 60_000
_MANY_CALLS = 1_000
_TOO_MANY_REQUESTS = (429, 20429)
_TWILIO_CODES = 10_000
"""Twilio's own codes begin here; below are HTTP statuses."""
_NO_LEG = frozenset(reason.value for reason in NoLeg)

PUBLISHED = Counter(
    "flexcapture_stream_manager_records", "Commands and decisions", ["record", "what"]
)
UNSTREAMED = Counter(
    "flexcapture_unstreamed_seconds",
    "Time of calls that must be recorded and have no running media stream",
)
FAILED_STARTS = Counter(
    "flexcapture_failed_starts",
    "Starts of media streams that failed: refused, unreachable, no-leg, never-reached-gateway",
    ["kind"],
)
UNDECIDABLE = Counter(
    "flexcapture_stream_manager_undecidable_calls",
    "Calls of monitored agents that are not recorded because their direction is not known",
)
CONTRADICTED_LEGS = Counter(
    "flexcapture_stream_manager_contradicted_legs",
    "Streamed legs that belong to another call, as Twilio says; their recordings are withheld",
)
UNVERIFIED = Gauge(
    "flexcapture_stream_manager_unverified_legs",
    "Calls with a streamed leg about which Twilio has said nothing for 30 s",
)
for _kind in ("refused", "unreachable", "no-leg", "never-reached-gateway"):
    FAILED_STARTS.labels(_kind)


class StreamMetrics:
    """Counts what the core's steps show."""

    def __init__(self) -> None:
        self._unstreamed_at: dict[str, int] = {}
        self._unverified_at: dict[str, int] = {}

    def ticked(self, key: str, state: CallStreams, now: int) -> None:
        """Count the time since the call's last tick, if a media stream had to run and did not.
        `now`: the tick's time, ms; `state`: before it."""
        self._note_unverified(key, state, now)
        streamed = any(stream.state == RUNNING for stream in state.media_streams)
        if not state.desired or streamed:
            self._unstreamed_at.pop(key, None)
            return
        since = self._unstreamed_at.get(key, state.seen_at)
        UNSTREAMED.inc(min(max(0, now - since), LONGEST_TICK_MS) / 1000)
        self._unstreamed_at[key] = now
        if len(self._unstreamed_at) > _MANY_CALLS:  # calls of partitions that were lost
            self._unstreamed_at = {
                key: at for key, at in self._unstreamed_at.items() if now - at < _FORGET_MS
            }

    def _note_unverified(self, key: str, state: CallStreams, now: int) -> None:
        if is_unverified(state, now):
            self._unverified_at[key] = now
        elif self._unverified_at:
            self._unverified_at.pop(key, None)
            since = now - LONGEST_TICK_MS  # calls that ended, or are another process's
            self._unverified_at = {k: at for k, at in self._unverified_at.items() if at >= since}
        UNVERIFIED.set(len(self._unverified_at))

    def answered(self, answer: CommandAnswered) -> None:
        """Count a start that the adapter gave up, and a leg of another call."""
        if answer.command == VERIFY and answer.outcome == CONTRADICTED:
            CONTRADICTED_LEGS.inc()
        if answer.command == "start" and (kind := failed_start(answer)) is not None:
            FAILED_STARTS.labels(kind).inc()

    def published(self, following: manager.Next) -> None:
        """Count what a step publishes."""
        for told in following.told:
            match told:
                case (
                    StartDuplicateStream()
                    | StopDuplicateStream()
                    | VerifyLeg()
                    | FetchLeg()
                    | LegFetched()
                ):
                    PUBLISHED.labels(type(told).__name__, "").inc()
                case RecordingDecided():
                    PUBLISHED.labels("RecordingDecided", told.decision).inc()
                    state = following.state
                    if state is not None and state.reason_kind == policy.NO_DIRECTION:
                        UNDECIDABLE.inc()
                case MediaStreamChanged():
                    PUBLISHED.labels("MediaStreamChanged", told.state).inc()
                    if told.state == FAILED and told.reason == NEVER_REACHED:
                        FAILED_STARTS.labels("never-reached-gateway").inc()


def failed_start(answer: CommandAnswered) -> str | None:
    """Return the kind of failure that the answer to a start tells of, None if it is none."""
    if answer.outcome in ("done", "superseded"):
        return None
    if answer.outcome == "failed" or _is_refusal(answer.code):
        return "refused"
    return "no-leg" if answer.detail in _NO_LEG else "unreachable"


def _is_refusal(code: int | None) -> bool:
    """Whether Twilio's code, or else the HTTP status, says that Twilio does not do it."""
    if code is None or code in _TOO_MANY_REQUESTS:
        return False
    return code < 500 or code >= _TWILIO_CODES
