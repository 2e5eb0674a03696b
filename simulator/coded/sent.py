"""The record of one coded media stream, from which all of its frames can be reproduced."""

import asyncio
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from simulator.coded.frames import payload
from simulator.expected import TRACKS, SentFrame
from simulator.media import timestamps
from simulator.script import Line
from simulator.world import MediaStream


class FrameFate(Enum):
    """Whether a turn's frames were sent on the socket."""

    SENT = "sent"
    LOST_BEFORE = "lost before"  # numbered, then lost before the socket or dropped at it
    NEVER_MADE = "never made"  # silence: neither created nor numbered


@dataclass(slots=True)
class CodedStream:
    """A media stream and its turns of 20 ms.

    `number`: of the media stream in the run; `turns`: how many there were; `thrown_away`: the turns
    with frames dropped because the socket was full; `line`: the faults of the call's media;
    `began_at`: the time of turn 0 (ms since the epoch); `over`: set when the socket is closed;
    `turned_at`: the time of each turn, by `time.monotonic`; `closed_at`: when the other side closed
    the socket, likewise.
    """

    number: int
    media_stream: MediaStream
    turns: int = 0
    thrown_away: list[int] = field(default_factory=list)
    line: Line = field(default_factory=Line)
    began_at: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    turned_at: "array[float]" = field(default_factory=lambda: array("d"))
    closed_at: float | None = None

    @property
    def frames(self) -> int:
        """The number of frames that were sent, both tracks together."""
        line, turns = self.line, range(self.turns)
        unsent = {*line.silent, *line.lost, *self.thrown_away} if self.turns else ()
        return len(TRACKS) * (self.turns - sum(number in turns for number in unsent))

    def fates(self) -> Iterator[tuple[int, int, "FrameFate"]]:
        """Yield number, timestamp and fate of each turn's frames, in order."""
        away = set(self.thrown_away)
        for number, timestamp in enumerate(islice(timestamps(self.media_stream.sid), self.turns)):
            if number in away or number in self.line.lost:
                yield number, timestamp, FrameFate.LOST_BEFORE
            elif number in self.line.silent:
                yield number, timestamp, FrameFate.NEVER_MADE
            else:
                yield number, timestamp, FrameFate.SENT

    def sent(self, track: str) -> Iterator[tuple[int, SentFrame]]:
        """Yield the frames that were sent on a track with their numbers, in order."""
        for number, timestamp, fate in self.fates():
            if fate is FrameFate.SENT:
                yield number, SentFrame(track, timestamp, payload(self.number, track, number))

    def sent_at(self, number: int) -> float:
        """Return when the frames of a turn were sent (ms since the epoch)."""
        return (self.began_at or 0) + 1000 * (self.turned_at[number] - self.turned_at[0])
