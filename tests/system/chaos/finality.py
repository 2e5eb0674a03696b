"""Check that a stop is final: audio sent after it is not audible, and its socket is closed. Pure;
times are milliseconds since the epoch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.coded.withheld import DELAY_MS, GRACE_MS, WithheldPeriod, periods
from simulator.events import iso
from simulator.expected import SAMPLES_PER_MS, SILENCE, TRACKS
from simulator.wav import NotWav, read_wav
from simulator.world import MediaStream
from tests.system.chaos.uptime import Span, moment

CLOSED_MS = 5_000
"""A gateway closes the socket of a media stream that is not stopped within this after the stop."""
LOG_MS = 1_000
"""How far apart two records must be for their order to be certain, on different topics."""


def certain(stream: MediaStream, found: Sequence[WithheldPeriod]) -> list[int]:
    """Return the numbers of the frames that were certainly received when nothing may be audible."""
    return [
        number
        for number, at in enumerate(stream.sent_at)
        if any(period.is_certain(at) for period in found)
    ]


def counts(
    stream: MediaStream,
    recording: Mapping[str, Any],
    certainly: Sequence[WithheldPeriod],
    possibly: Sequence[WithheldPeriod],
    *,
    may_lose: bool,
) -> list[str]:
    """Return the mistakes in the counts of a recording. `certainly`, `possibly`: the periods in
    which nothing may be audible, by the decisions that were known in time, and by all decisions;
    `may_lose`: a gateway was killed.

    A decision to record that was perhaps known in time is in the second list only, so a frame must
    be withheld by both.
    """
    frames = recording["frames"]
    ended = stream.ended_at or 0
    read = [at for at in stream.sent_at if stream.trouble is None or at < ended - DELAY_MS]
    must_be = [
        at
        for at in read
        if any(p.is_certain(at) for p in certainly) and any(p.is_certain(at) for p in possibly)
    ]
    least = 0 if may_lose else len(must_be)
    most = sum(any(p.is_possible(at) for p in possibly) for at in stream.sent_at)
    wrong = []
    if not least <= frames["withheld"] <= most:
        wrong.append(f"{stream.sid}: {frames['withheld']} withheld, expected {least} to {most}")
    known = frames["received"] + frames["withheld"]
    fewest = 0 if may_lose else len(read)
    if not fewest <= known <= len(stream.sent):
        sent = f"{len(stream.sent)} sent, at least {fewest} read"
        wrong.append(f"{stream.sid}: {known} frames received or withheld, {sent}")
    return wrong


def audible(stream: MediaStream, audio: bytes, found: Sequence[WithheldPeriod]) -> list[str]:
    """Return the frames that are audible in a recording although they must not be."""
    try:
        samples = read_wav(audio).samples
    except NotWav as error:
        return [f"{stream.sid}: {error}"]
    sides = {name: samples[number::2] for number, name in enumerate(TRACKS)}
    count = 0
    for number in certain(stream, found):
        sent = stream.sent[number]
        at = sent.timestamp * SAMPLES_PER_MS
        place = sides[sent.track][at : at + len(sent.payload)]
        count += place.strip(SILENCE) != b""
    return [f"{stream.sid}: {count} frames are audible after a stop"] if count else []


def open_sockets(
    ran: Sequence[MediaStream],
    found: Sequence[WithheldPeriod],
    outages: Sequence[Span],
    bound: int = CLOSED_MS,
) -> list[str]:
    """Return the media streams that ran for too long after a stop, whether Twilio's API worked or
    not. `outages`: of the broker, which has the decisions."""
    wrong = []
    for stream in ran:
        ended = stream.ended_at or stream.requested_at
        for period in found:
            since = max(period.begin - GRACE_MS, stream.began_at or stream.requested_at)
            until = ended if period.end is None else min(ended, period.end)
            late = until - moment(since, outages, bound)
            if late > bound:
                wrong.append(f"{stream.sid}: open for {late} ms after a stop")
    return wrong


def of_contact(contact: Mapping[str, Any] | None) -> list[WithheldPeriod]:
    """Return when no part of a contact may be audible, by its decisions."""
    return periods(contact["decisions"]) if contact else []


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision: when it holds from, and when it was on the log."""

    at: int
    decision: str
    written_at: int


def known(decided: Iterable[Decided], completed_at: int) -> list[WithheldPeriod]:
    """Return when nothing may be audible of a recording that was complete at that time: a decision
    that came later changes it no more."""
    in_time = [each for each in decided if each.written_at < completed_at - LOG_MS]
    return periods({"at": iso(each.at), "decision": each.decision} for each in in_time)


def from_log(decided: Iterable[Decided]) -> list[WithheldPeriod]:
    """Return when nothing may be audible, by when each decision was on the log."""
    return periods(
        {"at": iso(max(each.at, each.written_at)), "decision": each.decision} for each in decided
    )
