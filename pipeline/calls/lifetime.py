"""How long a call is kept, and which events are too late (docs/decisions/0006).

A call without an end is closed ("swept") 24 hours after its first event. An ended call is forgotten
4 hours after its latest event, and a mark is kept in its place for another 24 hours. All times are
of the log's clock: `now` is the time of a record or tick.
"""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.calls.added import is_added, marked
from pipeline.calls.channels import VOICE_CHANNELS, is_voice
from pipeline.calls.events import Silent, delta
from pipeline.calls.fields import MAX_TEXT_CHARACTERS, version
from pipeline.calls.merge import LONGEST_MS, folded, sweep_at, swept
from pipeline.calls.view import SWEPT, view
from pipeline.lenient_json import loads
from pipeline.times import rfc3339
from schemas.fast_dataclass import dataclass
from schemas.records import Call, CtiEvent, Fact, ForgottenCall, Leg, LegContested, LegFetched
from schemas.states import CallState

FORGOTTEN_AFTER_MS = 4 * 60 * 60 * 1000
"""How long (ms) an ended call is kept: Twilio retries an event for up to 4 hours."""

MARKED_MS = 24 * 60 * 60 * 1000
"""How long (ms) the mark of a forgotten call is kept."""

QUIET_MS = 5_000
"""A call is not swept within this time (ms) after an event of it arrived. While a backlog is
processed or old events are imported, its end may be among the next events."""

CONTESTED = "flexcapture.leg-contested"
"""The cause of a version that names another task with the same leg."""
FETCHED = "flexcapture.leg-fetched"
"""The cause of a version that adds the ends of a leg, from Twilio's answer."""
MAX_CAUSE_CHARACTERS = 100

_SECOND_MS = 1_000

Kept = Call | ForgottenCall
"""The state that is kept for a call."""


@dataclass(frozen=True, slots=True)
class Aged:
    """The state of a call after some time has passed, and the new versions of the call."""

    state: Kept | None
    versions: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class TooLate:
    """An event that is too late to open or change a call. `detail`: the reason, as a text for
    people."""

    detail: str


@dataclass(frozen=True, slots=True)
class Applied:
    """The state of a call after an event. `news`: the new version to publish, or None."""

    state: Kept | None
    news: Call | None = None


def apply_event(
    state: Kept | None, event: CtiEvent, now: int, voice_channels: frozenset[str] = VOICE_CHANNELS
) -> Applied | Silent | TooLate:
    """Handle an event that arrived at `now` (ms). `voice_channels`: as in `delta`."""
    said = delta(event, voice_channels)
    if isinstance(said, Silent):
        return said
    if is_added(event):
        said = marked(said, event)
        # Such an event is never too late: a forgotten call begins again with the added events.
        state = None if isinstance(state, ForgottenCall) and is_voice(said.facts) else state
    if isinstance(state, ForgottenCall):
        return _after_the_end(state, said)
    if state is None and not is_added(event) and (why := _too_late(event, said)) is not None:
        return TooLate(why)
    after = folded(state, said, now)
    return Applied(after.call, after.call if after.news else None)


def apply_contested(state: Kept | None, contested: LegContested, now: int) -> Applied:
    """Note, at `now` (ms), that another task also names a leg of the call."""
    if not isinstance(state, Call):
        return Applied(state)
    facts = {"listed_task" if contested.listed else "other_task": contested.other_task_sid}
    cause = f"contested:{contested.call_sid}:{contested.other_task_sid}"
    said = replace(state, cause_event_id=cause, cause_type=CONTESTED, cause_at=contested.at)
    return _with_leg(said, contested.call_sid, facts, now)


def apply_fetched(state: Kept | None, fetched: LegFetched, now: int) -> Applied:
    """Note, at `now` (ms), the ends and the label of a leg of the call from Twilio's answer."""
    if not isinstance(state, Call):
        return Applied(state)
    facts = {
        "from": fetched.call_from,
        "to": fetched.call_to,
        "call_direction": fetched.call_direction,
        "label": fetched.label,
        "owner": fetched.worker_sid,
    }
    cause = f"fetched:{fetched.call_sid}"
    said = replace(state, cause_event_id=cause, cause_type=FETCHED, cause_at=fetched.at)
    return _with_leg(said, fetched.call_sid, facts, now)


