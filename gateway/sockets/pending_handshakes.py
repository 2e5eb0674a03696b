"""Who stands at the door: sockets that were accepted and have not shown a signature yet.

They cost memory before anybody knows who they are, so they are few and do not stay. Where there are
too many, the one that has stood there longest goes: Twilio's handshake takes a few milliseconds,
that of somebody who wants to fill the place takes as long as it is let.
"""

from collections import Counter
from typing import Generic, TypeVar

Socket = TypeVar("Socket")

MOST = 1_000
MOST_OF_AN_ADDRESS = 250
"""Behind a load balancer all have one address."""
HANDSHAKE_S = 10.0
GOODBYE_S = 1.5
"""For the other side to take note of a refusal and to close."""


class Door(Generic[Socket]):
    """Sockets by the moment until which they may stay; times are seconds of one clock. Who has to
    go is returned, to be closed by the caller; he is not at the door any more."""

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
        """A socket came; returns the one that has to go for it, if one has to."""
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
        """It was told to go, and has a moment for it."""
        until, address = self._standing[socket]
        self._standing[socket] = (min(until, now + GOODBYE_S), address)

    def left(self, socket: Socket) -> None:
        """It was let in, or is gone."""
        found = self._standing.pop(socket, None)
        if found is not None:
            self._addresses -= Counter({found[1]: 1})

    def overdue(self, now: float) -> list[Socket]:
        """Those whose time is over."""
        gone = [socket for socket, (until, _) in self._standing.items() if until <= now]
        for socket in gone:
            self.left(socket)
        return gone

    def all(self) -> list[Socket]:
        """Everybody there."""
        return list(self._standing)
