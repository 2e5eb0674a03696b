"""Generated calls that no textbook shows: neither labels nor schemes say which leg is the
customer's, legs come back, tasks have no call, attributes and times are written in any way."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.system.model.cast import Part
from tests.system.model.director import Director
from tests.system.model.event_writer import BYTE_ORDER_MARK, OURS
from tests.system.model.scene import CUSTOMER, Scene

LABELS = (None, "customer", "external", "external party", "transfer-target", "caller", "customer")
THIRD_PARTIES = ("+15557770000", "sip:guest@pbx.example.com", "0015557770001", "Anonymous")
CUSTOMERS = (
    (CUSTOMER, CUSTOMER),
    (CUSTOMER.removeprefix("+"), CUSTOMER),
    ("00" + CUSTOMER.removeprefix("+"), CUSTOMER),
    ("+1 (555) 000-1111", CUSTOMER),
    ("sip:Desk.9@PBX.example.com:5061;transport=tls", "sip:desk.9@pbx.example.com;user=phone"),
    ("Anonymous", "Anonymous"),
)
"""The customer's address as tasks state it, and as the leg's end shows it."""
ODD_MEMBERS = (
    r'"note":"thanks \ud83d"',
    '"score":1e999,"low":-1e999,"ratio":NaN',
    r'"note":"a\u0000b","":"\u0000"',
    '"direction":"sideways","call_sid":7,"from":null,"email":"nobody@example.com"',
    '"deep":' + "[" * 300 + "]" * 300,
    '"number":' + "9" * 5_000,
    BYTE_ORDER_MARK,
)
"""Members that stand before the attributes' own, of which the last of a name holds."""
ODD_PAYLOADS: tuple[dict[str, Any], ...] = (
    {"task_queue_name": "Claims \ud83d"},
    {"task_age": float("inf"), "task_priority": float("nan")},
    {"task_version": float("inf")},
    {"worker_name": "ann \udc00"},
)


@st.composite
def unusual(draw: st.DrawFn, scene: Scene) -> None:
    """Make the scene's account and its customer unusual, before the call begins."""
    stamps = st.sampled_from(
        [scene.account.stamp] * 8
        + ["lower", "comma", "offset", "minutes", "seconds text", "ms", "ms text", "invalid"]
    )
    scene.account = replace(
        scene.account,
        label=draw(st.sampled_from([scene.account.label, None])),
        ends=draw(st.booleans()),
        phones=draw(st.sampled_from(["client", "client", "number", "sip"])),
        stamp=draw(stamps),
    )
    scene.customer, scene.customer_end = draw(st.sampled_from([CUSTOMERS[0], *CUSTOMERS]))
    if scene.direction == "outbound":
        scene.stated = draw(st.sampled_from([None, None, "inbound"]))
    if scene.direction != "internal":
        kinds = {"outbound": "callback", "inbound": "voicemail"}
        scene.task_type = draw(st.sampled_from([None] * 5 + [kinds[scene.direction]]))
    textbook, odd = scene.junk, draw(st.booleans())
    payloads = st.sampled_from([{}] * 20 + list(ODD_PAYLOADS))
    members = st.sampled_from([""] * 10 + list(ODD_MEMBERS))
    scene.junk = lambda: textbook() | (draw(payloads) if odd else {})
    scene.odd = lambda: draw(members) if odd else ""


