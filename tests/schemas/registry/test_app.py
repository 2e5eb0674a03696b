"""The registry's API for the bundled schemas."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from schemas.codec import SCHEMA_IDS, schema_text, versions
from schemas.registry.app import CONTENT_TYPE, app

CALL = "/subjects/p.calls-value"


@pytest.fixture
def client() -> TestClient:
    """Return a client of the registry for topics with the prefix `p.`."""
    return TestClient(app("p."))


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name in SCHEMA_IDS for number in versions(name)]
)
def test_each_id_is_served(client: TestClient, name: str, number: int) -> None:
    """A consumer that has only the id of a record gets its schema."""
    answer = client.get(f"/schemas/ids/{number}")
    assert (200, CONTENT_TYPE) == (answer.status_code, answer.headers["content-type"])
    assert name == json.loads(answer.json()["schema"])["name"]


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
    answer = client.get(f"/subjects/p.calls-value/versions/{latest}").json()
    assert (SCHEMA_IDS["Call"], schema_text("Call")) == (answer["id"], answer["schema"])


def test_where_an_id_is_used(client: TestClient) -> None:
    """An id leads back to its subjects and their versions."""
    path = f"/schemas/ids/{SCHEMA_IDS['Tick']}"
    expected = ["flexcapture.Tick", "p.ticks-flexcapture.Tick", "p.ticks-value"]
    assert expected == client.get(f"{path}/subjects").json()
    assert expected[1:2] == client.get(f"{path}/subjects?offset=1&limit=1").json()
    assert expected == [v["subject"] for v in client.get(f"{path}/versions").json()]
    one = client.get(f"{path}/versions?subject=:.:p.ticks-value").json()
    assert [{"subject": "p.ticks-value", "version": 1}] == one


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {}),
        ("/contexts", ["."]),
        ("/schemas/types", ["AVRO"]),
        ("/config", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        ("/config/p.calls-value", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        ("/config/:.:p.media-value", {"compatibilityLevel": "BACKWARD_TRANSITIVE"}),
        ("/config/p.media-flexcapture.MediaBatch", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        ("/config/none?defaultToGlobal=true", {"compatibilityLevel": "FULL_TRANSITIVE"}),
        ("/mode", {"mode": "READONLY"}),
        ("/mode/p.calls-value", {"mode": "READONLY"}),
        ("/subjects?subjectPrefix=p.calls&limit=-1", ["p.calls-flexcapture.Call", "p.calls-value"]),
        ("/subjects?subjectPrefix=:.:p.calls-v", ["p.calls-value"]),
        ("/subjects?deletedOnly=true", []),
        ("/subjects/:.:p.ticks-value/versions?deleted=true&surprise=1", [1]),
        ("/subjects/p.ticks-value/versions/1/referencedby", []),
        ("/subjects/p.ticks-value/versions/1/schema", json.loads(schema_text("Tick"))),
        (f"/schemas/ids/{SCHEMA_IDS['Tick']}/schema", json.loads(schema_text("Tick"))),
    ],
)
def test_what_a_client_asks_first(client: TestClient, path: str, expected: Any) -> None:
    """Configuration, contexts and lists have the registry's form."""
    answer = client.get(path)
    assert (200, expected) == (answer.status_code, answer.json())


@pytest.mark.parametrize(
    "path",
    [
        "/subjects/",
        "/subjects/p.calls-value/versions/",
        "/schemas/types/",
        "/contexts/:.:/subjects/p.calls-value/versions",
        "/contexts/%3A.%3A/config/p.media-value",
        "/contexts/:.:/subjects/:.:p.calls-value/versions/latest/",
    ],
)
def test_a_path_in_another_form(client: TestClient, path: str) -> None:
    """A slash at the end, or the default context before the path, changes nothing."""
    plain = unquote(path).rstrip("/").removeprefix("/contexts/:.:")
    expected = client.get(plain).json()
    answer = client.get(path, follow_redirects=False)
    assert (200, expected) == (answer.status_code, answer.json())


def test_the_latest_version_may_be_asked_for_by_its_metadata(client: TestClient) -> None:
    """No schema has metadata, so only a request without any finds one."""
    latest = client.get(f"{CALL}/versions/latest").json()
    assert latest == client.get(f"{CALL}/metadata?deleted=true").json()


