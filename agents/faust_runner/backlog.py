"""Whether a role works off a backlog: after an outage, what a record says may have been overtaken
long ago by the next one, which is there already. What such a record asks for had better wait.
"""

from collections.abc import Callable

OLD_SECONDS = 2.0
"""What was written less long ago is no backlog."""
LONGEST_SECONDS = 30.0
"""A backlog that has not come to its end by then is none to wait for: the role is too slow."""

Followed = Callable[[str, int, int], bool]
"""Whether others of the partition are known to wait behind the record of that topic, partition and
offset."""


class Backlog:
    """Told of each record that is about to be handled; the core may ask while it handles it.
    `followed` is to be set before the first; `clock` is the log's (s since the epoch)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.followed: Followed = lambda _topic, _partition, _offset: False
        self._clock = clock
        self._since: dict[int, float] = {}
        self._partition = -1

    def see(self, topic: str, partition: int, offset: int, written_at: float) -> None:
        """That record comes next, written at that time (log time, s)."""
        self._partition = partition
        now = self._clock()
        if now - written_at < OLD_SECONDS or not self.followed(topic, partition, offset):
            self._since.pop(partition, None)
        else:
            self._since.setdefault(partition, now)

    def is_worked_off(self) -> bool:
        """Whether the record that is handled now belongs to a backlog of its partition, and is not
        the last of it."""
        since = self._since.get(self._partition)
        return since is not None and self._clock() < since + LONGEST_SECONDS
