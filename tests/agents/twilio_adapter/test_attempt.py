"""A command under way: the delays before a request is repeated."""

from hypothesis import given
from hypothesis import strategies as st

from agents.twilio_adapter.attempt import BackOff, Effort
from agents.twilio_adapter.lanes import CallLane
from pipeline.runtime.twilio_http import TwilioError
from schemas.records import FindConference

COMMAND = FindConference("find:WT1:1", "WT1", 1, 0, 10_000)


@given(st.floats(0.01, 1), st.floats(1, 30), st.floats(1.1, 3), st.integers(1, 12))
def test_delays_grow_to_the_most_and_begin_again_after_a_reset(
    first: float, most: float, factor: float, count: int
) -> None:
    """Each is jittered down to half, at most."""
    delays = BackOff(first, most, factor)
    for _ in range(2):
        for n in range(count):
            nominal = min(most, first * factor**n)
            assert nominal * 0.499 <= delays.delay() <= nominal * 1.001
        delays.reset()


def test_an_error_after_an_answer_is_repeated_soon() -> None:
    """While a leg rings, Twilio is asked for a long time. Errors between answers do not add up to
    long delays: the customer could answer during one."""
    effort = Effort(COMMAND, CallLane(), 10_000, lambda: 0)
    for _ in range(8):
        effort.failed(TwilioError(500, None, "failed"))
        last = effort.resting.delay()
        effort.asking.delay()
    assert last > 0.9
    effort.went("no customer leg in the conference")
    assert effort.resting.delay() <= 0.1
    assert effort.asking.delay() >= 0.5, "Twilio is asked as seldom as before"
