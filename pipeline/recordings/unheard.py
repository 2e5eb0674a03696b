"""What a gateway that died, or a socket that died without a word, took with it: frames that Twilio
sent, or would have sent, after the last one that reached `media`, until the gateway was back, or
the socket found dead.

Nobody can know them exactly: they are counted as lost, at most as many as fit into that time.
"""

from dataclasses import dataclass

from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recordings.assembler import Assembler

FRAME_MS = 20
LIMIT_MS = 10_000
"""A media stream is not counted on for longer than this after its last word: had its call gone on,
it would have been started again elsewhere by then."""
HALF_OPEN_MS = 1_000
"""A socket that was dropped after it had been silent for so long had died before. One that is
dropped while it is heard takes no more with it than was on its way."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """Frames of both tracks, at most, up to a media time in ms."""

    until_ms: int
    frames: int


def unheard(assembler: Assembler, back_at: int) -> Unheard:
    """What is missing at the end of a recording that was known to be dead at `back_at` (ms). A
    track that never had a frame, beside one that had, is not waited for."""
    begun = assembler.recording.started_at
    until = max(0, min(back_at, assembler.last_at + LIMIT_MS) - begun)
    ends = [track.end for track in assembler.tracks()]
    heard = [end for end in ends if end is not None] or [0 for _ in ends]
    missing = (until - end / SAMPLES_PER_MS for end in heard)
    return Unheard(until, sum(max(0, round(ms / FRAME_MS)) for ms in missing))
