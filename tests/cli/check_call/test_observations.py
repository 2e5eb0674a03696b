"""The observations of a test call."""

from dataclasses import replace

import pytest

from cli.check_call.observations import Answer, Observations
from tests.cli.check_call.usual import CLOSED, STREAM, usual

OTHER = "MZ" + "9" * 32


@pytest.mark.parametrize(
    ("answer", "is_success", "text"),
    [
        (Answer(200, sid=STREAM), True, "200"),
        (Answer(299), True, "299"),
        (Answer(300), False, "300"),
        (Answer(0, message="no answer"), False, "0 no answer"),
        (Answer(400, 21220, "not in progress"), False, "400/21220 not in progress"),
    ],
)
def test_an_answer_as_a_text(answer: Answer, is_success: bool, text: str) -> None:
    """Status, Twilio's code and its message, as far as there are any."""
    assert (is_success, text) == (answer.is_success, str(answer))


def test_the_first_media_stream_is_that_of_generation_1() -> None:
    """Others may reach a gateway before it. Without its own socket there is none."""
    (first,) = usual().opened
    earlier = replace(first, stream_sid=OTHER, generation=9)
    assert first is usual(opened=[earlier, first, replace(first, at=9)]).opened_first()
    assert usual(opened=[earlier]).opened_first() is None


def test_records_are_found_by_their_media_stream() -> None:
    """Each kind by itself."""
    seen = usual()
    assert (CLOSED, seen.observed[0]) == (seen.closed_of(STREAM), seen.observed_of(STREAM))
    assert (seen.batches, []) == (seen.batches_of(STREAM), seen.batches_of(OTHER))
    assert (None, None) == (seen.closed_of(OTHER), seen.observed_of(OTHER))
    assert Observations().opened is not Observations().opened
