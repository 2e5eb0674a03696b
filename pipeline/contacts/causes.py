"""Find the possible causes of missing audio, record by record. Pure.

Each function reads one record on its own, so that the set of causes does not depend on the order of
the records. `reasons.py` decides which cause explains a gap.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pipeline.streams.command_results import NO_CONFERENCE
from pipeline.streams.gateway_reports import ENDS, REPLACED, SILENT, STALE
from pipeline.streams.marks import NoLeg
from pipeline.streams.names import find_command_id
from pipeline.streams.reconcile import NEVER_REACHED
from pipeline.twilio.errors import ALREADY_STARTED, BEFORE, TOO_MANY
from schemas.records import CommandAnswered, GapCause, HandshakeRefused, MediaStreamChanged
from schemas.states import StreamState

TWILIO_REFUSED = "twilio-refused"
TWILIO_UNREACHABLE = "twilio-unreachable"
NO_LEG = "no-leg"
NEVER_REACHED_GATEWAY = "never-reached-gateway"
HANDSHAKE_REFUSED = "handshake-refused"
GATEWAY_DIED = "gateway-died"
GATEWAY_CUT_OFF = "gateway-cut-off"
SOCKET_DROPPED = "socket-dropped"
REFUSED_AS_STARTED = "refused-as-started"
"""Twilio refused a start, and the refusal was understood as a sign that the media stream is
running."""

NEVER_OPENED = "never-opened"
"""Twilio started a media stream that ended, and no gateway ever reported it."""

MAX_CAUSES = 500
"""The number of causes that are kept of a call, the latest ones."""

_OVER = frozenset({StreamState.STOPPED, StreamState.FAILED})
_NO_LEG_DETAILS = frozenset(reason.value for reason in NoLeg)
_UNREACHABLE_CODES = TOO_MANY | {0, 408}
_SERVER_ERRORS = (range(500, 600), range(20_500, 20_600))
"""HTTP statuses, and Twilio's codes for the same."""

_BY_CLOSE_REASON = {
    "dropped": SOCKET_DROPPED,
    "no-media": SOCKET_DROPPED,
    "protocol-error": SOCKET_DROPPED,
    "drained": GATEWAY_DIED,
    "gateway-died": GATEWAY_DIED,
    "gateway-gone": GATEWAY_DIED,
}
_BY_CHANGE = {
    NEVER_REACHED.text: NEVER_REACHED_GATEWAY,
    REPLACED.text: GATEWAY_DIED,
    SILENT.text: GATEWAY_CUT_OFF,
    STALE.text: GATEWAY_DIED,
    **{why.text: _BY_CLOSE_REASON[n] for n, why in ENDS.items() if n in _BY_CLOSE_REASON},
}


def cause_of(
    record: CommandAnswered | MediaStreamChanged | HandshakeRefused,
) -> GapCause | None:
    """Return the cause of missing audio that the record shows, if any."""
    match record:
        case CommandAnswered():
            reason = _of_answer(record)
        case MediaStreamChanged():
            reason = _BY_CHANGE.get(record.reason)
        case HandshakeRefused():
            reason = HANDSHAKE_REFUSED
    return None if reason is None else GapCause(record.at, reason)


def never_opened(
    media_streams: Iterable[MediaStreamChanged], reported: AbstractSet[str]
) -> tuple[GapCause, ...]:
    """Return a cause for each media stream that Twilio started and that ended before any gateway
    reported it. `reported`: the SIDs of those that gateways or recorders reported."""
    return tuple(
        GapCause(m.at, NEVER_OPENED)
        for m in media_streams
        if m.generation and m.state in _OVER and m.stream_sid and m.stream_sid not in reported
    )


def of_close_reason(reason: str) -> str | None:
    """Return why a recording ended early, by the reason of its `RecordingCompleted`; None if the
    reason explains no missing audio."""
    return _BY_CLOSE_REASON.get(reason)


def with_cause(known: tuple[GapCause, ...], new: GapCause) -> tuple[GapCause, ...]:
    """Return the causes with one more, by time: the latest `MAX_CAUSES` of them. Any order of the
    same causes gives the same result."""
    if new in known:
        return known
    found = sorted((*known, new), key=lambda cause: (cause.at, cause.reason))
    return tuple(found[-MAX_CAUSES:])


def _first_questions(task_sid: str) -> tuple[str, ...]:
    """Return the ids of the first `FindConference` commands. Only these count, because there may be
    very many."""
    return tuple(find_command_id(task_sid, attempt) for attempt in (1, 2, 3))


def _of_answer(answer: CommandAnswered) -> str | None:
    """Return why a start was not carried out, or was carried out only after Twilio had refused it
    or had not answered. A superseded start gives a cause only if Twilio had answered before. If
    Twilio refused a start as already running, that cause counts if no media stream followed."""
    if answer.outcome == NO_CONFERENCE and answer.command_id in _first_questions(answer.task_sid):
        return NO_LEG
    if answer.command != "start":
        return None
    if answer.outcome == "done" and answer.detail.startswith(ALREADY_STARTED):
        return None if answer.code is None else REFUSED_AS_STARTED
    before = answer.detail.partition(BEFORE)[2] if answer.outcome == "done" else answer.detail
    if answer.code is None and before in _NO_LEG_DETAILS:
        return NO_LEG  # Twilio always answered
    if answer.outcome == "done" and answer.code is None:
        # Look-ups are requests too, so several requests do not mean that one failed.
        return TWILIO_UNREACHABLE if before else None
    if answer.code is None:
        # The command expired before Twilio could be asked, or got no answer from Twilio.
        is_unanswered = answer.attempts > 0 and answer.outcome != "failed"
        return TWILIO_UNREACHABLE if answer.outcome == "expired" or is_unanswered else None
    if answer.code in _UNREACHABLE_CODES or any(answer.code in codes for codes in _SERVER_ERRORS):
        return TWILIO_UNREACHABLE
    return TWILIO_REFUSED
