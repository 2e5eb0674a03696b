"""Admission of sockets by signature, ticket, and free space for their audio."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.admission.signature import Verdict, judge, segment_of, signed_form
from pipeline.twilio.tickets import Ticket, is_ticket, verified

log = structlog.get_logger(__name__)

_SWEEP_S = 60
_KEPT_S = 600
"""How long the note of a used ticket is kept after the ticket has expired."""


@dataclass(frozen=True, slots=True)
class Admission:
    """An accepted handshake. `ticket`: None for a media stream that the customer's own flow starts
    on the bare URL."""

    ticket: Ticket | None


@dataclass(frozen=True, slots=True)
class HandshakeDenied:
    """A handshake that is refused. `ticket`: the ticket in it, if that is genuine; `seconds_off`:
    by how much its time was off, as of `Ticket.seconds_off`; `signed_form`: the form of the public
    URL that was signed, if that is known."""

    verdict: Verdict
    ticket: Ticket | None = None
    seconds_off: float = 0.0
    signed_form: str = ""


class UsedTickets:
    """Lets each ticket open one socket only. `directory`: the gateways of this machine that share a
    port note used tickets there; None: each process remembers its own only. Times are log time in
    seconds. While log time is not known they are None, and no note is deleted."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._used: dict[str, int] = {}
        self._swept_at = 0.0

    def use(self, ticket: Ticket, now: float | None) -> bool:
        """Note the ticket as used. Return False if it was used before."""
        if now is not None:
            self._sweep(now)
        if ticket.nonce in self._used:
            return False
        self._used[ticket.nonce] = ticket.expires_at
        return self._directory is None or self._is_first(self._directory / _note_name(ticket))

    def _is_first(self, path: Path) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError as error:  # a full disk must not cost a recording
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
            for path in self._directory.iterdir():
                if _expires_at(path.name) + _KEPT_S < now:
                    path.unlink()


def _note_name(ticket: Ticket) -> str:
    """Return the name of the note's file. It contains the expiry time, because a file's date comes
    from the machine's clock."""
    return f"{ticket.expires_at}-{ticket.nonce}"


def _expires_at(note_name: str) -> int:
    text, dash, _ = note_name.partition("-")
    return int(text) if dash and text.isdecimal() else 0


class Entrance:
    """Judges handshakes. `auth_tokens`: the tokens that Twilio may sign with; `ticket_secrets`: the
    secrets that the adapter may have made a ticket with; `customer_streams`: whether the bare URL
    is accepted. `clock`: the log's clock, s since the epoch. While it returns None, a ticket's time
    is not checked; each ticket still opens only one socket. `signed_url`: another form of the
    public URL that Twilio may sign."""

    def __init__(
        self,
        auth_tokens: Sequence[str],
        public_url: str,
        used: UsedTickets,
        *,
        ticket_secrets: Sequence[str],
        customer_streams: bool = False,
        signed_url: str | None = None,
        clock: Callable[[], float | None],
    ) -> None:
        self._signed_url = signed_url
        self._auth_tokens = auth_tokens
        self._ticket_secrets = ticket_secrets
        self._public_url = public_url
        self._used = used
        self._customer_streams = customer_streams
        self._clock = clock

    def judge(
        self, path: str, signatures: Sequence[str], *, full: bool = False
    ) -> Admission | HandshakeDenied:
        """Decide on a handshake for `path` with these signature headers. `full`: there is no space
        for the audio of another media stream."""
        segment = segment_of(self._public_url, path)
        shown = path.rpartition("/")[2] if segment is None else segment
        ticket = verified(self._ticket_secrets, shown) if shown else None
        verdict = judge(
            self._auth_tokens, self._public_url, path, signatures, signed_as=self._signed_url
        )
        if verdict is not Verdict.ACCEPTED:
            diagnosis = _diagnosis(verdict, shown, ticket)
            form = self._signed_form(path, signatures) if diagnosis is Verdict.WRONG_URL else ""
            return HandshakeDenied(diagnosis, ticket, signed_form=form)
        if full:
            return HandshakeDenied(Verdict.FULL, ticket)
        if not segment:
            return Admission(None) if self._customer_streams else HandshakeDenied(Verdict.NO_TICKET)
        return self._judge_ticket(ticket)

    def _signed_form(self, path: str, signatures: Sequence[str]) -> str:
        return signed_form(self._auth_tokens, self._public_url, path, signatures) or ""

    def _judge_ticket(self, ticket: Ticket | None) -> Admission | HandshakeDenied:
        if ticket is None:
            return HandshakeDenied(Verdict.TICKET_FORGED)
        now = self._clock()
        off = 0.0 if now is None else ticket.seconds_off(now)
        if off:
            late = off > 0
            return HandshakeDenied(
                Verdict.TICKET_EXPIRED if late else Verdict.TICKET_AHEAD,
                ticket,
                off,
            )
        if not self._used.use(ticket, now):
            return HandshakeDenied(Verdict.TICKET_USED, ticket)
        return Admission(ticket)


def _diagnosis(verdict: Verdict, shown: str, ticket: Ticket | None) -> Verdict:
    """Return a more precise verdict for a wrong signature. An adapter made the ticket with the auth
    token that Twilio signs with. If the ticket is genuine, the token is right, so the URL must be
    wrong. If the ticket was made with another token, the token is wrong."""
    if verdict not in (Verdict.WRONG_SIGNATURE, Verdict.WRONG_PATH):
        return verdict
    if ticket is not None:
        return Verdict.WRONG_URL
    is_signature = verdict is Verdict.WRONG_SIGNATURE
    return Verdict.WRONG_TOKEN if is_signature and is_ticket(shown) else verdict
