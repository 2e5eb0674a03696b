"""Which offset of a partition may be committed while its records are handled out of order."""

from collections import OrderedDict


class UnfinishedOffsets:
    """The offsets of one partition that are being handled.

    `begin` is called for each record in the order of the partition, `finish` in any order; then
    `committable` is where a successor must begin: at the smallest offset not finished.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[int, int] = OrderedDict()
        self._next = 0

    def begin(self, offset: int, at: int = 0) -> bool:
        """The record at `offset`, written at `at` (ms), is being handled from now on. False: it was
        begun before, as happens if a partition is read again from what was committed; nothing
        changes then."""
        if offset < self._next:
            return False
        self._open[offset] = at
        self._next = offset + 1
        return True

    def finish(self, offset: int) -> None:
        """It need not be handled again. Finishing it twice changes nothing."""
        self._open.pop(offset, None)

    @property
    def committable(self) -> int | None:
        """The offset to commit; None where nothing was begun yet."""
        if self._open:
            return next(iter(self._open))
        return self._next or None

    @property
    def read_up_to(self) -> int:
        """The offset after the last record that was begun; 0 if none was."""
        return self._next

    @property
    def oldest(self) -> int | None:
        """When the first record that is not finished was written (ms); None if all are."""
        return next(iter(self._open.values()), None)

    def __len__(self) -> int:
        return len(self._open)
