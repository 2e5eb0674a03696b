"""Twilio's answers, and errors in them."""

import pytest
from twilio.http.response import Response

from pipeline.runtime.twilio_http import TwilioError, checked


@pytest.mark.parametrize(
    ("text", "answer"), [('{"sid": "CA1"}', {"sid": "CA1"}), ("", {}), ("[1]", {}), ("<html>", {})]
)
def test_a_success_without_an_object_is_an_empty_answer(text: str, answer: dict[str, str]) -> None:
    """A deletion has no body, and a proxy may answer with a page."""
    assert answer == checked(Response(200, text))


@pytest.mark.parametrize(
    ("text", "headers", "code", "message", "retry_after"),
    [
        ('{"code": 20429, "message": "Too Many"}', {"Retry-After": "3"}, 20429, "Too Many", 3.0),
        ('{"code": true, "message": 7}', {"Retry-After": "tomorrow"}, None, "no message", 0.0),
        ("<html>", {}, None, "no message", 0.0),
    ],
)
def test_a_failure_is_an_error_with_twilios_code(
    text: str, headers: dict[str, str], code: int | None, message: str, retry_after: float
) -> None:
    """An invalid code or message counts as absent."""
    with pytest.raises(TwilioError) as raised:
        checked(Response(429, text, headers))
    error = raised.value
    assert (429, code, message, retry_after) == (
        error.status,
        error.code,
        error.message,
        error.retry_after,
    )
