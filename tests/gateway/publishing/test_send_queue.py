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


def _queue(*times: float, size: int = 10, limit: int = 1_000) -> SendQueue:
    """A queue with an item put at each of these times."""
    queue = SendQueue(Room(limit))
    for at in times:
        queue.put("t", b"k", bytes(size), at=at)
    return queue


def _to_disk(queue: SendQueue, most: int) -> list[Item]:
    items = list(queue.leave(most))
    queue.left()
    return items


def test_the_oldest_item_is_the_first_wherever_it_is() -> None:
    """In flight, waiting, in memory while paging, on its way to disk, or on disk."""
    queue = _queue(3.0, 5.0, 7.0)
    assert 3.0 == queue.oldest()
    first = queue.take()
    assert first is not None
    assert 3.0 == queue.oldest()
    queue.delivered(first.number)
    assert 5.0 == queue.oldest()
    queue.page()
    assert 5.0 == queue.oldest()
    leaving = list(queue.leave(15))
    assert 5.0 == queue.oldest()
    queue.left()
    queue.put("t", b"k", b"", at=9.0)
    assert 5.0 == queue.oldest()
    _to_disk(queue, 1)
    assert 5.0 == queue.oldest()
    queue.came_back(leaving[:1])
    assert 5.0 == queue.oldest()
    queue.delivered(queue.take().number)  # type: ignore[union-attr]
    assert 5.0 == queue.oldest()  # on disk only: the last known time
    assert SendQueue(Room(1)).oldest() is None


def test_items_that_an_earlier_process_left_are_as_old_as_this_one() -> None:
    """Their times are not known until they are read; without a time they count as the oldest."""
    assert 0.0 == SendQueue(Room(100), paged_last=2).oldest()
    queue = SendQueue(Room(100), paged_last=2, now=40.0)
    assert (40.0, True, True) == (queue.oldest(), queue.has_paged, bool(queue))
    queue.came_back([Item(1, "t", None, b"a", None, 30.0)])
    queue.delivered(queue.take().number)  # type: ignore[union-attr]
    assert (30.0, True) == (queue.oldest(), queue.has_paged)
    queue.came_back([Item(2, "t", None, b"b", None, 31.0)])
    assert not queue.has_paged
    queue.put("t", None, b"c", at=50.0)
    assert queue.rejoin()
    assert [2, 3] == [item.number for item in queue]


def test_paging_ends_once_nothing_is_on_disk_or_on_its_way() -> None:
    """The rest in memory waits then; a queue that does not page has nothing to end."""
    queue = _queue(1.0, 2.0)
    assert not queue.rejoin()
    queue.page()
    queue.leave(1)
    assert not queue.rejoin()
    queue.left()
    assert not queue.rejoin()
    assert queue.take() is None
    queue.came_back([Item(1, "t", b"k", bytes(10), None, 1.0)])
    assert queue.rejoin()
    assert not queue.is_paging
    assert [1, 2] == [item.number for item in queue]
    assert (20, 20) == (queue.ahead, queue.size)


def test_paged_items_that_the_disk_lost_are_given_up() -> None:
    """Later ones, in memory, follow; nothing waits for the lost ones."""
    queue = _queue(1.0, 2.0)
    queue.page()
    _to_disk(queue, 1)
    assert queue.has_paged
    queue.gave_up()
    assert not queue.has_paged
    queue.gave_up()
    assert queue.rejoin()
    assert [2] == [item.number for item in queue]
    queue.gave_up()
    queue.delivered(queue.take().number)  # type: ignore[union-attr]
    assert 3 == queue.first_needed()


def test_items_in_flight_are_on_disk_too_when_paging_begins() -> None:
    """They are read again from disk, and passed over."""
    queue = _queue(1.0, 2.0, 3.0)
    queue.take()
    queue.page()
    [copy] = queue.in_flight()
    assert not queue.has_paged
    queue.came_back([copy])
    assert (1, 10, 30) == (queue.first_needed(), queue.ahead, queue.size)
    queue.delivered(1)
    assert (2, 0, 20) == (queue.first_needed(), queue.ahead, queue.size)


def test_a_group_for_the_disk_ends_with_the_item_that_fills_it() -> None:
    """At least `most` bytes, if there are so many; what could not be written stays in order."""
    queue = _queue(1.0, 2.0, 3.0)
    queue.page()
    assert [1, 2] == [item.number for item in queue.leave(11)]
    queue.stayed()
    assert [1] == [item.number for item in queue.leave(10)]
    queue.left()
    queue.left()
    assert [2, 3] == [item.number for item in queue.leave(1_000)]
    queue.stayed()
    assert [2, 3] == [item.number for item in queue]
    assert 20 == queue.size


def test_room_is_shared_and_states_how_full_it_is() -> None:
    """The bytes of all queues; full from the limit on."""
    room = Room(20)
    queues = [SendQueue(room), SendQueue(room)]
    for queue in queues:
        queue.put("t", None, bytes(5), at=1.0)
    assert (10, 0.5, False) == (room.used, room.filled(), room.is_full)
    queues[0].put("t", None, bytes(10), at=1.0)
    assert (1.0, True) == (room.filled(), room.is_full)
    assert (15, 5) == (queues[0].size, queues[1].size)


OutboxMachine.TestCase.settings = settings(max_examples=examples(150), stateful_step_count=40)
TestOutbox = OutboxMachine.TestCase
