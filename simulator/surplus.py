"""Media streams that make no recording of a call: a second one under one name, which the product
must stop soon, and one of a leg that rang and was never answered."""

from collections.abc import Iterable, Sequence

from simulator.world import MediaStream


def counted(every: Sequence[MediaStream]) -> list[MediaStream]:
    """Return the media streams of which a recording must come."""
    left_out = {stream.sid for stream in surplus(every)}
    return [each for each in every if not each.is_void and each.sid not in left_out]


def surplus(every: Iterable[MediaStream]) -> list[MediaStream]:
    """Return, of media streams that ran under one name at a time, all but the longest."""
    by_name: dict[tuple[str, str], list[MediaStream]] = {}
    for stream in every:
        by_name.setdefault((stream.call_sid, stream.name), []).append(stream)
    return [
        stream
        for streams in by_name.values()
        for stream in sorted(streams, key=lambda each: -len(each.sent))[1:]
    ]
