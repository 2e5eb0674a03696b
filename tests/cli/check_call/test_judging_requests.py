"""Judgements of Twilio's answers to requests, from the observations of a test call."""

import pytest

from cli.check_call.judging_requests import LATE_ANSWER_MS, REQUESTS
from cli.check_call.observations import Answer, Observations
from cli.check_call.verdicts import Status
from tests.cli.check_call.usual import STREAM, usual

D, C, N = Status.DIFFERS, Status.CHANGE, Status.NOT_SEEN


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("start-answer", {"first": Answer(200, sid=STREAM, at=1_500)}, D),
        ("start-while-ringing", {"while_ringing": Answer(200, sid=STREAM)}, D),
        ("start-while-ringing", {"while_ringing": Answer(404, 20404)}, D),
        ("start-while-ringing", {"while_ringing": Answer(400, 20001)}, C),
        ("start-while-ringing", {"while_ringing": None}, N),
        ("same-name", {"same_name": Answer(200, sid=STREAM)}, D),
        ("same-name", {"same_name": Answer(200, sid="MZ" + "4" * 32)}, D),
        ("same-name", {"same_name": Answer(404, 20404)}, C),
        ("same-name", {"same_name": Answer(0)}, N),
        ("track-limit", {"second": Answer(400, 21298)}, D),
        ("track-limit", {"third": Answer(200, sid="MZ" + "4" * 32)}, D),
        ("track-limit", {"second": None}, N),
        ("stop-after-end", {"stop_after_end": Answer(400, 21220)}, D),
        ("stop-after-end", {"stop_after_end": Answer(200)}, D),
        ("stop-after-end", {"stop_after_end": Answer(400, 20001)}, C),
        ("stop-after-end", {"stop_after_end": None}, N),
        ("paging", {"next_page_uri": "https://api.twilio.com/x"}, D),
        ("paging", {"next_page_uri": ""}, N),
    ],
)
def test_what_a_call_shows_of_requests(
    name: str, changes: dict[str, object], status: Status
) -> None:
    """Each assumption, if Twilio does otherwise, and if the call does not show it."""
    seen = usual(**changes)
    found = REQUESTS[name](seen)
    assert status is found[0], found
    assert found[1]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_usual_call_shows_what_is_assumed(name: str) -> None:
    """A call without any observation shows nothing."""
    assert Status.HOLDS is REQUESTS[name](usual())[0]
    assert Status.NOT_SEEN is REQUESTS[name](Observations())[0]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_without_an_answer_shows_nothing(name: str) -> None:
    """Status 0: there was none."""
    none = Answer(0)
    seen = usual(
        first=none, while_ringing=none, same_name=none, second=none, stop_after_end=none,
        next_page_uri=None,
    )  # fmt: skip
    assert Status.NOT_SEEN is REQUESTS[name](seen)[0]


@pytest.mark.parametrize(("late", "status"), [(LATE_ANSWER_MS, Status.HOLDS), (151, D)])
def test_an_answer_may_come_a_little_after_the_socket(late: int, status: Status) -> None:
    """The socket is open at 1,010 ms."""
    seen = usual(first=Answer(200, sid=STREAM, at=1_010 + late))
    assert status is REQUESTS["start-answer"](seen)[0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(404), Status.HOLDS),
        (Answer(400, 20404), Status.HOLDS),
        (Answer(429, 20429), C),
    ],
)
def test_a_stop_after_the_call_is_refused_as_not_found(answer: Answer, status: Status) -> None:
    """By the status or by the code."""
    assert status is REQUESTS["stop-after-end"](usual(stop_after_end=answer))[0]
