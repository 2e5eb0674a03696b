"""Twilio's recordings of a call: reading the resource, and choosing those to fetch. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.calls.times import millis
from pipeline.contacts.spans import Span, common, normalized, total, without
from pipeline.twilio.sids import SidKind, sid_in

USEFUL_MS = 1_000
"""A recording that adds less required time (ms) than this is not fetched."""
SLACK_MS = 1_000
"""Twilio states start and duration to the second."""
MAX_ENVELOPE = 4096
_ENVELOPE = (
    ("encryption_public_key_sid", "public_key_sid"),
    ("encryption_cek", "encrypted_cek"),
    ("encryption_iv", "iv"),
)
ONE_SIDED = frozenset({"inbound", "outbound"})
"""The values of `track` of a recording that has only one side of a leg."""
NOT_YET = frozenset({"in-progress", "paused", "stopped", "processing"})


class SourceState(StrEnum):
    """Whether a recording of Twilio's can be fetched."""

    READY = "ready"
    NOT_YET = "not-yet"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Encryption:
    """The envelope of an encrypted recording, in base64: the content key, encrypted with the
    account's public key, and the initialization vector."""

    public_key_sid: str
    content_key: str
    iv: str


@dataclass(frozen=True, slots=True)
class SourceRecording:
    """A recording at Twilio. `started_at`: ms, to the second; `duration_ms`: to the second;
    `track`: `inbound` or `outbound` if it has that track only."""

    sid: str
    call_sid: str | None
    conference_sid: str | None
    status: str
    channels: int
    origin: str
    started_at: int
    duration_ms: int
    track: str = ""
    encryption: Encryption | None = None

    @property
    def state(self) -> SourceState:
        """Whether the recording can be fetched now, later, or never."""
        if self.status == "completed":
            return SourceState.READY
        return SourceState.NOT_YET if self.status in NOT_YET else SourceState.GONE

    @property
    def span(self) -> Span:
        """The time that the recording covers, according to Twilio."""
        return self.started_at, self.started_at + self.duration_ms


def source_of(resource: Mapping[str, Any]) -> SourceRecording | None:
    """Return a recording as Twilio's API describes it; None: without SID or start."""
    sid = sid_in(resource, "sid", SidKind.RECORDING)
    started_at = millis(resource.get("start_time")) or millis(resource.get("date_created"))
    if sid is None or started_at is None:
        return None
    return SourceRecording(
        sid=sid,
        call_sid=sid_in(resource, "call_sid", SidKind.CALL),
        conference_sid=sid_in(resource, "conference_sid", SidKind.CONFERENCE),
        status=_text(resource, "status"),
        channels=_number(resource.get("channels")),
        origin=_text(resource, "source"),
        started_at=started_at,
        duration_ms=max(0, _number(resource.get("duration"))) * 1000,
        track=_text(resource, "track"),
        encryption=_encryption(resource.get("encryption_details")),
    )


def _text(resource: Mapping[str, Any], name: str) -> str:
    value = resource.get(name)
    return value[:200] if isinstance(value, str) else ""


def _number(value: Any) -> int:
    """Return a number, which Twilio may write as text; 0 if the value is not a number."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def _encryption(details: Any) -> Encryption | None:
    """Return the envelope, with empty values if they are missing. Twilio's documentation has two
    names for each."""
    if not isinstance(details, Mapping) or not details:
        return None
    found = [
        next((v for name in names if isinstance(v := details.get(name), str) and v), "")
        for names in _ENVELOPE
    ]
    return Encryption(*(value[:MAX_ENVELOPE] for value in found))


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do about a call's recordings: those to fetch, in this order; the SIDs of those that
    may be ready later; why others cannot be used, by SID."""

    fetch: tuple[SourceRecording, ...]
    not_yet: tuple[str, ...]
    refused: Mapping[str, str]


def choose(
    sources: Iterable[SourceRecording], wanted: Sequence[Span], customer_legs: Iterable[str]
) -> Choice:
    """Choose recordings that together cover as much of the wanted time as possible.

    Wait for a recording that is not ready if it would be chosen. Among recordings that cover the
    same time, prefer those with both sides, then those of the conference and of the customer's leg,
    then those with two channels.
    """
    legs = frozenset(customer_legs)
    by_sid = {source.sid: source for source in sources}
    usable = [s for s in by_sid.values() if s.state is not SourceState.GONE]
    refused = {s.sid: f"status-{s.status}" for s in by_sid.values() if s not in usable}
    left, fetch, not_yet = normalized(wanted), list[SourceRecording](), list[str]()
    while usable and left:
        best = max(usable, key=lambda s: (_gain(s, left), _rank(s, legs), s.sid))
        if _gain(best, left) < USEFUL_MS:
            break
        usable.remove(best)
        if best.state is SourceState.READY:
            fetch.append(best)
        else:
            not_yet.append(best.sid)
        left = tuple(piece for span in left for piece in without(span, (_generous(best),)))
    return Choice(tuple(fetch), tuple(not_yet), refused)


def _generous(source: SourceRecording) -> Span:
    if source.state is SourceState.NOT_YET and source.duration_ms == 0:
        return source.started_at - SLACK_MS, 1 << 62  # its length is not known yet
    start, end = source.span
    return start - SLACK_MS, end + SLACK_MS


def _gain(source: SourceRecording, left: Sequence[Span]) -> int:
    return total(common(left, (_generous(source),)))


def _rank(source: SourceRecording, legs: frozenset[str]) -> tuple[bool, bool, bool]:
    has_both_sides = source.track not in ONE_SIDED
    is_whole = source.conference_sid is not None or source.call_sid in legs
    return has_both_sides, is_whole, source.channels == 2
