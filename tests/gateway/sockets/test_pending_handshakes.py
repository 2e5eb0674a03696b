"""Pending handshakes: limits and timeouts."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.sockets.pending_handshakes import GOODBYE_S, HANDSHAKE_S, Door

comings = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]), st.floats(0, 3), st.sampled_from(["stay", "go", "no"])
    ),
    max_size=60,
)


@given(comings)
def test_the_door_holds_few_and_none_for_long(given_comings):
    """At most ten connections are pending, at most five per address, and always the newest. A
    refused one is closed after a moment, all others after ten seconds."""
    door: Door[int] = Door(10, 5)
    until: dict[int, tuple[float, str]] = {}
    now = 0.0
    for number, (address, pause, what) in enumerate(given_comings):
        now += pause
        overdue = {n for n, (end, _) in until.items() if end <= now}
        assert overdue == set(door.overdue(now))
        until = {n: v for n, v in until.items() if n not in overdue}
        gone = door.came(number, address, now)
        until[number] = (now + HANDSHAKE_S, address)
        assert gone != number
        if gone is not None:
            del until[gone]
        if what == "go":
            door.left(number)
            del until[number]
        elif what == "no":
            door.refused(number, now)
            until[number] = (now + GOODBYE_S, address)
        assert set(until) == set(door.all())
        assert len(until) == len(door) <= 10
        assert max(Counter(a for _, a in until.values()).values(), default=0) <= 5
