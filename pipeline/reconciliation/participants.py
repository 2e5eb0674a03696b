"""The participants of a conference as Twilio lists them after its end, and the events that they
stand for. Pure.

Only conference callbacks show that the called party of an outbound call answered. If an account has
no callbacks, or if they were not delivered, the list is the only evidence. Without it, an answered
call would look like one that only rang, and would not have to be recorded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pipeline.calls.merge import Folded, fold
from pipeline.calls.times import millis
from pipeline.calls.view import view
from pipeline.reconciliation.added_events import of_conference, of_participant
from pipeline.twilio.sids import SidKind, sid_in
from schemas.fast_dataclass import dataclass
from schemas.records import Call, CtiEvent, EndedConference
from schemas.states import Direction

Row = Mapping[str, Any]

_NOT_ANSWERED = frozenset(
    {"busy", "fail", "failed", "noanswer", "no-answer", "canceled", "ringing"}
)
"""The values of `call_status` of a leg on which no person ever was."""
_MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class ConferenceParticipant:
    """A leg in a conference. `joined_at`, `left_at`: ms, None if it did not join as far as known;
    `parameters`: its label and ends, with the names of Twilio's callbacks."""

    call_sid: str
    joined_at: int | None
    left_at: int | None
    coaching: bool
    parameters: Mapping[str, str]


def participant(row: Row) -> ConferenceParticipant | None:
    """Return a row of a conference's participants; None if it has no call SID."""
    call_sid = sid_in(row, "call_sid", SidKind.CALL)
    if call_sid is None:
        return None
    is_answered = _text(row, "call_status").lower() not in _NOT_ANSWERED
    names = {
        "ParticipantLabel": "label",
        "From": "from",
        "To": "to",
        "Direction": "call_direction",
    }
    stated = {name: _text(row, key) for name, key in names.items()}
    return ConferenceParticipant(
        call_sid,
        millis(row.get("join_time")) if is_answered else None,
        millis(row.get("leave_time")) if is_answered else None,
        (row.get("is_coach") or row.get("coaching")) is True,
        {name: value for name, value in stated.items() if value},
    )


def is_unanswered(events: Iterable[CtiEvent]) -> bool:
    """Return whether all known events of a task show an outbound call, and no answer."""
    call: Call | None = None
    for event in events:
        folded = fold(call, event)
        call = folded.call if isinstance(folded, Folded) else call
    if call is None:
        return False
    seen = view(call)
    return seen.direction == Direction.OUTBOUND and not seen.answered


def joined_events(
    task_sid: str,
    conference: EndedConference,
    participants: Iterable[ConferenceParticipant],
    now: int,
) -> list[CtiEvent]:
    """Return the events of a conference's participants as its callbacks would report them, and its
    end, the latest first. There are none if fewer than two legs joined: no party answered."""
    there = [p for p in participants if p.joined_at is not None]
    if sum(not p.coaching for p in there) < 2:
        return []
    times = [(p.left_at, "leave", p) for p in there] + [(p.joined_at, "join", p) for p in there]
    known = [(at, said, p) for at, said, p in times if at is not None]
    found = [of_conference(task_sid, conference, now)]
    for at, said, each in sorted(known, key=lambda t: (-t[0], t[1] == "join", t[2].call_sid)):
        stated = {
            **each.parameters,
            "ConferenceSid": conference.conference_sid,
            "FriendlyName": task_sid,
            "CallSid": each.call_sid,
            "Coaching": str(each.coaching).lower(),
            "StatusCallbackEvent": f"participant-{said}",
        }
        found.append(of_participant(stated, at, now))
    return [event for event in found if event is not None]


def with_participants(
    conference: EndedConference, participants: Iterable[ConferenceParticipant]
) -> EndedConference:
    """Return the conference with the SIDs of its legs."""
    return replace(conference, call_sids=tuple(sorted({p.call_sid for p in participants})))


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return value[:_MAX_TEXT] if isinstance(value, str) else ""
