"""Calls, their legs, and the names of workers."""

from collections.abc import Mapping

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that events may change. The value with the greatest (version, at, event_id)
    counts."""

    value: str
    version: int
    at: int
    event_id: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """A worker's reservation for the task."""

    sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of the task."""

    sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Leg:
    """A call leg in the task's conference."""

    call_sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReportedStream:
    """A media stream as reported by Twilio's stream status callbacks."""

    stream_sid: str
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Connection:
    """A worker's connection to the call, derived from the facts."""

    reservation_sid: str
    extension: str | None
    state: str
    started_at: int | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Call:
    """A version of a call: the summary of all events seen so far, and the event that caused this
    version."""

    task_sid: str
    revision: int
    cause_event_id: str
    cause_type: str
    cause_at: int
    first_event_at: int
    latest_event_at: int
    latest_arrival_at: int
    facts: Mapping[str, Fact]
    milestones: Mapping[str, int]
    reservations: tuple[Reservation, ...]
    transfers: tuple[Transfer, ...]
    legs: tuple[Leg, ...]
    direction: str | None
    state: str
    connections: tuple[Connection, ...]
    media_streams: tuple[ReportedStream, ...] = ()
    more_offers: bool = False
    queue: str | None = None
    customer: str | None = None
    agents: tuple[str, ...] = ()
    started_at: int | None = None
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class CallAlias:
    """A call leg belongs to a task: the two SIDs mean the same call."""

    call_sid: str
    task_sid: str
    at: int
    listed: bool = False


@dataclass(frozen=True, slots=True)
class CallAliasState:
    """The resolver's state of a call leg. Only in the resolver's table."""

    call_sid: str
    task_sid: str | None
    told_at: int
    latest_at: int
    waiting: tuple[bytes, ...]
    other_task_sids: tuple[str, ...] = ()
    listed_task_sids: tuple[str, ...] = ()
    listed_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LegContested:
    """Two tasks name the same call leg. This record informs `task_sid` of the other one."""

    call_sid: str
    task_sid: str
    other_task_sid: str
    at: int
    listed: bool = False


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """A name of a worker."""

    kind: str
    value: str
    seen_at: int
    counts_from: int


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A reservation names its worker."""

    worker_sid: str
    task_sid: str
    identities: tuple[WorkerIdentity, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Worker:
    """All names that a worker was ever seen with."""

    worker_sid: str
    identities: tuple[WorkerIdentity, ...]
    at: int


@dataclass(frozen=True, slots=True)
class ForgottenCall:
    """Replaces a call in the tracker's table after its state was deleted. Later events of the call
    are too late."""

    task_sid: str
    ended_at: int | None
    forgotten_at: int
