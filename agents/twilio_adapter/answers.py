"""Twilio's answers: errors, and the values of fields."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from twilio.http.response import Response

from pipeline.lenient_json import Unreadable, loads
from pipeline.runtime.telemetry import count_invalid_sids
from pipeline.twilio.sids import SidKind, is_invalid, valid_sid


class TwilioError(Exception):
    """A request failed. `status`: HTTP status, 0 if there was no answer; `code`: Twilio's own code,
    or None; `retry_after`: the seconds that Twilio asks to wait, 0 if it did not ask."""

    def __init__(
        self, status: int, code: int | None, message: str, retry_after: float = 0.0
    ) -> None:
        super().__init__(f"{status} {code or '-'}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


def checked_answer(response: Response) -> dict[str, Any]:
    """Return the JSON object of a response, {} if it is none. Raises `TwilioError` if the status
    is no success."""
    status = int(response.status_code)
    try:
        body = loads(response.text)
    except Unreadable:
        body = None
    answer: dict[str, Any] = body if isinstance(body, dict) else {}
    if 200 <= status < 300:
        return answer
    code = answer.get("code")
    message = text_of(answer, "message") or "no message"
    valid_code = code if isinstance(code, int) and not isinstance(code, bool) else None
    raise TwilioError(status, valid_code, message[:300], _retry_after(response))


def _retry_after(response: Response) -> float:
    """Return the seconds of the Retry-After header; 0 if it is missing or a date."""
    text = str((response.headers or {}).get("Retry-After", "")).strip()
    return float(text) if text.isdecimal() and len(text) < 6 else 0.0


def text_of(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def sid_of(item: Mapping[str, Any], key: str, kind: SidKind) -> str | None:
    """Return the SID under the key; an invalid one counts as absent."""
    value = item.get(key)
    if is_invalid(kind, value):
        count_invalid_sids([kind])
    return valid_sid(kind, value)


def unix_seconds(date: str) -> float:
    """Return the Unix time of an RFC 2822 date; 0 if the text is not one."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