def test_the_greatest_id_is_given_on_request(client: TestClient) -> None:
    """`fetchMaxId` adds the greatest id, as clients that check ids want it."""
    answer = client.get(f"/schemas/ids/{SCHEMA_IDS['Tick']}?fetchMaxId=true").json()
    greatest = max(each["id"] for each in client.get("/schemas").json())
    assert {"schema": schema_text("Tick"), "maxId": greatest} == answer


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subjects/none/versions", 404, 40401),
        ("/subjects/none/versions/1", 404, 40401),
        ("/subjects/:.x:p.calls-value/versions", 404, 40401),
        ("/subjects/p.calls-value/versions/9", 404, 40402),
        ("/subjects/p.calls-value/versions/0", 422, 42202),
        ("/subjects/p.calls-value/versions/-2", 422, 42202),
        ("/subjects/p.calls-value/versions/newest", 422, 42202),
        ("/schemas/ids/1", 404, 40403),
        ("/schemas/ids/one", 404, 40403),
        ("/schemas/ids/" + "9" * 5000, 404, 40403),
        ("/config/none", 404, 40408),
        ("/mode/none", 404, 40409),
        ("/elsewhere", 404, 404),
        ("/subjects/p.calls-value", 405, 405),
        ("/subjects/p.calls-value/metadata?key=owner&value=me", 404, 40403),
        ("/subjects/none/metadata", 404, 40401),
        ("/contexts/:.x:/subjects", 404, 404),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, status: int, code: int) -> None:
    """Missing resources are answered with the registry's own error codes."""
    answer = client.get(path)
    assert (status, code) == (answer.status_code, answer.json()["error_code"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", CALL),
        ("DELETE", f"{CALL}/versions/1"),
        ("PUT", "/mode"),
        ("PUT", "/config/p.calls-value"),
        ("DELETE", "/mode/p.calls-value"),
    ],
)
def test_nothing_can_be_written(client: TestClient, method: str, path: str) -> None:
    """Requests that change something get the error of a registry that is read-only."""
    answer = client.request(method, path)
    assert (422, 42205) == (answer.status_code, answer.json()["error_code"])


def test_a_method_that_a_path_does_not_have(client: TestClient) -> None:
    """The answer names the methods that it has."""
    answer = client.post("/mode")
    assert (405, 405) == (answer.status_code, answer.json()["error_code"])
    assert "GET" in answer.headers["allow"]


KNOWN = {"schema": schema_text("Call"), "schemaType": "AVRO"}


@pytest.mark.parametrize("version", ["", "/latest", "/1"])
def test_compatibility_is_checked(client: TestClient, version: str) -> None:
    """A new field with a default is compatible both ways; one without is not, and the answer gives
    the reasons if they are wanted."""
    path = f"/compatibility{CALL}/versions{version}"
    schema = json.loads(schema_text("Call"))
    assert {"is_compatible": True} == client.post(path, json=KNOWN).json()
    schema["fields"].append({"name": "extra", "type": "int", "default": 0})
    asked = {"schema": json.dumps(schema)}
    answer = client.post(f"{path}?verbose=true", json=asked).json()
    assert {"is_compatible": True, "messages": []} == answer
    del schema["fields"][-1]["default"]
    asked = {"schema": json.dumps(schema)}
    answer = client.post(f"{path}?verbose=true", json=asked).json()
    assert not answer["is_compatible"]
    assert all("extra" in message for message in answer["messages"])
    assert {"is_compatible": False} == client.post(
        path, json={**KNOWN, "schemaType": "JSON"}
    ).json()


def test_each_record_type_keeps_the_announced_rule(client: TestClient) -> None:
    """Every version of every record type is compatible with all others, as `/config` says."""
    for name in SCHEMA_IDS:
        for number in range(1, 1 + len(versions(name))):
            path = f"/compatibility/subjects/flexcapture.{name}/versions?verbose=true"
            answer = client.post(path, json={"schema": schema_text(name, number)}).json()
            assert {"is_compatible": True, "messages": []} == answer, (name, number)


def test_a_union_may_get_another_type(client: TestClient) -> None:
    """It is compatible with the versions before it; a union that lacks a type of theirs is not."""
    path = "/compatibility/subjects/p.media-value/versions?verbose=true"
    union = json.loads(client.get("/subjects/p.media-value/versions/latest").json()["schema"])
    longer = [*union, json.loads(schema_text("Tick"))]
    answer = client.post(path, json={"schema": json.dumps(longer)}).json()
    assert {"is_compatible": True, "messages": []} == answer
    answer = client.post(path, json={"schema": json.dumps(union[:-1])}).json()
    assert not answer["is_compatible"]
    assert all("RecordingDecided" in message for message in answer["messages"])
