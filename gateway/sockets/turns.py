"""The order of reading sockets: in turns, each socket once in `CYCLE_S`.

A socket receives a frame on each track every 20 ms. A wake-up for each frame would cost more than
the frame itself. With one read every 40 ms, four frames come at a time. Until then they wait in the
kernel's buffer, which holds a hundred times as much. A flooded socket is read no faster than the
others.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

Socket = TypeVar("Socket")

CYCLE_S = 0.04
TURNS = 4


class Turns(Generic[Socket]):
    """Sockets, spread evenly over the turns of a cycle."""

    def __init__(self, turns: int = TURNS) -> None:
        self._turns: list[dict[Socket, None]] = [{} for _ in range(turns)]
        self._of: dict[Socket, dict[Socket, None]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Socket]:
        return iter(list(self._of))

    def __contains__(self, socket: Socket) -> bool:
        return socket in self._of

    def add(self, socket: Socket) -> None:
        """Add a socket to the turn with the fewest sockets."""
        turn = min(self._turns, key=len)
        turn[socket] = None
        self._of[socket] = turn

    def remove(self, socket: Socket) -> None:
        """Remove a socket, which must be there."""
        del self._of.pop(socket)[socket]

    def turn(self) -> list[Socket]:
        """Return the sockets to read now, and advance to the next turn."""
        sockets = list(self._turns[self._next])
        self._next = (self._next + 1) % len(self._turns)
        return sockets
