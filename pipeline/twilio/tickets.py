"""Tickets: the last path segment of a start request's `Url`. They prevent a handshake that was
observed once from being replayed for ever. Pure.

Twilio signs only the URL, without a time or a nonce. The adapter puts a ticket into the URL of each
start request. It is valid for one minute and for one media stream: one call of one account, under
one task and generation. The gateway requires it in addition to the signature. Both derive its key
from a shared secret (`FLEXCAPTURE_TICKET_SECRET`, by default the Twilio auth token).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

GOOD_FOR_S = 60
MOST_AHEAD_S = 180
"""A ticket that expires later than this was issued by a clock that differs from ours."""
NONCE_BYTES = 8
_MAC_BYTES = 16
_PURPOSE = b"flexcapture: media stream ticket, version 2"


@dataclass(frozen=True, slots=True)
class Ticket:
    """The media stream that a ticket admits. `expires_at`: Unix time, s; `nonce`: hexadecimal,
    different for each ticket."""

    account_sid: str
    call_sid: str
    task_sid: str
    generation: int
    expires_at: int
    nonce: str

    def seconds_off(self, now: float) -> float:
        """Return by how many seconds the ticket is outside its validity at `now` (Unix time, s): 0
        if it is valid, 5 if it expired 5 s ago, -5 if it will be valid in 5 s."""
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
    """Return the text of a ticket, which is valid in a path. The ticket is good for `GOOD_FOR_S`
    from `now` (Unix time, s). `nonce`: `NONCE_BYTES` random bytes."""
    fields = (str(int(now) + GOOD_FOR_S), nonce.hex(), account_sid, call_sid, str(generation))
    body = " ".join((*fields, task_sid)).encode()
    return base64.urlsafe_b64encode(_mac(secret, body) + body).decode().rstrip("=")


def verified(secrets: Sequence[str], text: str) -> Ticket | None:
    """Return the ticket, expired or not; None if it was issued with none of these secrets. Never
    raises."""
    raw = _decoded(text)
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    genuine = [hmac.compare_digest(_mac(secret, body), mac) for secret in secrets]
    return _parsed(body) if any(genuine) else None


def is_ticket(text: str) -> bool:
    """Return whether the text has the form of a ticket, issued with any secret. Never raise."""
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
    """Return the public URL with one more path segment."""
    return f"{public_url}{'' if public_url.endswith('/') else '/'}{segment}"


def _mac(secret: str, body: bytes) -> bytes:
    key = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()
    return hmac.new(key, body, hashlib.sha256).digest()[:_MAC_BYTES]
