"""Walks through the statements about a call, in the order of time. The rules:

- Of two events about the same channel, queue or a leg, the one with the greater version
  holds, then the later one. Callbacks are ordered by their second, then by sequence number.
- Attributes of a task or a worker can be rewritten while the task runs. So what the first event
  says of direction, customer, the customer's leg, and a worker's name, address and team holds. What
  is said later is added only if it was absent. All that a worker was ever called is kept.
- The leg that the task named as the customer's before a worker was asked for is the customer's. A
  leg that was named later is, too, if it came into the conference (the first named of several), or
  if only one was ever named; and only if the conference does not mark it as a worker's.
- A step that is reported more than once happened when it was first reported.
- A reservation is a session. It begins when it was accepted, and ends with the reservation's end,
  with the last of the worker's own legs leaving, or with the call, whichever is first; if none of
  it is known, with the task. Callbacks are to the second: within one second the reservation's
  milliseconds are believed.
- While a reservation is open and all of its worker's legs have left, the worker is absent: the
  session has ended with the last leg unless another leg of the worker's comes, and the call is not
  over for that.
- A call is over when the task is cancelled, the customer's leg gone, or the conference ended
  (unless an agent was reserved, or a leg came, afterwards); otherwise once every session is over
  and no transfer and no outside party is left; or when the task is done; or after 24 hours.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.system.model.legs import Leg, legs_of
from tests.system.model.order import (
    SECOND,
    connection,
    customer_leg_of,
    first_of,
    in_order,
    list_lines,
    over_at,
)
from tests.system.model.parts import Session, Story, Transfer
from tests.system.model.presence import absences, left_at, outsiders
from tests.system.model.reading import Statement, attributes, moment, number
from tests.system.model.words import direction_of, extension_of, text

DAY = 24 * 60 * 60 * SECOND
_ENDS = ("wrapup", "completed", "canceled", "rescinded", "timeout", "rejected", "failed")
_DONE = ("completed", "deleted", "system-deleted")
_OVER = {"COMPLETED", "FAILED", "CANCELED"}


@dataclass
class Reader:
    """All statements about a task, and the conclusions."""

    task_sid: str
    statements: list[Statement]
    steps: dict[str, int] = field(default_factory=dict)
    reservations: dict[str, dict[str, int]] = field(default_factory=dict)
    transfers: dict[str, dict[str, int]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    called: dict[str, set[str]] = field(default_factory=dict)
    named_legs: list[str] = field(default_factory=list)
    named_since: int = 0

    def story(self, now: int) -> Story:
        """The story."""
        self._learn_facts()
        for statement in self.statements:
            self._walk(statement)
        self._learn_customer_leg()
        legs = legs_of(self.statements, self.facts, self.people)
        over = over_at(legs, self.steps, self.reservations)
        sessions = self._sessions(legs, over)
        ended, swept = self._ended(legs, sessions, over), False
        first = min(s["at"] for s in self.statements)
        if ended is None and now >= first + DAY and self._state(None) == "active":
            ended = over = first + DAY
            swept, sessions = True, self._sessions(legs, over)
        return self._story(legs, sessions, over, ended, swept)

    def _story(
        self,
        legs: list[Leg],
        sessions: tuple[Session, ...],
        over: int | None,
        ended: int | None,
        swept: bool,
    ) -> Story:
        direction = self.facts.get("direction")
        answered = self._answered(legs)
        ringing = direction == "outbound" and not answered
        return Story(
            task_sid=self.task_sid,
            state=self._state(ended),
            direction=direction,
            customer=None if direction == "internal" else self.facts.get("customer"),
            customer_leg=customer_leg_of(legs, self.facts, self.named_legs),
            queue=self.facts.get("queue"),
            started_at=self.steps.get("created", min(s["at"] for s in self.statements)),
            over_at=over,
            ended_at=ended,
            swept=swept,
            canceled="canceled" in self.steps,
            answered=answered,
            never_answered=ringing and self._refused(legs),
            sessions=sessions,
            connections={s.reservation_sid: connection(s, legs, ringing) for s in sessions},
            transfers=tuple(
                Transfer(t["begun"], "over" in t) for t in self.transfers.values() if "begun" in t
            ),
            has_legs=bool(legs),
        )

    def _learn_facts(self) -> None:
        router = [s for s in self.statements if s["subject"] in ("task", "reservation")]
        numbered = [(s, s["number"]) for s in router]
        for statement in in_order(numbered, "task", first=True):
            self._learn_first(statement["words"], statement["at"])
        for statement in in_order(numbered, "task", first=False):
            self._learn_latest(statement["words"])
        own = [
            (s, number(s["words"].get("reservation_version")))
            for s in router
            if s["subject"] == "reservation"
        ]
        for statement in in_order(own, "reservation", first=True):
            self._learn_worker(statement["words"], first=True)
        for statement in in_order(own, "reservation", first=False):
            self._learn_worker(statement["words"], first=False)

    def _learn_customer_leg(self) -> None:
        """Which of the legs that were named as the customer's may be believed."""
        if not self.named_legs:
            return
        asked = [steps.get("created", min(steps.values())) for steps in self.reservations.values()]
        if all(self.named_since <= at for at in asked):
            self.facts["original"] = self.named_legs[0]
            return
        in_conference = {s["leg"] for s in self.statements if s["step"] == "join"}
        joined = [leg for leg in self.named_legs if leg in in_conference]
        if joined:
            self.facts["later"] = joined[0]
        elif len(self.named_legs) == 1:
            self.facts["later"] = self.named_legs[0]

    def _learn_first(self, words: dict[str, Any], at: int) -> None:
        task = attributes(words.get("task_attributes"))
        participants = (task.get("conference") or {}).get("participants") or {}
        direction = direction_of(task)
        customer = {"inbound": ("from", "caller"), "outbound": ("outbound_to", "to")}
        leg = text(participants.get("customer"))
        if direction == "inbound":
            leg = text(task.get("call_sid")) or leg
        learnt = {
            "direction": direction,
            "customer": next(
                (v for n in customer.get(direction or "", ()) if (v := text(task.get(n)))), None
            ),
            "joined": text(participants.get("customer")),
            "worker_leg": text(participants.get("worker")),
        }
        if leg is not None and leg not in self.named_legs:
            self.named_since = self.named_since or at
            self.named_legs.append(leg)
        for name, value in learnt.items():
            if value is not None:
                self.facts.setdefault(name, value)

    def _learn_latest(self, words: dict[str, Any]) -> None:
        learnt = {"channel": "task_channel_unique_name", "queue": "task_queue_name"}
        for name, key in learnt.items():
            if (value := text(words.get(key))) is not None:
                self.facts[name] = value

    def _learn_worker(self, words: dict[str, Any], *, first: bool) -> None:
        sid = text(words.get("reservation_sid"))
        if sid is None:
            return
        worker = attributes(words.get("worker_attributes"))
        learnt = {
            "worker_sid": text(words.get("worker_sid")),
            "worker_name": text(words.get("worker_name")),
            "queue": text(words.get("task_queue_name")),
            "email": text(worker.get("email")),
            "contact_uri": text(worker.get("contact_uri")),
            "full_name": text(worker.get("full_name")),
            "team": text(worker.get("team_name")),
        }
        self.called.setdefault(sid, set()).update(list_lines(learnt))
        known = self.people.setdefault(sid, {})
        for name, value in learnt.items():
            if value is None or (name not in ("worker_sid", "queue")) != first:
                continue
            known[name] = known.get(name, value) if first else value

    def _walk(self, statement: Statement) -> None:
        words, at = statement["words"], statement["at"]
        if statement["subject"] == "conference":
            self.steps.setdefault(f"conference-{statement['step']}", at)
        if statement["subject"] == "task" and not statement["step"].startswith("transfer-"):
            self.steps.setdefault(statement["step"], at)
        if statement["subject"] == "reservation" and (sid := text(words.get("reservation_sid"))):
            self.reservations.setdefault(sid, {}).setdefault(statement["step"], at)
        if statement["subject"] in ("task", "reservation"):
            self._walk_transfer(statement)

    def _walk_transfer(self, statement: Statement) -> None:
        words, step = statement["words"], statement["step"]
        own = statement["subject"] == "task" and step.startswith("transfer-")
        sid = text(words.get("task_transfer_sid"))
        if sid is None and not own:
            return
        sid = sid or f"by {words.get('transfer_initiating_reservation_sid')}"
        transfer = self.transfers.setdefault(sid, {})
        begun = moment(words.get("transfer_started"))
        if step == "transfer-initiated":
            begun = min(statement["at"], begun or statement["at"])
        if begun is not None:
            transfer["begun"] = min(begun, transfer.get("begun", begun))
        over = str(words.get("transfer_status") or "").upper() in _OVER
        if over or (own and step.removeprefix("transfer-").upper() in _OVER):
            transfer.setdefault("over", statement["at"])

    # Conclusions.

    def _sessions(self, legs: list[Leg], over: int | None) -> tuple[Session, ...]:
        made = [self._session(sid, steps, legs, over) for sid, steps in self.reservations.items()]
        return tuple(sorted(made, key=lambda s: (s.created_at, s.reservation_sid)))

    def _session(
        self, sid: str, steps: dict[str, int], legs: list[Leg], over: int | None
    ) -> Session:
        facts = self.people[sid]
        started = steps.get("accepted")
        created = steps.get("created", min(steps.values()))
        ended = min((steps[end] for end in _ENDS if end in steps), default=None)
        left = None if started is None else left_at(sid, legs, self.reservations)
        is_open = ended is None and over is None and self._done() is None
        ended = first_of(ended, left)
        if over is not None and created <= over + SECOND:
            ended = first_of(ended, over)
        if ended is None:
            ended = self._done()
        if ended is not None:
            ended = max(ended, created if started is None else started)
        return Session(
            reservation_sid=sid,
            worker_sid=facts.get("worker_sid"),
            extension=extension_of(facts),
            team=facts.get("team"),
            queue=facts.get("queue") or self.facts.get("queue"),
            created_at=created,
            started_at=started,
            ended_at=ended,
            called=frozenset(self.called[sid]),
            absences=absences(sid, legs, self.reservations) if started is not None else (),
            is_absent=is_open and left is not None,
        )

    def _ended(
        self, legs: list[Leg], sessions: tuple[Session, ...], over: int | None
    ) -> int | None:
        if over is not None or any(s.ended_at is None or s.is_absent for s in sessions):
            return over
        done = self._done()
        outside = [leg for leg in legs if leg.party == "unknown"]
        if any(leg.was_on and leg.left_at is None for leg in outside):
            return done
        awaited = any(self._is_awaited(t, sessions) for t in self.transfers.values())
        if not awaited and "wrapup" in self.steps:
            done = min(self.steps["wrapup"], done or self.steps["wrapup"])
        parts = [s.ended_at or 0 for s in sessions if s.started_at is not None]
        if parts and (done is not None or not awaited):
            return max(parts + [leg.left_at for leg in outside if leg.left_at is not None])
        return done

    def _done(self) -> int | None:
        return min((self.steps[step] for step in _DONE if step in self.steps), default=None)

    def _is_awaited(self, transfer: dict[str, int], sessions: tuple[Session, ...]) -> bool:
        if "begun" not in transfer or "over" in transfer:
            return False
        begun = transfer["begun"]
        return not any(s.started_at is not None and s.created_at >= begun for s in sessions)

    def _state(self, ended: int | None) -> str:
        if str(self.facts.get("channel", "voice")).lower() != "voice":
            return "ignored"
        if not self.reservations and "canceled" not in self.steps:
            return "forming"
        return "active" if ended is None else "ended"

    def _answered(self, legs: list[Leg]) -> bool:
        """A party besides the workers was on the call."""
        if "joined" in self.facts or any(leg.party == "customer" and leg.was_on for leg in legs):
            return True
        return bool(outsiders(legs, self.reservations))

    def _refused(self, legs: list[Leg]) -> bool:
        others = [leg for leg in legs if leg.party in ("customer", "unknown")]
        gone = any(leg.party == "customer" and leg.left_at is not None for leg in others)
        return gone or "canceled" in self.steps or any(leg.was_refused for leg in others)
