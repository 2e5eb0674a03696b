"""What people do in a generated call, drawn by Hypothesis."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.system.model.cast import Part, worker_sid
from tests.system.model.scene import Scene

QUEUES = ("Support", "Claims", "Legal")
HOUR = 60 * 60 * 1_000
FOREIGN_LEG = "CA" + "e" * 32
"""The leg of another call."""
_WAITS = st.sampled_from([300, 5, 900, 1_000, 1_300, 2_500, 7_000, 300, 2_500, 45_000, 700_000])

T = TypeVar("T")


@dataclass
class Director:
    """A textbook call: its possible events, and those that are drawn."""

    draw: st.DrawFn
    scene: Scene

    @property
    def on(self) -> list[Part]:
        return [p for p in self.scene.parts if p.accepted and not p.left]

    def pause(self) -> None:
        self.scene.now += self.draw(_WAITS)

    def one_of(self, *words: T) -> T:
        return self.draw(st.sampled_from(words))

    def agent(self) -> str:
        return self.one_of("ann", "bob", "cleo", "ann", "bob", "uma", "ugo")

    def connected(self) -> bool:
        """Reservations until one is accepted; False: none was."""
        for _ in range(self.draw(st.sampled_from([2, 3, 1, 2, 3, 0]))):
            self.pause()
            part = self.scene.offer(self.agent())
            self.pause()
            fate = self.one_of(*["accepted"] * 8, "rejected", "timeout", "rescinded", "pending")
            if fate == "accepted":
                return self.answered(part)
            if fate != "pending":
                self.scene.end_part(part, fate)
        return False

    def answered(self, part: Part) -> bool:
        """The worker joins; maybe the customer does too."""
        scene = self.scene
        scene.accept(part)
        if scene.direction == "internal":
            self.pause()
            other = scene.offer(self.agent())
            self.pause()
            scene.accept(other)
        if scene.direction == "outbound":
            self.pause()
            if self.draw(st.sampled_from([True, True, False])):
                scene.dialled(part)
            else:
                scene.not_dialled(self.one_of("busy", "no-answer"))
                return False
        return True

    def acts(self) -> bool:
        """Something happens while they talk; False: no party is left."""
        self.pause()
        if self.scene.unstated and self.one_of(False, True):
            self.scene.state_direction()
        actions = self.actions()
        actions[self.one_of(*actions)]()
        return bool(self.on)

    def actions(self) -> dict[str, Callable[[], None]]:
        """Possible events while they talk."""
        return {
            "hold": self.holds, "transfer": self.transfers, "consult": self.transfers,
            "outside": self.outside, "supervisor": self.listens_in, "leave": self.leaves,
            "rejoin": self.rejoins, "conference": self.adds, "attributes": self.updates_attributes,
            "escalate": self.transfers, "transfer back": self.transfers, "again": self.repeats,
            "parked": self.parks, "parked long": self.parks, "rewritten": self.rewrites,
            "renamed": self.renames,
        }  # fmt: skip

    def holds(self) -> None:
        self.scene.hold(True)
        self.pause()
        if self.draw(st.booleans()):
            self.scene.hold(False)

    def updates_attributes(self) -> None:
        if self.scene.account.block == "late" and self.scene.conference:
            self.scene.name_conference()
        else:
            self.scene.task("updated")

    def adds(self) -> None:
        part = self.scene.offer(self.agent())
        self.pause()
        self.scene.accept(part)

    def leaves(self) -> None:
        self.scene.leave(self.on[-1], self.draw(st.sampled_from([70, 1_200, 900_000])))

    def rejoins(self) -> None:
        part = self.on[-1]
        self.scene.drop(part.call_sid)
        self.pause()
        part.call_sid = f"CA{self.scene.sequence + 4_000:032x}"
        self.scene.join(part.call_sid, self.scene.label(part))

    def repeats(self) -> None:
        """TaskRouter repeats an event as another one."""
        self.scene.reservation(self.on[-1], "accepted")

    def rewrites(self) -> None:
        """A browser writes into the running task's attributes, now and then before Flex does."""
        scene, own = self.scene, self.on[-1].call_sid
        people = {"customer": scene.customer_leg, "worker": own}
        changes: dict[str, Any] = self.one_of(
            {"internal": True},
            {"client_call": True},
            {"to": "client:bob"},
            {"outbound_to": "client:bob", "direction": "outbound"},
            {"direction": "inbound", "call_sid": FOREIGN_LEG, "from": "+15557770000"},
            {"direction": "outbound", "outbound_to": "+15557770000"},
            {"call_sid": FOREIGN_LEG},
            {"call_sid": own},
            {"conference": {"participants": people | {"customer": FOREIGN_LEG}}},
            {"conference": {"participants": people | {"customer": own}}},
            {"conference": {"participants": people | {"worker": scene.customer_leg}}},
            {"conference": {"participants": {"customer": own, "worker": scene.customer_leg}}},
            {"taskChannelUniqueName": "chat", "task_queue_name": "Legal", "queue": "Legal"},
        )
        before = scene.attributes
        scene.attributes = before | changes
        scene.task("updated")
        if "call_sid" in changes and self.draw(st.booleans()):
            self.pause()
            scene.call("completed", FOREIGN_LEG, CallStatus="completed")
        if self.draw(st.booleans()):
            scene.attributes = before
            scene.task("updated")

    def renames(self) -> None:
        """A worker's own attributes are rewritten."""
        self.on[-1].rewritten |= self.one_of(
            {"email": "nobody@example.com"},
            {"email": "Uma@Example.com"},
            {"email": None},
            {"email": "+15550001111", "full_name": "customer"},
            {"team_name": "gold"},
            {"team_name": ""},
            {"contact_uri": "client:nobody"},
        )
        self.scene.reservation(self.on[-1], "accepted")

    def parks(self) -> None:
        """A cold transfer through a queue: the agent is gone before another is found, now and then
        the conference too."""
        scene, first = self.scene, self.on[-1]
        begun = scene.transfer(first, "COLD", "QUEUE")
        early = scene.offer(self.agent(), transfer=begun) if self.draw(st.booleans()) else None
        scene.leave(first)
        if not self.on and self.draw(st.booleans()):
            scene.conference_breaks_off()
        self.pause()
        part = early or scene.offer(self.agent(), transfer=begun)
        self.pause()
        scene.accept(part)

    def listens_in(self) -> None:
        leg = f"CA{len(self.scene.supervisors) + 8_000:032x}"
        self.scene.supervisors.append(leg)
        label = self.draw(
            st.sampled_from([None, "supervisor", worker_sid("ann"), "ann@example.com"])
        )
        self.scene.join(leg, label, Coaching="true")
        self.pause()
        if self.draw(st.booleans()):
            self.scene.drop(leg)

    def outside(self) -> None:
        leg = f"CA{self.scene.sequence + 9_000:032x}"
        if self.draw(st.booleans()):
            self.scene.hold(True)
        self.scene.join(leg, None)
        self.pause()
        if self.draw(st.booleans()):
            self.scene.leave(self.on[-1])
        elif self.draw(st.booleans()):
            self.scene.drop(leg)

    def transfers(self) -> None:
        scene, first = self.scene, self.on[-1]
        mode = self.one_of("WARM", "COLD")
        kind = self.one_of("WORKER", "QUEUE")
        begun = scene.transfer(first, mode, kind)
        leaves_first = mode == "COLD" and self.one_of("early", "early", "late") == "early"
        gone_before = leaves_first and self.draw(st.booleans())
        if gone_before:
            scene.leave(first)
        self.pause()
        queue = self.one_of(*QUEUES) if kind == "QUEUE" else None
        for _ in range(self.one_of(1, 2, 1, 0)):
            other = scene.offer(self.agent(), queue, begun)
            self.pause()
            if leaves_first and not first.left:
                scene.leave(first)
                self.pause()
            fate = self.one_of("accepted", "accepted", "rejected", "timeout")
            if fate == "accepted":
                self.taken_over(first, other, mode)
                return
            scene.end_part(other, fate)
        over = self.one_of("failed", "canceled")
        scene.task(f"transfer-{over}", **begun | {"transfer_status": over.upper()})

    def taken_over(self, first: Part, other: Part, mode: str) -> None:
        """The other worker is on: in the end one of the two leaves, or neither."""
        self.scene.accept(other)
        self.pause()
        if first.left:
            return
        if mode == "COLD":
            self.scene.leave(first)
        elif (back := self.one_of("first", "other", "nobody")) != "nobody":
            self.scene.leave(first if back == "first" else other)

    def ends(self) -> None:
        """The end of the call; now and then it never comes."""
        self.pause()
        if not self.on:
            self.unattended()
        elif self.draw(st.sampled_from([True] * 5 + [False])):
            self.scene.hang_up(self.draw(st.sampled_from([70, 1_200, HOUR // 2])))

    def unattended(self) -> None:
        way = self.one_of("give up", "hang up", "nothing")
        if way == "give up":
            self.scene.give_up()
        if way == "hang up":
            self.scene.hang_up()
