"""Each 429 slows the requests, and each answer lets them become faster."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.twilio.request_pace import (
    FIRST_MS,
    FREE,
    LONGEST_MS,
    RequestPace,
    answered,
    throttled,
)


def test_a_429_leaves_one_request_at_a_time_and_a_pause() -> None:
    """Until enough answers have come."""
    pace = throttled(FREE, 10_000, 0, 1.0)
    assert (4, 1, 0) == (FREE.most(4), pace.most(4), pace.most(0))
    assert pace.not_before == 10_000 + FIRST_MS
    assert answered(pace) == FREE


def test_answers_to_requests_from_before_the_pause_do_not_prolong_it() -> None:
    """Four requests in flight that are all refused are one reason."""
    once = throttled(FREE, 10_000, 0, 1.0)
    assert once == throttled(once, 10_001, 0, 1.0)
    assert throttled(once, once.not_before, 0, 1.0).pause_ms == 2 * FIRST_MS


def test_twilio_may_ask_for_a_longer_wait() -> None:
    """Retry-After counts, up to the longest pause."""
    assert throttled(FREE, 0, 30_000, 0.0).not_before == 30_000
    assert throttled(FREE, 0, 10**9, 0.0).not_before == LONGEST_MS


@given(st.lists(st.none() | st.tuples(st.integers(0, 10**6), st.floats(0, 1)), max_size=60))
def test_a_pause_is_bounded_and_ends(course: list[tuple[int, float] | None]) -> None:
    """After any course, seven answers free the requests, and no wait exceeds the longest pause."""
    pace, now = FREE, 0
    for each in course:
        if each is None:
            pace = answered(pace)
            continue
        pace = throttled(pace, now, *each)
        assert 0 < pace.pause_ms <= LONGEST_MS
        assert pace.not_before - now <= LONGEST_MS
        now = max(now, pace.not_before)
    for _ in range(7):
        pace = answered(pace)
    assert RequestPace() == pace
