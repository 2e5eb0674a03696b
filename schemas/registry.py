"""Serve the schemas read-only, or register them in the configured schema registry. API:
docs.confluent.io, "Schema Registry API Reference".

Subjects follow the TopicRecordNameStrategy, `<topic>-flexcapture.<Record>`, because a topic may
have several record types. A topic with only one has also the subject `<topic>-value`, which tools
look for first. The subject of a record that is on no topic, only in tables, is
`flexcapture.<Record>`. A subject has the versions of its record type. The ids are always those of
`schemas.codec`.
"""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from schemas.codec import SCHEMA_IDS, schema_text, versions
from schemas.topics import ALL

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
NAMESPACE = "flexcapture"
_SECONDS = 10.0


class RegistryError(RuntimeError):
    """The configured registry cannot store our schemas under our ids. The text gives the reason."""


def subjects(topic_prefix: str) -> dict[str, str]:
    """Return the name of the record type of each subject."""
    found: dict[str, str] = {}
    for topic in ALL:
        names = [name for name in topic.records if name in SCHEMA_IDS]
        for name in names:
            found[f"{topic_prefix}{topic.name}-{NAMESPACE}.{name}"] = name
        if len(topic.records) == 1 and names:
            found[f"{topic_prefix}{topic.name}-value"] = names[0]
    on_topics = set(found.values())
    tables = {f"{topic_prefix}{NAMESPACE}.{n}": n for n in SCHEMA_IDS if n not in on_topics}
    return found | tables


def app(topic_prefix: str) -> Starlette:
    """Return the registry's reading API for the bundled schemas. Requests that write get 405."""
    registry = _Registry(subjects(topic_prefix))
    paths = {
        "/": registry.root,
        "/subjects": registry.all_subjects,
        "/subjects/{subject:path}/versions/{version}/schema": registry.version_schema,
        "/subjects/{subject:path}/versions/{version}": registry.version,
        "/subjects/{subject:path}/versions": registry.versions,
        "/schemas/types": registry.types,
        "/schemas/ids/{id}/schema": registry.schema_only,
        "/schemas/ids/{id}/subjects": registry.subjects_of,
        "/schemas/ids/{id}/versions": registry.versions_of,
        "/schemas/ids/{id}": registry.schema,
        "/config": registry.config,
        "/mode": registry.mode,
    }
    return Starlette(
        routes=[Route(path, endpoint, methods=["GET"]) for path, endpoint in paths.items()],
        exception_handlers={HTTPException: _told},
    )


