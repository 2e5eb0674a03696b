"""Detect that a role is working through a backlog. After an outage, a record may have been
superseded by a later one that is already in the log. Actions that such a record requests should
wait.

After a restart, the topics of a partition are read again from their committed offsets, in any
order: a report about a media stream may come before the version of the call that led to it.
"""

from collections.abc import Callable

OLD_SECONDS = 2.0
"""A record younger than this belongs to no backlog."""
LONGEST_SECONDS = 30.0
"""After this time a backlog is no longer waited out: the role is too slow to reach its end."""
REREAD_SECONDS = 5.0
"""The longest time (s) for which a partition counts as read again after a restart."""

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
        self._reread_until: dict[int, float] = {}
        self._caught_up: set[int] = set()
        self._partition = -1

    def see(self, topic: str, partition: int, offset: int, written_at: float) -> None:
        """Note the record that is handled next. `written_at`: log time (s)."""
        self._partition = partition
        now = self._clock()
        followed = self.followed(topic, partition, offset)
        if now - written_at < OLD_SECONDS or not followed:
            self._since.pop(partition, None)
        else:
            self._since.setdefault(partition, now)
        until = self._reread_until.setdefault(partition, now + REREAD_SECONDS)
        if not followed or now >= until:
            self._caught_up.add(partition)

    def restart(self) -> None:
        """Note that the role's states were restored: all partitions are read again from their
        committed offsets."""
        self._reread_until.clear()
        self._caught_up.clear()

    def is_worked_off(self) -> bool:
        """Return whether the current record belongs to a backlog of its partition and is not its
        last record."""
        since = self._since.get(self._partition)
        return since is not None and self._clock() < since + LONGEST_SECONDS

    def is_reread(self) -> bool:
        """Return whether the current record was handled since the restart while others were known
        to wait on its partition: their order is not that of the first reading."""
        return self._partition not in self._caught_up
