"""Tickets: what the last path segment of a start request's `Url` carries, so that a handshake seen
once cannot be repeated for ever.

Twilio signs the URL alone, without time or nonce. The adapter puts a ticket into the URL of each
start request, good for one minute and for one media stream: one call of one account, under one task
and generation. The gateway asks for it beside the signature. Both derive its key from a secret that
they share (`FLEXCAPTURE_TICKET_SECRET`, by default the Twilio auth token).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

GOOD_FOR_S = 60
MOST_AHEAD_S = 180
"""A ticket that expires later than this was not made by a clock that agrees with ours."""
NONCE_BYTES = 8
_MAC_BYTES = 16
_PURPOSE = b"flexcapture: media stream ticket, version 2"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket lets in. `expires_at`: Unix time, s; `nonce`: hexadecimal, unlike any
    other's."""

    account_sid: str
    call_sid: str
    task_sid: str
    generation: int
    expires_at: int
    nonce: str

    def seconds_off(self, now: float) -> float:
        """Return how far the ticket is from being good at `now` (Unix time, s): 0 if it is good, +5
        if it expired 5 s ago, -5 if a clock that is 5 s behind could have accepted it."""
        if now > self.expires_at:
            return now - self.expires_at
        return min(0.0, now + MOST_AHEAD_S - self.expires_at)


def issued(
    secret: str,
    account_sid: str,
    call_sid: str,
    task_sid: str,
    generation: int,
    *,
    now: float,
    nonce: bytes,
) -> str:
    """Return a ticket's text, fit for a path: good from now (Unix time, s) for `GOOD_FOR_S`.
    `nonce`: `NONCE_BYTES` random bytes."""
    fields = (str(int(now) + GOOD_FOR_S), nonce.hex(), account_sid, call_sid, str(generation))
    body = " ".join((*fields, task_sid)).encode()
    return base64.urlsafe_b64encode(_mac(secret, body) + body).decode().rstrip("=")


def verified(secrets: Sequence[str], text: str) -> Ticket | None:
    """Return what a ticket says, whether it is good now or not; None: it was made with none of
    these secrets. Never raises."""
    raw = _decoded(text)
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    genuine = [hmac.compare_digest(_mac(secret, body), mac) for secret in secrets]
    return _parsed(body) if any(genuine) else None


def is_ticket(text: str) -> bool:
    """Return whether it has the form of a ticket, made with whatever token. Never raises."""
    return _parsed(_decoded(text)[_MAC_BYTES:]) is not None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _parsed(body: bytes) -> Ticket | None:
    try:
        expires_at, nonce, account_sid, call_sid, generation, task_sid = body.decode().split(" ", 5)
        return Ticket(account_sid, call_sid, task_sid, int(generation), int(expires_at), nonce)
    except ValueError:
        return None


def url_with(public_url: str, segment: str) -> str:
    """The public URL with one more path segment."""
    return f"{public_url}{'' if public_url.endswith('/') else '/'}{segment}"


def _mac(secret: str, body: bytes) -> bytes:
    key = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()
    return hmac.new(key, body, hashlib.sha256).digest()[:_MAC_BYTES]
