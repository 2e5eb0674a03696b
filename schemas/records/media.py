"""Audio and media streams as gateways report them."""

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class MediaStreamOpened:
    """A gateway has accepted a media stream. On stream.events and on media."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    at: int
    clock_correction_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Frames of one size, with timestamps at a regular step."""

    timestamp: int
    frames: int
    step: int
    size: int


@dataclass(frozen=True, slots=True)
class SequenceBreak:
    """A place in a track at which frames that Twilio sent are missing."""

    timestamp: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrackBatch:
    """The frames of one track in a batch."""

    track: str
    runs: tuple[Run, ...]
    invalid: int
    audio: bytes
    breaks: tuple[SequenceBreak, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaBatch:
    """At most 0.5 s of a media stream, both tracks."""

    stream_sid: str
    call_sid: str
    task_sid: str
    gateway: str
    epoch: int
    number: int
    at: int
    first_sequence: int | None
    last_sequence: int | None
    tracks: tuple[TrackBatch, ...]


@dataclass(frozen=True, slots=True)
class DroppedTrack:
    """The dropped frames of one track."""

    track: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class MediaDropped:
    """Batches that a gateway had to drop, in their place on media: the frames that it received,
    without their audio."""

    stream_sid: str
    call_sid: str
    task_sid: str
    gateway: str
    epoch: int
    at: int
    reason: str
    first_number: int
    last_number: int
    tracks: tuple[DroppedTrack, ...]


@dataclass(frozen=True, slots=True)
class MediaStreamClosed:
    """A media stream ended. On stream.events and on media."""

    stream_sid: str
    call_sid: str
    task_sid: str
    name: str | None
    generation: int
    gateway: str
    epoch: int
    at: int
    reason: str
    detail: str
    batches: int
    frames: int
    invalid: int
    unbroken: bool = False


@dataclass(frozen=True, slots=True)
class GatewayStarted:
    """A gateway has started: the media streams of its earlier epochs are dead. On every partition
    of stream.events and media."""

    gateway: str
    epoch: int
    at: int


@dataclass(frozen=True, slots=True)
class GatewayAlive:
    """A gateway is alive, and so are its media streams. On every partition of gateways.alive, every
    two seconds. On a partition of stream.events it shows that gateway how far it has read there."""

    gateway: str
    epoch: int
    at: int


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """A gateway refused a WebSocket that Twilio opened for a media stream with a genuine ticket."""

    task_sid: str
    call_sid: str
    generation: int
    gateway: str
    epoch: int
    at: int
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ObservedTrack:
    """Observations of one track of a test call's media stream. Timestamps in ms."""

    track: str
    frames: int
    first_timestamp: int
    last_timestamp: int
    uneven_steps: int
    first_chunk: int
    last_chunk: int


@dataclass(frozen=True, slots=True)
class MediaStreamObserved:
    """A gateway's observations of a test call's media stream, sent at its end."""

    stream_sid: str
    call_sid: str
    task_sid: str
    generation: int
    gateway: str
    epoch: int
    at: int
    pings: int
    pongs: int
    stop_seen: bool
    tracks: tuple[ObservedTrack, ...]
