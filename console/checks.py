"""What a request's headers and parameters mean for access. No input raises. Pure."""

import re
from urllib.parse import quote

from starlette.datastructures import Headers

_HOST = re.compile(r"([A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_ORIGIN = re.compile(r"https?://([^/?#@\s]+)", re.IGNORECASE)
_COOKIE = "flexcapture_session"


def cookie_name(scheme: str) -> str:
    """Return the session cookie's name. Over https, browsers accept a name that begins with
    `__Host-` only from this very host, and only with `Secure`."""
    return f"__Host-{_COOKIE}" if scheme == "https" else _COOKIE


def bearer_token(headers: Headers) -> str | None:
    """Return the token of an `Authorization: Bearer` header, or None if there is no such header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_host(host: str | None) -> bool:
    """Whether a `Host` header can be the name or address of a server. HTTP/1.0 needs none."""
    return host is None or _HOST.fullmatch(host) is not None


def sign_in_path(method: str, path: str, query: str) -> str:
    """Return the path of the sign-in page that leads back to a page. Only pages that were read are
    returned to; a form is not sent again."""
    wanted = path + (f"?{query}" if query else "")
    if method not in ("GET", "HEAD") or own_path(wanted) == "/":
        return "/sign-in"
    return f"/sign-in?next={quote(wanted, safe='')}"


def own_path(wanted: str) -> str:
    """Return `wanted` if it is a path of this site, else the first page."""
    local = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if local and wanted.isprintable() else "/"


def is_from_own_page(headers: Headers) -> bool:
    """Whether a form was sent by a page of this site, as far as the browser says."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    # A browser that hides the origin (Referrer-Policy) says "null"; Sec-Fetch-Site has spoken then.
    if origin is None or (origin == "null" and "sec-fetch-site" in headers):
        return True
    match = _ORIGIN.fullmatch(origin)
    return match is not None and match[1].lower() == headers.get("host", "").lower()
