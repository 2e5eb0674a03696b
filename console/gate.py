"""Access control: by the token, or by the cookie of a session.

Browsers send the cookie with no request that another site starts (`SameSite=Strict`). In addition,
requests that may change something are checked for their origin.
"""

import asyncio
import hmac
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from console.auditing import Auditor
from console.checks import bearer_token, cookie_name, is_from_own_page, is_host, sign_in_path
from console.sessions import Sessions
from console.visitor import Visitor, address_of, set_visitor
from console.wrong_tokens import LONGEST_DELAY_S, WrongTokens
from pipeline.store.sessions import ConsoleSession

HEALTH = "/healthz"
SIGN_IN = "/sign-in"
_NO_TOKEN = "no or wrong token: send Authorization: Bearer <token>"  # noqa: S105
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="flexcapture"'}
_POLLED = "/api/calls"
"""The page of calls in progress polls this every 2 s, so requests for it are not user activity."""
_READS = frozenset({"GET", "HEAD"})
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""The methods that are allowed or not depending on the path. Any other method (TRACE, CONNECT) is
always refused."""


class Gate:
    """Identifies the sender of a request. `clock` returns ms since the Unix epoch."""

    def __init__(
        self, tokens: Sequence[str], sessions: Sessions, auditor: Auditor, clock: Callable[[], int]
    ) -> None:
        self.sessions = sessions
        self.clock = clock
        self._tokens = [token.encode() for token in tokens]
        self._auditor = auditor
        self._wrong_tokens = WrongTokens()

    async def check_token(self, candidate: str, address: str, where: str) -> bool:
        """Return whether `candidate` is a token of the console; False only after a delay. Raise
        `HTTPException` (429) if too many answers are being delayed. `where`: the source of the
        token, for log and audit table."""
        if any(hmac.compare_digest(candidate.encode(), token) for token in self._tokens):
            return True
        now = self.clock()
        refusal = self._wrong_tokens.refuse(address, now)
        try:
            await self._auditor.note_refusal(address, refusal, where, now)
            if refusal.delay_s is None:
                headers = {"Retry-After": str(round(LONGEST_DELAY_S))}
                raise HTTPException(429, "too many wrong tokens", headers)
            await asyncio.sleep(refusal.delay_s)
        finally:
            self._wrong_tokens.answered(refusal)
        return False

    async def visitor(self, connection: HTTPConnection) -> Visitor:
        """Return the sender of a request. Raise `HTTPException` (401) for a wrong token, and an
        `SQLAlchemyError` if the database cannot look up a cookie."""
        now, address = self.clock(), address_of(connection)
        token = bearer_token(connection.headers)
        if token is None:
            return Visitor(now, address, await self.session(connection, now))
        if await self.check_token(token, address, "Authorization"):
            return Visitor(now, address, has_token=True)
        raise HTTPException(401, _NO_TOKEN, _CHALLENGE)

    async def session(self, connection: HTTPConnection, now: int) -> ConsoleSession | None:
        """Return the valid session of the request's cookie, None if there is none."""
        cookie = connection.cookies.get(cookie_name(connection.scope["scheme"]), "")
        return await run_in_threadpool(self.sessions.find, cookie, now) if cookie else None


class GateMiddleware:
    """Lets requests of admitted senders through. Others get 401 from the API, and are redirected to
    the sign-in page from pages."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if request.method not in _METHODS:
            raise HTTPException(405, "this method is not allowed", {"Allow": ", ".join(_METHODS)})
        if not is_host(request.headers.get("host")):
            raise HTTPException(400, "the Host header is not a host name or address")
        if "\x00" in scope["path"]:
            raise HTTPException(404, "there is no such page")
        visitor = await self._visitor(request)
        if not (visitor.is_admitted or _is_open(scope["path"])):
            await _turn_away(request)(scope, receive, send)
            return
        if visitor.session is not None:
            await self._check_session(request, visitor.session, visitor.at)
        set_visitor(scope, visitor)
        await self._app(scope, receive, send)

    async def _visitor(self, request: Request) -> Visitor:
        path = request.scope["path"]
        stranger = Visitor(self._gate.clock(), address_of(request))
        if path == SIGN_IN or path.startswith("/static/"):
            return stranger
        try:
            return await self._gate.visitor(request)
        except SQLAlchemyError:
            if path == HEALTH:
                return stranger
            raise

    async def _check_session(self, request: Request, session: ConsoleSession, now: int) -> None:
        if request.method not in _READS and not is_from_own_page(request.headers):
            raise HTTPException(403, "This request was sent from another site.")
        if request.scope["path"] not in (_POLLED, HEALTH):
            await run_in_threadpool(self._gate.sessions.note_activity, session, now)


def _is_open(path: str) -> bool:
    return path in (HEALTH, SIGN_IN) or path.startswith("/static/")


def _turn_away(request: Request) -> RedirectResponse:
    path: str = request.scope["path"]
    if path in ("/api", "/metrics") or path.startswith("/api/"):
        raise HTTPException(401, _NO_TOKEN, _CHALLENGE)
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse(sign_in_path(request.method, path, query), 303)
