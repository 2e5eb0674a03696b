"""Who may open a socket: signature, ticket, and room for what he will send."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.signature import Verdict, judge, segment_of
from pipeline.streams.tickets import Fault, Ticket, examined

log = structlog.get_logger(__name__)

_SWEEP_S = 60


@dataclass(frozen=True, slots=True)
class Admission:
    """A handshake that is accepted; `ticket` None: a media stream that the customer's own flow
    starts, on the bare URL."""

    ticket: Ticket | None


class UsedTickets:
    """Each ticket opens one socket. `directory`: where the gateways of this machine, which share a
    port, tell each other; None: this process remembers its own."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._used: dict[str, int] = {}
        self._swept_at = 0.0

    def use(self, ticket: Ticket, now: float) -> bool:
        """False: it was used before. `now`: Unix time, s."""
        self._sweep(now)
        if ticket.nonce in self._used:
            return False
        self._used[ticket.nonce] = ticket.expires_at
        return self._directory is None or self._is_first(self._directory / ticket.nonce)

    def _is_first(self, path: Path) -> bool:
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError as error:  # a full disk is no reason to lose a call
            log.warning("cannot note a used ticket", error=repr(error))
        return True

    def _sweep(self, now: float) -> None:
        if 0 <= now - self._swept_at < _SWEEP_S:
            return
        self._swept_at = now
        self._used = {nonce: until for nonce, until in self._used.items() if until >= now}
        if self._directory is None:
            return
        with suppress(OSError):  # another gateway may sweep at the same time
            self._directory.mkdir(parents=True, exist_ok=True)
            for path in self._directory.iterdir():
                if path.stat().st_mtime < now - 10 * _SWEEP_S:
                    path.unlink()


class Entrance:
    """Judges handshakes. `customer_streams`: whether the bare URL is taken."""

    def __init__(
        self,
        auth_token: str | None,
        public_url: str,
        used: UsedTickets,
        *,
        customer_streams: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token = auth_token
        self._public_url = public_url
        self._used = used
        self._customer_streams = customer_streams
        self._clock = clock

    def judge(self, path: str, signatures: Sequence[str]) -> Admission | Verdict:
        """What becomes of a handshake for `path` with these signature headers."""
        verdict = judge(self._token, self._public_url, path, signatures)
        if verdict is not Verdict.ACCEPTED or self._token is None:
            return verdict
        segment = segment_of(self._public_url, path)
        if not segment:
            return Admission(None) if self._customer_streams else Verdict.NO_TICKET
        now = self._clock()
        ticket = examined(self._token, segment, now)
        if isinstance(ticket, Fault):
            return Verdict(ticket.value)
        return Admission(ticket) if self._used.use(ticket, now) else Verdict.TICKET_USED
