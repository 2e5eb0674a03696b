"""A builder for unusual calls: legs without labels, legs that come back, third parties with any
label, tasks without a call, and other task channels."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from simulator.audio import Voice
from simulator.building import CALLED, CallBuilder
from simulator.events import Account
from simulator.part import Part
from simulator.people import Agent
from simulator.script import DialledEnds, EventSent, Json, LegStatus, Line, Script, ScriptStep
from simulator.unlike import NONE, Unlike

MOST_REQUESTS = 8
"""How many requests about a task are allowed in 20 s while it has no conference."""
LABELS = ("external", "external party", "transfer-target", "caller", "customer")
"""Observed labels of third parties; any text is possible."""


class UnusualCall(CallBuilder):
    """A call of any kind. `is_contact`, `most_requests`, `foreign_leg`, `is_recovered`,
    `is_undelivered`: see `Expectation`."""

    is_contact = True
    most_requests: int | None = None
    foreign_leg: str | None = None
    is_recovered = False
    is_undelivered = False

    def __init__(
        self,
        begins_at: int,
        account: Account,
        random: Random,
        number: int,
        unlike: frozenset[Unlike] = NONE,
    ) -> None:
        super().__init__(begins_at, account, random, number, unlike)
        self._account = account
        self._beside: UnusualCall | None = None

    # Another call.

    def another_call(self) -> "UnusualCall":
        """Begin another call now. It is played and checked together with this one."""
        stage = self._stage
        self._beside = UnusualCall(stage.now, self._account, self.random, self.number, stage.unlike)
        return self._beside

    def names_leg_of(self, other: "UnusualCall", queue: str) -> None:
        """A flow creates a task that names the customer's leg of the other call as its own."""
        self.foreign_leg = other.customer_leg
        self._stage.queue = queue
        self._stage.attributes = {
            "call_sid": self.foreign_leg,
            "from": self._phone,
            "caller": self._phone,
            "direction": "inbound",
        }
        self._stage.task("created", "pending")

    # Ends and labels.

    def any_label(self) -> str:
        """Return one of the labels of third parties."""
        return self.random.choice(LABELS)

    def unlabelled(self) -> None:
        """Let the conference label neither the customer nor the agents."""
        self._customer_label = None
        self._stage.labels_agents = False

    def without_call_callbacks(self) -> None:
        """Do not configure call status callbacks: only the REST API then shows a leg's ends."""
        self._stage.call_callbacks = False

    def customer_is(self, stated: str, end: str) -> None:
        """Set the customer's address as the task's attributes state it, and as the leg's end shows
        it."""
        self._phone, self._end = stated, end

    def in_channel(self, channel: str, *, carries_voice: bool) -> None:
        """Put the task into another channel than `voice`. `carries_voice`: the pipeline is
        configured for it. Otherwise the task must not result in a contact or in requests to
        Twilio."""
        self._stage.channel = channel
        if not carries_voice:
            self.is_contact, self.most_requests = False, 0

    def is_not_streamed(self) -> None:
        """Let Twilio refuse every media stream of the call. Twilio records its conference."""
        self.line = Line(refused=True)
        self.is_recovered = True

    def is_not_delivered(self) -> None:
        """Let Event Streams deliver no event of the call. TaskRouter lists its events, and Twilio
        records its conference."""
        self.is_recovered = self.is_undelivered = True

    def writes(self, write: Callable[[Json], bytes]) -> None:
        """Write events by `write` instead of as plain JSON."""
        self._stage.write = write

    # Attributes.

    def states(self, **attributes: object) -> None:
        """Add attributes to the task, with an event if an agent was reserved already."""
        self._stage.attributes = self._stage.attributes | attributes
        if self._parts:
            self._stage.task("updated", "assigned")

    def states_conference(self, part: Part, customer: str | None = None) -> None:
        """Name the conference in the attributes, with the leg of `part`, and with the leg
        `customer` as the customer's (by default the correct one)."""
        leg = customer or self._customers_leg()
        self._stage.knows_conference(worker=part.call_sid, customer=leg)

    # Legs.

    def listen_in_muted(self, supervisor: Agent) -> str:
        """A supervisor joins muted, without a label and without coaching. Return the leg."""
        leg = self._dialled_leg(supervisor.contact_uri)
        self._stage.join(leg, None, Voice.SILENCE, muted=True)
        return leg

    def drop_out(self, leg: str) -> None:
        """A third party hangs up."""
        self._stage.drop(leg)

    def customer_joins_first(self) -> None:
        """The waiting customer joins the conference before any agent does."""
        self._customer_in()

    def lose_leg(self, part: Part) -> None:
        """The agent's leg leaves, and the reservation stays open, as if the page was reloaded. The
        session ends now unless the agent comes back."""
        part.gone_at = self._stage.now
        self._stage.drop(part.call_sid)

    def rejoin(self, part: Part) -> None:
        """The agent comes back on another leg, without a label. Either end may have called."""
        part.gone_at = None
        part.call_sid = self._stage.sids.new("CA")
        address = part.agent.contact_uri
        ends = self.random.choice(
            (DialledEnds(CALLED, address, "outbound-api"), DialledEnds(address, CALLED, "inbound"))
        )
        self._stage.leg(LegStatus.IN_PROGRESS, ends, part.call_sid)
        self._stage.join(part.call_sid, None, part.agent.voice)

    # Tasks without a call.

    def task_without_call(self, queue: str, direction: str, **attributes: object) -> None:
        """A flow creates a task in channel `voice` without a call. `direction`: of the resulting
        contact."""
        self._stage.queue, self._direction = queue, direction
        self._outcome, self.most_requests = "unanswered", MOST_REQUESTS
        self._stage.attributes = {"direction": "inbound", **attributes}
        self._stage.task("created", "pending")

    def take(self, part: Part) -> None:
        """The agent accepts a task without a call: there is no leg."""
        part.accepted_at = self._stage.now
        self._stage.reservation(part, "accepted", "assigned")

    def call_back(self, part: Part) -> None:
        """The agent calls the customer within the task: the agent's leg is in the conference."""
        self._outcome, self.most_requests = "answered", None
        self._agent_in(part)

    @property
    def phone(self) -> str:
        """The customer's number as the attributes state it."""
        return self._phone

    @property
    def customer_leg(self) -> str:
        """The customer's leg, once there is one."""
        return self._customers_leg()

    def leg_of(self, part: Part) -> str:
        """Return the agent's present leg."""
        return part.call_sid

    def script(self, case: str, title: str) -> Script:
        """Return the call that was built, with its steps in order of time."""
        script = super().script(case, title)
        expectation = replace(
            script.expectation,
            is_contact=self.is_contact,
            most_requests=self.most_requests,
            foreign_leg=self.foreign_leg,
            is_recovered=self.is_recovered,
            is_undelivered=self.is_undelivered,
        )
        steps = tuple(map(_lost, script.steps)) if self.is_undelivered else script.steps
        beside = None if self._beside is None else self._beside.script(case, title)
        return replace(script, steps=steps, expectation=expectation, beside=beside)


def _lost(step: ScriptStep) -> ScriptStep:
    """Return the step; an event is never delivered."""
    if not isinstance(step.action, EventSent):
        return step
    return replace(step, action=replace(step.action, is_lost=True))
