"""The roles that can be derived: their pure cores, and the records that each takes and makes. Pure.

No command, credential or file exists here: `stream.commands` is not a target, and the part of the
stream manager that makes commands is not used.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.consolidator import ContactsCore
from agents.faust_runner.core import Core, Output, Step
from agents.resolver import ResolverCore
from agents.tracker import TrackerCore
from pipeline.contacts.state import AWAITED_MS
from pipeline.policy.monitored_list import PolicyHistory
from pipeline.runtime.settings import Role
from pipeline.streams import decisions
from pipeline.twilio.check_tasks import is_check_task
from schemas.records import Call, CallStreams, CommandAnswered, ContactState
from schemas.topics import (
    ALL,
    CALL_ALIASES,
    CALLS,
    CONTACTS,
    CTI_EVENTS,
    CTI_RESOLVED,
    RECONCILIATION_EVIDENCE,
    RECONCILIATIONS,
    RECORDINGS,
    STREAM_EVENTS,
    Topic,
)

Records = Mapping[str, tuple[str, ...]]
"""Record types, by the name of their topic."""

TOPICS: Mapping[str, Topic] = {topic.name: topic for topic in ALL}


@dataclass(frozen=True, slots=True)
class DerivedRole:
    """A role, as it is derived.

    - `reads`, `makes`: the record types that it takes and makes.
    - `core`: makes a core that decides by the given history.
    - `is_ruled`: a new version of the monitored list concerns all keys.
    - `recalled_until`: until when (ms) a state that the core forgot at a tick is restored if a
      record of its key comes; None: it is not.
    """

    name: Role
    reads: Records
    makes: Records
    core: Callable[[PolicyHistory, frozenset[str]], Core[Any]]
    is_ruled: bool = False
    recalled_until: Callable[[Any], int] | None = None


class DecisionsCore:
    """The stream manager's core without media streams and commands."""

    def __init__(self, history: PolicyHistory) -> None:
        self._history = history

    def on_record(
        self, key: str, state: CallStreams | None, record: object, now: int
    ) -> Step[CallStreams]:
        """Handle a version of a call, or an answer of the adapter."""
        if is_check_task(key):
            return Step(state)
        match record:
            case Call():
                return _step(key, decisions.on_call(key, state, record, self._history, now))
            case CommandAnswered():
                found = decisions.learned_from(state, record, self._history, now)
                return Step(state, tuple(_learned(key, each) for each in found))
            case _:
                return Step(state)

    def on_tick(self, key: str, state: CallStreams, now: int) -> Step[CallStreams]:
        """Decide again, or forget a call that is over."""
        return _step(key, decisions.on_tick(state, self._history, now))

    def wakes_at(self, state: CallStreams) -> int | None:
        """Return the time (ms) at which the call must be looked at again."""
        return decisions.wakes_at(state)


def _step(key: str, found: decisions.DecisionStep) -> Step[CallStreams]:
    return Step(
        found.state, tuple(Output(STREAM_EVENTS, key, decided) for decided in found.published)
    )


def _learned(key: str, record: Any) -> Output:
    if type(record).__name__ == "CallAlias":
        return Output(CALL_ALIASES, record.call_sid, record)
    return Output(CTI_RESOLVED, key, record)


def _recalled_until(state: ContactState) -> int:
    """Return until when (ms) the state is restored: as long as audio may arrive. (The database
    keeps a contact's state for ever.)"""
    return state.latest_at + 2 * AWAITED_MS


ROLES: Mapping[Role, DerivedRole] = {
    role.name: role
    for role in (
        DerivedRole(
            name=Role.TRACKER,
            reads={
                CTI_EVENTS.name: ("CtiEvent",),
                CTI_RESOLVED.name: ("CtiEvent", "LegContested", "LegFetched"),
            },
            makes={CALLS.name: ("Call",), CALL_ALIASES.name: ("CallAlias",)},
            core=lambda _, channels: TrackerCore(channels),
        ),
        DerivedRole(
            name=Role.RESOLVER,
            reads={CTI_EVENTS.name: ("CtiEvent",), CALL_ALIASES.name: ("CallAlias",)},
            makes={CTI_RESOLVED.name: ("CtiEvent", "LegContested")},
            core=lambda *_: ResolverCore(),
        ),
        DerivedRole(
            name=Role.STREAM_MANAGER,
            reads={CALLS.name: ("Call",), STREAM_EVENTS.name: ("CommandAnswered",)},
            makes={
                STREAM_EVENTS.name: ("RecordingDecided",),
                CTI_RESOLVED.name: ("LegFetched",),
                CALL_ALIASES.name: ("CallAlias",),
            },
            core=lambda history, _: DecisionsCore(history),
            is_ruled=True,
        ),
        DerivedRole(
            name=Role.CONSOLIDATOR,
            reads={
                CALLS.name: ("Call",),
                STREAM_EVENTS.name: (
                    "CommandAnswered",
                    "RecordingDecided",
                    "MediaStreamChanged",
                    "MediaStreamOpened",
                    "HandshakeRefused",
                ),
                RECORDINGS.name: ("RecordingStarted", "RecordingCompleted"),
                RECONCILIATION_EVIDENCE.name: ("ReconciliationEvidence",),
            },
            makes={CONTACTS.name: ("Contact",), RECONCILIATIONS.name: ("Reconciliation",)},
            core=lambda history, _: ContactsCore(history),
            is_ruled=True,
            recalled_until=_recalled_until,
        ),
    )
}
"""The roles that can be derived, in the order in which they handle a record and a tick."""


def chosen(names: Collection[str]) -> tuple[DerivedRole, ...]:
    """Return the named roles in their order. Raise `ValueError` for an unknown name."""
    unknown = sorted(set(names) - set(ROLES))
    if unknown or not names:
        raise ValueError(
            f"{', '.join(unknown) or 'nothing'} cannot be derived; roles: {', '.join(ROLES)}"
        )
    return tuple(role for role in ROLES.values() if role.name in names)


def targets(roles: Sequence[DerivedRole]) -> tuple[Topic, ...]:
    """Return the topics that the roles write, each once."""
    names = dict.fromkeys(name for role in roles for name in role.makes)
    return tuple(TOPICS[name] for name in names)


def live_records(roles: Sequence[DerivedRole]) -> dict[str, frozenset[str]]:
    """Return, by name of the topic, the record types that are taken from the live topics: those
    that the roles read and none of them makes.

    Tracker and stream manager both make a `CallAlias`. If only one of them is derived, the live
    ones are taken as well: an alias that comes again changes nothing.
    """
    made = {(name, each) for role in roles for name, types in role.makes.items() for each in types}
    makers = {role.name for role in roles}
    if not {Role.TRACKER, Role.STREAM_MANAGER} <= makers:
        made.discard((CALL_ALIASES.name, "CallAlias"))
    found: dict[str, set[str]] = {}
    for role in roles:
        for topic, names in role.reads.items():
            taken = {name for name in names if (topic, name) not in made}
            if taken:
                found.setdefault(topic, set()).update(taken)
    return {topic: frozenset(names) for topic, names in found.items()}
