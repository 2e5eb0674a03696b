"""The turns of the sockets."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.sockets.turns import Turns


@given(st.lists(st.integers(-5, 5)), st.integers(1, 8))
def test_each_socket_has_one_turn_in_a_cycle(numbers, turns):
    """However they come and go, spread evenly."""
    wheel: Turns[int] = Turns(turns)
    there: set[int] = set()
    for number in numbers:
        if number in there:
            wheel.remove(number)
            there.remove(number)
        else:
            wheel.add(number)
            there.add(number)
    assert there == set(wheel)
    assert sorted(there) == sorted(n for _ in range(turns) for n in wheel.turn())
