"""What an error of Twilio's API means for a command, and for Twilio. The codes:
twilio.com/docs/api/errors."""

import re
from enum import Enum


class Verdict(Enum):
    """What to do about a request that failed."""

    DONE = "done"  # what was asked for is so already
    ASK_AGAIN = "ask again"  # not now: a leg that is ringing, or that is not there yet
    LOOK_UP_AGAIN = "look up again"  # there is no such leg: another one may be the customer's
    BACK_OFF = "back off"  # overloaded, broken or silent: the same request, later
    REFUSED = "refused"  # 401 or 403: of this call, or of the account
    FAILED = "failed"  # the request itself is wrong


ALREADY_STARTED = "already started"
"""How the detail of an answer begins if Twilio refused the start because the media stream seems to
run already."""
BEFORE = "; before: "
"""Between the detail of a request that succeeded and that of the one before it, which did not."""
CALL_NOT_IN_PROGRESS = 21220
NOT_FOUND = frozenset({404, 20404})
TOO_MANY = frozenset({429, 20429})
UNAUTHORISED = frozenset({401, 403, 20003})

_THERE_ALREADY = re.compile(r"already|duplicate|conflict|in use|not unique", re.IGNORECASE)


def verdict_on_start(
    status: int, code: int | None, message: str = "", *, repeated: bool = False
) -> Verdict:
    """What to do about a Start Stream request, or a look-up for one, that was answered `status`
    (0: not at all) with Twilio's `code`. `repeated`: the same name was asked for before, and what
    became of it is not known.

    How Twilio tells that there is one of this name already is not documented: 409, what reads so,
    and any fault found with a request that is asked for the second time count as that.
    """
    if code == CALL_NOT_IN_PROGRESS:
        return Verdict.ASK_AGAIN
    if status == 409:
        return Verdict.DONE
    if _is(NOT_FOUND, status, code):
        return Verdict.LOOK_UP_AGAIN
    verdict = _common(status, code)
    if verdict is Verdict.FAILED and (repeated or _THERE_ALREADY.search(message)):
        return Verdict.DONE
    return verdict


def verdict_on_stop(status: int, code: int | None) -> Verdict:
    """The same for a Stop Stream request: a media stream or call that is gone is what was
    wanted."""
    if code == CALL_NOT_IN_PROGRESS or _is(NOT_FOUND, status, code):
        return Verdict.DONE
    return _common(status, code)


def _common(status: int, code: int | None) -> Verdict:
    if status in {0, 408} or status >= 500 or _is(TOO_MANY, status, code):
        return Verdict.BACK_OFF
    return Verdict.REFUSED if _is(UNAUTHORISED, status, code) else Verdict.FAILED


def is_outcome_known(status: int) -> bool:
    """Whether a request that was answered so certainly did nothing. Of one that was not answered,
    or broke on the way, that is not known."""
    return 300 <= status < 500 and status != 408


def health_of_twilio(status: int, code: int | None) -> Verdict:
    """What such an answer tells of Twilio itself: BACK_OFF, REFUSED, or DONE: it works."""
    verdict = _common(status, code)
    return Verdict.DONE if verdict is Verdict.FAILED else verdict


def _is(what: frozenset[int], status: int, code: int | None) -> bool:
    return status in what or code in what
