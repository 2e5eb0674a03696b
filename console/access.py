"""Who may come in: the bearer of the token, or of the cookie that signing in with it gave.

The cookie is signed with a key made from the token: another token, and every cookie is void. It
goes with no request that another site starts (`SameSite=Strict`), and nothing but signing in and
out changes anything; those two look at the request's origin besides.
"""

import hashlib
import hmac
from urllib.parse import quote, urlsplit

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "flexcapture_session"
SESSION_S = 12 * 60 * 60
_WHO = b"administrator"
_OPEN = ("/healthz", "/metrics", "/sign-in")


class Gate:
    """Knows the token, and tells who holds it."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        key = hashlib.sha256(b"flexcapture console session\n" + self._token).digest()
        self._signer = TimestampSigner(
            key, salt="flexcapture.session", digest_method=hashlib.sha256
        )

    def is_token(self, candidate: str) -> bool:
        """Whether this is the token; takes as long for a near miss as for a far one."""
        return hmac.compare_digest(candidate.encode(), self._token)

    def cookie(self) -> str:
        """A cookie's value that opens the console for `SESSION_S` from now."""
        return self._signer.sign(_WHO).decode()

    def admits(self, connection: HTTPConnection) -> bool:
        """Whether the request carries the token or a good cookie."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.is_token(token.strip())
        try:
            cookie = connection.cookies.get(COOKIE, "")
            return self._signer.unsign(cookie, max_age=SESSION_S) == _WHO
        except BadSignature:
            return False


class GateMiddleware:
    """Lets through what `Gate` admits: the API answers others 401, pages send them to sign in."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._passes(scope):
            await _turned_away(Request(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _passes(self, scope: Scope) -> bool:
        path = scope["path"]
        return (
            path in _OPEN or path.startswith("/static/") or self._gate.admits(HTTPConnection(scope))
        )


def _turned_away(request: Request) -> Response:
    path = request.url.path
    if path == "/api" or path.startswith("/api/"):
        return JSONResponse(
            {"error": "no or wrong token: send Authorization: Bearer <token>"},
            401,
            {"WWW-Authenticate": 'Bearer realm="flexcapture"'},
        )
    wanted = path + (f"?{request.url.query}" if request.url.query else "")
    query = "" if wanted == "/" else f"?next={quote(wanted, safe='')}"
    return RedirectResponse(f"/sign-in{query}", 303)


def own_path(wanted: str) -> str:
    """`wanted` where it is a path of this site, else the first page."""
    parts = urlsplit(wanted)
    local = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    plain = wanted.isprintable() and not parts.scheme and not parts.netloc
    return wanted if local and plain else "/"


def from_own_page(headers: Headers) -> bool:
    """Whether a form was sent by a page of this site, as far as the browser tells."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    # A browser that hides the origin (Referrer-Policy) says "null"; Sec-Fetch-Site has spoken then.
    if origin is None or (origin == "null" and "sec-fetch-site" in headers):
        return True
    return urlsplit(origin).netloc == headers.get("host")
