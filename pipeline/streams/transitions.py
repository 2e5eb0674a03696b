"""Transitions of a call's decision, of its media streams as `stream.events` shows them, and of the
check whether a leg belongs to the call. Pure."""

from pipeline.transitions import Transition
from schemas.states import LegResult, RecordingDecision, StreamState

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
"""Transitions from one version of a call's state to the next. A version may include a report and
the decision that follows it, so that `starting` need not come first."""

LEG_TRANSITIONS = (
    Transition(None, LegResult.PENDING, "Twilio is asked about a leg that is streamed"),
    Transition(None, LegResult.CONFIRMED, "the adapter found it in the task's conference"),
    Transition(LegResult.PENDING, LegResult.CONFIRMED, "the task's conference lists it"),
    Transition(LegResult.PENDING, LegResult.CONTRADICTED, "it belongs to another call"),
    Transition(LegResult.PENDING, LegResult.UNKNOWN, "no conference lists it, or no answer"),
    Transition(LegResult.UNKNOWN, LegResult.PENDING, "Twilio is asked again"),
    Transition(LegResult.UNKNOWN, LegResult.CONFIRMED, "a late answer confirms it"),
    Transition(LegResult.UNKNOWN, LegResult.CONTRADICTED, "a late answer contradicts it"),
    Transition(LegResult.CONFIRMED, LegResult.CONTRADICTED, "an answer to a question from before"),
    Transition(LegResult.CONFIRMED, LegResult.MOVED, "another task's conference lists it now"),
    Transition(LegResult.CONTRADICTED, LegResult.CONFIRMED, "the adapter found it here after all"),
    Transition(LegResult.MOVED, LegResult.CONFIRMED, "the adapter found it here again"),
)

DECISION_TRANSITIONS = (
    Transition(None, RecordingDecision.RECORD, "a monitored agent is active"),
    Transition(None, RecordingDecision.DO_NOT_RECORD, "no monitored agent is"),
    Transition(RecordingDecision.DO_NOT_RECORD, RecordingDecision.RECORD, "an agent is active now"),
    Transition(RecordingDecision.RECORD, RecordingDecision.STOP, "the last monitored agent left"),
    Transition(RecordingDecision.STOP, RecordingDecision.RECORD, "an agent becomes active again"),
)
"""A decision may be published again with another reason."""
