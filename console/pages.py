"""The pages: sign-in, calls in progress, search, a contact, unmatched audio. There is no build
step: they are rendered here."""

import time
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from console import account, timeline
from console.access import COOKIE, SESSION_S, Gate, from_own_page, own_path
from console.parameters import CAPTURES, BadParameterError, read_search, read_unmatched
from console.times import clock, lasting, shown
from console.views import recording_path
from pipeline.store.repository import Repository

_HERE = Path(__file__).parent
_PER_PAGE = "25"
_FIELDS = ("q", "agent", "customer", "call_sid", "task_sid", "from", "to", "capture")


class Pages:
    """The pages on a repository."""

    def __init__(self, repository: Repository, gate: Gate) -> None:
        self._repository = repository
        self._gate = gate
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "shown": shown,
            "clock": clock,
            "lasting": lasting,
            "seconds": account.seconds,
            "lost": account.lost,
            "not_sent": account.not_sent,
            "losses": account.losses,
            "in_words": account.capture,
            "path": recording_path,
        }
        self._templates.globals |= {
            "WIDTH": timeline.WIDTH,
            "LABEL": timeline.LABEL,
            "CAPTURES": CAPTURES,
        }

    def routes(self) -> list[Route]:
        """All pages."""
        return [
            Route("/", self.calls),
            Route("/search", self.search),
            Route("/contacts/{contact_id}", self.contact),
            Route("/unmatched", self.unmatched),
            Route("/sign-in", self.sign_in, methods=["GET", "POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def calls(self, _: Request) -> Response:
        """The calls in progress; console.js keeps them true."""
        calls = await run_in_threadpool(self._repository.calls_in_progress)
        return self._page("calls.html", here="calls", calls=calls)

    async def search(self, request: Request) -> Response:
        """The search form and a page of what it finds."""
        asked = dict(request.query_params)
        form = {name: asked.get(name, "").strip() for name in _FIELDS}
        wanted = {name: value for name, value in form.items() if value}
        query = {**wanted, "limit": _PER_PAGE, "cursor": asked.get("cursor", "")}
        query |= {name: _utc(wanted[name]) for name in ("from", "to") if name in wanted}
        try:
            search = read_search(query.items())
        except BadParameterError as error:
            return self._page(
                "search.html", 400, here="search", form=form, page=None, more=None, error=str(error)
            )
        page = await run_in_threadpool(
            self._repository.search, search.filters, search.limit, search.cursor
        )
        more = page.next and "/search?" + urlencode({**wanted, "cursor": page.next})
        return self._page("search.html", here="search", form=form, page=page, more=more, error=None)

    async def contact(self, request: Request) -> Response:
        """A contact: facts, time line, decisions, recordings."""
        contact_id = request.path_params["contact_id"]
        contact = await run_in_threadpool(self._repository.contact, contact_id)
        if contact is None:
            raise HTTPException(404, f"There is no contact {contact_id}.")
        line = timeline.time_line(contact, time.time_ns() // 1_000_000)
        return self._page(
            "contact.html",
            here="contact",
            contact=contact,
            line=line,
            entries=account.entries(contact),
        )

    async def unmatched(self, request: Request) -> Response:
        """A page of the recordings whose task is not known to be a contact."""
        query = {"unmatched": "true", "limit": _PER_PAGE, **request.query_params}
        try:
            wanted = read_unmatched(query.items())
        except BadParameterError as error:
            raise HTTPException(400, str(error)) from error
        page = await run_in_threadpool(self._repository.unmatched, wanted.limit, wanted.cursor)
        more = page.next and "/unmatched?" + urlencode({"cursor": page.next})
        return self._page("unmatched.html", here="unmatched", page=page, more=more)

    async def sign_in(self, request: Request) -> Response:
        """Takes the token, gives the cookie."""
        wanted = own_path(request.query_params.get("next", "/"))
        if request.method != "POST":
            return self._page("sign_in.html", here="sign-in", error=None)
        if not from_own_page(request.headers):
            raise HTTPException(403, "This form was sent from another site.")
        if not self._gate.is_token(_token(await request.form())):
            return self._page("sign_in.html", 403, here="sign-in", error="That is not the token.")
        response = RedirectResponse(wanted, 303)
        response.set_cookie(
            COOKIE,
            self._gate.cookie(),
            max_age=SESSION_S,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        """Takes the cookie away."""
        if not from_own_page(request.headers):
            raise HTTPException(403, "This form was sent from another site.")
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    def error(self, status: int, text: str) -> Response:
        """A page that says what went wrong."""
        return self._page("error.html", status, here="error", status=status, text=text)

    def _page(self, name: str, code: int = 200, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(values), code)


def _token(form: FormData) -> str:
    token = form.get("token", "")
    return token.strip() if isinstance(token, str) else ""


def _utc(text: str) -> str:
    """What a `datetime-local` field gives, which knows no offset, as a time in UTC."""
    try:
        naive = datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return text
    return text + "Z" if naive else text
