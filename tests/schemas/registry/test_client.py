"""The schemas are registered in a registry elsewhere."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.codec import SCHEMA_IDS, schema_text, versions
from schemas.registry import client
from schemas.registry.subjects import subjects
from tests.schemas.foreign_registry import foreign_registry


def test_all_is_registered_once() -> None:
    """An empty registry gets every subject under our ids; one that has them is not written to."""
    with foreign_registry({}) as (url, writes):
        client.register(url, "p.")
        expected = [name for name, subject in subjects("p.").items() for _ in subject.versions]
        assert expected == writes
        writes.clear()
        client.register(url, "p.")
        assert [] == writes


def test_another_schema_under_our_id_is_refused() -> None:
    """A registry that has given an id of ours to something else is named, with the record."""
    taken = {SCHEMA_IDS["CtiEvent"]: '"string"'}
    with (
        foreign_registry(taken) as (url, _),
        pytest.raises(client.RegistryError, match="no CtiEvent"),
    ):
        client.register(url, "")


def test_other_documentation_is_the_same_schema() -> None:
    """A registry keeps the texts with which a schema was registered first; ours may be reworded."""
    name = "CtiEvent"
    older = json.loads(schema_text(name, len(versions(name)))) | {"doc": "older words"}
    older["fields"][0]["doc"] = "older words"
    with foreign_registry({SCHEMA_IDS[name]: json.dumps(older)}) as (url, _):
        client.register(url, "")


def test_a_registry_that_is_not_there_is_named() -> None:
    """If the registry does not answer, the error names its address."""
    with pytest.raises(client.RegistryError, match=r"127\.0\.0\.1:9"):
        client.register("http://127.0.0.1:9", "")


def test_credentials_are_kept_out_of_sight() -> None:
    """User and password in the URL are used, and appear in no message."""
    url = "http://user:secret@127.0.0.1:9"
    assert "http://127.0.0.1:9" == client.without_credentials(url)
    with pytest.raises(client.RegistryError) as raised:
        client.register(url, "")
    assert "secret" not in str(raised.value)


def test_no_redirect_is_followed() -> None:
    """The host that a redirect names gets neither the request nor the credentials."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{server.server_port}/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(client.RegistryError, match="refuses"):
            client.register(f"http://user:secret@127.0.0.1:{server.server_port}", "")
        server.shutdown()
    assert 1 == len(seen)


async def test_registering_blocks_no_loop() -> None:
    """It can be called in a thread beside a running loop, as `up` does."""
    with foreign_registry({}) as (url, writes):
        await asyncio.to_thread(client.register, url, "")
        assert writes
