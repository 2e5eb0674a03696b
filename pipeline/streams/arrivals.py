"""Find the media streams that Twilio started and that never reached a gateway. Pure.

Twilio answers "started" before it opens the WebSocket. The only sign of a wrong public URL, a
broken load balancer or a refused handshake is that no gateway reports the media stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

ARRIVAL_MS = 10_000
"""A started media stream must reach a gateway within this time (ms)."""
REPORTED_MS = 10 * 60_000
"""How long (ms) a media stream that did not arrive is reported, unless a later one arrives."""
REMEMBERED = 50_000
"""How many media streams are remembered after their arrival or their end."""

Key = tuple[str, int]
"""Task SID and generation."""
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class MissingSocket:
    """Media streams that Twilio started and that reached no gateway, with the reasons of the
    handshakes that a gateway refused, if any."""

    count: int
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Start:
    at: int
    due_at: int


class Arrivals:
    """The media streams that this process started. Times are ms of the caller's clock.

    Reports of gateways may come in any order, before the start that they belong to, and repeatedly.
    """

    def __init__(self) -> None:
        self._pending: dict[Key, _Start] = {}
        self._missing: dict[Key, _Start] = {}
        self._settled: dict[Key, None] = {}
        self._refusals: dict[Key, str] = {}
        self._arrived_at = -1

    def started(self, task_sid: str, generation: int, now: int) -> None:
        """Note that Twilio started a media stream."""
        key = task_sid, generation
        if key not in self._settled:
            self._pending.setdefault(key, _Start(now, now + ARRIVAL_MS))

    def opened(self, task_sid: str, generation: int, now: int) -> None:
        """Note that a gateway has the media stream. Ignore one without a generation: a customer's
        own flow started it, maybe with another URL."""
        if generation > 0:
            self._arrived_at = max(self._arrived_at, now)
            self._settle((task_sid, generation))

    def stopped(self, task_sid: str, generation: int) -> None:
        """Note that the media stream is no longer wanted: it need not arrive."""
        self._settle((task_sid, generation))

    def refused(self, task_sid: str, generation: int, reason: str) -> None:
        """Note that a gateway refused the media stream's handshake."""
        _remember(self._refusals, (task_sid, generation), reason)

    def _settle(self, key: Key) -> None:
        self._pending.pop(key, None)
        self._missing.pop(key, None)
        self._refusals.pop(key, None)
        _remember(self._settled, key, None)

    def is_due(self, now: int) -> bool:
        """Return whether a media stream should have arrived by now."""
        return any(start.due_at <= now for start in self._pending.values())

    def expire(self, now: int) -> int:
        """Count the media streams that should have arrived by `now` as missing; return their
        number.

        Call this only if all reports up to `now` have been handled.
        """
        due = {key: start for key, start in self._pending.items() if start.due_at <= now}
        for key, start in due.items():
            del self._pending[key]
            _remember(self._missing, key, replace(start, due_at=now))
            _remember(self._settled, key, None)
        return len(due)

    def postpone(self, now: int) -> None:
        """Restart the time limit of all pending media streams, because reports could not be
        read."""
        for key, start in self._pending.items():
            self._pending[key] = replace(start, due_at=now + ARRIVAL_MS)

    def missing(self, now: int) -> MissingSocket | None:
        """Return the missing media streams. Leave out those after which another one arrived, and
        those reported for `REPORTED_MS`."""
        self._missing = {
            key: start
            for key, start in self._missing.items()
            if start.at > self._arrived_at and now - start.due_at < REPORTED_MS
        }
        if not self._missing:
            return None
        return MissingSocket(
            len(self._missing), _distinct(self._refusals.get(k) for k in self._missing)
        )


def _remember(memory: dict[Key, V], key: Key, value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]


def _distinct(reasons: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({reason for reason in reasons if reason}))
