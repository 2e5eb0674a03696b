"""Serve the bundled schemas: all of the registry's API that reads, looks up or compares schemas.

A request that would change something is refused with 42205, as by a registry in the mode READONLY.
Query parameters that are unknown or irrelevant here are ignored.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.registry.catalog import (
    MODE,
    Catalog,
    RegistryRefusal,
    VersionedSchema,
    conflicts,
)
from schemas.registry.http import CONTENT_TYPE
from schemas.registry.request_body import SchemaRequest, schema_request
from schemas.registry.subjects import served_subjects

MAX_BODY_BYTES = 1024 * 1024

_Item = TypeVar("_Item")
_DEFAULT_CONTEXT = re.compile(r"^/contexts/(:\.:|\.)(?=/)")
_SUBJECT = "/subjects/{subject:path}"
_VERSION = _SUBJECT + "/versions/{version}"
_COMPATIBILITY = f"/compatibility{_SUBJECT}/versions"


def app(topic_prefix: str) -> Starlette:
    """Return the registry's API for the bundled schemas. It has no state."""
    registry = _Registry(Catalog(served_subjects(topic_prefix)))
    get: dict[str, Callable[[Request], Any]] = {
        "/": lambda _: {},
        "/contexts": lambda request: _page(request, ["."]),
        "/schemas/types": lambda _: ["AVRO"],
        "/schemas": registry.schemas,
        "/schemas/ids/{id}/schema": registry.schema_only,
        "/schemas/ids/{id}/subjects": registry.subjects_of,
        "/schemas/ids/{id}/versions": registry.versions_of,
        "/schemas/ids/{id}": registry.schema,
        "/subjects": registry.subjects,
        f"{_VERSION}/referencedby": registry.referenced_by,
        f"{_VERSION}/schema": registry.version_schema,
        _VERSION: registry.version,
        f"{_SUBJECT}/metadata": registry.latest_with_metadata,
        f"{_SUBJECT}/versions": registry.versions,
        "/config": registry.config,
        "/config/{subject:path}": registry.config,
        "/mode": registry.mode,
        "/mode/{subject:path}": registry.mode,
    }
    post = {
        f"{_COMPATIBILITY}/{{version}}": registry.compatibility,
        _COMPATIBILITY: registry.compatibility,
        f"{_SUBJECT}/versions": registry.register,
        _SUBJECT: registry.look_up,
    }
    changing = ["/config", "/mode", "/config/{subject:path}", "/mode/{subject:path}"]
    return Starlette(
        routes=[
            *[Route(path, _got(answer), methods=["GET"]) for path, answer in get.items()],
            *[Route(path, _posted(answer), methods=["POST"]) for path, answer in post.items()],
            *[Route(path, _refuse, methods=["PUT", "DELETE"]) for path in changing],
            *[Route(path, _refuse, methods=["DELETE"]) for path in (_VERSION, _SUBJECT)],
        ],
        exception_handlers={HTTPException: _http_error, RegistryRefusal: _refused},
        middleware=[Middleware(_PlainPaths)],
    )


class _PlainPaths:
    """Answers a path with a slash at its end, or within the default context, as the plain path.

    Confluent's registry does the same. A client that puts the context into the address of the
    registry sends it with every request.
    """

    def __init__(self, answer: ASGIApp) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = _DEFAULT_CONTEXT.sub("", scope["path"]).rstrip("/") or "/"
            scope = {**scope, "path": path}
        await self._answer(scope, receive, send)


