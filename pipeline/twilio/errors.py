"""The meaning of an error of Twilio's API, for the command and for Twilio's health. The codes are
at twilio.com/docs/api/errors. Pure."""

import re
from enum import Enum


class ErrorVerdict(Enum):
    """The reaction to a request that failed."""

    DONE = "done"  # the requested state exists already
    ASK_AGAIN = "ask again"  # too early: the leg is ringing, or does not exist yet
    LOOK_UP_AGAIN = "look up again"  # there is no such leg: another one may be the customer's
    BACK_OFF = "back off"  # Twilio is overloaded, broken or silent: repeat the request later
    REFUSED = "refused"  # 401 or 403: the call or the account is refused
    FAILED = "failed"  # the request itself is wrong


ALREADY_STARTED = "already started"
"""The prefix of an answer's detail if Twilio refused the start because the media stream seems to
exist already."""
BEFORE = "; before: "
"""The separator between the detail of a successful request and that of the failed one before it."""
CALL_NOT_IN_PROGRESS = 21220
NOT_FOUND = frozenset({404, 20404})
TOO_MANY = frozenset({429, 20429})
UNAUTHORISED = frozenset({401, 403, 20003})

_THERE_ALREADY = re.compile(r"already|duplicate|conflict|in use|not unique", re.IGNORECASE)


def verdict_on_start(
    status: int, code: int | None, message: str = "", *, repeated: bool = False
) -> ErrorVerdict:
    """Return the reaction to a failed Start Stream request, or to a failed lookup for one.

    `status`: HTTP status (0: no answer); `code`: Twilio's code; `repeated`: a media stream of the
    same name was requested before, with an unknown result.

    Twilio's answer to a name that is in use is not documented. These answers count as one: status
    409, a message that says so, and any answer to a repeated request that would otherwise mean
    FAILED.
    """
    if code == CALL_NOT_IN_PROGRESS:
        return ErrorVerdict.ASK_AGAIN
    if status == 409:
        return ErrorVerdict.DONE
    if _is(NOT_FOUND, status, code):
        return ErrorVerdict.LOOK_UP_AGAIN
    verdict = _common(status, code)
    if verdict is ErrorVerdict.FAILED and (repeated or _THERE_ALREADY.search(message)):
        return ErrorVerdict.DONE
    return verdict


def verdict_on_stop(status: int, code: int | None) -> ErrorVerdict:
    """Return the reaction to a failed Stop Stream request. If the media stream or the call no
    longer exists, the stop has succeeded."""
    if code == CALL_NOT_IN_PROGRESS or _is(NOT_FOUND, status, code):
        return ErrorVerdict.DONE
    return _common(status, code)


def _common(status: int, code: int | None) -> ErrorVerdict:
    if status in {0, 408} or status >= 500 or _is(TOO_MANY, status, code):
        return ErrorVerdict.BACK_OFF
    return ErrorVerdict.REFUSED if _is(UNAUTHORISED, status, code) else ErrorVerdict.FAILED


def is_outcome_known(status: int) -> bool:
    """Return whether a failed request with this status certainly had no effect. Without an answer,
    or after an error on Twilio's side, this is unknown."""
    return 300 <= status < 500 and status != 408


def health_of_twilio(status: int, code: int | None) -> ErrorVerdict:
    """Return the meaning of a failed request for Twilio itself: BACK_OFF, REFUSED, or DONE if
    Twilio works."""
    verdict = _common(status, code)
    return ErrorVerdict.DONE if verdict is ErrorVerdict.FAILED else verdict


def _is(kind: frozenset[int], status: int, code: int | None) -> bool:
    return status in kind or code in kind
