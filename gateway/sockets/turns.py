"""When each socket is read: in turns, each socket once in `CYCLE_S`.

A socket brings a frame on each track every 20 ms. Waking up for each of them costs more than taking
them in; read once in 40 ms they come four at a time, and wait in the kernel meanwhile, whose buffer
holds a hundred times as much. Whoever floods a socket is read no faster than the others.
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
        """It is read from now on, in the emptiest turn."""
        turn = min(self._turns, key=len)
        turn[socket] = None
        self._of[socket] = turn

    def remove(self, socket: Socket) -> None:
        """It is read no more."""
        del self._of.pop(socket)[socket]

    def turn(self) -> list[Socket]:
        """Whose turn it is; each call is the next one's."""
        sockets = list(self._turns[self._next])
        self._next = (self._next + 1) % len(self._turns)
        return sockets
