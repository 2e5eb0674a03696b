"""Requests to a schema registry: credentials, redirects, refusals."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.registry.http import (
    RegistryAnswer,
    RegistryAway,
    RegistryError,
    RegistryHttp,
    without_credentials,
)
from tests.schemas.foreign_registry import ForeignRegistry, foreign_registry


@contextmanager
def answering(status: int, body: str, location: str = "") -> Iterator[tuple[int, list[str | None]]]:
    """A server that answers every GET so. Its port, and the credentials that it was sent."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, seen
        server.shutdown()


def test_a_registry_that_is_not_there_is_named() -> None:
    """If the registry does not answer, the error names its address."""
    with pytest.raises(RegistryAway, match=r"127\.0\.0\.1:9/"):
        RegistryHttp("http://127.0.0.1:9/path").get("/subjects")


def test_credentials_are_kept_out_of_sight() -> None:
    """User and password in the URL are sent, and appear in no message."""
    url = "http://user:secret@127.0.0.1:9/"
    assert "http://127.0.0.1:9" == without_credentials(url)
    with pytest.raises(RegistryError) as raised:
        RegistryHttp(url).get("/subjects")
    assert "secret" not in str(raised.value)
    with foreign_registry(ForeignRegistry(password="p@ss")) as registry:
        address = registry.url.replace("//", "//ann:p%40ss@")
        assert [] == RegistryHttp(address).get("/subjects")


def test_no_redirect_is_followed() -> None:
    """The host that a redirect names gets neither the request nor the credentials."""
    with (
        answering(302, "", "http://localhost:9/elsewhere") as (port, seen),
        pytest.raises(RegistryAnswer, match="302"),
    ):
        RegistryHttp(f"http://user:secret@127.0.0.1:{port}").get("/subjects")
    assert ["Basic dXNlcjpzZWNyZXQ="] == seen


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"error_code": 42201, "message": "Invalid\\n schema"}', "Invalid schema"),
        ("<h1>no</h1>", "<h1>no</h1>"),
        ('["no"]', '["no"]'),
        ("", "no reason given"),
    ],
)
def test_a_refusal_says_what_the_registry_says(body: str, text: str) -> None:
    """The error has the request, the status and the message, if there is one, in one line."""
    with answering(422, body) as (port, _), pytest.raises(RegistryAnswer) as raised:
        RegistryHttp(f"http://127.0.0.1:{port}").get("/x")
    assert (422, text) == (raised.value.status, raised.value.said)
    assert f"GET /x (422): {text}" in str(raised.value)


def test_an_answer_without_json_is_from_no_registry() -> None:
    """An answer of something else at the address is an error, and so is one without a list."""
    with answering(200, "<html>") as (port, _), pytest.raises(RegistryAway):
        RegistryHttp(f"http://127.0.0.1:{port}").get("/subjects")


def test_only_absence_is_none() -> None:
    """`find` returns None for 404, and raises other refusals."""
    with answering(404, "") as (port, _):
        assert RegistryHttp(f"http://127.0.0.1:{port}").find("/x") is None
    with answering(500, "") as (port, _), pytest.raises(RegistryAnswer):
        RegistryHttp(f"http://127.0.0.1:{port}").find("/x")
