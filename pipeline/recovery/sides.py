"""Determine which channel of one of Twilio's recordings is the customer's, if captured audio does
not show it. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.recovery.sources import SourceRecording
from schemas.records import Contact
from schemas.states import Direction


class DeterminedBy(StrEnum):
    """The evidence for the customer's channel: the comparison with captured audio; the conference
    (its first participant is on channel 1); the leg (its own party is on channel 1); the call's
    direction (the calling side joins first); a single channel has both sides."""

    AUDIO = "audio"
    JOINED_FIRST = "joined-first"
    LEG = "leg"
    DIRECTION = "direction"
    MONO = "mono"


@dataclass(frozen=True, slots=True)
class CustomerChannel:
    """The channel of the customer, from 0, and the evidence for it."""

    number: int
    determined_by: DeterminedBy


def customer_channel(
    contact: Contact,
    source: SourceRecording,
    channels: int,
    compared: int | None,
    first_joined: frozenset[str],
) -> CustomerChannel:
    """Return the customer's channel. `channels`: of the audio; `compared`: the channel by
    comparison, None: unknown; `first_joined`: the call SID of the conference's first participant,
    several if Twilio states the same time for them."""
    if channels == 1:
        return CustomerChannel(0, DeterminedBy.MONO)
    if compared is not None:
        return CustomerChannel(compared, DeterminedBy.AUDIO)
    known = frozenset(contact.customer_call_sids)
    if source.conference_sid is None and source.call_sid is not None and known:
        return CustomerChannel(int(source.call_sid not in known), DeterminedBy.LEG)
    customers = first_joined & known
    if first_joined and known and customers in {first_joined, frozenset()}:
        return CustomerChannel(int(not customers), DeterminedBy.JOINED_FIRST)
    return CustomerChannel(int(contact.direction == Direction.OUTBOUND), DeterminedBy.DIRECTION)
