"""Transitions of a media stream, as other roles see them on `stream.events`. Pure."""

from pipeline.transitions import Transition
from schemas.states import StreamState

STREAM_TRANSITIONS = (
    Transition(None, StreamState.STARTING, "the call must be recorded"),
    Transition(None, StreamState.RUNNING, "a gateway reports one started before a crash"),
    Transition(None, StreamState.STOPPING, "a gateway reports one that must not run"),
    Transition(StreamState.STARTING, StreamState.RUNNING, "a gateway reports it"),
    Transition(StreamState.STARTING, StreamState.FAILED, "refused, or never reached a gateway"),
    Transition(StreamState.STARTING, StreamState.STOPPING, "no longer wanted"),
    Transition(StreamState.STARTING, StreamState.STOPPED, "a gateway reports only its end"),
    Transition(StreamState.RUNNING, StreamState.STOPPING, "no longer wanted, or gateway silent"),
    Transition(StreamState.RUNNING, StreamState.STOPPED, "its socket closed, or gateway replaced"),
    Transition(StreamState.STOPPING, StreamState.STOPPED, "its end is reported, or confirmed"),
    Transition(StreamState.STOPPED, StreamState.STOPPING, "a gateway still holds it"),
    Transition(StreamState.FAILED, StreamState.STOPPING, "it reached a gateway after all"),
)
"""Transitions from one version of a call's state to the next. A version may take in a report and
the decision that follows it, so that `starting` need not come first."""