def _with_leg(caused: Call, call_sid: str, values: Mapping[str, str | None], now: int) -> Applied:
    """Return the call with these facts of a leg, with the cause in `caused`."""
    event_id = caused.cause_event_id[:MAX_CAUSE_CHARACTERS]
    facts = {
        name: Fact(stated[:MAX_TEXT_CHARACTERS], 0, caused.cause_at, event_id)
        for name, stated in values.items()
        if stated is not None
    }
    after = folded(caused, replace(caused, legs=(Leg(call_sid, facts, {}),)), now)
    return Applied(after.call, after.call if after.news else None)


def aged(state: Kept, now: int) -> Aged:
    """Return the state at `now` (ms). All steps that are due are carried out at once, however late
    this is called."""
    versions: tuple[Call, ...] = ()
    if now < wakes_at(state):
        return Aged(state)
    if isinstance(state, Call) and state.state == CallState.ACTIVE:
        state = swept(state, now)
        versions = (state,)
    if isinstance(state, Call) and now >= (due := _forgotten_at(state)):
        state = ForgottenCall(state.task_sid, view(state).ended_at, due)
    gone = isinstance(state, ForgottenCall) and now >= wakes_at(state)
    return Aged(None if gone else state, versions)


def remaining(state: Kept | None, now: int) -> Aged:
    """Return the state to which an event that arrived at `now` (ms) is applied. A call that is due
    to be forgotten is forgotten first, without waiting for a tick. Sweeps are left to the ticks,
    which are handled after all events of their time."""
    if state is None or now < wakes_at(state):
        return Aged(state)
    left = aged(state, now)
    return Aged(state) if isinstance(left.state, Call) else left


def wakes_at(state: Kept) -> int:
    """Return when (ms) the next step is due: to sweep or to forget the call, or to drop its
    mark."""
    if isinstance(state, ForgottenCall):
        return state.forgotten_at + MARKED_MS
    if state.state == CallState.ACTIVE:
        return max(sweep_at(state), state.latest_arrival_at + QUIET_MS)
    return _forgotten_at(state)


def _forgotten_at(call: Call) -> int:
    """Return when (ms) the state of a call that is over is dropped: 4 hours after its latest
    event's time or arrival, whichever is later. A call without any reservation is dropped when it
    must be long over. A sweep counts as an event. An event time more than a day after the arrival
    is ignored."""
    latest_event = min(call.latest_event_at, call.latest_arrival_at + LONGEST_MS)
    latest = max(latest_event, call.latest_arrival_at, call.milestones.get(SWEPT, 0))
    return latest + FORGOTTEN_AFTER_MS + (LONGEST_MS if call.state == CallState.FORMING else 0)


def _after_the_end(mark: ForgottenCall, said: Call) -> Applied | TooLate:
    if not is_voice(said.facts):
        return Applied(mark)
    return TooLate(f"the call's state was dropped at {rfc3339(mark.forgotten_at)}")


def _too_late(event: CtiEvent, said: Call) -> str | None:
    """Return why an event of an unknown call must not open a call, or None."""
    if not is_voice(said.facts):
        return None
    # Callbacks have whole seconds.
    late = event.arrived_at - said.cause_at
    if late >= FORGOTTEN_AFTER_MS + _SECOND_MS and not _begins(said):
        return f"the call is not known, and the event is {late / 3_600_000:.1f} hours old"
    age = _task_age_ms(event)
    if age > LONGEST_MS + FORGOTTEN_AFTER_MS:
        return f"the call is not known, and its task is {age / 3_600_000:.1f} hours old"
    return None


def _begins(said: Call) -> bool:
    """Return whether a call begins with this statement: a new task, or a new reservation."""
    return "created" in said.milestones or any("created" in r.milestones for r in said.reservations)


def _task_age_ms(event: CtiEvent) -> int:
    """Return the task's age (ms) at the event; 0 if the event does not have it."""
    payload = loads(event.body)["data"].get("payload")
    return version(payload.get("task_age")) * 1000 if isinstance(payload, dict) else 0
