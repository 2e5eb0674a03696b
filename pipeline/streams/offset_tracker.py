"""Track which offset of a partition may be committed while its records are handled out of order."""

from collections import OrderedDict


class UnfinishedOffsets:
    """The offsets of one partition that are being handled.

    Call `begin` for each record in the order of the partition, and `finish` in any order.
    `committable` is then the smallest offset that is not finished, at which a successor must begin.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[int, int] = OrderedDict()
        self._next = 0

    def begin(self, offset: int, at: int = 0) -> bool:
        """Note that the record at `offset`, written at `at` (ms), is being handled. Return False,
        and change nothing, if it was begun before: a partition may be read again from the committed
        offset."""
        if offset < self._next:
            return False
        self._open[offset] = at
        self._next = offset + 1
        return True

    def finish(self, offset: int) -> None:
        """Note that the record need not be handled again. This may be repeated."""
        self._open.pop(offset, None)

    @property
    def committable(self) -> int | None:
        """Return the offset to commit, or None if no record was begun yet."""
        if self._open:
            return next(iter(self._open))
        return self._next or None

    @property
    def read_up_to(self) -> int:
        """Return the offset after the last record that was begun, or 0 if there is none."""
        return self._next

    @property
    def oldest(self) -> int | None:
        """Return when the first unfinished record was written (ms), or None if all are finished."""
        return next(iter(self._open.values()), None)

    def __len__(self) -> int:
        return len(self._open)
