"""Check Twilio's signature of a handshake.

`X-Twilio-Signature` is base64(HMAC-SHA1(auth token, URL)) (Twilio, "Security - Validating
requests"; a WebSocket handshake has no parameters). The URL is the public URL as configured, plus
the path segment after it in the handshake, if there is one. The headers Host and X-Forwarded-* are
never used.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit

from pipeline.twilio.tickets import url_with


class Verdict(Enum):
    """The result of checking a handshake: accepted, or the reason for refusing it."""

    ACCEPTED = "accepted"
    UNSIGNED = "unsigned"
    WRONG_SIGNATURE = "wrong-signature"
    WRONG_TOKEN = "wrong-token"  # noqa: S105 - a verdict
    WRONG_URL = "wrong-url"
    WRONG_PATH = "wrong-path"
    NO_TOKEN = "no-token"  # noqa: S105 - a verdict
    FULL = "full"
    NO_TICKET = "no-ticket"
    TICKET_FORGED = "ticket-forged"
    TICKET_EXPIRED = "ticket-expired"
    TICKET_AHEAD = "ticket-ahead"
    TICKET_USED = "ticket-used"


def signature(token: str, url: str) -> str:
    """Return the signature that Twilio sends for this URL."""
    digest = hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def segment_of(public_url: str, path: str) -> str | None:
    """Return the single segment after the public URL's path in `path`: empty if `path` is the
    public URL's own path, None if it is neither."""
    ours = urlsplit(public_url).path
    if path == (ours or "/"):
        return ""
    base = ours if ours.endswith("/") else f"{ours}/"
    segment = path.removeprefix(base)
    if segment == path or not segment or any(mark in segment for mark in "/?#"):
        return None
    return segment


def signed_url(public_url: str, path: str) -> str | None:
    """Return the URL that Twilio was given for a handshake with `path`, None if there is none."""
    segment = segment_of(public_url, path)
    return url_with(public_url, segment) if segment else None if segment is None else public_url


def other_forms(public_url: str) -> tuple[str, ...]:
    """Return the public URL in other forms in which it could be signed: without its port, with a
    scheme's usual port, and as a URL of HTTP."""
    parts = urlsplit(public_url)
    host = parts.netloc.rpartition("@")[2].rsplit(":", 1)[0] if parts.port else parts.netloc
    ports = dict.fromkeys((host, f"{host}:443", f"{host}:80", parts.netloc))
    schemes = ("wss", "https") if parts.scheme == "wss" else ("ws", "http")
    forms = (f"{scheme}://{port}{parts.path}" for scheme in schemes for port in ports)
    return tuple(form for form in forms if form != public_url)


def signed_form(
    tokens: Sequence[str], public_url: str, path: str, signatures: Sequence[str]
) -> str | None:
    """Return the other form of the public URL in which Twilio signed this handshake, or None if no
    known form matches."""
    for form in other_forms(public_url):
        if judge(tokens, public_url, path, signatures, signed_as=form) is Verdict.ACCEPTED:
            return form
    return None


def judge(
    tokens: Sequence[str],
    public_url: str,
    path: str,
    signatures: Sequence[str],
    *,
    signed_as: str | None = None,
) -> Verdict:
    """Decide on a handshake for `path` with these signature headers. `tokens`: the auth tokens that
    Twilio may have signed with; `signed_as`: another form of the public URL that it may sign."""
    if not tokens:
        return Verdict.NO_TOKEN
    if len(signatures) != 1 or not signatures[0]:
        return Verdict.UNSIGNED
    url = signed_url(public_url, path)
    if url is None:
        return Verdict.WRONG_PATH
    segment = segment_of(public_url, path)
    urls = [url]
    if signed_as is not None:
        urls.append(url_with(signed_as, segment) if segment else signed_as)
    sent = signatures[0].encode("utf-8", "surrogateescape")
    genuine = [
        hmac.compare_digest(signature(token, each).encode(), sent)
        for token in tokens
        for each in urls
    ]
    return Verdict.ACCEPTED if any(genuine) else Verdict.WRONG_SIGNATURE
