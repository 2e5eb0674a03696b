"""A call as the model understands it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Session:
    """A worker's part. `started_at` None: never accepted, as far as is known. `called`: all lines
    of a list that name the worker or the team, by all that was said in this part. `absences`: from
    when to when the worker had no leg in the call, between two legs; `is_absent`: `ended_at` is
    that of the worker's last leg, and the worker may come back."""

    reservation_sid: str
    worker_sid: str | None
    extension: str | None
    team: str | None
    queue: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    called: frozenset[str] = field(default=frozenset(), compare=False)
    absences: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    is_absent: bool = field(default=False, compare=False)

    @property
    def is_on(self) -> bool:
        """Accepted, and not over."""
        return self.started_at is not None and self.ended_at is None


@dataclass(frozen=True)
class Transfer:
    """A transfer that was begun; `is_over`: completed, failed or cancelled."""

    begun_at: int
    is_over: bool


@dataclass(frozen=True)
class Story:
    """A call as it is known.

    `state`: forming (no contact yet), active, ended, or ignored (no voice call). `over_at`: when
    the call as a whole was over, also with open sessions; `ended_at`: that, or when the last
    part was over. `swept`: the end is the rule's, not an event's. `customer_leg` is the call SID to
    stream, if the events name it. `connections`: each reservation's state. `has_legs`: there is
    a call at all, not a task alone.
    """

    task_sid: str
    state: str
    direction: str | None
    customer: str | None
    customer_leg: str | None
    queue: str | None
    started_at: int
    over_at: int | None
    ended_at: int | None
    swept: bool
    canceled: bool
    answered: bool
    never_answered: bool
    sessions: tuple[Session, ...]
    connections: dict[str, str]
    transfers: tuple[Transfer, ...]
    has_legs: bool = True

    def outcome(self, *, connected: bool | None = None) -> str | None:
        """answered, abandoned or unanswered; None while it is open. `connected`: whether a media
        stream of the customer's leg ran, None: nothing is known of that."""
        over = self.state == "ended"
        is_call = self.has_legs or connected or self.direction == "internal"
        if not is_call and any(s.started_at for s in self.sessions):
            return "unanswered" if over else None
        if any(s.started_at is not None for s in self.sessions):
            if self.direction != "outbound" or self.answered or connected:
                return "answered"
            if not over:
                return None
            return "unanswered" if self.never_answered or connected is False else "answered"
        if not over:
            return None
        called_in = self.direction in ("inbound", None)
        return "abandoned" if called_in and self.canceled else "unanswered"
