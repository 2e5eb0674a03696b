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
    """The event that a media stream's command waits for."""

    SENT = "sent"
    REPEATED = "repeated"
    ANSWERED = "answered"
    BACKING_OFF = "backing-off"
    QUIET = "quiet"


class ReasonCode(StrEnum):
    """The reason of a decision, a command or a state of a media stream. docs/topics.md lists them
    all. A code keeps its meaning; new ones may come."""

    MONITORED_AGENT_ACTIVE = "monitored-agent-active"
    TRANSFER_UNDER_WAY = "transfer-under-way"
    LAST_MONITORED_AGENT_LEFT = "last-monitored-agent-left"
    AGENT_LEG_GONE = "agent-leg-gone"
    AGENT_OFF_LIST = "agent-off-list"
    QUEUE_EXCLUDED = "queue-excluded"
    NO_MONITORED_AGENT = "no-monitored-agent"
    INTERNAL_CALL = "internal-call"
    DIRECTION_NOT_RECORDED = "direction-not-recorded"
    DIRECTION_UNKNOWN = "direction-unknown"
    NOT_VOICE = "not-voice"
    CALL_ENDED = "call-ended"
    NO_END = "no-end-within-24-hours"

    CALL_UNKNOWN = "call-unknown"
    CALL_LONG_OVER = "call-long-over"
    ONE_STREAM_TOO_MANY = "one-stream-too-many"
    LEG_OF_ANOTHER_CALL = "leg-of-another-call"
    LEG_MOVED = "leg-moved-to-another-call"
    LEG_OF_AGENT = "leg-of-agent"
    TWILIO_ENDED = "twilio-ended"
    SOCKET_DROPPED = "socket-dropped"
    GATEWAY_STOPPED = "gateway-stopped"
    PROTOCOL_ERROR = "protocol-error"
    NO_MEDIA = "no-media"
    NOT_TO_BE_RECORDED = "not-to-be-recorded"
    GATEWAY_ENDED = "gateway-ended"
    GATEWAY_REPLACED = "gateway-replaced"
    GATEWAY_STALE = "gateway-stale"
    GATEWAY_SILENT = "gateway-silent"
    TWILIO_REPORTED_STOP = "twilio-reported-stop"
    TWILIO_REPORTED_ERROR = "twilio-reported-error"
    NEVER_REACHED_GATEWAY = "never-reached-gateway"
    LEG_NOT_IN_PROGRESS = "leg-not-in-progress"
    NO_CONFERENCE = "no-conference"
    TWILIO_REFUSED = "twilio-refused"

    LEG_UNKNOWN = "leg-unknown"
    LEG_UNCONFIRMED = "leg-unconfirmed"
    LEG_UNIDENTIFIED = "leg-unidentified"


class RecordingDecision(StrEnum):
    """Whether a call is recorded, as `RecordingDecided` states it. STOP: it was recorded until
    now."""

    RECORD = "record"
    STOP = "stop"
    DO_NOT_RECORD = "do-not-record"


class LegResult(StrEnum):
    """Whether a streamed leg belongs to the call, as far as Twilio has answered. MOVED: it did, but
    is now in another call's conference."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    MOVED = "moved"
    UNKNOWN = "unknown"


class RecordingState(StrEnum):
    """The state of a contact's recording."""

    RECORDING = "recording"
    COMPLETE = "complete"


class RecordingSource(StrEnum):
    """The origin of a recording's audio."""

    STREAM = "stream"
    TWILIO_RECORDING = "twilio-recording"


class RetrievalState(StrEnum):
    """The state of a retrieval job."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class RetrievalOutcome(StrEnum):
    """The result for one of Twilio's recordings."""

    STORED = "stored"
    REFUSED = "refused"


class Outcome(StrEnum):
    """How the customer's attempt to reach a worker ended."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    UNANSWERED = "unanswered"


class ReconciliationResult(StrEnum):
    """The result of the comparison with Twilio's records for a task, a reservation or a
    conference."""

    CAPTURED = "captured"
    PARTIAL = "partial"
    RECOVERED = "recovered"
    LOST = "lost"
    EXCLUDED = "excluded"


class CaptureState(StrEnum):
    """How much of a contact's required time is in the audio."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"
    NOT_REQUIRED = "not-required"
    PENDING = "pending"
