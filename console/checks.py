"""Evaluate a request's headers and parameters for access control. No input raises. Pure."""

import re
from urllib.parse import quote

from starlette.datastructures import Headers

_HOST = re.compile(r"([A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_ORIGIN = re.compile(r"https?://([^/?#@\s]+)", re.IGNORECASE)
_COOKIE = "flexcapture_session"


def cookie_name(scheme: str) -> str:
    """Return the session cookie's name. Over https it begins with `__Host-`: browsers accept such a
    name only from this host itself, and only with `Secure`."""
    return f"__Host-{_COOKIE}" if scheme == "https" else _COOKIE


def bearer_token(headers: Headers) -> str | None:
    """Return the token of an `Authorization: Bearer` header, or None if there is no such header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_host(host: str | None) -> bool:
    """Return whether a `Host` header has the form of a server's name or address. None is valid,
    because HTTP/1.0 needs no such header."""
    return host is None or _HOST.fullmatch(host) is not None


def sign_in_path(method: str, path: str, query: str) -> str:
    """Return the path of the sign-in page, with the page to return to. Only GET and HEAD requests
    are returned to; a form is not sent again."""
    wanted = path + (f"?{query}" if query else "")
    if method not in ("GET", "HEAD") or own_path(wanted) == "/":
        return "/sign-in"
    return f"/sign-in?next={quote(wanted, safe='')}"


def own_path(wanted: str) -> str:
    """Return `wanted` if it is a path of this site, else the path of the first page."""
    local = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if local and wanted.isprintable() else "/"


def is_from_own_page(headers: Headers) -> bool:
    """Return whether a page of this site sent a form, according to the browser's headers."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    # A browser that hides the origin (Referrer-Policy) sends "null". Then Sec-Fetch-Site decides.
    if origin is None or (origin == "null" and "sec-fetch-site" in headers):
        return True
    match = _ORIGIN.fullmatch(origin)
    return match is not None and match[1].lower() == headers.get("host", "").lower()
