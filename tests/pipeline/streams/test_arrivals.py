"""Media streams that were started and reached no gateway."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.streams import arrivals
from pipeline.streams.arrivals import Arrivals, MissingSocket

ARRIVAL_MS = 10_000
REPORTED_MS = 10 * 60_000
T = 1_000_000
ONE, TWO = "WT1", "WT2"


def expired(seen: Arrivals, now: int) -> int:
    return seen.expire(now) if seen.is_due(now) else 0


def test_a_start_that_is_not_followed_by_a_report_is_missing_after_ten_seconds() -> None:
    """It is not missing a millisecond earlier, and is counted once."""
    seen = Arrivals()
    seen.started(ONE, 1, T)
    before = expired(seen, T + ARRIVAL_MS - 1), seen.missing(T + ARRIVAL_MS - 1)
    at = T + ARRIVAL_MS
    assert (0, None) == before
    assert (1, MissingSocket(1, ())) == (expired(seen, at), seen.missing(at))
    assert (0, MissingSocket(1, ())) == (expired(seen, at + 1), seen.missing(at + 1))


def test_it_is_reported_until_a_later_one_arrives() -> None:
    """Its own late arrival ends the report, and so does the arrival of another one."""
    for task in (ONE, TWO):
        seen = Arrivals()
        seen.started(ONE, 1, T)
        expired(seen, T + ARRIVAL_MS)
        seen.started(TWO, 1, T + 11_000)
        assert seen.missing(T + 11_000) is not None
        seen.opened(task, 1, T + 12_000)
        assert seen.missing(T + 12_000) is None


def test_it_is_reported_for_ten_minutes_at_most() -> None:
    """Without further starts there is no evidence about the gateways."""
    seen = Arrivals()
    seen.started(ONE, 1, T)
    expired(seen, T + ARRIVAL_MS)
    assert seen.missing(T + ARRIVAL_MS + REPORTED_MS - 1) is not None
    assert seen.missing(T + ARRIVAL_MS + REPORTED_MS) is None


def test_one_that_others_overtook_is_counted_and_not_reported() -> None:
    """Gateways can be reached: a later one arrived before it was due."""
    seen = Arrivals()
    seen.started(ONE, 1, T)
    seen.started(TWO, 1, T + 500)
    seen.opened(TWO, 1, T + 800)
    assert (1, None) == (expired(seen, T + 11_000), seen.missing(T + 11_000))


def test_one_that_a_customer_started_proves_nothing() -> None:
    """Customers' own flows may use another URL."""
    seen = Arrivals()
    seen.started(ONE, 1, T)
    expired(seen, T + ARRIVAL_MS)
    seen.opened(TWO, 0, T + 12_000)
    assert seen.missing(T + 12_000) is not None


def test_one_that_is_stopped_need_not_arrive() -> None:
    """Whether the stop is known before the start or after it."""
    seen = Arrivals()
    seen.started(ONE, 1, T)
    seen.stopped(ONE, 1)
    seen.stopped(TWO, 3)
    seen.started(TWO, 3, T)
    assert not seen.is_due(T + ARRIVAL_MS)


def test_refused_handshakes_are_named() -> None:
    """Each reason once, whether the refusal is known before or after the deadline; those of media
    streams that arrived in the end are not."""
    seen = Arrivals()
    for generation, reason in ((1, "ticket-expired"), (2, "wrong-signature"), (3, "other")):
        seen.started(ONE, generation, T)
        if generation != 2:
            seen.refused(ONE, generation, reason)
    seen.refused(TWO, 1, "of another process")
    expired(seen, T + ARRIVAL_MS)
    seen.refused(ONE, 2, "wrong-signature")
    seen.started(ONE, 4, T)
    seen.refused(ONE, 4, "ticket-expired")
    expired(seen, T + ARRIVAL_MS)
    names = ("other", "ticket-expired", "wrong-signature")
    assert MissingSocket(4, names) == seen.missing(T + 20_000)


def test_nothing_is_judged_while_reports_cannot_be_read() -> None:
    """Afterwards the whole time limit applies again."""
    seen = Arrivals()
    seen.started(ONE, 1, T)
    seen.postpone(T + 9_000)
    assert not seen.is_due(T + 9_000 + ARRIVAL_MS - 1)
    assert seen.is_due(T + 9_000 + ARRIVAL_MS)


def test_remembered_starts_are_bounded() -> None:
    """The oldest is forgotten first."""
    kept = arrivals.REMEMBERED
    seen = Arrivals()
    for generation in range(1, kept + 3):
        seen.stopped(ONE, generation)
        seen.refused(TWO, generation, "x")
    assert kept == len(seen._settled) == len(seen._refusals)
    assert (ONE, 1) not in seen._settled


_KEYS = st.tuples(st.sampled_from([ONE, TWO]), st.integers(1, 2))
_STEPS = st.tuples(
    st.sampled_from(["started", "opened", "stopped", "look"]), _KEYS, st.integers(0, 6_000)
)


@given(st.lists(_STEPS, max_size=25))
def test_starts_without_a_later_arrival_are_missing(
    steps: list[tuple[str, tuple[str, int], int]],
) -> None:
    """Against a plain account of everything that happened, in any order: each start is counted
    once at most, and reported while nothing arrived after it."""
    seen, now, counted = Arrivals(), T, 0
    starts: dict[tuple[str, int], int] = {}
    over: dict[tuple[str, int], int] = {}
    missing: dict[tuple[str, int], int] = {}
    opened_at = -1
    for what, key, later in steps:
        now += later
        match what:
            case "started":
                seen.started(*key, now)
                starts.setdefault(key, now)
            case "opened":
                seen.opened(*key, now)
                over.setdefault(key, now)
                opened_at = now
            case "stopped":
                seen.stopped(*key)
                over.setdefault(key, now)
            case _:
                counted += expired(seen, now)
                found = seen.missing(now)
                for start, at in starts.items():
                    if start not in over and at + ARRIVAL_MS <= now:
                        missing.setdefault(start, now)
                shown = [k for k in missing if starts[k] > opened_at and k not in over]
                assert len(shown) == (0 if found is None else found.count)
                assert counted >= len(shown)
    assert counted <= len(starts)


def test_the_callers_clock_may_begin_at_zero() -> None:
    """A media stream that was started then is missing like any other."""
    for at in (0, 1):
        seen = Arrivals()
        seen.started(ONE, 1, at)
        assert 1 == expired(seen, at + ARRIVAL_MS)
        assert MissingSocket(1, ()) == seen.missing(at + ARRIVAL_MS)


def test_one_that_was_started_when_another_arrived_is_not_reported() -> None:
    """One that was started a millisecond later is."""
    for later, missing in ((0, None), (1, MissingSocket(1, ()))):
        seen = Arrivals()
        seen.started(ONE, 1, T + later)
        seen.opened(TWO, 1, T)
        expired(seen, T + 20_000)
        assert missing == seen.missing(T + 20_000)
