"""The schemas in the registry's own API: served, and registered elsewhere."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from starlette.testclient import TestClient

from schemas import registry, topics
from schemas.codec import SCHEMA_IDS, schema_text, versions
from tests.schemas.foreign_registry import foreign_registry


@pytest.fixture
def client() -> TestClient:
    """Return a client of the registry whose topics have the prefix `p.`."""
    return TestClient(registry.app("p."))


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name in SCHEMA_IDS for number in versions(name)]
)
def test_each_id_is_served(client: TestClient, name: str, number: int) -> None:
    """A consumer that has only the id of a record gets its schema."""
    answer = client.get(f"/schemas/ids/{number}")
    assert (200, registry.CONTENT_TYPE) == (answer.status_code, answer.headers["content-type"])
    assert name == json.loads(answer.json()["schema"])["name"]


def test_each_topic_has_its_subjects(client: TestClient) -> None:
    """Every topic's records are found by topic and record; the only record also as the value."""
    told = client.get("/subjects").json()
    for topic in topics.ALL:
        for name in topic.records:
            assert f"p.{topic.name}-flexcapture.{name}" in told
        assert (f"p.{topic.name}-value" in told) == (len(topic.records) == 1)
    for subject in told:
        name = registry.subjects("p.")[subject]
        expected = [*range(1, 1 + len(versions(name)))]
        assert expected == client.get(f"/subjects/{subject}/versions").json()


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_is_whole(client: TestClient, version: int) -> None:
    """A version has subject, version, id and schema, as Confluent's clients expect."""
    expected = {
        "subject": "p.calls-value",
        "version": version,
        "id": versions("Call")[version - 1],
        "schema": schema_text("Call", version),
    }
    assert expected == client.get(f"/subjects/p.calls-value/versions/{version}").json()


@pytest.mark.parametrize("latest", ["latest", "-1"])
def test_the_latest_version_is_the_current_schema(client: TestClient, latest: str) -> None:
    """The latest version is the schema that is written now."""
    told = client.get(f"/subjects/p.calls-value/versions/{latest}").json()
    assert (SCHEMA_IDS["Call"], schema_text("Call")) == (told["id"], told["schema"])


def test_where_an_id_is_used(client: TestClient) -> None:
    """An id leads back to its subjects and their versions."""
    path = f"/schemas/ids/{SCHEMA_IDS['Tick']}"
    expected = ["p.ticks-flexcapture.Tick", "p.ticks-value"]
    assert expected == client.get(f"{path}/subjects").json()
    assert expected == [v["subject"] for v in client.get(f"{path}/versions").json()]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/subjects/none/versions", 40401),
        ("/subjects/none/versions/1", 40401),
        ("/subjects/p.calls-value/versions/9", 40402),
        ("/schemas/ids/1", 40403),
        ("/schemas/ids/one", 40403),
        ("/elsewhere", 404),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, code: int) -> None:
    """Missing resources are answered with the registry's own error codes."""
    answer = client.get(path)
    assert (404, code) == (answer.status_code, answer.json()["error_code"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/subjects/p.calls-value/versions", "/mode", "/subjects"])
def test_nothing_can_be_written(client: TestClient, method: str, path: str) -> None:
    """The bundled schemas are read-only."""
    answer = client.request(method, path)
    assert (405, 405) == (answer.status_code, answer.json()["error_code"])


def test_all_is_registered_once() -> None:
    """An empty registry gets every subject under our ids; one that has them is not written to."""
    with foreign_registry({}) as (url, writes):
        registry.register(url, "p.")
        expected = [
            subject for subject, name in registry.subjects("p.").items() for _ in versions(name)
        ]
        assert expected == writes
        writes.clear()
        registry.register(url, "p.")
        assert [] == writes


def test_another_schema_under_our_id_is_refused() -> None:
    """A registry that has given an id of ours to something else is named, with the record."""
    taken = {SCHEMA_IDS["CtiEvent"]: '"string"'}
    with (
        foreign_registry(taken) as (url, _),
        pytest.raises(registry.RegistryError, match="no CtiEvent"),
    ):
        registry.register(url, "")


def test_other_documentation_is_the_same_schema() -> None:
    """A registry keeps the texts with which a schema was registered first; ours may be reworded."""
    name = "CtiEvent"
    older = json.loads(schema_text(name, len(versions(name)))) | {"doc": "older words"}
    older["fields"][0]["doc"] = "older words"
    with foreign_registry({SCHEMA_IDS[name]: json.dumps(older)}) as (url, _):
        registry.register(url, "")


def test_a_registry_that_is_not_there_is_named() -> None:
    """If the registry does not answer, the error names its address."""
    with pytest.raises(registry.RegistryError, match=r"127\.0\.0\.1:9"):
        registry.register("http://127.0.0.1:9", "")


def test_credentials_are_kept_out_of_sight() -> None:
    """User and password in the URL are used, and appear in no message."""
    url = "http://user:secret@127.0.0.1:9"
    assert "http://127.0.0.1:9" == registry.without_credentials(url)
    with pytest.raises(registry.RegistryError) as raised:
        registry.register(url, "")
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
        with pytest.raises(registry.RegistryError, match="refuses"):
            registry.register(f"http://user:secret@127.0.0.1:{server.server_port}", "")
        server.shutdown()
    assert 1 == len(seen)


async def test_registering_blocks_no_loop() -> None:
    """It can be called in a thread beside a running loop, as `up` does."""
    with foreign_registry({}) as (url, writes):
        await asyncio.to_thread(registry.register, url, "")
        assert writes
