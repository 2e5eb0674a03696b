"""A limit of bytes that several queues share."""


class Room:
    """`limit` and `used` are bytes. The queues add to `used` and subtract from it themselves."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def filled(self) -> float:
        """Return the used share of the limit; 1 or more if the limit is reached."""
        return self.used / self.limit

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self.used >= self.limit
