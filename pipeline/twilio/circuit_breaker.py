"""Whether requests may go to a service that fails, or refuses us: a circuit breaker, as values.

It opens for one of two troubles: several callers in a row *failed*, with no answer to any in
between; or the credentials are *refused*: a question that belongs to no caller was refused, or,
while that one is not answered, the requests of several callers. One caller's own trouble opens
nothing. While it is open, one request may go out now and then, a probe; each probe puts the next
one off for longer, whether it is answered or not. The first answer closes it.
"""

from dataclasses import dataclass, replace
from enum import Enum


class Trouble(Enum):
    """What is wrong with the service."""

    NONE = "none"
    FAILING = "failing"  # it is silent, overloaded or broken
    REFUSED = "refused"  # it refuses the credentials


class Passage(Enum):
    """What a request may do now."""

    FREE = "free"
    PROBE = "probe"  # go, as the one probe: `probed` must be told
    REST = "rest"  # wait: `probe_at` says until when at least


CALLERS = 5
"""So many callers that fail in a row are the service's trouble, not theirs."""
REFUSED_CALLERS = 3
"""So many callers whose requests are refused, with no answer in between, stand for the account, if
nothing else says whether that is refused."""
FIRST_MS, MOST_MS = 500, 2_000
"""The first probe and the slowest pace of probing where it fails; jittered down to half."""
FIRST_REFUSED_MS, MOST_REFUSED_MS = 5_000, 30_000
"""The same where it refuses."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failed`, `refused_by`: the callers that failed, and those that were refused while the
    account's state was unknown, since the last answer (at most as many as open it). While there is
    trouble, the next probe goes out at `probe_at` (ms), and the one after it `wait_ms` later."""

    trouble: Trouble = Trouble.NONE
    failed: frozenset[str] = frozenset()
    refused_by: frozenset[str] = frozenset()
    probe_at: int = 0
    wait_ms: int = 0


CLOSED = Breaker()


def passage(breaker: Breaker, now: int) -> Passage:
    """What a request may do at `now` (ms)."""
    if breaker.trouble is Trouble.NONE:
        return Passage.FREE
    return Passage.PROBE if now >= breaker.probe_at else Passage.REST


def probed(breaker: Breaker, now: int, luck: float) -> Breaker:
    """A probe goes out. `luck` (0 to 1) spreads the probes of several processes."""
    wait = breaker.wait_ms
    most = MOST_REFUSED_MS if breaker.trouble is Trouble.REFUSED else MOST_MS
    later = wait if breaker.trouble is Trouble.REFUSED else _jittered(wait, luck)
    return replace(breaker, probe_at=now + later, wait_ms=min(2 * wait, most))


def answered(breaker: Breaker) -> Breaker:
    """The service answered somebody, be it with an error of his own."""
    return CLOSED if breaker != CLOSED else breaker


def failed(breaker: Breaker, caller: str, now: int, luck: float) -> Breaker:
    """The caller got no answer, or one that says that the service is overloaded or broken."""
    if breaker.trouble is not Trouble.NONE:
        return breaker
    callers = breaker.failed | {caller}
    if len(callers) < CALLERS:
        return replace(breaker, failed=callers)
    return Breaker(
        Trouble.FAILING,
        callers,
        breaker.refused_by,
        probe_at=now + _jittered(FIRST_MS, luck),
        wait_ms=2 * FIRST_MS,
    )


def refused(breaker: Breaker, caller: str, now: int) -> Breaker:
    """The service refused the caller's request, and did not say whether it refuses the account."""
    callers = breaker.refused_by | {caller}
    if len(callers) < REFUSED_CALLERS:
        return replace(breaker, refused_by=callers)
    return account_refused(breaker, now)


def account_refused(breaker: Breaker, now: int) -> Breaker:
    """The service refused a question that belongs to no caller."""
    if breaker.trouble is Trouble.REFUSED:
        return breaker
    return Breaker(
        Trouble.REFUSED,
        breaker.failed,
        probe_at=now + FIRST_REFUSED_MS,
        wait_ms=2 * FIRST_REFUSED_MS,
    )


def _jittered(wait_ms: int, luck: float) -> int:
    return round(wait_ms * (0.5 + luck / 2))
