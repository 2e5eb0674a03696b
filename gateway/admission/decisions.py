"""Find the media streams that must end because their call must not be recorded (Sans-I/O).

The stream manager ends them by requests to Twilio. While these fail, audio would keep arriving, so
the gateway follows the decisions itself and closes the sockets.

A socket that opens after such a decision may belong to a newer decision that has not been read yet.
So it is closed only once the decision's partition has been read up to the time at which the socket
opened, because the decision that led to that socket was written before. To find out, the gateway
writes a `GatewayAlive` to that partition after the socket opened, and reads it back. Its time comes
from the same clock as those of the sockets.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from schemas.records import RecordingDecided
from schemas.states import RecordingDecision

CLOSE_AFTER_MS = 3_000
"""Time after a decision in which Twilio may end the media stream in the regular way."""
MAX_TASKS = 100_000

Stream = TypeVar("Stream")


@dataclass(frozen=True, slots=True)
class _Decision:
    at: int
    decision: str
    reason: str
    partition: int
    known_at: int

    def known_later(self, ms: int) -> "_Decision":
        return replace(self, known_at=self.known_at + ms)

    def is_due(self, now: int) -> bool:
        """Return whether to close sockets now. The decision is also due if the clock was set
        back."""
        close_at = min(self.at, self.known_at) + CLOSE_AFTER_MS
        return not 0 < close_at - now <= CLOSE_AFTER_MS


class RecordingDecisions(Generic[Stream]):
    """The latest decision of each task, by its `at`, and the running media streams. Times are log
    time in ms, as the gateway knows it. At most `max_tasks` decisions are kept, the latest ones.
    """

    def __init__(self, max_tasks: int = MAX_TASKS) -> None:
        self._max_tasks = max_tasks
        self._latest: OrderedDict[str, _Decision] = OrderedDict()
        self._running: dict[str, dict[Stream, int]] = {}
        self._ending: dict[Stream, tuple[_Decision, int]] = {}
        self._read_up_to: dict[int, int] = {}

    def decided(self, decided: RecordingDecided, partition: int, now: int) -> None:
        """Handle a decision that was read from `partition` at `now`. Of two decisions with the
        same `at`, the one read later counts."""
        task_sid, known = decided.task_sid, self._latest.get(decided.task_sid)
        if known is not None and (decided.at, decided.decision) == (known.at, known.decision):
            return
        if known is not None and decided.at < known.at:
            return
        latest = _Decision(decided.at, decided.decision, decided.reason, partition, now)
        self._latest[task_sid] = latest
        self._latest.move_to_end(task_sid)
        if len(self._latest) > self._max_tasks:
            self._latest.popitem(last=False)
        for stream, opened_at in self._running.get(task_sid, {}).items():
            self._judge(stream, opened_at, latest)

    def read_up_to(self, partition: int, at: int) -> None:
        """Note that everything written to the partition before `at` has been read."""
        self._read_up_to[partition] = max(at, self._read_up_to.get(partition, at))

    def clock_jumped(self, change: int) -> None:
        """Correct all times that were taken from the gateway's clock: it was corrected by `change`
        ms."""
        for streams in self._running.values():
            for stream, opened_at in streams.items():
                streams[stream] = opened_at + change
        for task_sid, decision in self._latest.items():
            self._latest[task_sid] = decision.known_later(change)
        self._ending = {
            stream: (decision.known_later(change), opened_at + change)
            for stream, (decision, opened_at) in self._ending.items()
        }
        self._read_up_to = {partition: at + change for partition, at in self._read_up_to.items()}

    def opened(self, stream: Stream, task_sid: str, now: int) -> None:
        """Note that a media stream of the task runs since `now`. Call `ended` when it is over."""
        self._running.setdefault(task_sid, {})[stream] = now
        if (latest := self._latest.get(task_sid)) is not None:
            self._judge(stream, now, latest)

    def ended(self, stream: Stream, task_sid: str) -> None:
        """Forget the media stream, which is over. Do nothing if it never opened."""
        streams = self._running.get(task_sid, {})
        streams.pop(stream, None)
        if not streams:
            self._running.pop(task_sid, None)
        self._ending.pop(stream, None)

    def overdue(self, now: int) -> list[tuple[Stream, str]]:
        """Return the media streams to end now, each with the decision's reason."""
        return [
            (stream, decision.reason)
            for stream, (decision, opened_at) in self._ending.items()
            if decision.is_due(now) and self._is_certain(decision, opened_at)
        ]

    def unread(self) -> frozenset[int]:
        """Return the partitions on which the gateway must read a record of its own, written from
        now on, before a media stream can be ended."""
        return frozenset(
            decision.partition
            for decision, opened_at in self._ending.values()
            if not self._is_certain(decision, opened_at)
        )

    def _judge(self, stream: Stream, opened_at: int, latest: _Decision) -> None:
        if latest.decision in (RecordingDecision.STOP, RecordingDecision.DO_NOT_RECORD):
            self._ending[stream] = latest, opened_at
        else:
            self._ending.pop(stream, None)

    def _is_certain(self, decision: _Decision, opened_at: int) -> bool:
        """Return whether no newer decision can have led to this media stream."""
        if opened_at <= decision.known_at:
            return True
        return self._read_up_to.get(decision.partition, 0) >= opened_at
