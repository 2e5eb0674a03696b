"""The circuit breaker's core: when requests go, rest, and probe."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pipeline.transitions import may_follow
from pipeline.twilio.circuit_breaker import (
    BREAKER_TRANSITIONS,
    CALLERS,
    CLOSED,
    FIRST_MS,
    FIRST_REFUSED_MS,
    MOST_MS,
    MOST_REFUSED_MS,
    REFUSED_CALLERS,
    Breaker,
    Passage,
    Trouble,
    account_refused,
    answered,
    failed,
    passage,
    probed,
    refused,
)

CALLS = [f"call {number}" for number in range(8)]
LUCK = st.floats(0, 1)


def _failing(now: int = 0, luck: float = 1.0) -> Breaker:
    breaker = CLOSED
    for call in CALLS[:CALLERS]:
        breaker = failed(breaker, call, now, luck)
    return breaker


@given(st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 9)), max_size=60), LUCK)
def test_it_opens_when_several_callers_fail_in_a_row(
    outcomes: list[tuple[str, int]], luck: float
) -> None:
    """Only then: any number of one caller's failures does not open it, nor do those of several
    callers with an answer in between."""
    breaker, in_a_row = CLOSED, set[str]()
    for caller, kind in outcomes:
        if kind == 0:
            breaker, in_a_row = answered(breaker), set()
        else:
            breaker = failed(breaker, caller, 0, luck)
            in_a_row.add(caller)
        opened = len(in_a_row) >= CALLERS
        assert opened == (breaker.trouble is Trouble.FAILING)


@given(st.lists(st.booleans(), max_size=20), st.integers(0, 10**9))
def test_without_failures_nothing_waits(answers: list[bool], now: int) -> None:
    """Every request goes at once, at any time."""
    breaker = CLOSED
    for _ in answers:
        breaker = answered(breaker)
        assert Passage.FREE == passage(breaker, now)


@given(st.lists(st.sampled_from(CALLS), max_size=30), st.booleans(), LUCK)
def test_the_first_answer_closes_it(callers: list[str], refuses: bool, luck: float) -> None:
    """The history before does not matter."""
    breaker = account_refused(CLOSED, 0) if refuses else CLOSED
    for caller in callers:
        breaker = failed(breaker, caller, 0, luck)

    assert CLOSED == answered(breaker)


@dataclass
class Service:
    """A service that fails or refuses for ever, and callers that always want to send."""

    breaker: Breaker
    sent_at: list[int] = field(default_factory=list)

    def at(self, now: int, luck: float) -> None:
        """A caller comes."""
        match passage(self.breaker, now):
            case Passage.PROBE:
                self.breaker = probed(self.breaker, now, luck)
                self.sent_at.append(now)
            case Passage.FREE:
                self.sent_at.append(now)
            case Passage.REST:
                pass


@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 400), LUCK, st.sampled_from(CALLS)), max_size=300),
)
def test_while_it_is_open_probes_are_few(
    refuses: bool, steps: list[tuple[int, float, str]]
) -> None:
    """For any number and timing of callers: there is a least distance between two probes, which
    grows; refused ones are sent after 5, 10, 20 s and every 30 s."""
    service = Service(account_refused(CLOSED, 0) if refuses else _failing())
    now = 0
    for step, luck, caller in steps:
        now += step * (20 if refuses else 1)
        service.at(now, luck)
        service.breaker = failed(service.breaker, caller, now, luck)
    gaps = [b - a for a, b in zip([0, *service.sent_at], service.sent_at, strict=False)]

    if refuses:
        expected = [FIRST_REFUSED_MS, 10_000, 20_000, MOST_REFUSED_MS]
    else:
        expected = [FIRST_MS, FIRST_MS, 2 * FIRST_MS // 2, MOST_MS // 2]
    for number, gap in enumerate(gaps):
        assert expected[min(number, 3)] <= gap


def test_a_probe_goes_every_two_seconds_at_the_latest() -> None:
    """The end of a failing minute is seen within that."""
    service = Service(_failing())
    for now in range(0, 60_000, 10):
        service.at(now, 1.0)
    gaps = [b - a for a, b in zip(service.sent_at, service.sent_at[1:], strict=False)]

    assert [500, 1_500, 3_500, 5_500] == service.sent_at[:4]
    assert MOST_MS == max(gaps)


def test_a_refusal_counts_more_than_failures() -> None:
    """Credentials that are refused are not probed every two seconds; that others fail meanwhile
    changes nothing."""
    breaker = account_refused(_failing(), 1_000)

    assert Trouble.REFUSED == breaker.trouble
    assert Passage.REST == passage(failed(breaker, "another", 2_000, 0.5), 5_999)
    assert Passage.PROBE == passage(breaker, 6_000)


@given(st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 9)), max_size=60))
def test_only_refusals_of_several_callers_stand_for_the_account(
    outcomes: list[tuple[str, int]],
) -> None:
    """Any number of one caller's refusals does not open it, nor do those of several callers with an
    answer in between."""
    breaker, in_a_row = CLOSED, set[str]()
    for caller, kind in outcomes:
        if kind == 0:
            breaker, in_a_row = answered(breaker), set()
        else:
            breaker = refused(breaker, caller, 0)
            in_a_row.add(caller)
        assert (len(in_a_row) >= REFUSED_CALLERS) == (breaker.trouble is Trouble.REFUSED)


OPERATIONS = st.sampled_from(["answered", "failed", "refused", "account refused", "probed"])


@given(st.lists(st.tuples(OPERATIONS, st.sampled_from(CALLS)), max_size=60))
def test_each_transition_is_in_the_table(operations: list[tuple[str, str]]) -> None:
    """For any notes in any order."""
    breaker = CLOSED
    for now, (operation, caller) in enumerate(operations):
        before = breaker.trouble
        match operation:
            case "answered":
                breaker = answered(breaker)
            case "failed":
                breaker = failed(breaker, caller, now, 0.5)
            case "refused":
                breaker = refused(breaker, caller, now)
            case "account refused":
                breaker = account_refused(breaker, now)
            case _:
                breaker = probed(breaker, now, 0.5)
        assert may_follow(BREAKER_TRANSITIONS, before, breaker.trouble)


def test_each_row_of_the_table_happens() -> None:
    """It has none that the breaker never makes."""
    failing, out = _failing(), account_refused(CLOSED, 0)
    made = {
        (None, CLOSED.trouble),
        (CLOSED.trouble, failing.trouble),
        (CLOSED.trouble, out.trouble),
        (failing.trouble, account_refused(failing, 0).trouble),
        (failing.trouble, answered(failing).trouble),
        (out.trouble, answered(out).trouble),
    }
    assert {(t.before, t.after) for t in BREAKER_TRANSITIONS} == made
