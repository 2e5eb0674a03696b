"""Checks of the values of settings. Each returns the value, or raises `ValueError` with the correct
form.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from pipeline.times import moment
from pipeline.twilio.sids import SidKind, valid_sid
from schemas.registry.http import without_credentials

TRIM_HORIZON, LATEST = "trim-horizon", "latest"


LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port of `host:port`; IPv6 hosts are in brackets. Raise `ValueError`."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([^:\s/]+)):(\d{1,5})", text.strip())
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{text!r} is not host:port, as in 0.0.0.0:8080")
    return match[1] or match[2], int(match[3])


def checked_listen(text: str) -> str:
    listen_address(text)
    return text.strip()


def checked_http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is not an http:// or https:// URL")
    return text.rstrip("/")


def checked_twilio_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError(
            f"{text!r} would send the credentials in clear text; it must be https://, or http:// "
            "to a loopback host"
        )
    return checked_http_url(text)


def checked_registry_url(text: str) -> str:
    """Check the URL without repeating the password that may be in it."""
    parts = urlsplit(text)
    has_credentials = parts.username is not None or parts.password is not None
    if parts.scheme == "http" and has_credentials and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError(
            "it would send the user name and the password in clear text; it must be https://, or "
            "http:// to a loopback host"
        )
    checked_http_url(without_credentials(text))
    return text.rstrip("/")


def checked_servers(text: str) -> str:
    for server in text.split(","):
        try:
            _, port = listen_address(server)
        except ValueError:
            port = 0
        if not port:
            raise ValueError(f"{server!r} is not host:port; several are parted by commas")
    return text


def checked_endpoint(text: str | None) -> str | None:
    return None if text is None else checked_http_url(text)


def checked_gateway_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise ValueError(f"{text!r} has a query or fragment; Twilio takes neither")
    if parts.scheme == "wss" and parts.hostname:
        return text
    if parts.scheme == "ws" and parts.hostname in LOOPBACK_HOSTS:
        return text
    raise ValueError(f"{text!r} is not wss://..., nor ws:// to a loopback host")


def checked_signed_url(text: str) -> str:
    parts = urlsplit(text)
    is_url = parts.scheme in ("wss", "ws", "https", "http") and bool(parts.hostname)
    if not is_url or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not a wss:// or https:// URL without a query")
    return text


def checked_recordings_url(text: str) -> str:
    """Check the URL of a store."""
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return text
    if parts.scheme == "s3" and parts.netloc:
        return text
    raise ValueError(f"{text!r} is neither file:///directory nor s3://bucket/prefix")


def checked_prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", text):
        raise ValueError(f"{text!r} may hold only letters, digits, '.', '_' and '-'")
    return text


def checked_account(text: str) -> str:
    if (sid := valid_sid(SidKind.ACCOUNT, text)) is None:
        raise ValueError(f"{text!r} is not an account SID: AC and 32 hexadecimal digits")
    return sid


def checked_start(text: str) -> str:
    if text not in (TRIM_HORIZON, LATEST):
        try:
            moment(text)
        except ValueError:
            raise ValueError(
                f"it must be {TRIM_HORIZON}, {LATEST} or a time, RFC 3339 with an offset, as in "
                "2026-01-31T12:00:00Z"
            ) from None
    return text


def checked_file_mode(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    if text not in ("0600", "0640", "0660"):
        raise ValueError("it must be 0600 (the owner), 0640 or 0660 (the group too)")
    return int(text, 8)


def checked_channels(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not re.fullmatch(r"[^\s;|\"']{1,64}", name):
            raise ValueError(
                f"{name!r} is no unique name of a task channel; several are parted by commas, as "
                "in voice,custom1"
            )
    return frozenset(name.lower() for name in names)


def empty_as_unset(value: Any) -> Any:
    return None if value == "" else value
