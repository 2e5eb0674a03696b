"""For how long media streams were heard, by the clock and by their media. Pure.

On a busy machine the simulator sends late. When the media stream then ends, the rest is never sent,
and cannot be in any recording. The product stops late there, too, and withholds the audio that it
receives 2 s or more after its decision to stop.
"""

from collections.abc import Iterable, Sequence

from simulator.audio import FRAME_MS
from simulator.coded.withheld import heard_too_late, periods, withheld_too_early
from simulator.expected import SentFrame, expected_audio
from simulator.script import Json
from simulator.world import MediaStream


def overlap_ms(begin: int, end: int, ran: Sequence[MediaStream]) -> int:
    """Return for how many ms of the time media streams ran. They must not overlap."""
    return _shared(begin, end, [(each.began_at or 0, each.ended_at or 0) for each in ran])


def sent_ms(begin: int, end: int, ran: Sequence[MediaStream]) -> int:
    """Return for how many ms of the time media were sent. Times without frames, before the last
    one, count as sent."""
    return _shared(begin, end, [(each.began_at or 0, _sent_until(each)) for each in ran])


def lost_on_the_way(media_stream: MediaStream) -> int:
    """Return the number of frames that count as not received.

    If a frame is lost while a track is silent, all frames of that hole count: the message numbers
    do not say which of them Twilio created.
    """
    return expected_audio(media_stream.sent).not_received


def not_withheld(
    stream: MediaStream, withheld: int, decisions: Iterable[Json]
) -> tuple[Sequence[SentFrame], list[str]]:
    """Return the frames that must be in the recording if it withholds its last `withheld` frames,
    and the mistakes if this is too many or too few of them. `decisions`: of its contact."""
    found = periods(decisions)
    kept = max(0, len(stream.sent) - withheld)
    wrong = heard_too_late(stream.sent_at[:kept], found)
    return stream.sent[:kept], wrong + withheld_too_early(stream.sent_at[kept:], found)


def _sent_until(media_stream: MediaStream) -> int:
    last = max((each.timestamp + FRAME_MS for each in media_stream.sent), default=0)
    return min(media_stream.ended_at or 0, (media_stream.began_at or 0) + last)


def _shared(begin: int, end: int, spans: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, min(end, until) - max(begin, since)) for since, until in spans)
