"""The capture of a contact: how much of its required time is in the audio. Pure."""

from collections.abc import Sequence

from pipeline.calls.view import CallView
from pipeline.contacts.causes import never_opened
from pipeline.contacts.coverage import cover
from pipeline.contacts.gaps import captured_ms, gaps
from pipeline.contacts.reasons import with_reasons
from pipeline.contacts.required import required
from pipeline.contacts.spans import Span, total
from pipeline.contacts.state import AWAITED_MS, awaited, brought_nothing
from pipeline.policy.monitored_list import PolicyHistory
from schemas.fast_dataclass import dataclass
from schemas.records import Call, ContactGap, ContactRecording, ContactState
from schemas.states import CaptureState, Direction, RecordingSource


@dataclass(frozen=True, slots=True)
class Capture:
    """A contact's `capture`, `required_ms`, `captured_ms` and `gaps`; `required`: the time in which
    the call had to be recorded, normalized."""

    capture: CaptureState
    required_ms: int
    captured_ms: int
    gaps: tuple[ContactGap, ...]
    required: tuple[Span, ...]


def capture_of(
    state: ContactState,
    call: Call,
    seen: CallView,
    recordings: Sequence[ContactRecording],
    *,
    history: PolicyHistory,
    now: int,
) -> Capture:
    """Account for the required time of a call at `now` (ms). `seen` must be the call's view, and
    `recordings` all recordings of the state.

    A recording without any record for `AWAITED_MS` will not be completed: it counts as no audio, as
    does a recording that is withheld.
    """
    is_given_up = now - state.latest_at >= AWAITED_MS
    audible = [r for r in recordings if not r.withheld_because]
    heard = [r for r in audible if r.duration_ms is not None or not is_given_up]
    rang_only = seen.direction == Direction.OUTBOUND and brought_nothing(state)
    streamed_at = None if rang_only else _streamed_at(state, recordings)
    spans = required(call, seen, history, streamed_at, now)
    streamed = [r for r in heard if r.source == RecordingSource.STREAM]
    found = gaps(spans, streamed, now)
    causes = (*state.causes, *never_opened(state.media_streams, _reported(state)))
    found = with_reasons(found, causes, state.decisions, state.completed)
    found = cover(found, (r for r in heard if r.source == RecordingSource.TWILIO_RECORDING))
    wanted, captured = total(spans), captured_ms(spans, heard, now)
    is_open = seen.ended_at is None or (bool(awaited(state)) and not is_given_up)
    outcome = _outcome(wanted, captured, found, is_open=is_open)
    return Capture(outcome, wanted, captured, found, spans)


def _reported(state: ContactState) -> frozenset[str]:
    """Return the SIDs of the media streams that gateways or recorders reported."""
    started = (each.stream_sid for each in state.started)
    completed = (each.stream_sid for each in state.completed)
    return frozenset((*state.opened, *started, *completed))


def _outcome(
    required: int, captured: int, found: Sequence[ContactGap], *, is_open: bool
) -> CaptureState:
    if required == 0:
        return CaptureState.NOT_REQUIRED
    if is_open:
        return CaptureState.PENDING
    if all(gap.covered_by for gap in found):
        return CaptureState.COMPLETE
    return CaptureState.MISSING if captured == 0 else CaptureState.PARTIAL


def _streamed_at(state: ContactState, recordings: Sequence[ContactRecording]) -> int | None:
    """Return when the first media stream was opened (ms). States of earlier versions have only the
    recordings. A recording of Twilio's shows no answer: it may have begun before."""
    times = [r.started_at for r in recordings if r.source == RecordingSource.STREAM]
    if state.first_opened_at is not None:
        times.append(state.first_opened_at)
    return min(times, default=None)
