"""Bytes that several queues share."""


class Room:
    """`limit` and `used`: bytes. Those who take and free them count them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def filled(self) -> float:
        """How full it is; 1 and more: to the limit."""
        return self.used / self.limit

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self.used >= self.limit
