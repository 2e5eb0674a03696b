"""What an error of Twilio's API means for a command. The codes: twilio.com/docs/api/errors."""

from enum import Enum


class Verdict(Enum):
    """What to do about a request that failed."""

    DONE = "done"  # what was asked for is so already
    ASK_AGAIN = "ask again"  # not now: a leg that is ringing, or that is not there yet
    LOOK_UP_AGAIN = "look up again"  # there is no such leg: another one may be the customer's
    BACK_OFF = "back off"  # overloaded, broken or silent: the same request, later
    REFUSED = "refused"  # the credentials are wrong: no request will do better
    FAILED = "failed"  # the request itself is wrong


CALL_NOT_IN_PROGRESS = 21220
NOT_FOUND = frozenset({404, 20404})
TOO_MANY = frozenset({429, 20429})
UNAUTHORISED = frozenset({401, 403, 20003})


def verdict_on_start(status: int, code: int | None) -> Verdict:
    """What to do about a Start Stream request, or a look-up for one, that was answered `status`
    (0: not at all) with Twilio's `code`."""
    if code == CALL_NOT_IN_PROGRESS:
        return Verdict.ASK_AGAIN
    if status == 409:
        return Verdict.DONE
    return Verdict.LOOK_UP_AGAIN if _is(NOT_FOUND, status, code) else _common(status, code)


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


def _is(what: frozenset[int], status: int, code: int | None) -> bool:
    return status in what or code in what
