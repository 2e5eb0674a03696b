"""What Twilio's errors mean, for any answer that may come."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.twilio.errors import (
    ErrorVerdict,
    health_of_twilio,
    is_outcome_known,
    verdict_on_start,
    verdict_on_stop,
)

CODES = st.none() | st.sampled_from([20003, 20404, 20429, 21220, 21203, 31930])


@given(st.integers(300, 499), CODES, st.text(max_size=20))
def test_a_start_that_is_repeated_is_no_failure(status: int, code: int | None, text: str) -> None:
    """For any fault that Twilio finds with a name that was requested before: the stream may
    exist."""
    verdict = verdict_on_start(status, code, text, repeated=True)

    assert ErrorVerdict.FAILED != verdict


@given(st.integers(0, 599), CODES)
def test_errors_of_one_call_say_nothing_of_twilio(status: int, code: int | None) -> None:
    """Only silence, overload, Twilio's own faults and refused credentials do. Start and stop wait
    in the same cases."""
    health = health_of_twilio(status, code)

    assert health in (ErrorVerdict.DONE, ErrorVerdict.BACK_OFF, ErrorVerdict.REFUSED)
    if code not in (21220, 20404) and status not in (404, 409):
        assert (health is ErrorVerdict.BACK_OFF) == (
            verdict_on_stop(status, code) is ErrorVerdict.BACK_OFF
        )
        assert (health is ErrorVerdict.REFUSED) == (
            verdict_on_start(status, code) is ErrorVerdict.REFUSED
        )


def test_a_conflict_may_be_recognized_by_its_message() -> None:
    """The message counts if the code does not show a conflict."""
    message = "A stream with this name already exists"

    assert ErrorVerdict.DONE == verdict_on_start(400, 21299, message)
    assert ErrorVerdict.DONE == verdict_on_start(409, None)
    assert ErrorVerdict.FAILED == verdict_on_start(400, 21299, "Invalid Url")


def test_what_was_not_answered_may_have_happened() -> None:
    """Silence and faults on the way leave it open; a refusal does not."""
    assert [False, False, False, False] == [is_outcome_known(s) for s in (0, 408, 500, 503)]
    assert [True, True, True] == [is_outcome_known(s) for s in (400, 404, 429)]


@given(st.sampled_from([0, 408, 429, 500, 502, 503, 504]))
def test_overload_and_silence_are_repeated(status: int) -> None:
    """Start and stop alike."""
    assert ErrorVerdict.BACK_OFF == verdict_on_start(status, None) == verdict_on_stop(status, None)


def test_twilio_errors_mean_what_they_say() -> None:
    """A ringing leg, a leg that is gone, a wrong token, a wrong request."""
    assert ErrorVerdict.ASK_AGAIN == verdict_on_start(400, 21220)
    assert ErrorVerdict.LOOK_UP_AGAIN == verdict_on_start(404, 20404)
    assert ErrorVerdict.REFUSED == verdict_on_start(401, 20003) == verdict_on_stop(403, None)
    assert ErrorVerdict.FAILED == verdict_on_start(400, 21203)
    assert ErrorVerdict.DONE == verdict_on_stop(404, None) == verdict_on_stop(400, 21220)
