"""A third-party schema registry like Confluent's, with the parts that flexcapture uses."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class _ForeignRegistry(ThreadingHTTPServer):
    def __init__(self, schemas: dict[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schemas = schemas
        self.subjects: dict[str, list[int]] = {}
        self.importing: set[str] = set()
        self.writes: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: _ForeignRegistry

    def do_GET(self) -> None:
        registry = self.server
        if self.path == "/subjects":
            return self._answer(200, list(registry.subjects))
        if self.path.endswith("/versions"):
            return self._answer(200, registry.subjects[unquote(self.path.split("/")[2])])
        number = int(self.path.rsplit("/", 1)[1])
        if number not in registry.schemas:
            return self._answer(404, {"error_code": 40403, "message": "Schema not found"})
        return self._answer(200, {"schema": registry.schemas[number]})

    def do_PUT(self) -> None:
        path, _, query = self.path.partition("?")
        subject = unquote(path.rsplit("/", 1)[1])
        importing = self._body()["mode"] == "IMPORT"
        if importing and subject in self.server.subjects and query != "force=true":
            return self._answer(422, {"error_code": 42205, "message": "subject is not empty"})
        if importing:
            self.server.importing.add(subject)
        else:
            self.server.importing.discard(subject)
        return self._answer(200, {})

    def do_POST(self) -> None:
        subject = unquote(self.path.split("/")[2])
        asked = self._body()
        if subject not in self.server.importing:
            return self._answer(422, {"error_code": 42205, "message": "not in import mode"})
        self.server.subjects.setdefault(subject, []).append(asked["version"])
        self.server.schemas.setdefault(asked["id"], asked["schema"])
        self.server.writes.append(subject)
        return self._answer(200, {"id": asked["id"]})

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def foreign_registry(schemas: dict[int, str]) -> Iterator[tuple[str, list[str]]]:
    """The registry's URL, and the subjects that were written to it, in order. `schemas` are there
    already, by id, and keep it."""
    server = _ForeignRegistry(schemas)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.writes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
