"""What is missing after the last frames of a recording: what its gateway had to throw away, and
what a gateway that died, or a socket that died without a word, took with it.

The first is told by the gateway. Of the second nobody can know exactly what it was: frames that
Twilio sent, or would have sent, after the last one that reached `media`, until the gateway was
back, or the socket found dead. At most as many as fit into that time are counted.
"""

from dataclasses import dataclass

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.assembler import Assembler
from pipeline.recordings.lost_ranges import BATCH_MISSING, NOT_RECEIVED, Hole, holes, with_stretches
from schemas.records import DroppedStretch, MediaStreamClosed, RecorderTrack

DROPPED = "dropped"

LIMIT_MS = 10_000
"""A media stream is not counted on for longer than this after its last record: had its call gone
on, it would have been started again elsewhere by then."""
DEATH_LIMIT_MS = 2_000
"""What a gateway that is killed can take with it: half a second of a batch, and what Kafka did not
acknowledge for up to a second, after which it spills. Its sockets end with it: time after that is a
gap of the contact, in which no frame was sent."""
HALF_OPEN_MS = 1_000
"""A socket that was dropped after it had been silent for so long had died before. One that is
dropped while it is heard takes no more with it than was on its way."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a media stream ended that no gateway closed; `at`: when that was clear (ms).

    `takes_frames`: whether frames came to the gateway that are on no log. False if its gateway may
    still come back with them: time without audio is then a gap of the contact.
    """

    reason: str
    detail: str
    at: int
    takes_frames: bool = True


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing of a track from sample `at` on, one hole after the other."""

    at: int
    holes: tuple[Hole, ...]


@dataclass(frozen=True, slots=True)
class AtEnd:
    """What each track (inbound, outbound) lost after its last frame, up to a media time in ms, and
    the reason of the latest of it."""

    until_ms: int
    reason: str
    tracks: tuple[Missing, ...]

    @property
    def frames(self) -> int:
        """Of both tracks."""
        return sum(hole.lost for track in self.tracks for hole in track.holes)


def at_end(assembler: Assembler, closed: MediaStreamClosed | Death) -> AtEnd | None:
    """What is missing at the end of a recording; None: nothing that anybody could know of."""
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
    """Why more must have come than was heard; empty: it need not."""
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
    # Not since it was opened: the media clock began before that was heard of, and a gateway that is
    # back at once would leave the difference untold.
    limit = DEATH_LIMIT_MS if died else LIMIT_MS
    until_ms = max(0, min(known_at, assembler.last_at + limit) - assembler.begun_at)
    heard = [track.end is not None or bool(track.dropped) for track in tracks]
    # A track that never had a frame, beside one that had, is not waited for.
    waited = heard if any(heard) else [True for _ in tracks]
    until = until_ms * SAMPLES_PER_MS
    found = tuple(
        _missing(track, until if wait else None, reason)
        for track, wait in zip(tracks, waited, strict=True)
    )
    return AtEnd(until_ms, reason, found)


def _missing(track: RecorderTrack, until: int | None, reason: str) -> Missing:
    """`until`: up to which sample frames are missing for `reason`, beyond all else that is known;
    None: none are."""
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
