"""Pages and API endpoints that list and end sessions, and that show the audit table."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from console.auditing import Auditor
from console.parameters import BadParameterError, read_audit
from console.rendering import Templates
from console.sessions import Sessions, expires_at
from console.times import rfc3339
from console.views import Json
from console.visitor import visitor_of
from pipeline.store.audit import Action, AuditEntry, AuditLog, StoredEntry
from pipeline.store.sessions import ConsoleSession

_PER_PAGE = "100"


class Administration:
    """The endpoints and pages for sessions and audit."""

    def __init__(
        self, sessions: Sessions, audit_log: AuditLog, auditor: Auditor, templates: Templates
    ) -> None:
        self._sessions = sessions
        self._audit_log = audit_log
        self._auditor = auditor
        self._templates = templates

    def routes(self) -> list[Route]:
        """Return the routes of all endpoints and pages."""
        return [
            Route("/sessions", self.sessions_page),
            Route("/sessions/{session_id}/end", self.end_from_page, methods=["POST"]),
            Route("/audit", self.audit_page),
            Route("/api/sessions", self.sessions),
            Route("/api/sessions/{session_id}", self.end, methods=["DELETE"]),
            Route("/api/audit", self.audit),
        ]

    async def sessions(self, request: Request) -> Response:
        """Answer with the sessions that have not ended or expired."""
        visitor = visitor_of(request)
        found = await run_in_threadpool(self._sessions.valid, visitor.at)
        own = visitor.session.session_id if visitor.session else None
        return JSONResponse({"sessions": [_session_json(session, own) for session in found]})

    async def end(self, request: Request) -> Response:
        """End a session. 404 if there is none with that id."""
        await self._end(request)
        return Response(status_code=204)

    async def audit(self, request: Request) -> Response:
        """Answer with a page of the audit table, newest entries first."""
        found, following = await self._audit(request.query_params.multi_items())
        return JSONResponse({"entries": [_entry_json(e.entry) for e in found], "next": following})

    async def sessions_page(self, request: Request) -> Response:
        """Show the sessions, each with a button that ends it."""
        visitor = visitor_of(request)
        found = await run_in_threadpool(self._sessions.valid, visitor.at)
        return self._templates.page(
            "sessions.html", here="sessions", sessions=found, current=visitor.session
        )

    async def end_from_page(self, request: Request) -> Response:
        """End a session, then show the others."""
        await self._end(request)
        return RedirectResponse("/sessions", 303)

    async def audit_page(self, request: Request) -> Response:
        """Show a page of the audit table, newest entries first."""
        query = {"limit": _PER_PAGE, **request.query_params}
        found, following = await self._audit(list(query.items()))
        more = following and f"/audit?cursor={following}"
        return self._templates.page("audit.html", here="audit", entries=found, more=more)

    async def _end(self, request: Request) -> None:
        session_id = request.path_params["session_id"]
        if not await run_in_threadpool(self._sessions.end, session_id):
            raise HTTPException(404, f"there is no session {session_id}")
        actor, detail = visitor_of(request).actor, f"session {session_id}"
        await self._auditor.note(request, Action.END_SESSION, actor, detail)

    async def _audit(self, query: list[tuple[str, str]]) -> tuple[list[StoredEntry], str | None]:
        try:
            wanted = read_audit(query)
        except BadParameterError as error:
            raise HTTPException(400, str(error)) from error
        found = await run_in_threadpool(self._audit_log.latest, wanted.limit + 1, wanted.before)
        page = found[: wanted.limit]
        return page, str(page[-1].position) if len(found) > wanted.limit else None


def _session_json(session: ConsoleSession, own: str | None) -> Json:
    return {
        "session_id": session.session_id,
        "started_at": rfc3339(session.started_at),
        "active_at": rfc3339(session.active_at),
        "expires_at": rfc3339(expires_at(session)),
        "address": session.address,
        "user_agent": session.user_agent,
        "current": session.session_id == own,
    }


def _entry_json(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": rfc3339(entry.at),
        "action": entry.action,
        "actor": entry.actor or None,
        "address": entry.address,
        "inum": entry.inum or None,
        "recording_id": entry.recording_id or None,
        "detail": entry.detail or None,
    }
