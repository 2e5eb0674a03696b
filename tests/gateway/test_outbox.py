"""The buffer between sockets and Kafka."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.outbox import Outbox

LIMIT = 100


class OutboxMachine(RuleBasedStateMachine):
    """Against lists: what waits and what is in flight, by number, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(LIMIT)
        self.items: dict[int, bytes] = {}
        self.waiting: list[int] = []
        self.in_flight: list[int] = []
        self.put_so_far = 0

    @rule(size=st.integers(0, 60), droppable=st.booleans())
    def put(self, size: int, droppable: bool) -> None:
        held = sum(len(value) for value in self.items.values())
        taken = self.outbox.put("t", b"k", bytes(size), at=1.0, droppable=droppable)
        assert taken == (not droppable or held + size <= LIMIT)
        if taken:
            self.put_so_far += 1
            self.items[self.put_so_far] = bytes(size)
            self.waiting.append(self.put_so_far)

    @rule(back=st.booleans())
    def take(self, back: bool) -> None:
        item = self.outbox.take()
        if not self.waiting:
            assert item is None
            return
        assert item is not None
        assert self.waiting[0] == item.number
        if back:
            self.outbox.untake(item)
        else:
            self.in_flight.append(self.waiting.pop(0))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.in_flight))
        item = self.outbox.delivered(number)
        assert item is not None
        assert self.items.pop(number) == item.value
        self.in_flight.remove(number)
        assert self.outbox.delivered(number) is None

    @rule()
    def restart(self) -> None:
        self.outbox.restart()
        self.waiting = self.in_flight + self.waiting
        self.in_flight = []

    @invariant()
    def holds_all_in_order(self) -> None:
        assert self.in_flight + self.waiting == [item.number for item in self.outbox]
        assert sum(len(value) for value in self.items.values()) == self.outbox.size
        assert len(self.items) == len(self.outbox)
        assert (1.0 if self.items else None) == self.outbox.oldest()


OutboxMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestOutbox = OutboxMachine.TestCase
