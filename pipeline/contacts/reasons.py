"""Find the reason of a gap among the causes of missing audio. Pure.

Of the causes that fit a gap, the first of this list is its reason:

1. `twilio-refused`, `twilio-unreachable`, `handshake-refused`, `never-reached-gateway`, `no-leg`:
   a start that failed. It does not matter how the recording before the gap ended, because a
   successful start would have ended the gap.
2. `gateway-died`: the recording before the gap ended because its gateway was reported as started
   again.
3. `gateway-cut-off`, `gateway-died`, `socket-dropped`: the end of a media stream, as the stream
   manager or the recording reports it. A gateway that becomes silent counts as cut off until more
   is known.
4. `late-events`: no decision `record` was in force when the gap began, nor within a second.
5. `late-start`: a recording follows the gap, so its start took long.
6. `twilio-refused`: a start was refused as already running, and no media stream followed.
7. `never-reached-gateway`: a media stream was started and ended, and no gateway reported it. It may
   have been stopped before the stream manager could report it.
8. `unknown`.

A cause belongs to the last gap that began before it. If a recording follows the gap, the cause must
also come before that recording. Clocks of different processes may differ by `SLACK_MS`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.contacts.causes import (
    GATEWAY_CUT_OFF,
    GATEWAY_DIED,
    HANDSHAKE_REFUSED,
    NEVER_OPENED,
    NEVER_REACHED_GATEWAY,
    NO_LEG,
    REFUSED_AS_STARTED,
    SOCKET_DROPPED,
    TWILIO_REFUSED,
    TWILIO_UNREACHABLE,
    of_close_reason,
)
from schemas.records import ContactGap, GapCause, RecordingCompleted, RecordingDecided
from schemas.states import RecordingDecision

LATE_EVENTS = "late-events"
LATE_START = "late-start"
UNKNOWN = "unknown"

RESTARTED = "gateway-died"
"""The reason of a `RecordingCompleted` after a restart of its gateway."""
SLACK_MS = 1_000
"""How far the clocks of different processes may differ; a decision later than this is late."""

_STARTS = (
    TWILIO_REFUSED,
    TWILIO_UNREACHABLE,
    HANDSHAKE_REFUSED,
    NEVER_REACHED_GATEWAY,
    NO_LEG,
)
_ENDS = (
    *(GATEWAY_CUT_OFF, GATEWAY_DIED, SOCKET_DROPPED),
    *(LATE_EVENTS, LATE_START, REFUSED_AS_STARTED, NEVER_OPENED, UNKNOWN),
)
_SHOWN_AS = {REFUSED_AS_STARTED: TWILIO_REFUSED, NEVER_OPENED: NEVER_REACHED_GATEWAY}
_RANKS = {reason: rank for rank, reason in enumerate((*_STARTS, None, *_ENDS))}
_CONFIRMED_DEATH = (_RANKS[None], GATEWAY_DIED)


def with_reasons(
    gaps: Sequence[ContactGap],
    causes: Iterable[GapCause],
    decisions: Iterable[RecordingDecided],
    completed: Iterable[RecordingCompleted],
) -> tuple[ContactGap, ...]:
    """Return the gaps, which must be in the order of time, each with its reason."""
    decided = sorted(decisions, key=lambda d: (d.at, d.decision))
    fitting = [_of_gap(gap, decided) for gap in gaps]
    for cause in causes:
        number = sum(gap.started_at - SLACK_MS <= cause.at for gap in gaps) - 1
        if number >= 0 and _is_before_recording(cause, gaps[number]):
            fitting[number].add(_ranked(cause.reason))
    for recording in completed:
        for number, gap in enumerate(gaps):
            if _ends_at(recording, gap):
                fitting[number] |= _of_end(recording)
    return tuple(
        replace(gap, reason=min(reasons)[1]) for gap, reasons in zip(gaps, fitting, strict=True)
    )


_Ranked = tuple[int, str]
"""A rank and its reason; the lowest rank is first."""


def _ranked(reason: str) -> _Ranked:
    return _RANKS[reason], _SHOWN_AS.get(reason, reason)


def _of_gap(gap: ContactGap, decided: Sequence[RecordingDecided]) -> set[_Ranked]:
    found = {_ranked(UNKNOWN)}
    in_force = [d.decision for d in decided if d.at < gap.started_at + SLACK_MS]
    if in_force[-1:] != [RecordingDecision.RECORD]:
        found.add(_ranked(LATE_EVENTS))
    if gap.before:
        found.add(_ranked(LATE_START))
    return found


def _is_before_recording(cause: GapCause, gap: ContactGap) -> bool:
    return not gap.before or cause.at <= gap.ended_at + SLACK_MS


def _ends_at(recording: RecordingCompleted, gap: ContactGap) -> bool:
    """Return whether the gap begins with the end of the recording."""
    ended_at = recording.started_at + recording.duration_ms + recording.silent_ms
    return gap.after == recording.inum and ended_at == gap.started_at


def _of_end(recording: RecordingCompleted) -> set[_Ranked]:
    if recording.reason == RESTARTED:
        return {_CONFIRMED_DEATH}
    reason = of_close_reason(recording.reason)
    return set() if reason is None else {_ranked(reason)}
