"""Build a call's script step by step: a cursor in time, and a method for each thing people do."""

import json
from random import Random

from simulator.audio import Voice
from simulator.events import Account
from simulator.part import WRAP_UP_MS, Part
from simulator.people import Agent, in_queue
from simulator.required import RequiredRecordings
from simulator.script import (
    AgentListed,
    DialledEnds,
    Expectation,
    HoldChanged,
    Json,
    LegChanged,
    LegStatus,
    Line,
    Script,
)
from simulator.stage import Stage
from simulator.unlike import NONE, Unlike

START_SLACK_MS = 5000
CALLED = "+15550001000"
DIALLED = "outbound-api"
FOREIGN = "another call's leg"


class CallBuilder:
    """One call. `number`: unique among the calls of a run; `line`: the faults of its media;
    `random`: a source of random numbers for the case."""

    def __init__(
        self,
        begins_at: int,
        account: Account,
        random: Random,
        number: int,
        unlike: frozenset[Unlike] = NONE,
    ) -> None:
        self.number = number
        self.line = Line()
        self.random = random
        self._stage = Stage(begins_at, account, random, unlike)
        self._phone = self._end = f"+1555{random.randrange(10**7):07d}"
        self._customer_label: str | None = "customer"
        self._customer_leg: str | None = None
        self._customer_joined = False
        self._foreign_leg: str | None = None
        self._direction = "inbound"
        self._outcome = "answered"
        self._parts: list[Part] = []
        self._required = RequiredRecordings()

    # Things that people do.

    def without_callbacks(self) -> None:
        """Do not configure conference callbacks in this call's flow."""
        self._stage.callbacks = False

    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self._stage.now += milliseconds

    def inbound(self, queue: str) -> None:
        """A customer calls and waits in `queue`."""
        self._stage.queue = queue
        self._customer_leg = self._stage.leg(
            LegStatus.IN_PROGRESS, DialledEnds(self._phone, CALLED)
        )
        self._stage.attributes = {
            "call_sid": self._customer_leg,
            "from": self._phone,
            "caller": self._phone,
            "to": CALLED,
            "called": CALLED,
            "direction": "inbound",
        }
        self.wait(100)
        self._stage.task("created", "pending")

    def outbound(self, queue: str, direction: str = "outbound") -> None:
        """A dial pad creates a task, without a leg yet. `direction`: the one in the attributes."""
        self._direction, self._stage.queue = "outbound", queue
        self._stage.attributes = {
            "direction": direction,
            "outbound_to": self._phone,
            "from": CALLED,
        }
        self._stage.task("created", "pending")

    def internal(self, caller: Agent, called: Agent) -> None:
        """`caller` dials a colleague's softphone."""
        self._direction, self._stage.queue = "internal", "Everyone"
        self._stage.attributes = {
            "direction": "outbound",
            "client_call": True,
            "from": caller.contact_uri,
            "to": called.contact_uri,
            "outbound_to": called.contact_uri,
        }
        self._stage.task("created", "pending")

    def offer(self, agent: Agent, transfer: Json | None = None, queue: str | None = None) -> Part:
        """TaskRouter reserves `agent`. Return the agent's part of the call."""
        queue = queue or self._stage.queue
        part = Part(
            agent,
            self._stage.sids.new("WR"),
            self._stage.worker_sid(agent),
            queue,
            self._stage.sids.new("CA"),
            in_queue(agent, queue),
            transfer or {},
        )
        self._parts.append(part)
        self._stage.reservation(part, "created", "pending", prompt=transfer is not None)
        return part

    def accept(self, part: Part) -> None:
        """The agent answers, and a waiting customer joins the conference."""
        part.accepted_at = self._stage.now
        self._agent_in(part)
        self._stage.reservation(part, "accepted", "assigned")
        if part.transfer:
            completed = part.transfer | {"transfer_status": "COMPLETED"}
            self._stage.task("transfer-completed", "assigned", completed)
        if self._customer_leg and not self._customer_joined:
            self._customer_in()
            self._stage.knows_conference(worker=part.call_sid, customer=self._customer_leg)

    def reject(self, part: Part) -> None:
        """The agent rejects the call."""
        part.left_at = self._stage.now
        self._stage.reservation(part, "rejected", "pending")

    def rings(self, *, listed: bool) -> None:
        """The called customer's phone rings. `listed`: the conference lists the leg already."""
        self._customer_leg = self._dialled_leg(self._end, LegStatus.RINGING)
        if listed:
            self._customer_joined = True
            self._stage.join(
                self._customer_leg, self._customer_label, Voice.CUSTOMER, announced=False
            )

    def answered(self) -> None:
        """The called customer answers."""
        leg = self._customers_leg()
        self._stage.do(LegChanged(leg, LegStatus.IN_PROGRESS))
        parameters = {"CallSid": leg, "CallStatus": "in-progress", "To": self._end}
        self._stage.call_event("answered", parameters)
        if self._customer_joined:
            self._stage.announce_joined(leg, self._customer_label)
        else:
            self._customer_in()

    def unanswered(self) -> None:
        """The customer does not answer, and the agent hangs up."""
        leg = self._customers_leg()
        self._outcome = "unanswered"
        self._stage.unlist(leg)
        self._stage.end_leg(leg, LegStatus.NO_ANSWER)
        self.wait(400)
        self.hang_up()

    def hold(self, *, on: bool) -> None:
        """An agent puts the customer on hold, or ends the hold."""
        leg = self._customers_leg()
        self._stage.do(HoldChanged(self._stage.conference_sid, leg, on))
        name = "participant-hold" if on else "participant-unhold"
        self._stage.callback(name, {"CallSid": leg, "Hold": str(on).lower()})
        if Unlike.HELD_CUSTOMER in self._stage.unlike:
            self._stage.names_customer(self._another_leg() if on else leg)

    def transfer(self, part: Part, to: Agent, mode: str, queue: str | None = None) -> Part:
        """The agent of `part` transfers the customer to `to`, directly or through `queue`. `mode`
        is COLD or WARM. Return the part of `to`."""
        transfer = self._stage.transfer(part, mode, "QUEUE" if queue else "WORKER")
        self._stage.task("transfer-initiated", "assigned", transfer, prompt=True)
        self.wait(120)
        return self.offer(to, transfer, queue)

    def call_outside(self, label: str | None = None) -> str:
        """An agent adds a party outside Twilio, without a reservation. Return the party's leg."""
        leg = self._dialled_leg("+15558880000", LegStatus.RINGING)
        self._stage.join(leg, label, Voice.OUTSIDER, announced=False)
        self.wait(500)
        self._stage.do(LegChanged(leg, LegStatus.IN_PROGRESS))
        self._stage.announce_joined(leg, label)
        return leg

    def rewrites(self, part: Part, attributes: Json, worker: Json) -> None:
        """The agent's browser writes into the running task's attributes, and the agent's own;
        `FOREIGN` stands for the leg of another call."""
        text = json.dumps(attributes).replace(FOREIGN, self._another_leg())
        self._stage.attributes = self._stage.attributes | json.loads(text)
        part.rewritten = part.rewritten | worker
        self._stage.task("updated", "assigned")

    def _another_leg(self) -> str:
        """Return a leg that is in no conference of this task."""
        if self._foreign_leg is None:
            self._foreign_leg = self._dialled_leg("+15550000000")
            self._stage.open_legs.remove(self._foreign_leg)
        return self._foreign_leg

    def listen_in(self, supervisor: Agent) -> str:
        """A supervisor listens in; at most the agent hears the supervisor. Return the leg."""
        leg = self._dialled_leg(supervisor.contact_uri)
        coaching = {"Coaching": "true", "CallSidToCoach": self._parts[-1].call_sid}
        label = f"supervisor-{supervisor.email}"
        self._stage.join(leg, label, Voice.SILENCE, coaching=coaching)
        return leg

    def leave(self, part: Part) -> None:
        """The agent leaves the call; all others stay."""
        part.left_at = self._stage.now
        self._stage.drop(part.call_sid)
        self._stage.wrap_up(part)

    def hang_up(self) -> None:
        """The remaining parties hang up, which ends the call."""
        if self._required.is_open:
            self.stops_recording()
        for leg in tuple(self._stage.open_legs):
            self._stage.drop(leg)
        self._stage.end_conference()
        if self._foreign_leg is not None:
            self._stage.do(LegChanged(self._foreign_leg, LegStatus.COMPLETED))
        for part in self._parts:
            if part.left_at is None:
                part.left_at = self._stage.now
                self._stage.wrap_up(part)
        self._stage.later(80, lambda: self._stage.task("wrapup", "wrapping"))
        done = {"task_completed_reason": "completed"}
        self._stage.later(WRAP_UP_MS + 50, lambda: self._stage.task("completed", "completed", done))

    def give_up(self) -> None:
        """The customer hangs up before an agent has answered."""
        self._outcome = "abandoned"
        self._stage.end_leg(self._customers_leg())
        for part in self._parts:
            if part.left_at is None:
                part.left_at = self._stage.now
                self._stage.reservation(part, "canceled", "canceled")
        self._stage.task("canceled", "canceled", {"task_canceled_reason": "hangup"})

    def list_agent(self, agent: Agent) -> None:
        """The administrator adds `agent` to the list of monitored agents."""
        self._stage.do(AgentListed(agent.email))
        for part in self._parts:
            part.monitored = part.monitored or part.agent == agent

    def chatter(self) -> None:
        """TaskRouter sends an event that does not belong to the call."""
        self._stage.chatter()

    # Expectations.

    def records(self, *agents: Agent, slack: int = START_SLACK_MS) -> None:
        """Expect a recording of the customer's leg from now on. `agents`: the monitored agents on
        the recording; `slack`: how late it may begin (ms)."""
        self._required.begin(self._stage.now, slack, agents)

    def stops_recording(self) -> None:
        """Expect the recording to end now."""
        self._required.end(self._stage.now)

    def script(self, case: str, title: str) -> Script:
        """Return the call that was built, with its steps in order of time."""
        stage = self._stage
        expectation = Expectation(
            self._direction,
            None if self._direction == "internal" else self._phone,
            stage.queue,
            self._outcome,
            tuple(part.expected() for part in self._parts),
            tuple(self._required.complete),
        )
        return stage.script(case, title, self._customer_leg, self.line, expectation)

    def _customers_leg(self) -> str:
        assert self._customer_leg is not None
        return self._customer_leg

    def _customer_in(self) -> None:
        self._customer_joined = True
        self._stage.join(self._customers_leg(), self._customer_label, Voice.CUSTOMER)

    def _agent_in(self, part: Part) -> None:
        caller = self._phone if self._direction == "inbound" else CALLED
        ends = DialledEnds(caller, part.agent.contact_uri, DIALLED)
        self._stage.leg(LegStatus.IN_PROGRESS, ends, part.call_sid)
        self._stage.join(part.call_sid, self._stage.label(part), part.agent.voice)

    def _dialled_leg(self, called: str, status: LegStatus = LegStatus.IN_PROGRESS) -> str:
        return self._stage.leg(status, DialledEnds(CALLED, called, DIALLED))
