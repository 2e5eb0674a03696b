"""Frames that are missing after the last frames of a recording: those that its gateway dropped, and
those that were lost when the gateway died, or when a socket died without a close.

The gateway reports the first kind. The second kind can only be estimated: frames that Twilio sent,
or would have sent, after the last one that reached `media`, until the gateway was back or the dead
socket was found. At most the frames that fit into that time are counted.
"""

from dataclasses import dataclass

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.assembler import Assembler
from pipeline.recordings.lost_ranges import (
    BATCH_MISSING,
    NOT_RECEIVED,
    LostRange,
    holes,
    with_stretches,
)
from schemas.records import DroppedStretch, MediaStreamClosed, RecorderTrack

DROPPED = "dropped"

LIMIT_MS = 10_000
"""The longest loss (ms) that is counted after the last record of a media stream. If its call had
continued, a new media stream would have been started by then."""
DEATH_LIMIT_MS = 2_000
"""The longest loss (ms) when a gateway is killed: half a second of a batch, and up to a second of
records that Kafka did not acknowledge (older ones are on disk). Its sockets end with it. Afterwards
no frame was sent, and that time is a gap of the contact."""
HALF_OPEN_MS = 1_000
"""If a socket was silent for this long before it was dropped, it was dead already. A socket that is
dropped while frames arrive loses only those on their way."""


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a media stream that no gateway closed. `at`: when that was certain (ms).

    `takes_frames`: whether the gateway received frames that are on no log. False if the gateway may
    still return and deliver them: time without audio is then a gap of the contact.
    """

    reason: str
    detail: str
    at: int
    takes_frames: bool = True


@dataclass(frozen=True, slots=True)
class Missing:
    """The missing part of a track, from sample `at` on: one hole after the other."""

    at: int
    holes: tuple[LostRange, ...]


@dataclass(frozen=True, slots=True)
class AtEnd:
    """Frames that each track (inbound, outbound) lost after its last frame, up to a media time in
    ms. `reason`: that of the latest hole."""

    until_ms: int
    reason: str
    tracks: tuple[Missing, ...]

    @property
    def frames(self) -> int:
        """Lost frames of both tracks."""
        return sum(hole.lost for track in self.tracks for hole in track.holes)


def at_end(assembler: Assembler, closed: MediaStreamClosed | Death) -> AtEnd | None:
    """Return the frames missing at the end of a recording; None if none are known to be missing."""
    tracks = assembler.tracks()
    reason = _unheard(assembler, closed)
    if reason:
        died = isinstance(closed, Death)
        return _until(assembler, tracks, closed.at, reason, died=died)
    found = tuple(_missing(track, None, "") for track in tracks)
    if not any(track.holes for track in found):
        return None
    until = max(each.end for track in tracks for each in track.dropped)
    last = max((track.dropped[-1] for track in tracks if track.dropped), key=lambda each: each.end)
    return AtEnd(until // SAMPLES_PER_MS, last.reason, found)


def _unheard(assembler: Assembler, closed: MediaStreamClosed | Death) -> str:
    """Return why more frames must have been sent than arrived; empty: no reason."""
    if isinstance(closed, Death):
        return closed.reason if closed.takes_frames else ""
    if closed.reason == DROPPED and closed.at - assembler.last_at >= HALF_OPEN_MS:
        return closed.reason
    return BATCH_MISSING if closed.batches > assembler.batches.last else ""


def _until(
    assembler: Assembler,
    tracks: tuple[RecorderTrack, ...],
    known_at: int,
    reason: str,
    *,
    died: bool,
) -> AtEnd:
    # Not from the opening: the media clock began before the gateway reported it. If a gateway is
    # back at once, that difference would not be counted.
    limit = DEATH_LIMIT_MS if died else LIMIT_MS
    until_ms = max(0, min(known_at, assembler.last_at + limit) - assembler.begun_at)
    heard = [track.end is not None or bool(track.dropped) for track in tracks]
    # If one track had frames and the other never had one, nothing is missing on the other.
    waited = heard if any(heard) else [True for _ in tracks]
    until = until_ms * SAMPLES_PER_MS
    found = tuple(
        _missing(track, until if wait else None, reason)
        for track, wait in zip(tracks, waited, strict=True)
    )
    return AtEnd(until_ms, reason, found)


def _missing(track: RecorderTrack, until: int | None, reason: str) -> Missing:
    """Return the missing part of a track: the dropped frames and, up to sample `until`, frames that
    are missing for `reason`, after all others that are known. `until` None: no others."""
    dropped, end = track.dropped, track.end or 0
    known = max([end, *(each.end for each in dropped)])
    if until is not None and until > known:
        dropped = with_stretches(dropped, [DroppedStretch(known, until, reason)])
    if not dropped:
        return Missing(end, ())
    begin = dropped[0].first if track.end is None else end
    otherwise = BATCH_MISSING if track.batch_missing else NOT_RECEIVED
    last = max(each.end for each in dropped)
    return Missing(begin, holes(begin, last, dropped, otherwise))
