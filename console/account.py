"""A contact's recordings, gaps and losses as texts in order of time, for its page. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from console.times import lasting
from schemas.records import Contact, ContactGap, ContactRecording

NOT_SENT = "not-sent"
"""Twilio sent no frames for this time. They count as lost, but no audio is missing."""

GAP_REASONS: Mapping[str, str] = {
    "twilio-refused": "Twilio refused to start the media stream",
    "twilio-unreachable": "Twilio’s API did not answer",  # noqa: RUF001
    "no-leg": "the customer’s call leg was not found",  # noqa: RUF001
    "never-reached-gateway": "Twilio started the media stream, but it reached no gateway",
    "handshake-refused": "a gateway refused the handshake of the media stream",
    "gateway-died": "the gateway died",
    "gateway-cut-off": "the gateway was cut off from Kafka",
    "socket-dropped": "the connection of the media stream broke",
    "late-start": "the media stream started late",
    "late-events": "the events of the call came late",
    "expired": "Kafka no longer had the audio when it should have been recorded",
    "unknown": "the reason is not known",
}

LOSS_REASONS: Mapping[str, str] = {
    "not-received": "sent by Twilio, not received",
    "undecodable": "could not be decoded",
    "batch-missing": "missing from Kafka",
    "files-gone": "recorded, but the files were deleted and Kafka no longer had the audio",
    "spill-full": "the gateway’s spill was full",  # noqa: RUF001
    "spill-failed": "the gateway’s spill failed",  # noqa: RUF001
    "unknown": "for an unknown reason",
    "buffer-full": "the gateway’s buffer was full",  # noqa: RUF001
}

CAPTURES: Mapping[str, str] = {
    "complete": "complete",
    "partial": "partial",
    "missing": "missing",
    "not-required": "not required",
    "pending": "pending",
}


@dataclass(frozen=True, slots=True)
class RecordingEntry:
    """A recording with its supplements, by time."""

    at: int
    recording: ContactRecording
    supplements: tuple[ContactRecording, ...]


@dataclass(frozen=True, slots=True)
class GapEntry:
    """A gap, with its place among the recordings and its reason in words."""

    at: int
    gap: ContactGap
    place: str
    reason: str


def entries(contact: Contact) -> list[RecordingEntry | GapEntry]:
    """Return the recordings and gaps of a contact in order of time, each recording with its
    supplements."""
    found: list[RecordingEntry | GapEntry] = [
        GapEntry(gap.started_at, gap, _place(gap), reason_of_gap(gap.reason))
        for gap in contact.gaps
    ]
    found += _recordings(contact)
    return sorted(found, key=lambda entry: entry.at)


def _recordings(contact: Contact) -> Iterator[RecordingEntry]:
    mains = {r.inum for r in contact.recordings if not r.supplement_of}
    supplements: dict[str, list[ContactRecording]] = {}
    for recording in contact.recordings:
        if recording.supplement_of in mains:
            supplements.setdefault(recording.supplement_of, []).append(recording)
    for recording in contact.recordings:
        if recording.supplement_of not in mains:
            own = () if recording.supplement_of else supplements.pop(recording.inum, ())
            yield RecordingEntry(recording.started_at, recording, tuple(own))


def _place(gap: ContactGap) -> str:
    match bool(gap.after), bool(gap.before):
        case True, True:
            return "between two recordings"
        case False, True:
            return "before the first recording"
        case True, False:
            return "after the last recording"
        case _:
            return "there is no recording"


def reason_of_gap(reason: str) -> str:
    """Return a gap's reason in words."""
    return GAP_REASONS.get(reason, _plain(reason))


def not_sent(recording: ContactRecording) -> int:
    """Return the number of frames that count as lost because Twilio sent none."""
    return recording.lost_for.get(NOT_SENT, 0)


def lost(recording: ContactRecording) -> int:
    """Return the number of frames lost for any other reason than `not-sent`."""
    return recording.lost - not_sent(recording)


def losses(recording: ContactRecording) -> list[str]:
    """Return a text with count and reason for each reason of loss other than `not-sent`."""
    return [
        f"{count} {LOSS_REASONS.get(reason, _plain(reason))}"
        for reason, count in sorted(recording.lost_for.items())
        if reason != NOT_SENT and count
    ]


def capture(word: str) -> str:
    """Return the displayed name of a capture state."""
    return CAPTURES.get(word, _plain(word))


def seconds(ms: int) -> str:
    """Return a duration as text: below one minute in seconds with hundredths, else as minutes or
    hours."""
    return f"{ms / 1000:.2f} s" if ms < 60_000 else lasting(ms)


def _plain(reason: str) -> str:
    return reason.replace("-", " ")
