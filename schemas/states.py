"""The states in our records, with the values that are written."""

from enum import StrEnum


class CallState(StrEnum):
    """The state of a call. IGNORED: it is not in a voice channel."""

    FORMING = "forming"
    ACTIVE = "active"
    ENDED = "ended"
    IGNORED = "ignored"


class Direction(StrEnum):
    """The direction of a call."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class ConnectionState(StrEnum):
    """The state of a worker's connection to a call. RINGING: the worker waits until the
    customer of an outbound call answers."""

    ALERTING = "alerting"
    RINGING = "ringing"
    ACTIVE = "active"
    HOLD = "hold"
    ENDED = "ended"


class StreamState(StrEnum):
    """The state of a media stream, as `MediaStreamChanged` reports it."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class StreamPhase(StrEnum):
    """What a media stream's command waits for."""

    SENT = "sent"
    REPEATED = "repeated"
    ANSWERED = "answered"
    BACKING_OFF = "backing-off"
    QUIET = "quiet"


class RecordingState(StrEnum):
    """The state of a contact's recording."""

    RECORDING = "recording"
    COMPLETE = "complete"


class Outcome(StrEnum):
    """How the customer's attempt to reach a worker ended."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    UNANSWERED = "unanswered"


class CaptureState(StrEnum):
    """How much of a contact's required time is in the audio."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"
    NOT_REQUIRED = "not-required"
    PENDING = "pending"
