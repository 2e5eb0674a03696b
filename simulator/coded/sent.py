"""What was sent on one coded media stream: enough to make every frame of it again."""

import asyncio
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from simulator.coded.frames import payload
from simulator.expected import TRACKS, SentFrame
from simulator.media import timestamps
from simulator.world import MediaStream


@dataclass(slots=True)
class CodedStream:
    """`number` is the media stream's in the run. `turns`: how many times 20 ms have passed since
    its first frames; `thrown_away`: the turns in which nothing could be sent, as the socket took no
    more; `began_at`: when turn 0 was (ms since the epoch); `over`: set when the socket is gone;
    `turned_at`: when each turn was, by `time.monotonic`."""

    number: int
    media_stream: MediaStream
    turns: int = 0
    thrown_away: list[int] = field(default_factory=list)
    began_at: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    turned_at: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def frames(self) -> int:
        """How many frames were sent, both tracks."""
        return len(TRACKS) * (self.turns - len(self.thrown_away))

    def sent(self, track: str) -> Iterator[tuple[int, SentFrame]]:
        """Number and frame of each that was sent on a track, in order."""
        away = set(self.thrown_away)
        for number, timestamp in enumerate(islice(timestamps(self.media_stream.sid), self.turns)):
            if number not in away:
                yield number, SentFrame(track, timestamp, payload(self.number, track, number))
