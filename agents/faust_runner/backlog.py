"""Detect that a role is working through a backlog. After an outage, a record may have been
superseded by a later one that is already in the log. Actions that such a record requests should
wait."""

from collections.abc import Callable

OLD_SECONDS = 2.0
"""A record younger than this belongs to no backlog."""
LONGEST_SECONDS = 30.0
"""After this time a backlog is no longer waited out: the role is too slow to reach its end."""

Followed = Callable[[str, int, int], bool]
"""Return whether further records of the partition are known to wait behind the record with this
topic, partition and offset."""


class Backlog:
    """Sees each record before it is handled; the core may ask while it handles the record.

    Set `followed` before the first record. `clock` is the log's clock (s since the epoch).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.followed: Followed = lambda _topic, _partition, _offset: False
        self._clock = clock
        self._since: dict[int, float] = {}
        self._partition = -1

    def see(self, topic: str, partition: int, offset: int, written_at: float) -> None:
        """Note the record that is handled next. `written_at`: log time (s)."""
        self._partition = partition
        now = self._clock()
        if now - written_at < OLD_SECONDS or not self.followed(topic, partition, offset):
            self._since.pop(partition, None)
        else:
            self._since.setdefault(partition, now)

    def is_worked_off(self) -> bool:
        """Return whether the current record belongs to a backlog of its partition and is not its
        last record."""
        since = self._since.get(self._partition)
        return since is not None and self._clock() < since + LONGEST_SECONDS
