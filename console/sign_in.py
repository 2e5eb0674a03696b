"""The sign-in page, sign-in and sign-out."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.auditing import Auditor
from console.body import form_field
from console.checks import cookie_name, is_from_own_page, own_path
from console.gate import SIGN_IN, Gate
from console.rendering import Templates
from console.sessions import ABSOLUTE_MS
from console.visitor import visitor_of
from pipeline.store.audit import Action
from pipeline.store.sessions import ConsoleSession


class SignIn:
    """Exchanges the token for a session, and ends the session."""

    def __init__(self, gate: Gate, auditor: Auditor, templates: Templates) -> None:
        self._gate = gate
        self._sessions = gate.sessions
        self._auditor = auditor
        self._templates = templates

    def routes(self) -> list[Route]:
        """Return the routes of `/sign-in` and `/sign-out`."""
        return [
            Route(SIGN_IN, self.show, methods=["GET"]),
            Route(SIGN_IN, self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        """Show the sign-in form."""
        return self._templates.page("sign_in.html", here="sign-in", error=None)

    async def sign_in(self, request: Request) -> Response:
        """Check the token and set the cookie of a new session. An earlier session of the same
        browser ends."""
        if not is_from_own_page(request.headers):
            raise HTTPException(403, "This form was sent from another site.")
        visitor = visitor_of(request)
        token = await form_field(request, "token")
        if not await self._gate.check_token(token, visitor.address, "sign-in form"):
            text = "Wrong token."
            return self._templates.page("sign_in.html", 403, here="sign-in", error=text)
        await self._end(request, await self._gate.session(request, visitor.at))
        agent = request.headers.get("user-agent", "")
        session, cookie = await run_in_threadpool(
            self._sessions.begin, visitor.address, agent, visitor.at
        )
        await self._auditor.note(request, Action.SIGN_IN, f"session {session.session_id}")
        response = RedirectResponse(own_path(request.query_params.get("next", "/")), 303)
        _set_cookie(response, request, cookie)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session on the server, and make the browser delete everything it has stored."""
        await self._end(request, visitor_of(request).session)
        response = RedirectResponse(SIGN_IN, 303)
        scheme = request.scope["scheme"]
        response.delete_cookie(
            cookie_name(scheme), secure=scheme == "https", httponly=True, samesite="strict"
        )
        response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
        return response

    async def _end(self, request: Request, session: ConsoleSession | None) -> None:
        if session is None:
            return
        await run_in_threadpool(self._sessions.end, session.session_id)
        await self._auditor.note(request, Action.SIGN_OUT, f"session {session.session_id}")


def _set_cookie(response: Response, request: Request, cookie: str) -> None:
    scheme = request.scope["scheme"]
    response.set_cookie(
        cookie_name(scheme),
        cookie,
        max_age=ABSOLUTE_MS // 1000,
        secure=scheme == "https",
        httponly=True,
        samesite="strict",
    )
