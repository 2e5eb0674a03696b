"""The retriever's progress."""

from ..fast_dataclass import dataclass
from .contacts import RequiredSpan


@dataclass(frozen=True, slots=True)
class RetrievedRecording:
    """The result for one of Twilio's recordings."""

    recording_sid: str
    part: int
    outcome: str
    reason: str
    recording_id: str
    confidence: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class RetrievalJob:
    """The retriever's progress with one call: the time that it must fetch from Twilio's recordings,
    and the results."""

    task_sid: str
    state: str
    since: int
    due_at: int
    attempts: int
    reason: str
    revision: int
    contact: bytes
    wanted: tuple[RequiredSpan, ...]
    retrieved: tuple[RetrievedRecording, ...]
    updated_at: int