class _NotFound(HTTPException):
    """404 with the error code that the registry's API defines."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(404, message)
        self.code = code


class _Registry:
    def __init__(self, subjects: Mapping[str, str]) -> None:
        self._subjects = subjects
        self._by_ids = {
            number: (name, version)
            for name in SCHEMA_IDS
            for version, number in enumerate(versions(name), 1)
        }

    async def root(self, _: Request) -> Response:
        return _json({})

    async def types(self, _: Request) -> Response:
        return _json(["AVRO"])

    async def config(self, _: Request) -> Response:
        return _json({"compatibilityLevel": "BACKWARD"})

    async def mode(self, _: Request) -> Response:
        return _json({"mode": "READONLY"})

    async def all_subjects(self, request: Request) -> Response:
        prefix = request.query_params.get("subjectPrefix", "")
        return _json(sorted(s for s in self._subjects if s.startswith(prefix)))

    async def versions(self, request: Request) -> Response:
        return _json([*range(1, 1 + len(versions(self._record(request))))])

    async def version(self, request: Request) -> Response:
        name, version = self._versioned(request)
        subject = request.path_params["subject"]
        numbers = {"version": version, "id": versions(name)[version - 1]}
        return _json({"subject": subject, **numbers, "schema": schema_text(name, version)})

    async def version_schema(self, request: Request) -> Response:
        return _json(json.loads(schema_text(*self._versioned(request))))

    async def schema(self, request: Request) -> Response:
        return _json({"schema": schema_text(*self._by_id(request))})

    async def schema_only(self, request: Request) -> Response:
        return _json(json.loads(schema_text(*self._by_id(request))))

    async def subjects_of(self, request: Request) -> Response:
        name, _ = self._by_id(request)
        return _json(sorted(s for s, record in self._subjects.items() if record == name))

    async def versions_of(self, request: Request) -> Response:
        name, version = self._by_id(request)
        holding = sorted(s for s, record in self._subjects.items() if record == name)
        return _json([{"subject": subject, "version": version} for subject in holding])

    def _record(self, request: Request) -> str:
        subject = request.path_params["subject"]
        if subject not in self._subjects:
            raise _NotFound(40401, f"Subject '{subject}' not found.")
        return self._subjects[subject]

    def _versioned(self, request: Request) -> tuple[str, int]:
        name = self._record(request)
        asked = request.path_params["version"]
        latest = len(versions(name))
        known = {"-1": latest, "latest": latest} | {str(n): n for n in range(1, 1 + latest)}
        if asked not in known:
            raise _NotFound(40402, f"Version {asked} not found.")
        return name, known[asked]

    def _by_id(self, request: Request) -> tuple[str, int]:
        number = request.path_params["id"]
        found = self._by_ids.get(int(number)) if number.isdecimal() else None
        if found is None:
            raise _NotFound(40403, f"Schema {number} not found")
        return found


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = error.code if isinstance(error, _NotFound) else error.status_code
    return _json({"error_code": code, "message": error.detail}, error.status_code)


def _json(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status, media_type=CONTENT_TYPE)


def register(url: str, topic_prefix: str) -> None:
    """Register every missing version of every subject in the registry at `url` under our ids.

    It blocks. Versions that exist are not changed. Ids can be chosen only in the mode IMPORT, so
    each subject is put into that mode for the request. `url` may contain a user and a password.
    Raise `RegistryError`, also if one of our ids has another schema.
    """
    present = set(_asked(url, "GET", "/subjects"))
    for subject, name in subjects(topic_prefix).items():
        path = f"/subjects/{quote(subject, safe='')}/versions"
        there = set(_asked(url, "GET", path)) if subject in present else set()
        for version in range(1, 1 + len(versions(name))):
            if version not in there:
                _import(url, subject, name, version)
    for name in SCHEMA_IDS:
        for version, number in enumerate(versions(name), 1):
            if not _is_ours(url, name, version):
                raise RegistryError(
                    f"the schema registry has no {name}, or another schema, under id {number}"
                )


def without_credentials(url: str) -> str:
    """Return the URL without user and password, if it has any."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_ours(url: str, name: str, version: int) -> bool:
    try:
        found = _asked(url, "GET", f"/schemas/ids/{versions(name)[version - 1]}")
    except RegistryError as error:
        if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code == 404:
            return False
        raise
    ours = json.loads(schema_text(name, version))
    return bool(_without_docs(json.loads(found["schema"])) == _without_docs(ours))


def _without_docs(schema: Any) -> Any:
    """Return the schema without documentation, which may change under one id."""
    if isinstance(schema, dict):
        return {key: _without_docs(value) for key, value in schema.items() if key != "doc"}
    return [_without_docs(each) for each in schema] if isinstance(schema, list) else schema


def _import(url: str, subject: str, name: str, version: int) -> None:
    path = quote(subject, safe="")
    number = versions(name)[version - 1]
    schema = {"schemaType": "AVRO", "schema": schema_text(name, version), "id": number}
    _asked(url, "PUT", f"/mode/{path}?force=true", {"mode": "IMPORT"})
    try:
        _asked(url, "POST", f"/subjects/{path}/versions", {**schema, "version": version})
    finally:
        _asked(url, "PUT", f"/mode/{path}", {"mode": "READWRITE"})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirects, because urllib would send the credentials to the redirect's host."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect. urllib then raises an `HTTPError` for the answer."""
        return


_opener = urllib.request.build_opener(_NoRedirects)


def _asked(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE}
    parts = urlsplit(url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    address = without_credentials(url)
    request = urllib.request.Request(address + path, data, headers, method=method)  # noqa: S310
    try:
        with _opener.open(request, timeout=_SECONDS) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        said = error.read(2_000).decode(errors="replace")
        raise RegistryError(f"the schema registry refuses {method} {path}: {said}") from error
    except (OSError, ValueError) as error:
        raise RegistryError(f"the schema registry at {address} does not answer: {error}") from error
