"""The buffer between sockets and Kafka, in memory and by way of a disk."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.publishing.send_queue import Item, Room, SendQueue
from tests.examples import examples


class OutboxMachine(RuleBasedStateMachine):
    """Compares the queue with lists: waiting and sent items, by number and in order, wherever they
    are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room(100)
        self.outbox = SendQueue(self.room)
        self.sizes: dict[int, int] = {}
        self.waiting: list[int] = []
        self.in_flight: list[int] = []
        self.put_so_far = 0
        self.disk: list[Item] = []
        self.read = 0
        self.leaving: list[Item] = []

    def in_memory(self) -> int:
        return sum(len(item.value) for item in self.outbox)

    @rule(size=st.integers(0, 60))
    def put(self, size: int) -> None:
        self.outbox.put("t", b"k", bytes(size), at=1.0)
        self.put_so_far += 1
        self.sizes[self.put_so_far] = size
        self.waiting.append(self.put_so_far)

    @rule(back=st.booleans())
    def take(self, back: bool) -> None:
        item = self.outbox.take()
        if item is None:
            assert self.outbox.is_paging or not self.waiting
            return
        assert self.waiting[0] == item.number
        if back:
            self.outbox.untake(item)
        else:
            self.in_flight.append(self.waiting.pop(0))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), size=st.integers(0, 60))
    def substitute(self, data: st.DataObject, size: int) -> None:
        number = data.draw(st.sampled_from(self.in_flight))
        item = self.outbox.substitute(number, bytes(size))
        assert item is not None
        assert (number, size) == (item.number, len(item.value))
        self.sizes[number] = size

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.in_flight))
        item = self.outbox.delivered(number)
        assert item is not None
        assert self.sizes.pop(number) == len(item.value)
        self.in_flight.remove(number)
        assert self.outbox.delivered(number) is None

    @rule()
    def restart(self) -> None:
        self.outbox.restart()
        self.waiting = self.in_flight + self.waiting
        self.in_flight = []

    @rule()
    def page(self) -> None:
        if not self.outbox.is_paging:
            self.disk += self.outbox.in_flight()  # copies
        self.outbox.page()

    @precondition(lambda self: self.outbox.is_paging and not self.leaving)
    @rule(most=st.integers(1, 100))
    def leave(self, most: int) -> None:
        self.leaving = list(self.outbox.leave(most))

    @precondition(lambda self: self.leaving)
    @rule(written=st.booleans())
    def leave_ends(self, written: bool) -> None:
        if written:
            self.outbox.left()
            self.disk += self.leaving
        else:
            self.outbox.stayed()
        self.leaving = []

    @precondition(lambda self: self.outbox.has_paged)
    @rule(count=st.integers(1, 5))
    def come_back(self, count: int) -> None:
        assert self.read < len(self.disk)
        self.outbox.came_back(self.disk[self.read : self.read + count])
        self.read = min(self.read + count, len(self.disk))

    @rule()
    def rejoin(self) -> None:
        if self.outbox.rejoin():
            assert not self.outbox.is_paging
            assert [item.number for item in self.outbox] == self.in_flight + self.waiting

    @invariant()
    def holds_all_in_order(self) -> None:
        memory = [item.number for item in self.outbox]
        assert sorted(memory) == memory
        on_disk = {item.number for item in self.disk[self.read :]}
        assert set(self.in_flight + self.waiting) - set(memory) <= on_disk
        assert set(memory) <= set(self.in_flight + self.waiting)
        assert self.in_memory() == self.outbox.size == self.room.used
        assert bool(self.in_flight or self.waiting) <= bool(self.outbox)
        assert (1.0 if self.sizes else None) == (self.outbox.oldest() if self.sizes else None)
        assert self.outbox.first_needed() <= min(self.sizes, default=self.put_so_far + 1)


OutboxMachine.TestCase.settings = settings(max_examples=examples(150), stateful_step_count=40)
TestOutbox = OutboxMachine.TestCase
