"""Media streams that do not result in a recording of their call: a second one with the same name,
which the product must stop soon, and one of a leg that rang and was never answered."""

from collections.abc import Iterable, Sequence

from simulator.world import MediaStream


def counted(every: Sequence[MediaStream]) -> list[MediaStream]:
    """Return the media streams that must result in a recording."""
    left_out = {stream.sid for stream in surplus(every)}
    return [each for each in every if not each.is_void and each.sid not in left_out]


def surplus(every: Iterable[MediaStream]) -> list[MediaStream]:
    """Return the surplus media streams: of those that ran at the same time under the same name, all
    but the longest."""
    kept: list[MediaStream] = []
    found: list[MediaStream] = []
    for stream in sorted(every, key=lambda each: -len(each.sent)):
        is_surplus = any(_ran_beside(stream, other) for other in kept)
        (found if is_surplus else kept).append(stream)
    return found


def _ran_beside(one: MediaStream, other: MediaStream) -> bool:
    if (one.call_sid, one.name) != (other.call_sid, other.name):
        return False
    return _ends_after(one, other.requested_at) and _ends_after(other, one.requested_at)


def _ends_after(stream: MediaStream, at: int) -> bool:
    return stream.ended_at is None or stream.ended_at > at
