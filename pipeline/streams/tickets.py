"""Tickets: what the last path segment of a start request's `Url` carries, so that a handshake seen
once cannot be repeated for ever.

Twilio signs the URL alone, without time or nonce. The adapter puts a ticket into the URL of each
start request, good for one minute and for one call of one account; the gateway asks for it beside
the signature. Both derive its key from the Twilio auth token, which both have anyhow.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum

GOOD_FOR_S = 60
MOST_AHEAD_S = 180
"""A ticket that expires later than this was not made by a clock that agrees with ours."""
NONCE_BYTES = 8
_MAC_BYTES = 16
_PURPOSE = b"flexcapture: media stream ticket, version 1"


class Fault(Enum):
    """Why a ticket is none."""

    FORGED = "ticket-forged"
    EXPIRED = "ticket-expired"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whom it lets in. `expires_at`: Unix time, s; `nonce`: hexadecimal, unlike any other's."""

    account_sid: str
    call_sid: str
    expires_at: int
    nonce: str


def issued(auth_token: str, account_sid: str, call_sid: str, now: float, nonce: bytes) -> str:
    """A ticket's text, fit for a path: good from now (Unix time, s) on for `GOOD_FOR_S`. `nonce`:
    `NONCE_BYTES` random bytes."""
    expires_at = int(now) + GOOD_FOR_S
    body = " ".join((str(expires_at), nonce.hex(), account_sid, call_sid)).encode()
    return base64.urlsafe_b64encode(_mac(auth_token, body) + body).decode().rstrip("=")


def examined(auth_token: str, text: str, now: float) -> Ticket | Fault:
    """What a ticket says, if it is genuine and good at `now` (Unix time, s). Never raises."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return Fault.FORGED
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(_mac(auth_token, body), mac):
        return Fault.FORGED
    expires_at, nonce, account_sid, call_sid = body.decode().split(" ")
    if not now <= int(expires_at) <= now + MOST_AHEAD_S:
        return Fault.EXPIRED
    return Ticket(account_sid, call_sid, int(expires_at), nonce)


def url_with(public_url: str, segment: str) -> str:
    """The public URL with one more path segment."""
    return f"{public_url}{'' if public_url.endswith('/') else '/'}{segment}"


def _mac(auth_token: str, body: bytes) -> bytes:
    key = hmac.new(auth_token.encode(), _PURPOSE, hashlib.sha256).digest()
    return hmac.new(key, body, hashlib.sha256).digest()[:_MAC_BYTES]
