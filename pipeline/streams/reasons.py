"""The reason of a media stream's state: in words, and as a code. Pure."""

from schemas.fast_dataclass import dataclass
from schemas.records import CallStreams, ManagedStream


@dataclass(frozen=True, slots=True)
class Reason:
    """`text` is for people. `code` is a `ReasonCode`, or empty in a state that an earlier release
    wrote."""

    text: str
    code: str


NO_REASON = Reason("", "")


def reason_of(media_stream: ManagedStream) -> Reason:
    """Return the reason of a media stream's state."""
    return Reason(media_stream.reason, media_stream.reason_code)


def decision_reason(state: CallStreams) -> Reason:
    """Return the reason of the call's latest decision."""
    return Reason(state.reason, state.reason_code)