class _Registry:
    """The answers, as they are written in JSON."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def schemas(self, request: Request) -> Any:
        prefix = request.query_params.get("subjectPrefix", "")
        found = self._catalog.all(prefix, latest_only=_is_set(request, "latestOnly"))
        return [_described(each) for each in _page(request, found)]

    def schema(self, request: Request) -> Any:
        answer: dict[str, Any] = {"schema": self._with_id(request).text}
        if _is_set(request, "fetchMaxId"):
            answer["maxId"] = self._catalog.max_id
        return answer

    def schema_only(self, request: Request) -> Any:
        return json.loads(self._with_id(request).text)

    def subjects_of(self, request: Request) -> Any:
        return [each.subject for each in self._filtered(request)]

    def versions_of(self, request: Request) -> Any:
        return [{"subject": v.subject, "version": v.number} for v in self._filtered(request)]

    def subjects(self, request: Request) -> Any:
        if _is_set(request, "deletedOnly"):
            return []
        return _page(request, self._catalog.subjects(request.query_params.get("subjectPrefix", "")))

    def versions(self, request: Request) -> Any:
        found = self._catalog.every_version(request.path_params["subject"])
        listed = not _is_set(request, "deletedOnly")
        others = not listed or _is_set(request, "deleted")
        wanted = [v.number for v in found if (listed if v.is_listed else others)]
        return _page(request, wanted)

    def version(self, request: Request) -> Any:
        return _described(self._version(request))

    def latest_with_metadata(self, request: Request) -> Any:
        found = self._catalog.version(request.path_params["subject"], "latest")
        if request.query_params.getlist("key"):  # no bundled schema has metadata
            raise RegistryRefusal(404, 40403, "Schema not found")
        return _described(found)

    def version_schema(self, request: Request) -> Any:
        return json.loads(self._version(request).text)

    def referenced_by(self, request: Request) -> Any:
        self._version(request)
        return []

    def config(self, request: Request) -> Any:
        self._check_configured(request, 40408, "compatibility")
        subject = request.path_params.get("subject", "")
        return {"compatibilityLevel": self._catalog.compatibility(subject)}

    def mode(self, request: Request) -> Any:
        self._check_configured(request, 40409, "mode")
        return {"mode": MODE}

    def look_up(self, request: Request, wanted: SchemaRequest) -> Any:
        found = self._found(request, wanted)
        if found is None:
            raise RegistryRefusal(404, 40403, "Schema not found")
        return _described(found)

    def register(self, request: Request, wanted: SchemaRequest) -> Any:
        subject = request.path_params["subject"]
        found = self._found(request, wanted) if self._catalog.has(subject) else None
        if found is None or wanted.schema_id not in (None, found.schema_id):
            raise RegistryRefusal(
                422, 42205, f"Subject {subject} is in read-only mode, and has no such schema"
            )
        return {"id": found.schema_id, "version": found.number, "schema": found.text}

    def compatibility(self, request: Request, wanted: SchemaRequest) -> Any:
        others: Sequence[VersionedSchema] = self._catalog.versions(request.path_params["subject"])
        if "version" in request.path_params:
            others = [self._version(request)]
        messages = ["the schema is not Avro"]
        if wanted.schema is not None:
            messages = conflicts(wanted.schema, others)
        verbose = {"messages": messages} if _is_set(request, "verbose") else {}
        return {"is_compatible": not messages, **verbose}

    def _found(self, request: Request, wanted: SchemaRequest) -> VersionedSchema | None:
        subject = request.path_params["subject"]
        self._catalog.versions(subject)
        if wanted.schema is None or wanted.is_annotated:
            return None
        # A registry compares documentation too. Ours may change under one id, so a schema with
        # other texts is found on request.
        with_docs = not _is_set(request, "normalize")
        return self._catalog.find(subject, wanted.schema, with_docs=with_docs)

    def _version(self, request: Request) -> VersionedSchema:
        return self._catalog.version(request.path_params["subject"], request.path_params["version"])

    def _with_id(self, request: Request) -> VersionedSchema:
        return self._catalog.by_id(request.path_params["id"])[0]

    def _filtered(self, request: Request) -> Sequence[VersionedSchema]:
        subject = request.query_params.get("subject")
        return _page(request, self._catalog.by_id(request.path_params["id"], subject))

    def _check_configured(self, request: Request, code: int, what: str) -> None:
        subject = request.path_params.get("subject", "")
        if subject and not self._catalog.has(subject) and not _is_set(request, "defaultToGlobal"):
            raise RegistryRefusal(
                404, code, f"Subject '{subject}' does not have subject-level {what} configured"
            )


def _described(version: VersionedSchema) -> dict[str, Any]:
    return {
        "subject": version.subject,
        "version": version.number,
        "id": version.schema_id,
        "schema": version.text,
    }


def _is_set(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() == "true"


def _page(request: Request, items: Sequence[_Item]) -> Sequence[_Item]:
    """Return the part of a list that `offset` and `limit` ask for; a limit below 1 means no
    limit."""
    first, most = _count(request, "offset"), _count(request, "limit")
    return items[first : first + most if most else None]


def _count(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _got(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return _json(answer(request))

    return endpoint


def _posted(answer: Callable[[Request, SchemaRequest], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return _json(answer(request, schema_request(await _body(request))))

    return endpoint


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise RegistryRefusal(413, 413, f"a body may have at most {MAX_BODY_BYTES} bytes")
    except ClientDisconnect as error:
        raise RegistryRefusal(400, 400, "the body is not complete") from error
    return body


async def _refuse(_: Request) -> Response:
    raise RegistryRefusal(422, 42205, "The registry is in read-only mode")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RegistryRefusal)
    return _json({"error_code": error.code, "message": str(error)}, error.status)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _json({"error_code": error.status_code, "message": error.detail}, error.status_code)
    answer.headers.update(error.headers or {})
    return answer


def _json(content: Any, status: int = 200) -> Response:
    # ASCII only: a request may contain half of a surrogate pair, and an answer repeats parts of it.
    return Response(json.dumps(content), status, media_type=CONTENT_TYPE)
