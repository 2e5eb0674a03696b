"""Memory of media streams with complete recordings, to decide whether a batch that arrives late or
again is in one of them."""

from collections import deque
from collections.abc import Iterable

from pipeline.recordings.recording import batches_of
from schemas.codec import decode, encode
from schemas.fast_dataclass import dataclass
from schemas.records import RecorderCheckpoint

REMEMBERED_MS = 4 * 24 * 60 * 60 * 1000
"""How long a media stream is remembered after its end, in log time. `media` keeps its records for
three days. Audio that arrives later than this begins a recording of its own."""


@dataclass(frozen=True, slots=True)
class _Closing:
    """The time and the place of a recording's end."""

    offset: int
    closed_at: int
    key: str


class CompleteStreams:
    """The closing checkpoints of a partition, by media stream.

    They are kept as encoded bytes: there are many, and few are ever read.
    """

    def __init__(self, checkpoints: Iterable[RecorderCheckpoint] = ()) -> None:
        self._of_stream: dict[str, tuple[bytes, ...]] = {}
        self._in_log: deque[_Closing] = deque()
        for checkpoint in sorted(checkpoints, key=lambda each: each.offset):
            self.add(checkpoint)

    def add(self, closing: RecorderCheckpoint) -> None:
        """Remember a complete recording. One that is known already changes nothing."""
        key = stream_key(closing.task_sid, closing.stream_sid)
        known = self._of_stream.get(key, ())
        data = encode(closing)
        if data in known:
            return
        self._of_stream[key] = (*known, data)
        assert closing.closed_at is not None
        self._in_log.append(_Closing(closing.offset, closing.closed_at, key))

    def of(self, task_sid: str, stream_sid: str) -> list[RecorderCheckpoint]:
        """Return the closing checkpoints of a media stream, in the order of the log."""
        found = self._of_stream.get(stream_key(task_sid, stream_sid), ())
        return [decode(data) for data in found]

    def forget(self, passed: int, now: int) -> list[RecorderCheckpoint]:
        """Drop and return the closing checkpoints of recordings that ended long before `now` (ms,
        log time), and before the offset `passed`, from which the log is read again."""
        gone: list[RecorderCheckpoint] = []
        while self._in_log and _may_go(self._in_log[0], passed, now):
            closing = self._in_log.popleft()
            first, *rest = self._of_stream.pop(closing.key)
            if rest:
                self._of_stream[closing.key] = tuple(rest)
            gone.append(decode(first))
        return gone


def stream_key(task_sid: str, stream_sid: str) -> str:
    """Return the key of a media stream. A stream SID under another task is another media stream."""
    return f"{task_sid} {stream_sid}"


def has_batch(
    complete: Iterable[RecorderCheckpoint], gateway: str, epoch: int, number: int
) -> bool:
    """Return whether one of these recordings has the batch. Batches are numbered within one run
    (`epoch`) of a gateway."""
    return any(
        (each.gateway, each.epoch) == (gateway, epoch) and batches_of(each).has(number)
        for each in complete
    )


def last_batch(complete: Iterable[RecorderCheckpoint], gateway: str, epoch: int) -> int:
    """Return the highest batch number in these recordings; 0: none."""
    own = (each for each in complete if (each.gateway, each.epoch) == (gateway, epoch))
    return max((each.last_batch for each in own), default=0)


def _may_go(closing: _Closing, passed: int, now: int) -> bool:
    return closing.offset <= passed and now > closing.closed_at + REMEMBERED_MS
