"""Decide which calls need Twilio's recordings, and for which time. Pure.

Only the required time of a contact is ever wanted: the time in which the policy of that moment said
`record`. So a call that must not be recorded is never looked up.
"""

from collections.abc import Iterable
from enum import StrEnum

from pipeline.contacts.spans import Span, normalized, without
from pipeline.streams.verification import FOREIGN_LEG
from schemas.records import Contact
from schemas.states import CallState, CaptureState, RecordingSource, RecordingState

USEFUL_MS = 1_000
"""A shorter time (ms) beside a fetched recording is not fetched, because the start of a recording
may be known only to a second."""


class Recovery(StrEnum):
    """FLEXCAPTURE_RECOVERY: which calls are fetched from Twilio's own recordings."""

    OFF = "off"
    MISSING = "missing"
    PARTIAL = "partial"
    ALL = "all"


class CaptureMode(StrEnum):
    """FLEXCAPTURE_CAPTURE: media streams, Twilio's recordings after the call, or both."""

    REALTIME = "realtime"
    POST_CALL = "post-call"
    BOTH = "both"


def effective(recovery: Recovery, capture: CaptureMode) -> Recovery:
    """Return the mode in force. With capture after the call, every required call is fetched."""
    return recovery if capture is CaptureMode.REALTIME else Recovery.ALL


def is_final(contact: Contact) -> bool:
    """Return whether the call and all its recordings are over. Late events and late audio may
    reopen them."""
    return contact.state == CallState.ENDED and contact.capture != CaptureState.PENDING


def wanted(contact: Contact, recovery: Recovery) -> tuple[Span, ...]:
    """Return the time (normalized) for which Twilio's recordings are needed; nothing while the call
    or one of its recordings is not over."""
    if not is_final(contact) or contact.capture == CaptureState.NOT_REQUIRED:
        return ()
    if recovery is Recovery.OFF:
        return ()
    if recovery is Recovery.ALL:
        left = difference(required(contact), recovered(contact))
        return tuple(span for span in left if span[1] - span[0] >= USEFUL_MS)
    if contact.capture == CaptureState.PARTIAL and recovery is Recovery.MISSING:
        return ()
    return normalized((g.started_at, g.ended_at) for g in contact.gaps if not g.covered_by)


def required(contact: Contact) -> tuple[Span, ...]:
    """Return the time in which the call had to be recorded, normalized. Contacts of earlier
    versions state only the gaps in it."""
    spans = normalized((span.started_at, span.ended_at) for span in contact.required)
    return spans or normalized((gap.started_at, gap.ended_at) for gap in contact.gaps)


def recovered(contact: Contact) -> tuple[Span, ...]:
    """Return the time of the recordings that were fetched from Twilio, normalized."""
    return normalized(
        (r.started_at, r.started_at + (r.duration_ms or 0))
        for r in contact.recordings
        if r.source == RecordingSource.TWILIO_RECORDING and r.state == RecordingState.COMPLETE
    )


def difference(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """Return the moments of `spans` that are not in `taken`, normalized."""
    covered = normalized(taken)
    return tuple(piece for span in normalized(spans) for piece in without(span, covered))


def own_legs(contact: Contact, legs: Iterable[str]) -> tuple[str, ...]:
    """Return the legs without those that belonged to another call according to Twilio when they
    were streamed. The recordings of such legs belong to the other call."""
    foreign = {r.call_sid for r in contact.recordings if r.withheld_because}
    foreign |= {s.call_sid for s in contact.streams if s.reason == FOREIGN_LEG.text and s.call_sid}
    return tuple(leg for leg in legs if leg not in foreign)
