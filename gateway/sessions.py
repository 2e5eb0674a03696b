"""Carry out the decisions of the protocols of all sockets of a process.

Nothing here waits: records go to the publisher's buffer, and the action on the socket is returned
to the caller.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

import structlog

from gateway.admission.decisions import RecordingDecisions
from gateway.media.observation import StreamObserver
from gateway.media.protocol import (
    POLICY_VIOLATION,
    CloseSocket,
    MediaSocket,
    Output,
    SendPing,
)
from gateway.media.socket_state import SocketState
from gateway.metrics import (
    BATCHES,
    BATCHES_DROPPED,
    FRAMES,
    FRAMES_INVALID,
    MEDIA_STREAMS_CLOSED,
    MEDIA_STREAMS_OPENED,
    VIOLATIONS,
)
from gateway.publishing.dropped_batches import Dropped
from gateway.publishing.publisher import Publisher
from pipeline.runtime.telemetry import count_invalid_sids
from pipeline.twilio.check_tasks import is_check_task
from pipeline.twilio.tickets import Ticket
from schemas.records import MediaBatch, MediaStreamClosed, MediaStreamOpened

log = structlog.get_logger(__name__)

MAX_ENDED = 100_000
"""The number of ended media streams for which the last batch number is remembered."""

_FRAMES = {track: FRAMES.labels(track) for track in ("inbound", "outbound")}


@dataclass(slots=True, eq=False)
class MediaSession:
    """A socket's protocol, and the shell's state for it."""

    protocol: MediaSocket
    stream: tuple[str, str] | None = None
    """Task SID and stream SID, once the media stream has begun."""
    dropped: Dropped | None = None
    batches_dropped: int = 0
    draining: bool = False
    observer: StreamObserver | None = None
    """The observer of a test call; None for other calls."""
    unusable_counted: dict[str, int] = field(default_factory=dict)


class MediaSessions:
    """All sessions of this process.

    `publisher` sends the records of `media`. `events` sends those of `stream.events`, which must
    not wait behind audio: if they were late, the media streams would be considered dead. The caller
    must pass the stream managers' decisions to `decisions`. `correction` returns log time minus the
    machine's clock in ms, None if not known.
    """

    def __init__(
        self,
        publisher: Publisher,
        events: Publisher,
        *,
        media_topic: str,
        events_topic: str,
        instance: str,
        epoch: int,
        account_sid: str | None,
        correction: Callable[[], int | None],
    ) -> None:
        self._correction = correction
        self._publisher = publisher
        self._events = events
        self._media_topic = media_topic
        self._events_topic = events_topic
        self._instance = instance
        self._epoch = epoch
        self._account_sid = account_sid
        self._running: set[tuple[str, str]] = set()
        self._last_numbers: OrderedDict[tuple[str, str], int] = OrderedDict()
        self.decisions: RecordingDecisions[MediaSession] = RecordingDecisions()

    def open(self, now: int, ticket: Ticket | None = None) -> MediaSession:
        """Return the session of a socket that was opened with that ticket. The caller must call
        `lost` at its end."""
        protocol = MediaSocket(
            self._instance,
            self._epoch,
            self._account_sid,
            now,
            ticket=ticket,
            last_numbers=self._last_numbers,
        )
        is_test = ticket is not None and is_check_task(ticket.task_sid)
        return MediaSession(protocol, observer=StreamObserver(now) if is_test else None)

    def receive(
        self, session: MediaSession, texts: Sequence[str | bytes], now: int
    ) -> CloseSocket | SendPing | None:
        """Handle text messages. Return the action on the socket, if any."""
        if session.observer is not None:
            session.observer.receive(texts, now)
        outputs = session.protocol.receive(texts, now)
        how = self._carry_out(session, outputs) if outputs else None
        return how if session.observer is None else how or self._watch_test(session, now)

    def received_control(self, session: MediaSession, now: int) -> None:
        """Handle a ping or a pong."""
        session.protocol.note_activity(now)
        if session.observer is not None:
            session.observer.received_control()

    def received_binary(self, session: MediaSession, now: int) -> CloseSocket | SendPing | None:
        """Handle a binary message, which Twilio never sends. Return how to close the socket."""
        return self._carry_out(session, session.protocol.violated("binary message", now))

    def tick(self, session: MediaSession, now: int) -> CloseSocket | SendPing | None:
        """Handle the passing of time. Return the action on the socket, if any."""
        outputs = session.protocol.tick(now)
        how = self._carry_out(session, outputs) if outputs else None
        return how if session.observer is None else how or self._watch_test(session, now)

    def end_not_to_be_recorded(self, now: int) -> dict[MediaSession, CloseSocket | SendPing]:
        """End the media streams of calls that must not be recorded, once they are due. Return how
        to close their sockets."""
        ended: dict[MediaSession, CloseSocket | SendPing] = {}
        for session, reason in self.decisions.overdue(now):
            how = self._carry_out(session, session.protocol.not_to_be_recorded(now, reason))
            if how is not None:
                ended[session] = how
        return ended

    def lost(self, session: MediaSession, now: int, reason: str, detail: str) -> None:
        """Handle the loss of the socket: publish the rest of its media stream."""
        self._carry_out(session, session.protocol.lost(now, reason, detail))
        self._count_unusable(session)
        count_invalid_sids(session.protocol.invalid_sids)
        if session.stream is not None:
            self._running.discard(session.stream)

    def _carry_out(
        self, session: MediaSession, outputs: Iterable[Output]
    ) -> CloseSocket | SendPing | None:
        how: CloseSocket | SendPing | None = None
        for output in outputs:
            match output:
                case MediaBatch():
                    self._publish_batch(session, output)
                case MediaStreamOpened():
                    if (output.task_sid, output.stream_sid) in self._running:
                        return self._refuse_second(session)
                    self._begin(session, output)
                case MediaStreamClosed():
                    self._end(session, output)
                case SendPing() | CloseSocket():
                    how = output
                case _:
                    assert_never(output)
        if isinstance(how, CloseSocket) and how.code == POLICY_VIOLATION:
            VIOLATIONS.labels(how.reason).inc()
        return how

    def _watch_test(self, session: MediaSession, now: int) -> CloseSocket | SendPing | None:
        """Ping the other side of a test call, and end one that is too long."""
        assert session.observer is not None
        if session.protocol.state is not SocketState.RUNNING:
            return None
        if (why := session.observer.why_over(now)) is not None:
            return self._carry_out(session, session.protocol.not_to_be_recorded(now, why))
        return SendPing() if session.observer.wants_ping(now) else None

    def _begin(self, session: MediaSession, opened: MediaStreamOpened) -> None:
        session.stream = opened.task_sid, opened.stream_sid
        self._running.add(session.stream)
        self.decisions.opened(session, opened.task_sid, opened.at)
        MEDIA_STREAMS_OPENED.inc()
        self._publish_both(replace(opened, clock_correction_ms=self._correction()))
        log.info(
            "media stream opened",
            stream_sid=opened.stream_sid,
            call_sid=opened.call_sid,
            task_sid=opened.task_sid,
            generation=opened.generation,
        )

    def _refuse_second(self, session: MediaSession) -> CloseSocket:
        """Refuse a second socket with the same task and stream SID; the first one stays."""
        session.protocol.forget()
        VIOLATIONS.labels("stream runs already").inc()
        return CloseSocket(POLICY_VIOLATION, "stream runs already")

    def _publish_batch(self, session: MediaSession, batch: MediaBatch) -> None:
        for track in batch.tracks:
            _FRAMES[track.track].inc(sum(run.frames for run in track.runs))
        BATCHES.inc()
        if session.protocol.unusable:
            self._count_unusable(session)
        key = batch.task_sid.encode()
        if session.dropped is not None:
            if not self._publisher.has_room(self._media_topic, key):
                # A small batch might still fit, but must not overtake the dropped ones' record.
                self._drop(session, batch, key)
                return
            self._publish_dropped(session, key)
        if not self._publisher.publish(self._media_topic, key, batch, droppable=True):
            self._drop(session, batch, key)

    def _drop(self, session: MediaSession, batch: MediaBatch, key: bytes) -> None:
        reason = self._publisher.why_full
        BATCHES_DROPPED.labels(reason).inc()
        session.batches_dropped += 1
        if session.dropped is not None and session.dropped.reason != reason:
            self._publish_dropped(session, key)
        if session.dropped is None:
            session.dropped = Dropped(batch, reason)
        else:
            session.dropped.add(batch)

    def _publish_dropped(self, session: MediaSession, key: bytes) -> None:
        """Publish the record of the dropped batches, in their place: before any later record of the
        media stream."""
        if session.dropped is not None:
            self._publisher.publish(self._media_topic, key, session.dropped.record())
            session.dropped = None

    def _end(self, session: MediaSession, closed: MediaStreamClosed) -> None:
        self._publish_dropped(session, closed.task_sid.encode())
        if session.batches_dropped:
            dropped = f"{session.batches_dropped} batches dropped: {self._publisher.why_full}"
            closed = replace(closed, detail="; ".join(filter(None, (closed.detail, dropped))))
        self.decisions.ended(session, closed.task_sid)
        self._note_last_number((closed.task_sid, closed.stream_sid), closed.batches)
        MEDIA_STREAMS_CLOSED.labels(closed.reason).inc()
        self._publish_both(closed)
        if session.observer is not None:
            observed = session.observer.observed(closed)
            self._events.publish(self._events_topic, closed.task_sid.encode(), observed)
        log.info(
            "media stream closed",
            stream_sid=closed.stream_sid,
            task_sid=closed.task_sid,
            reason=closed.reason,
            detail=closed.detail,
            frames=closed.frames,
            invalid=closed.invalid,
        )

    def _note_last_number(self, stream: tuple[str, str], number: int) -> None:
        """Remember the number of the last batch. If the media stream comes again, its batches
        continue after it; otherwise two batches would have the same number."""
        if not number:
            return
        self._last_numbers[stream] = number
        self._last_numbers.move_to_end(stream)
        if len(self._last_numbers) > MAX_ENDED:
            self._last_numbers.popitem(last=False)

    def _publish_both(self, record: MediaStreamOpened | MediaStreamClosed) -> None:
        key = record.task_sid.encode()
        self._publisher.publish(self._media_topic, key, record)
        self._events.publish(self._events_topic, key, record)

    def _count_unusable(self, session: MediaSession) -> None:
        for why, count in session.protocol.unusable.items():
            FRAMES_INVALID.labels(why).inc(count - session.unusable_counted.get(why, 0))
            session.unusable_counted[why] = count
