"""The pages: calls in progress, search, a contact, unmatched audio."""

from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console import account, timeline
from console.parameters import BadParameterError, read_search, read_unmatched
from console.rendering import Templates
from console.views import without_withheld
from console.visitor import visitor_of
from pipeline.store.repository import Repository
from pipeline.times import iso_time

_PER_PAGE = "25"
_FIELDS = ("q", "agent", "customer", "call_sid", "task_sid", "from", "to", "capture",
           "reconciliation")  # fmt: skip


class Pages:
    """The pages, which show a repository's contents."""

    def __init__(self, repository: Repository, templates: Templates) -> None:
        self._repository = repository
        self._page = templates.page

    def routes(self) -> list[Route]:
        """Return the routes of all pages but those of sign-in and administration."""
        return [
            Route("/", self.calls),
            Route("/search", self.search),
            Route("/contacts/{contact_id}", self.contact),
            Route("/unmatched", self.unmatched),
        ]

    async def calls(self, _: Request) -> Response:
        """Show the calls in progress; console.js updates them."""
        calls = await run_in_threadpool(self._repository.calls_in_progress)
        return self._page("calls.html", here="calls", calls=calls)

    async def search(self, request: Request) -> Response:
        """Show the search form and a page of its results."""
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
        """Show a contact: facts, time line, decisions, recordings. 404 if there is none with that
        id."""
        contact_id = request.path_params["contact_id"]
        contact = await run_in_threadpool(self._repository.contact, contact_id)
        if contact is None:
            raise HTTPException(404, f"There is no contact {contact_id}.")
        contact = without_withheld(contact)
        line = timeline.time_line(contact, visitor_of(request).at)
        return self._page(
            "contact.html",
            here="contact",
            contact=contact,
            line=line,
            entries=account.entries(contact),
        )

    async def unmatched(self, request: Request) -> Response:
        """Show a page of the recordings without a contact."""
        query = {"unmatched": "true", "limit": _PER_PAGE, **request.query_params}
        try:
            wanted = read_unmatched(query.items())
        except BadParameterError as error:
            raise HTTPException(400, str(error)) from error
        page = await run_in_threadpool(self._repository.unmatched, wanted.limit, wanted.cursor)
        more = page.next and "/unmatched?" + urlencode({"cursor": page.next})
        return self._page("unmatched.html", here="unmatched", page=page, more=more)


def _utc(text: str) -> str:
    """Return the value of a `datetime-local` field, which has no offset, as a time in UTC."""
    try:
        naive = iso_time(text).tzinfo is None
    except ValueError:
        return text
    return text + "Z" if naive else text
