"""Verbs for calls that no textbook shows: legs without labels or that come back, third parties with
any label, tasks without a call, and other task channels."""

from collections.abc import Callable
from dataclasses import replace

from simulator.audio import Voice
from simulator.building import CALLED, CallBuilder
from simulator.people import Agent
from simulator.script import Json, LegEnds, LegStatus, Script
from simulator.stage import Part

MOST_REQUESTS = 8
"""What Twilio may be asked about a task in 20 s while there is no conference for it."""
LABELS = ("external", "external party", "transfer-target", "caller", "customer")
"""Labels that third parties were seen with; any text is possible."""


class UnusualCall(CallBuilder):
    """A call of any kind. Its expectation beside recordings: `is_contact`, `most_requests` as
    in `Expectation`."""

    is_contact = True
    most_requests: int | None = None

    # Ends and labels.

    def any_label(self) -> str:
        """One of the labels of third parties."""
        return self.random.choice(LABELS)

    def unlabelled(self) -> None:
        """The conference labels neither customer nor agents."""
        self._customer_label = None
        self._stage.labels_agents = False

    def without_call_callbacks(self) -> None:
        """Call status callbacks are not configured: only the REST API shows a leg's ends."""
        self._stage.call_callbacks = False

    def customer_is(self, stated: str, end: str) -> None:
        """The customer's address as the task's attributes state it, and as the leg's end shows
        it."""
        self._phone, self._end = stated, end

    def in_channel(self, channel: str, *, carries_voice: bool) -> None:
        """The task is in another channel than `voice`. `carries_voice`: the pipeline is set up for
        it; otherwise no contact comes of the task and Twilio is not asked about it."""
        self._stage.channel = channel
        if not carries_voice:
            self.is_contact, self.most_requests = False, 0

    def writes(self, write: Callable[[Json], bytes]) -> None:
        """Events are written by `write` in place of plain JSON."""
        self._stage.write = write

    # Attributes.

    def states(self, **attributes: object) -> None:
        """The task's attributes state more; an event carries it if the task exists."""
        self._stage.attributes = self._stage.attributes | attributes
        if self._parts:
            self._stage.task("updated", "assigned")

    def states_conference(self, part: Part, customer: str | None = None) -> None:
        """The attributes name the conference with `part`'s leg and, as the customer's, the leg
        `customer` (by default the right one)."""
        leg = customer or self._customers_leg()
        self._stage.knows_conference(worker=part.call_sid, customer=leg)

    # Legs.

    def listen_in_muted(self, supervisor: Agent) -> str:
        """A supervisor joins muted, without a label and without coaching; returns the leg."""
        leg = self._dialled_leg(supervisor.contact_uri)
        self._stage.join(leg, None, Voice.SILENCE, muted=True)
        return leg

    def drop_out(self, leg: str) -> None:
        """A third party hangs up."""
        self._stage.drop(leg)

    def lose_leg(self, part: Part) -> None:
        """The agent's leg leaves, and the reservation stays open: the page is loaded again. The
        session ends now unless the agent comes back."""
        part.gone_at = self._stage.now
        self._stage.drop(part.call_sid)

    def rejoin(self, part: Part) -> None:
        """The agent is back on another leg, without a label: called, or calling in."""
        part.gone_at = None
        part.call_sid = self._stage.sids.new("CA")
        address = part.agent.contact_uri
        ends = self.random.choice(
            (LegEnds(CALLED, address, "outbound-api"), LegEnds(address, CALLED, "inbound"))
        )
        self._stage.leg(LegStatus.IN_PROGRESS, ends, part.call_sid)
        self._stage.join(part.call_sid, None, part.agent.voice)

    # Tasks without a call.

    def task_without_call(self, queue: str, direction: str, **attributes: object) -> None:
        """A flow makes a task in channel `voice`, and there is no call. `direction`: what the
        contact says in the end."""
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
        """The customer's number as attributes state it."""
        return self._phone

    def leg_of(self, part: Part) -> str:
        """The agent's present leg."""
        return part.call_sid

    def script(self, case: str, title: str) -> Script:
        """The call as it was built, its steps in order of time."""
        script = super().script(case, title)
        expectation = replace(
            script.expectation, is_contact=self.is_contact, most_requests=self.most_requests
        )
        return replace(script, expectation=expectation)
