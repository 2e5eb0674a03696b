"""Pending handshakes: sockets that were accepted and have not shown a valid signature yet.

They cost memory before they are authenticated, so their number and their time are limited. If
there are too many, the oldest one is closed: a handshake by Twilio takes a few milliseconds, and
only a client that wants to use up the limit keeps one open for long.
"""

from collections import Counter
from typing import Generic, TypeVar

Socket = TypeVar("Socket")

MOST = 1_000
MOST_OF_AN_ADDRESS = 250
"""Not lower, because behind a load balancer all sockets have one address."""
HANDSHAKE_S = 10.0
GOODBYE_S = 1.5
"""Time for the client to read a refusal and to close."""


class Door(Generic[Socket]):
    """Sockets with a pending handshake, each with its deadline. Times are seconds of one clock. A
    returned socket is already removed; the caller must close it."""

    def __init__(self, most: int = MOST, most_of_an_address: int = MOST_OF_AN_ADDRESS) -> None:
        self._most = most
        self._most_of_an_address = most_of_an_address
        self._standing: dict[Socket, tuple[float, str]] = {}
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._standing)

    def __contains__(self, socket: Socket) -> bool:
        return socket in self._standing

    def came(self, socket: Socket, address: str, now: float) -> Socket | None:
        """Add a socket from `address`. Return the socket that must be closed for it, if any."""
        self._standing[socket] = (now + HANDSHAKE_S, address)
        self._addresses[address] += 1
        if self._addresses[address] > self._most_of_an_address:
            oldest = next(s for s, (_, other) in self._standing.items() if other == address)
        elif len(self._standing) > self._most:
            oldest = next(iter(self._standing))
        else:
            return None
        self.left(oldest)
        return oldest

    def refused(self, socket: Socket, now: float) -> None:
        """Shorten the deadline of a socket that was refused: it has `GOODBYE_S` to close."""
        until, address = self._standing[socket]
        self._standing[socket] = (min(until, now + GOODBYE_S), address)

    def left(self, socket: Socket) -> None:
        """Remove a socket that was accepted or is closed, if it is there."""
        found = self._standing.pop(socket, None)
        if found is not None:
            self._addresses -= Counter({found[1]: 1})

    def overdue(self, now: float) -> list[Socket]:
        """Remove and return the sockets past their deadline."""
        gone = [socket for socket, (until, _) in self._standing.items() if until <= now]
        for socket in gone:
            self.left(socket)
        return gone

    def all(self) -> list[Socket]:
        """Return all sockets with a pending handshake."""
        return list(self._standing)
