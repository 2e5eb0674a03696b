"""Which keys a tick asks, against a model that looks at all of them."""

from hypothesis import given
from hypothesis import strategies as st

from agents.faust_runner.wakeups import Waking

KEYS = st.sampled_from(["WT1", "WT2", "WT3"])
TIMES = st.integers(0, 40)
SET = st.tuples(st.just("set"), KEYS, TIMES | st.none())
TICK = st.tuples(st.just("tick"), TIMES)


@given(st.lists(SET | TICK))
def test_a_tick_visits_only_keys_that_are_due(story: list[tuple[object, ...]]) -> None:
    """A tick wakes exactly the keys that are due, regardless of how often their times changed; a
    woken key has no time left."""
    waking, wanted = Waking(), dict[str, int]()
    for step in story:
        match step:
            case ("set", str(key), int(at)):
                waking.set(key, at)
                wanted[key] = at
            case ("set", str(key), None):
                waking.set(key, None)
                wanted.pop(key, None)
            case ("tick", int(now)):
                due = sorted((at, key) for key, at in wanted.items() if at <= now)
                assert [key for _, key in due] == waking.due(now)
                for _, key in due:
                    del wanted[key]


def test_putting_a_time_off_costs_no_room() -> None:
    """A call's last event is always the latest: its end of keeping moves on with each."""
    waking = Waking()
    for at in range(1_000):
        waking.set("WT1", at)
    assert 1 == waking.listed
    assert ([], ["WT1"]) == (waking.due(998), waking.due(999))
    assert 0 == waking.listed
