"""One Media Streams socket, without the socket (Sans-I/O).

The shell passes in text messages (`receive`), control frames (`note_activity`), the passing of time
(`tick`) and the loss of the socket (`lost`). Each method returns the actions to carry out, in
order: records to publish under the call's key, `SendPing`, and `CloseSocket`. After `CloseSocket`
no method returns any action. No method raises.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.media.batching import Batcher, Identity
from gateway.media.messages import (
    Connected,
    InvalidFrame,
    Media,
    Message,
    Other,
    ProtocolViolation,
    Start,
    Stop,
    parse,
)
from gateway.media.socket_state import SocketState
from pipeline.twilio.check_tasks import is_check_task
from pipeline.twilio.sids import SidKind
from pipeline.twilio.tickets import Ticket
from schemas.records import MediaBatch, MediaStreamClosed, MediaStreamOpened

START_DEADLINE_MS = 10_000
NO_MEDIA_MS = 5_000
"""On some calls Twilio sends nothing during silence. So a media stream without messages for this
long (ms) is pinged. It is considered dead only if nothing arrives for this long again."""
STALLED_MS = 1_000
"""Ticks further apart than this (ms): the process did not read sockets, or its clock was set."""
NORMAL_CLOSURE = 1000
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close the socket with this code and reason."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class SendPing:
    """Send a ping, to find out whether the other side is alive."""


STOP = "stop"
"""The reason of the end of a media stream if Twilio announced the end."""

Output = MediaStreamOpened | MediaBatch | MediaStreamClosed | SendPing | CloseSocket

LastNumbers = Mapping[tuple[str, str], int]
"""The number of the last batch of an ended media stream, by task SID and stream SID."""


class MediaSocket:
    """The protocol's state for one socket.

    `account_sid`: the only accepted account; None: any. `ticket`: the handshake's ticket; None: any
    leg and any task are accepted. `last_numbers`: the last batch numbers of media streams that may
    come again. `unusable`: the numbers of frames that cannot be used, by reason, including those of
    unknown tracks, which no batch counts. `invalid_sids`: the kinds of the invalid SIDs in start
    messages, for the shell to count.
    """

    def __init__(
        self,
        gateway: str,
        epoch: int,
        account_sid: str | None,
        now: int,
        *,
        ticket: Ticket | None = None,
        last_numbers: LastNumbers | None = None,
    ) -> None:
        self._gateway = gateway
        self._epoch = epoch
        self._account_sid = account_sid if ticket is None else ticket.account_sid
        self._ticket = ticket
        self._last_numbers: LastNumbers = {} if last_numbers is None else last_numbers
        self._opened_at = now
        self._active_at = now
        self._pinged_at: int | None = None
        self._ticked_at = now
        self._batcher: Batcher | None = None
        self._identity: Identity | None = None
        self.state = SocketState.WAITING
        self.unusable: dict[str, int] = {}
        self.invalid_sids: tuple[SidKind, ...] = ()

    def receive(self, texts: Iterable[str | bytes], now: int) -> Sequence[Output]:
        """Handle text messages that arrived at `now` (ms, the gateway's log clock)."""
        if self.state is SocketState.DONE:
            return ()
        self.note_activity(now)
        batcher = self._batcher
        outputs: list[Output] = [] if batcher is None else list(batcher.tick(now))
        for text in texts:
            message = parse(text)
            if type(message) is Media and self._is_ours(message.stream_sid):
                assert self._batcher is not None
                batches = self._batcher.add(message.frame, message.sequence, now)
                if batches is not None:
                    outputs += batches
            else:
                outputs += self._handle(message, now)
                if outputs and isinstance(outputs[-1], CloseSocket):
                    break
        return outputs

    def tick(self, now: int) -> Sequence[Output]:
        """Handle the passing of time. Call this every 0.1 s, so that batches are cut in time."""
        if self._batcher is not None and self.state is SocketState.RUNNING:
            return (*self._batcher.tick(now), *self._watch_silence(now))
        if (
            self.state is SocketState.WAITING
            and not 0 <= now - self._opened_at <= START_DEADLINE_MS
        ):
            return self.violated("no start", now)
        return ()

    def note_activity(self, now: int) -> None:
        """Note a sign of life. The shell also calls this for pings and pongs."""
        self._active_at, self._pinged_at = now, None

    def not_to_be_recorded(self, now: int, reason: str) -> Sequence[Output]:
        """End the media stream, because a decision with this reason says not to record its call."""
        outputs = self._ended(now, "not-to-be-recorded", reason)
        self.state = SocketState.DONE
        return (*outputs, CloseSocket(NORMAL_CLOSURE, "not to be recorded"))

    def lost(self, now: int, reason: str, detail: str) -> Sequence[Output]:
        """Note that the socket is closed. `reason`: "dropped" by the other side or the network, or
        "drained" by ourselves. Return nothing if the media stream had ended before."""
        outputs = self._ended(now, reason, detail)
        self.state = SocketState.DONE
        return outputs

    def violated(self, reason: str, now: int) -> Sequence[Output]:
        """Handle a violation of the protocol, also one that the shell has found."""
        outputs = self._ended(now, "protocol-error", reason)
        self.state = SocketState.DONE
        return (*outputs, CloseSocket(POLICY_VIOLATION, reason))

    def forget(self) -> None:
        """Drop the media stream that has begun: no further action is returned."""
        self.state = SocketState.DONE

    def _handle(self, message: Message, now: int) -> Sequence[Output]:
        match message:
            case Media() | InvalidFrame():
                return self._unusual_frame(message, now)
            case Start():
                return self._start(message, now)
            case Stop(sequence):
                return self._stop(sequence, now)
            case ProtocolViolation(reason, invalid_sids):
                self.invalid_sids = invalid_sids
                return self.violated(reason, now)
            case Other(sequence):
                if self._batcher is not None:
                    self._batcher.pass_over(sequence)
                return ()
            case Connected():
                return ()

    def _stop(self, sequence: int | None, now: int) -> Sequence[Output]:
        if self._batcher is not None:
            self._batcher.pass_over(sequence)
        outputs = self._ended(now, STOP, "")
        self.state = SocketState.DONE
        return (*outputs, CloseSocket(NORMAL_CLOSURE, STOP))

    def _watch_silence(self, now: int) -> Sequence[Output]:
        """Ping a media stream that sent nothing for too long while ticks were regular. End it if
        the ping is not answered."""
        if not 0 <= now - self._ticked_at <= STALLED_MS:
            self.note_activity(now)
        self._ticked_at = now
        if self._pinged_at is None:
            if now - self._active_at < NO_MEDIA_MS:
                return ()
            self._pinged_at = now
            return (SendPing(),)
        if now - self._pinged_at < NO_MEDIA_MS:
            return ()
        silence = f"nothing for {(now - self._active_at) // 1000} s, and no answer to a ping"
        outputs = self._ended(now, "no-media", silence)
        self.state = SocketState.DONE
        return (*outputs, CloseSocket(INTERNAL_ERROR, "no media"))

    def _is_ours(self, stream_sid: str | None) -> bool:
        who = self._identity
        return who is not None and (stream_sid is None or stream_sid == who.stream_sid)

    def _unusual_frame(self, frame: Media | InvalidFrame, now: int) -> Sequence[Output]:
        if self._batcher is None:
            return self.violated("media before start", now)
        if not self._is_ours(frame.stream_sid):
            return self.violated("media of another stream", now)
        assert isinstance(frame, InvalidFrame)
        self.unusable[frame.reason] = self.unusable.get(frame.reason, 0) + 1
        self._batcher.add_invalid(frame, now)
        return ()

    def _start(self, start: Start, now: int) -> Sequence[Output]:
        if self._identity is not None:
            if start.stream_sid != self._identity.stream_sid:
                return self.violated("second start", now)
            assert self._batcher is not None
            self._batcher.pass_over(start.sequence)
            return ()
        self.invalid_sids = start.invalid_sids
        if self._account_sid is not None and start.account_sid != self._account_sid:
            return self.violated("another account", now)
        if self._ticket is not None and start.call_sid != self._ticket.call_sid:
            return self.violated("another call", now)
        if start.task_sid is None:
            return self.violated("start without taskSid parameter", now)
        if self._ticket is None and is_check_task(start.task_sid):
            return self.violated("test call without a ticket", now)
        if self._ticket is not None and (start.task_sid, start.generation) != (
            self._ticket.task_sid,
            self._ticket.generation,
        ):
            return self.violated("another task", now)
        return (self._run(start, start.task_sid, now),)

    def _run(self, start: Start, task_sid: str, now: int) -> MediaStreamOpened:
        who = Identity(
            stream_sid=start.stream_sid,
            call_sid=start.call_sid,
            task_sid=task_sid,
            name=start.name,
            generation=start.generation,
            gateway=self._gateway,
            epoch=self._epoch,
        )
        last = self._last_numbers.get((task_sid, start.stream_sid), 0)
        self._identity, self.state = who, SocketState.RUNNING
        self._batcher = Batcher(who, last_number=last, sequence=start.sequence)
        self._ticked_at = now
        self.note_activity(now)
        return _opened(who, now)

    def _ended(self, now: int, reason: str, detail: str) -> list[Output]:
        """Return the rest of the audio and the media stream's end, if it is running."""
        if self._batcher is None or self._identity is None or self.state is SocketState.DONE:
            return []
        rest = self._batcher.cut()
        closed = _closed(self._identity, self._batcher, now, reason, self._with_ignored(detail))
        return [*rest, closed]

    def _with_ignored(self, detail: str) -> str:
        ignored = self.unusable.get("track", 0)
        ignored_text = f"{ignored} frames of unknown tracks" if ignored else ""
        return "; ".join(filter(None, (detail, ignored_text)))


def _opened(who: Identity, now: int) -> MediaStreamOpened:
    return MediaStreamOpened(
        stream_sid=who.stream_sid,
        call_sid=who.call_sid,
        task_sid=who.task_sid,
        name=who.name,
        generation=who.generation,
        gateway=who.gateway,
        epoch=who.epoch,
        at=now,
    )


def _closed(
    who: Identity, counted: Batcher, now: int, reason: str, detail: str
) -> MediaStreamClosed:
    return MediaStreamClosed(
        stream_sid=who.stream_sid,
        call_sid=who.call_sid,
        task_sid=who.task_sid,
        name=who.name,
        generation=who.generation,
        gateway=who.gateway,
        epoch=who.epoch,
        at=now,
        reason=reason,
        detail=detail,
        batches=counted.batches,
        frames=counted.frames,
        invalid=counted.invalid,
        unbroken=reason == STOP and counted.is_unbroken,
    )
