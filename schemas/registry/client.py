"""Register the schemas in the configured schema registry."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from schemas.registry.avro_schemas import without_docs
from schemas.registry.subjects import SchemaVersion, subjects

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_SECONDS = 10.0


class RegistryError(RuntimeError):
    """The configured registry cannot store our schemas under our ids. The text gives the reason."""


def register(url: str, topic_prefix: str) -> None:
    """Register every missing version of every subject in the registry at `url` under our ids.

    It blocks. Versions that exist are not changed. Ids can be chosen only in the mode IMPORT, so
    each subject is put into that mode for the request. `url` may contain a user and a password.
    Raise `RegistryError`, also if one of our ids has another schema.
    """
    present = set(_asked(url, "GET", "/subjects"))
    found = subjects(topic_prefix)
    for name, subject in found.items():
        path = f"/subjects/{quote(name, safe='')}/versions"
        there = set(_asked(url, "GET", path)) if name in present else set()
        for version in subject.versions:
            if version.number not in there:
                _import(url, name, version)
    ours = {v.schema_id: (s.schema, v) for s in found.values() for v in s.versions}
    for schema, version in ours.values():
        if not _is_ours(url, version):
            raise RegistryError(
                f"the schema registry has no {schema}, or another schema, under id "
                f"{version.schema_id}"
            )


def without_credentials(url: str) -> str:
    """Return the URL without user and password, if it has any."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_ours(url: str, version: SchemaVersion) -> bool:
    try:
        found = _asked(url, "GET", f"/schemas/ids/{version.schema_id}")
    except RegistryError as error:
        if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code == 404:
            return False
        raise
    ours = json.loads(version.text)
    return bool(without_docs(json.loads(found["schema"])) == without_docs(ours))


def _import(url: str, subject: str, version: SchemaVersion) -> None:
    path = quote(subject, safe="")
    schema = {"schemaType": "AVRO", "schema": version.text, "id": version.schema_id}
    _asked(url, "PUT", f"/mode/{path}?force=true", {"mode": "IMPORT"})
    try:
        _asked(url, "POST", f"/subjects/{path}/versions", {**schema, "version": version.number})
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
