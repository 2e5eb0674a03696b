"""A circuit breaker for requests to a service that fails or refuses the credentials. Pure.

It opens for one of two reasons:
- several callers in a row *failed*, and none got an answer in between;
- the credentials are *refused*: either a request that belongs to no caller was refused, or that
  request got no answer and the requests of several callers were refused.

The trouble of a single caller does not open it. While it is open, only probes may be sent: one
request at a time, each after a longer wait than the one before, whether that was answered or not.
The first answer closes it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.transitions import Transition


class Trouble(StrEnum):
    """The trouble with the service."""

    NONE = "none"
    FAILING = "failing"  # it does not answer, or is overloaded or broken
    REFUSED = "refused"  # it refuses the credentials


BREAKER_TRANSITIONS = (
    Transition(None, Trouble.NONE, ""),
    Transition(Trouble.NONE, Trouble.FAILING, "several callers failed in a row"),
    Transition(Trouble.NONE, Trouble.REFUSED, "the credentials were refused"),
    Transition(Trouble.FAILING, Trouble.REFUSED, "the credentials were refused"),
    Transition(Trouble.FAILING, Trouble.NONE, "an answer"),
    Transition(Trouble.REFUSED, Trouble.NONE, "an answer"),
)


class Passage(StrEnum):
    """Whether a request may go out now."""

    FREE = "free"  # send it
    PROBE = "probe"  # send it as the only probe, and call `probed`
    REST = "rest"  # it must wait, at least until `probe_at`


CALLERS = 5
"""If this many callers fail in a row, the service is in trouble, not the callers."""
REFUSED_CALLERS = 3
"""If this many callers are refused, with no answer in between, the account counts as refused,
unless its own state is known."""
FIRST_MS, MOST_MS = 500, 2_000
"""The first and the longest wait for a probe while the service fails; jittered down to half."""
FIRST_REFUSED_MS, MOST_REFUSED_MS = 5_000, 30_000
"""The first and the longest wait for a probe while it refuses the credentials; not jittered."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker's state.

    `failed`: the callers that failed since the last answer; `refused_by`: those that were refused
    since then while the account's state was unknown (both at most as many as open the breaker).
    While there is trouble, the next probe may go out at `probe_at` (ms), and the one after it
    `wait_ms` later.
    """

    trouble: Trouble = Trouble.NONE
    failed: frozenset[str] = frozenset()
    refused_by: frozenset[str] = frozenset()
    probe_at: int = 0
    wait_ms: int = 0


CLOSED = Breaker()


def passage(breaker: Breaker, now: int) -> Passage:
    """Return whether a request may go out at `now` (ms)."""
    if breaker.trouble is Trouble.NONE:
        return Passage.FREE
    return Passage.PROBE if now >= breaker.probe_at else Passage.REST


def probed(breaker: Breaker, now: int, jitter: float) -> Breaker:
    """Note that a probe goes out. `jitter` (0 to 1) spreads the probes of several processes."""
    wait = breaker.wait_ms
    most = MOST_REFUSED_MS if breaker.trouble is Trouble.REFUSED else MOST_MS
    later = wait if breaker.trouble is Trouble.REFUSED else _jittered(wait, jitter)
    return replace(breaker, probe_at=now + later, wait_ms=min(2 * wait, most))


def answered(breaker: Breaker) -> Breaker:
    """Note that the service answered a request, if only with an error of that request."""
    return CLOSED if breaker != CLOSED else breaker


def failed(breaker: Breaker, caller: str, now: int, jitter: float) -> Breaker:
    """Note that the caller got no answer, or an answer which shows that the service is overloaded
    or broken. `jitter`: 0 to 1."""
    if breaker.trouble is not Trouble.NONE:
        return breaker
    callers = breaker.failed | {caller}
    if len(callers) < CALLERS:
        return replace(breaker, failed=callers)
    return Breaker(
        Trouble.FAILING,
        callers,
        breaker.refused_by,
        probe_at=now + _jittered(FIRST_MS, jitter),
        wait_ms=2 * FIRST_MS,
    )


def refused(breaker: Breaker, caller: str, now: int) -> Breaker:
    """Note that the service refused the caller's request, and that it is unknown whether it refuses
    the account."""
    callers = breaker.refused_by | {caller}
    if len(callers) < REFUSED_CALLERS:
        return replace(breaker, refused_by=callers)
    return account_refused(breaker, now)


def account_refused(breaker: Breaker, now: int) -> Breaker:
    """Note that the service refused a request that belongs to no caller."""
    if breaker.trouble is Trouble.REFUSED:
        return breaker
    return Breaker(
        Trouble.REFUSED,
        breaker.failed,
        probe_at=now + FIRST_REFUSED_MS,
        wait_ms=2 * FIRST_REFUSED_MS,
    )


def _jittered(wait_ms: int, jitter: float) -> int:
    return round(wait_ms * (0.5 + jitter / 2))