@dataclass
class UnusualDirector(Director):
    """A call in which anything may happen that public plugins and bug reports show."""

    def answered(self, part: Part) -> bool:
        """The worker joins; maybe the customer does too."""
        scene = self.scene
        if scene.task_type:
            return self.without_call(part)
        if scene.direction == "outbound" and self.draw(st.booleans()):
            scene.accept(part)
            self.before_the_answer(part)
            return self.dials(part)
        return super().answered(part)

    def without_call(self, part: Part) -> bool:
        """A worker has a task without a call, and calls back, or does not."""
        scene = self.scene
        scene.accept(part)
        self.pause()
        if self.draw(st.booleans()):
            scene.task("updated")
        if scene.direction != "outbound" or self.draw(st.booleans()):
            return False
        scene.call_back(part)
        return self.dials(part)

    def before_the_answer(self, part: Part) -> None:
        """The customer's telephone rings: a supervisor joins, or the attributes name the worker's
        leg."""
        self.pause()
        if self.draw(st.booleans()):
            self.scene.attributes |= {"call_sid": part.call_sid}
            self.scene.task("updated")
        if self.draw(st.booleans()):
            self.mutes()

    def dials(self, part: Part) -> bool:
        """Whether the customer answers."""
        self.pause()
        if self.draw(st.sampled_from([True, True, False])):
            self.scene.dialled(part)
            return True
        self.scene.not_dialled(self.one_of("busy", "no-answer"))
        return False

    def actions(self) -> dict[str, Callable[[], None]]:
        """The actions that are possible while they talk."""
        return super().actions() | {
            "outside": self.outside, "third party": self.outside, "reload": self.reloads,
            "reload long": self.reloads, "muted": self.mutes, "own hold": self.holds_own,
            "moved": self.moves, "stranger": self.strangers,
        }  # fmt: skip

    def adds(self) -> None:
        """Another worker that is not on the call yet comes."""
        name = self.agent()
        if name not in [part.name for part in self.on]:
            part = self.scene.offer(name)
            self.pause()
            self.scene.accept(part)

    def third_party(self) -> str:
        """A third party joins, with any label, in a later second than the one before: callbacks
        do not order events within one."""
        scene = self.scene
        scene.now += 1_500
        leg = f"CA{len(scene.known) + 900_000:032x}"
        scene.answers(leg, self.one_of(*THIRD_PARTIES), OURS)
        labels = [x for x in LABELS if scene.direction != "internal" or x != "customer"]
        scene.join(leg, self.one_of(*labels))
        return leg

    def outside(self) -> None:
        """A third party comes; in the end the agent leaves, or the party does, or neither."""
        leg = self.third_party()
        self.pause()
        if self.draw(st.booleans()):
            self.scene.drop(leg)
        elif self.draw(st.booleans()):
            self.scene.leave(self.on[-1])

    def moves(self) -> None:
        """The attributes name a third party's leg as the customer's, after the right one."""
        scene = self.scene
        if "conference" not in scene.attributes:
            return
        leg, right = self.third_party(), scene.attributes
        people = {**right["conference"]["participants"], "customer": leg}
        scene.attributes = right | {"conference": right["conference"] | {"participants": people}}
        scene.task("updated")
        self.pause()
        if self.draw(st.booleans()):
            scene.drop(leg)
        if self.draw(st.booleans()):
            scene.attributes = right
            scene.task("updated")

    def mutes(self) -> None:
        """A supervisor joins muted, without coaching."""
        scene = self.scene
        leg = f"CA{len(scene.known) + 800_000:032x}"
        scene.supervisors.append(leg)
        scene.answers(leg, "client:sue_40example_2Ecom", OURS)
        scene.join(leg, self.one_of(None, "supervisor"), Muted="true")
        self.pause()
        if self.draw(st.booleans()):
            scene.drop(leg)

    def holds_own(self) -> None:
        """An agent's own leg is put on hold."""
        scene, leg = self.scene, self.on[-1].call_sid
        scene.participant("hold", leg, Hold="true")
        self.pause()
        if self.draw(st.booleans()):
            scene.participant("unhold", leg, Hold="false")

    def reloads(self) -> None:
        """The agent's page is loaded again: the leg leaves, and another one joins, or none."""
        scene, part = self.scene, self.on[-1]
        scene.drop(part.call_sid)
        self.pause()
        if self.draw(st.sampled_from([True, True, True, False])):
            part.call_sid = f"CA{len(scene.known) + 700_000:032x}"
            if self.draw(st.booleans()):
                scene.answers(part.call_sid, part.address, OURS)
            else:
                scene.answers(part.call_sid, OURS, part.address, "inbound")
            scene.join(part.call_sid, self.one_of(None, scene.label(part)))
            self.names_worker(part)

    def names_worker(self, part: Part) -> None:
        """Now and then the attributes name the worker's new leg."""
        scene = self.scene
        conference = scene.attributes.get("conference")
        if conference and self.draw(st.booleans()):
            people = {**conference["participants"], "worker": part.call_sid}
            changed = {"conference": conference | {"participants": people}}
            scene.attributes = scene.attributes | changed
            scene.task("updated")

    def strangers(self) -> None:
        """The agent's leg leaves, and a third party comes."""
        self.scene.drop(self.on[-1].call_sid)
        self.pause()
        self.third_party()
