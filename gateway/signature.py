"""Who may open a socket: Twilio's signature over the URL that it was told, nothing else.

`X-Twilio-Signature` is base64(HMAC-SHA1(auth token, URL)) (Twilio, "Security - Validating
requests"; a WebSocket handshake has no parameters). The URL is the public URL as configured, plus
the path segment that followed it in the handshake, if one did: never what Host or X-Forwarded
headers say.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit


class Verdict(Enum):
    """What becomes of a handshake."""

    ACCEPTED = "accepted"
    UNSIGNED = "unsigned"
    WRONG_SIGNATURE = "wrong-signature"
    WRONG_PATH = "wrong-path"
    NO_TOKEN = "no-token"  # noqa: S105 - a verdict


def signature(token: str, url: str) -> str:
    """What Twilio sends for this URL."""
    digest = hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def signed_url(public_url: str, path: str) -> str | None:
    """The URL that a handshake for `path` was told; None where no URL of ours has that path."""
    ours = urlsplit(public_url).path
    if path == (ours or "/"):
        return public_url
    base, separator = (ours, "") if ours.endswith("/") else (ours, "/")
    segment = path.removeprefix(base + separator)
    if segment == path or not segment or any(mark in segment for mark in "/?#"):
        return None
    return public_url + separator + segment


def judge(token: str | None, public_url: str, path: str, signatures: Sequence[str]) -> Verdict:
    """What becomes of a handshake for `path` that carried these signature headers."""
    if token is None:
        return Verdict.NO_TOKEN
    if len(signatures) != 1 or not signatures[0]:
        return Verdict.UNSIGNED
    url = signed_url(public_url, path)
    if url is None:
        return Verdict.WRONG_PATH
    sent = signatures[0].encode("utf-8", "surrogateescape")
    if hmac.compare_digest(signature(token, url).encode(), sent):
        return Verdict.ACCEPTED
    return Verdict.WRONG_SIGNATURE
