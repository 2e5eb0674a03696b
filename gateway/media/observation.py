"""Observe details of a test call's media stream other than its audio (Sans-I/O).

Other media streams are not observed, because this parses each message a second time.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from gateway.media.messages import Stop, parse, whole_number
from schemas.records import MediaStreamClosed, MediaStreamObserved, ObservedTrack

FIRST_PING_MS = 1_000
PING_EVERY_MS = 3_000
LONGEST_MS = 180_000
"""The longest duration of a test call (ms)."""
IDLE_MS = 12_000
"""A media stream without a message for this long (ms) is considered over, even if its socket is
open. The silence in a test call lasts 8 s."""
EVEN_MS = (16, 24)
"""The step (ms) from one frame to the next, with Twilio's observed jitter of 2 ms."""
HOLE_MS = 60
"""A longer step (ms) is a hole: nothing was sent, or frames are lost."""


class _Frame(msgspec.Struct):
    track: str
    timestamp: int
    chunk: object = None


class _Message(
    msgspec.Struct,
    tag_field="event",
    tag="media",
    rename={"frame": "media", "sequence": "sequenceNumber"},
):
    frame: _Frame
    sequence: object = None


_decoder = msgspec.json.Decoder(_Message, strict=False)


@dataclass(slots=True)
class _Track:
    frames: int = 0
    first_timestamp: int = 0
    last_timestamp: int = 0
    uneven_steps: int = 0
    first_chunk: int = 0
    last_chunk: int = 0
    is_broken: bool = False

    def add(self, timestamp: int, chunk: int) -> None:
        step = timestamp - self.last_timestamp
        if not self.frames:
            self.first_timestamp, self.first_chunk = timestamp, chunk
        elif not self.is_broken and step < HOLE_MS:
            self.uneven_steps += not EVEN_MS[0] <= step <= EVEN_MS[1]
        self.is_broken = False
        self.frames += 1
        self.last_timestamp, self.last_chunk = timestamp, chunk


class StreamObserver:
    """Observes one media stream. Times are ms of the log's clock. The constructor's `now` is the
    time at which the socket was opened."""

    def __init__(self, now: int) -> None:
        self._opened_at = self._latest_at = now
        self._next_ping_at = now + FIRST_PING_MS
        self._is_pinged = False
        self._pings = self._pongs = 0
        self._stop_seen = False
        self._last_sequence = 0
        self._tracks: dict[str, _Track] = {}

    def receive(self, texts: Iterable[str | bytes], now: int) -> None:
        """Handle text messages. Skip unreadable ones."""
        self._latest_at = now
        for text in texts:
            try:
                message = _decoder.decode(text)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                self._stop_seen |= isinstance(parse(text), Stop)
            else:
                self._add(message.frame, whole_number(message.sequence) or 0)

    def _add(self, frame: _Frame, sequence: int) -> None:
        if sequence != self._last_sequence + 1:
            for track in self._tracks.values():
                track.is_broken = True  # messages may be missing before its next frame
        self._last_sequence = sequence
        track = self._tracks.setdefault(frame.track, _Track())
        track.add(frame.timestamp, whole_number(frame.chunk) or 0)

    def received_control(self) -> None:
        """Note that a ping or a pong arrived."""
        self._pongs += self._is_pinged
        self._is_pinged = False

    def wants_ping(self, now: int) -> bool:
        """Return whether to send a ping now."""
        if now < self._next_ping_at:
            return False
        self._next_ping_at = now + PING_EVERY_MS
        self._pings += 1
        self._is_pinged = True
        return True

    def why_over(self, now: int) -> str | None:
        """Return the reason to end the media stream now, or None if it may continue."""
        if not 0 <= now - self._opened_at <= LONGEST_MS:
            return "the test call is too long"
        if now - self._latest_at >= IDLE_MS:
            return "the test call is over"
        return None

    def observed(self, closed: MediaStreamClosed) -> MediaStreamObserved:
        """Return the observations of the media stream, which was closed."""
        return MediaStreamObserved(
            stream_sid=closed.stream_sid,
            call_sid=closed.call_sid,
            task_sid=closed.task_sid,
            generation=closed.generation,
            gateway=closed.gateway,
            epoch=closed.epoch,
            at=closed.at,
            pings=self._pings,
            pongs=self._pongs,
            stop_seen=self._stop_seen,
            tracks=tuple(
                ObservedTrack(
                    name,
                    track.frames,
                    track.first_timestamp,
                    track.last_timestamp,
                    track.uneven_steps,
                    track.first_chunk,
                    track.last_chunk,
                )
                for name, track in sorted(self._tracks.items())
            ),
        )
