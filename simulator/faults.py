"""Twilio's failures: a share of all requests fails in various ways, or all requests fail during an
outage."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from simulator.world import ApiError


@dataclass(frozen=True, slots=True)
class Stumble:
    """The failure of one request. `carried_out`: it takes effect; `refusal`: the answer in place of
    the result; `answered` False: the connection drops without an answer; `after_s`: the delay of
    the answer or of the drop."""

    kind: str
    refusal: ApiError | None = None
    carried_out: bool = False
    answered: bool = True
    after_s: float = 0.0


class Stumbles(Protocol):
    """Decides for each request in turn whether and how it fails."""

    def next(self) -> Stumble | None:
        """Return the failure of the next request; None: it does not fail."""


def refused(status: int, code: int, message: str, *, carried_out: bool = False) -> Stumble:
    """Return a failure with an error as its answer. `carried_out`: the request takes effect all the
    same."""
    kind = f"{status} after the effect" if carried_out else str(status)
    return Stumble(kind, ApiError(status, code, message), carried_out)


TOO_MANY_REQUESTS = refused(429, 20429, "Too Many Requests")
UNAVAILABLE = refused(503, 20503, "Service Unavailable")
_BROKEN = refused(500, 20500, "An internal server error has occurred")
_BROKEN_LATE = refused(500, 20500, "An internal server error has occurred", carried_out=True)
_LOST_BEFORE = Stumble("connection lost", answered=False)
_LOST_AFTER = Stumble("answer lost", carried_out=True, answered=False)
SLOW_S = (0.2, 1.0)
HANGS_S = (1.0, 8.0)


class Stumbling:
    """Requests fail at random. `share`: the share of requests that fail; `hanging`: the share of
    these that get no answer for seconds, and also of those that get a slow one."""

    def __init__(self, share: float, random: Random, hanging: float = 0.05) -> None:
        self._share, self._random, self._hanging = share, random, hanging

    def next(self) -> Stumble | None:
        """Return the failure of the next request; None: it does not fail."""
        random = self._random
        if random.random() >= self._share:
            return None
        drawn = random.random()
        if drawn < self._hanging:
            seconds, happens = random.uniform(*HANGS_S), random.random() < 0.5
            return Stumble("hangs", carried_out=happens, answered=False, after_s=seconds)
        if drawn < 2 * self._hanging:
            return Stumble("slow", carried_out=True, after_s=random.uniform(*SLOW_S))
        return random.choice(
            (
                TOO_MANY_REQUESTS,
                TOO_MANY_REQUESTS,
                UNAVAILABLE,
                _BROKEN,
                _BROKEN_LATE,
                _LOST_BEFORE,
                _LOST_AFTER,
            )
        )


class Outages:
    """During an outage, all requests fail without effect; at other times, `otherwise` decides.
    `clock`: milliseconds since the epoch; `spans`: all outages so far, as (begin, end) in ms."""

    def __init__(self, otherwise: Stumbles, clock: Callable[[], int]) -> None:
        self._otherwise = otherwise
        self._clock = clock
        self._answers = True
        self.spans: list[tuple[int, int]] = []

    def begin(self, lasting_ms: int, *, answers: bool) -> None:
        """Begin an outage. `answers`: requests get status 500; otherwise they get no answer before
        it ends."""
        now = self._clock()
        self.spans.append((now, now + lasting_ms))
        self._answers = answers

    def next(self) -> Stumble | None:
        """Return the failure of the next request; None: it does not fail."""
        now = self._clock()
        end = self.spans[-1][1] if self.spans else 0
        if now >= end:
            return self._otherwise.next()
        if self._answers:
            return Stumble("away: 500", _BROKEN.refusal)
        return Stumble("away: no answer", answered=False, after_s=(end - now) / 1000)
