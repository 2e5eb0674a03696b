"""Compute the tracker's states from the topics. Pure.

The events, folded by the tracker's own core, give the content of each call. The latest version on
`calls` has the same content, and also the revision and the cause, which depend on the order of
handling. It may be ahead by events that were handled and not committed. The table must not fall
behind that version: readers of `calls` ignore a version that is not later than the one they have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from agents.tracker import TrackerCore
from pipeline.calls.channels import VOICE_CHANNELS
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS, Kept
from pipeline.calls.merge import merge, settled
from pipeline.calls.view import SWEPT
from schemas.codec import Undecodable, decode, encode
from schemas.records import Call, CtiEvent, ForgottenCall, LegContested

_TIDIED_EVERY = 20_000


class Folding:
    """The states of a partition's keys, computed from its events in the order of their log times.

    Ticks need not be repeated: whether an event finds its call forgotten follows from the state,
    and a sweep is a version on `calls`.
    """

    def __init__(self, voice_channels: frozenset[str] = VOICE_CHANNELS) -> None:
        self.states: dict[str, Kept] = {}
        self._voice_channels = voice_channels
        self._core = TrackerCore(voice_channels)
        self._taken = 0

    def take(self, key: bytes | None, value: bytes | None, at: int) -> None:
        """Handle a record of `cti.events` or `cti.resolved`. Ignore a record that cannot be read:
        the tracker sends it to the dead letters."""
        try:
            name, event = (key or b"").decode(), decode(value)
            if not isinstance(event, CtiEvent | LegContested):
                return
            before = self.states.get(name)
            after = self._core.on_record(name, before, event, at).state
        except (Undecodable, ValueError):
            return
        self._put(name, after)
        self._taken += 1
        if self._taken % _TIDIED_EVERY == 0:
            self.grow_old(at)

    def grow_old(self, now: int) -> None:
        """Drop states that are to be forgotten at `now` (ms), so that a month of calls does not
        fill the memory."""
        for key, state in tuple(self.states.items()):
            self._put(key, older(key, state, now))

    def ahead(self) -> "Folding":
        """Return a copy that continues from here, independently of this one."""
        other = Folding(self._voice_channels)
        other.states = dict(self.states)
        return other

    def _put(self, key: str, state: Kept | None) -> None:
        if state is None:
            self.states.pop(key, None)
        else:
            self.states[key] = state


def older(key: str, state: Kept, now: int) -> Kept | None:
    """Return the state as a tick at `now` (ms) leaves it: unchanged, a `ForgottenCall`, or None.
    Sweeps are left to the tracker, which publishes them as versions of the call."""
    step = TrackerCore().on_tick(key, state, now)
    return state if step.outputs else step.state


@dataclass(slots=True)
class Published:
    """The latest version of each call on `calls`."""

    latest: dict[str, tuple[Call, int]] = field(default_factory=dict)

    def take(self, key: bytes | None, value: bytes | None, at: int) -> None:
        """Handle a record of `calls`, in the order of the log."""
        try:
            name, call = (key or b"").decode(), decode(value)
        except (Undecodable, ValueError):
            return
        if not isinstance(call, Call):
            return
        # A lower revision: written again after a crash; or, hours later, the call was opened again.
        known = self.latest.get(name)
        if known and call.revision < known[0].revision and at - known[1] < FORGOTTEN_AFTER_MS:
            return
        self.latest[name] = call, at

    def call(self, key: str) -> Call | None:
        """Return a call's latest version, or None."""
        found = self.latest.get(key)
        return None if found is None else found[0]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The value that the table must have for a key. `doubt`: how events and versions contradict
    each other, which happens if some of them have expired."""

    state: Kept | None
    doubt: str | None = None


def rebuilt(
    key: str, committed: Kept | None, ahead: Kept | None, published: Call | None, now: int
) -> Rebuilt:
    """Return the state for a key at `now` (ms).

    `committed`: the state after the committed events; `ahead`: after all events; `published`: the
    latest version on `calls`.
    """
    if published is None:
        doubt = "its versions are not on calls" if isinstance(committed, Call) else None
        return Rebuilt(None if committed is None else older(key, committed, now), doubt)
    if isinstance(committed, ForgottenCall):
        version = older(key, published, now)
        if isinstance(version, Call) and published.latest_arrival_at > committed.forgotten_at:
            return Rebuilt(version, "calls has a version from after the call was to be forgotten")
        return Rebuilt(older(key, committed, now))
    both = published if committed is None else _both(published, committed)
    state = older(key, both, now)
    if not isinstance(state, Call):
        return Rebuilt(state)
    if not is_within(committed, published):
        return Rebuilt(state, "its events say more than its versions on calls")
    if not is_within(published, ahead):
        return Rebuilt(state, "its versions on calls say more than its events")
    return Rebuilt(state)


def _both(published: Call, committed: Call) -> Call:
    if is_within(committed, published):
        arrived = max(committed.latest_arrival_at, published.latest_arrival_at)
        return replace(published, latest_arrival_at=arrived)
    return settled(merge(published, committed))


def is_within(part: Kept | None, whole: Kept | None) -> bool:
    """Return whether `whole` contains everything that `part` contains of the events. Arrival times
    and sweeps are ignored."""
    if not isinstance(part, Call) or not isinstance(whole, Call):
        return part is None or part == whole
    return _content(merge(whole, part)) == _content(whole)


def _content(call: Call) -> Call:
    milestones = {name: at for name, at in call.milestones.items() if name != SWEPT}
    return replace(
        call,
        revision=0,
        cause_event_id="",
        cause_type="",
        cause_at=0,
        latest_arrival_at=0,
        milestones=milestones,
        direction=None,
        state="",
        connections=(),
    )


class TableVerdict(Enum):
    """How a table's value for a key compares with the correct one."""

    SAME = auto()
    BEHIND = auto()  # it lacks only uncommitted events, which the tracker will handle again
    MISSING = auto()
    EXTRA = auto()
    OTHER = auto()


def compared(
    key: bytes, table: bytes | None, committed: Kept | None, wanted: Kept | None, now: int
) -> TableVerdict:
    """Compare the table's value for a key with the correct one. `table`: the value in the
    changelog; `committed` and `wanted` as in `rebuilt`."""
    if table == (None if wanted is None else encode(wanted)):
        return TableVerdict.SAME
    if table is None:
        return TableVerdict.BEHIND if committed is None else TableVerdict.MISSING
    try:
        name, held = key.decode(), decode(table)
    except (Undecodable, ValueError):
        return TableVerdict.EXTRA if wanted is None else TableVerdict.OTHER
    if isinstance(held, Call | ForgottenCall) and older(name, held, now) == wanted:
        return TableVerdict.SAME  # it has only grown older
    if isinstance(held, Call) and isinstance(wanted, Call):
        return TableVerdict.BEHIND if _catches_up(held, committed, wanted) else TableVerdict.OTHER
    return TableVerdict.EXTRA if wanted is None else TableVerdict.OTHER


def _catches_up(held: Call, committed: Kept | None, wanted: Call) -> bool:
    """Return whether the uncommitted events make up the whole difference."""
    if not is_within(committed, held) or not is_within(held, wanted):
        return False
    if isinstance(committed, Call) and held.latest_arrival_at < committed.latest_arrival_at:
        return False
    return is_within(wanted, held) == (held.revision == wanted.revision)


def wanted_keys(
    folding: Folding, published: Published, table: Mapping[bytes, bytes]
) -> Iterable[bytes]:
    """Return every key that occurs in the events, the versions or the table, in order."""
    names = {*folding.states, *published.latest}
    return sorted({*table, *(name.encode() for name in names)})
