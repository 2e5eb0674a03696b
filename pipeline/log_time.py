"""The offset of the log's clock from a monotonic clock, estimated from acknowledged records. Pure.

The log's clock is the brokers': a topic with `message.timestamp.type=LogAppendTime` stamps each
record with the time at which the broker appended it. That moment lies between the sending and the
acknowledgement of the record, so each acknowledged record bounds the offset between the two clocks.
"""

from dataclasses import dataclass

WINDOW_MS = 60_000
"""How long a measurement is used: in that time a quartz clock drifts by a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A record that was sent, appended and acknowledged. `sent_at`, `acknowledged_at`: ms of the
    monotonic clock, in this order. `appended_at`: the broker's time, ms since the epoch, rounded
    down."""

    sent_at: float
    acknowledged_at: float
    appended_at: int

    @property
    def least(self) -> float:
        """The least possible offset, ms."""
        return self.appended_at - self.acknowledged_at

    @property
    def greatest(self) -> float:
        """The greatest possible offset, ms."""
        return self.appended_at + 1 - self.sent_at


class OffsetEstimate:
    """The offset (ms): the log's clock minus the monotonic clock. None: nothing was measured yet.

    It is the middle of the range that all measurements of the last minute allow, so its error is at
    most half of the shortest round trip. Measurements that contradict the latest ones are dropped:
    the log's clock was set, or the monotonic clock stopped while the machine slept.
    """

    def __init__(self) -> None:
        self._latest_first: list[Measurement] = []
        self.offset: float | None = None

    def take(self, measurement: Measurement) -> None:
        """Add a measurement. They must come in the order of their acknowledgements."""
        least, greatest = measurement.least, measurement.greatest
        kept = [measurement]
        for each in self._latest_first:
            is_old = each.acknowledged_at < measurement.acknowledged_at - WINDOW_MS
            if is_old or max(least, each.least) > min(greatest, each.greatest):
                break
            least, greatest = max(least, each.least), min(greatest, each.greatest)
            kept.append(each)
        self._latest_first = kept
        self.offset = (least + greatest) / 2
