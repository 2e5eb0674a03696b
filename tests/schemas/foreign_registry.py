"""A third-party schema registry like Confluent's, in memory: with ids, versions, subjects, modes
and compatibility. It can also behave as other registries do, and fail."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from schemas.registry.avro_schemas import parse as parse_anew
from schemas.registry.compatibility import incompatibilities

parse = cache(parse_anew)


@dataclass
class ForeignRegistry:
    """The registry's content, and its behaviour.

    - `imports`: it knows the mode IMPORT. `ignores_ids`: it says so, and assigns ids all the same.
    - `mode`: the mode of all subjects without one of their own.
    - `password`: of the user `ann`; None: it asks for none.
    - `fails_at`: the number of the registration that fails with status 500.
    - `next_id`: of the next schema. An imported one moves it on.
    - `finds_deleted`: it keeps the versions that are deleted, but not for good, in `hidden`.
    """

    imports: bool = True
    ignores_ids: bool = False
    mode: str = "READWRITE"
    password: str | None = None
    fails_at: int = 0
    next_id: int = 1
    finds_deleted: bool = True
    url: str = ""
    schemas: dict[int, str] = field(default_factory=dict)
    subjects: dict[str, dict[int, int]] = field(default_factory=dict)
    hidden: dict[str, dict[int, int]] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    registrations: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The requests that are not GET."""
        return [each for each in self.requests if each[0] != "GET"]

    def state(self) -> Any:
        """Everything that a reader can see, as a value to compare."""
        seen = {
            name: {n: self.schemas[i] for n, i in found.items()}
            for name, found in self.subjects.items()
        }
        return seen, dict(self.modes), dict(self.levels)

    def put(self, subject: str, text: str) -> int:
        """Register a schema as another application does. Return its id."""
        status, answer = self._register(subject, {"schema": text})
        assert status == 200, answer
        return int(answer["id"])

    def handle(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        """Return the status and the value of the answer."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, parts:
            case "GET", ["mode"]:
                return 200, {"mode": self.mode}
            case _, ["mode", subject]:
                return self._mode(method, subject, query, body)
            case "PUT", ["config", subject]:
                self.levels[subject] = body["compatibility"]
                return 200, body
            case "DELETE", ["config", subject]:
                return (200, self.levels.pop(subject)) if subject in self.levels else _absent()
            case "GET", ["schemas", "ids", number]:
                text = self.schemas.get(int(number))
                return (200, {"schema": text}) if text is not None else _absent()
            case "GET", ["subjects"]:
                return 200, list(self.subjects)
            case _, ["subjects", subject, *rest]:
                return self._subject(method, subject, rest, query, body)
        return 405, {"error_code": 405, "message": "HTTP 405 Method Not Allowed"}

    def _mode(self, method: str, subject: str, query: str, body: Any) -> tuple[int, Any]:
        if not self.imports:
            return 405, {"error_code": 405, "message": "HTTP 405 Method Not Allowed"}
        if method == "DELETE":
            return (200, self.modes.pop(subject)) if subject in self.modes else _absent()
        if body["mode"] == "IMPORT" and subject in self.subjects and query != "force=true":
            return 422, {"error_code": 42205, "message": "subject is not empty"}
        self.modes[subject] = body["mode"]
        return 200, body

    def _subject(
        self, method: str, subject: str, rest: list[str], query: str, body: Any
    ) -> tuple[int, Any]:
        if method == "POST" and rest == ["versions"]:
            return self._register(subject, body)
        versions = self.subjects.get(subject, {})
        hidden = self.hidden.get(subject, {})
        seen = versions | hidden if "deleted=true" in query or "permanent" in query else versions
        if not seen:
            return (200, []) if "permanent" in query else _absent()
        match method, rest:
            case "POST", []:
                return self._look_up(seen, body)
            case "GET", ["versions"]:
                return 200, sorted(seen)
            case "DELETE", []:
                self.hidden.pop(subject, None)
                return 200, sorted(self.subjects.pop(subject, {}))
            case _, ["versions", number]:
                return self._version(method, subject, number, seen, query)
        return _absent()

    def _version(
        self, method: str, subject: str, text: str, seen: dict[int, int], query: str
    ) -> tuple[int, Any]:
        number = max(seen) if text == "latest" else int(text)
        if number not in seen:
            return _absent()
        found = seen[number]
        if method == "DELETE":
            self.subjects.get(subject, {}).pop(number, None)
            self.hidden.get(subject, {}).pop(number, None)
            if self.finds_deleted and "permanent" not in query:
                self.hidden.setdefault(subject, {})[number] = found
        return 200, {"version": number, "id": found, "schema": self.schemas[found]}

    def _look_up(self, versions: dict[int, int], body: Any) -> tuple[int, Any]:
        wanted = parse(body["schema"]).canonical()
        for number, found in versions.items():
            if parse(self.schemas[found]).canonical() == wanted:
                return 200, {"version": number, "id": found}
        return _absent()

    def _register(self, subject: str, body: Any) -> tuple[int, Any]:
        self.registrations += 1
        if self.registrations == self.fails_at:
            return 500, {"error_code": 50001, "message": "Error in the backend data store"}
        mode = self.modes.get(subject, self.mode)
        wanted = None if self.ignores_ids else body.get("id")
        if mode != ("READWRITE" if wanted is None else "IMPORT") and not self.ignores_ids:
            return 422, {"error_code": 42205, "message": f"Subject {subject} is in {mode} mode"}
        parsed = parse(body["schema"])
        versions = self.subjects.get(subject, {})
        known = {parse(text).canonical(): number for number, text in self.schemas.items()}
        found = known.get(parsed.canonical()) if wanted is None else wanted
        if found in versions.values():
            return 200, {"id": found}
        if wanted is None and self._is_incompatible(subject, parsed):
            return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
        if wanted is not None and parse(self.schemas.get(wanted, body["schema"])) != parsed:
            return 422, {"error_code": 42205, "message": f"Overwrite new schema with id {wanted}"}
        if found is None:
            found = self.next_id
        self.next_id = max(self.next_id, found + 1)
        self.schemas.setdefault(found, body["schema"])
        number = body.get("version") if wanted is not None else None
        taken = versions.keys() | self.hidden.get(subject, {}).keys()
        self.subjects.setdefault(subject, {})[number or max(taken, default=0) + 1] = found
        return 200, {"id": found}

    def _is_incompatible(self, subject: str, schema: Any) -> bool:
        versions = self.subjects.get(subject, {})
        if not versions or self.levels.get(subject) == "NONE":
            return False
        latest = parse(self.schemas[versions[max(versions)]])
        return bool(incompatibilities(schema, latest))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: ForeignRegistry

    def do_GET(self) -> None:
        registry = self.registry
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        with registry.lock:
            registry.requests.append((self.command, self.path))
            if registry.password is not None and not self._may_enter(registry.password):
                status, value = 401, {"error_code": 401, "message": "Unauthorized"}
            else:
                status, value = registry.handle(
                    self.command, parts.path, parts.query, json.loads(body or b"null")
                )
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names are those of http.server

    def _may_enter(self, password: str) -> bool:
        pair = b64encode(f"ann:{password}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {pair}"

    def log_message(self, *_: object) -> None:
        pass


def _absent() -> tuple[int, Any]:
    return 404, {"error_code": 40401, "message": "not found"}


@contextmanager
def foreign_registry(
    registry: ForeignRegistry | None = None, port: int = 0
) -> Iterator[ForeignRegistry]:
    """Serve a registry on loopback during the block; `url` is its address. `port`: 0 for any."""
    served = registry or ForeignRegistry()
    handler = type("Handler", (_Handler,), {"registry": served})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
