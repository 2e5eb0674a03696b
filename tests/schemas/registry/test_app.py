"""The registry's API for the bundled schemas."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from schemas import topics
from schemas.codec import AVRO_DIR, SCHEMA_IDS, schema_text, versions
from schemas.registry.app import CONTENT_TYPE, MAX_BODY_BYTES, app
from schemas.registry.subjects import served_subjects

CALL = "/subjects/p.calls-value"
NEW = json.dumps({"type": "record", "name": "Other", "fields": []})


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


def test_each_topic_has_its_subjects(client: TestClient) -> None:
    """Every topic's records are found by topic, by topic and record, and by the record's name."""
    told = client.get("/subjects").json()
    for topic in topics.ALL:
        for name in topic.records:
            assert f"p.{topic.name}-flexcapture.{name}" in told
        assert bool(topic.records) == (f"p.{topic.name}-value" in told)
    assert {f"flexcapture.{name}" for name in SCHEMA_IDS} < set(told)
    for subject in told:
        expected = [version.number for version in served_subjects("p.")[subject].versions]
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


def test_all_schemas_are_listed(client: TestClient) -> None:
    """`/schemas` has every version of every subject, or the latest of each."""
    every = client.get("/schemas").json()
    subjects = served_subjects("p.")
    assert sum(len(subject.versions) for subject in subjects.values()) == len(every)
    latest = client.get("/schemas?latestOnly=true&subjectPrefix=:*:").json()
    expected = [subjects[each["subject"]].versions[-1].schema_id for each in latest]
    assert expected == [each["id"] for each in latest]
    assert sorted(subjects) == [each["subject"] for each in latest]


def test_the_greatest_id_is_given_on_request(client: TestClient) -> None:
    """`fetchMaxId` adds the greatest id, as clients that check ids want it."""
    told = client.get(f"/schemas/ids/{SCHEMA_IDS['Tick']}?fetchMaxId=true").json()
    greatest = max(each["id"] for each in client.get("/schemas").json())
    assert {"schema": schema_text("Tick"), "maxId": greatest} == told


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


def test_every_schema_is_found_by_itself(client: TestClient) -> None:
    """Each version is found and "registered" under its subjects: by the text that the registry
    gives, and by the file in the repository."""
    for each in client.get("/schemas").json():
        path = f"/subjects/{each['subject']}"
        assert each == client.post(path, json={"schema": each["schema"]}).json()
        answer = client.post(f"{path}/versions", json={"schema": each["schema"], "references": []})
        assert (200, each["id"]) == (answer.status_code, answer.json()["id"])
    file = (AVRO_DIR / "Call.avsc").read_text()
    assert SCHEMA_IDS["Call"] == client.post(CALL, json={"schema": file}).json()["id"]


def test_the_way_in_which_a_schema_is_written_does_not_matter(client: TestClient) -> None:
    """Other order of attributes, full names and long forms of types: the same schema. Other
    documentation is another schema, unless the request normalizes schemas."""
    ours = json.loads(schema_text("Tick"))
    (field,) = ours["fields"]
    same = {"name": "flexcapture.Tick", "fields": [field | {"order": "ascending"}]}
    same |= {"type": "record", "doc": ours["doc"]}
    assert (
        200
        == client.post("/subjects/flexcapture.Tick", json={"schema": json.dumps(same)}).status_code
    )
    body = {"schema": json.dumps(same | {"doc": "other"})}
    assert 40403 == client.post("/subjects/flexcapture.Tick", json=body).json()["error_code"]
    found = client.post("/subjects/flexcapture.Tick?normalize=True&deleted=false", json=body).json()
    assert SCHEMA_IDS["Tick"] == found["id"]


KNOWN = {"schema": schema_text("Call"), "schemaType": "AVRO"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (CALL, {"schema": NEW}, 404, 40403),
        (CALL, KNOWN | {"schemaType": "JSON"}, 404, 40403),
        (CALL, KNOWN | {"metadata": {"properties": {"a": "b"}}}, 404, 40403),
        ("/subjects/none", KNOWN, 404, 40401),
        ("/subjects/none", {"schema": "{"}, 422, 42201),
        (f"{CALL}/versions", {"schema": NEW}, 422, 42205),
        (f"{CALL}/versions", KNOWN | {"id": 7}, 422, 42205),
        ("/subjects/none/versions", KNOWN, 422, 42205),
        (CALL, {}, 422, 42201),
        (CALL, {"schema": " "}, 422, 42201),
        (CALL, {"schema": {"type": "int"}}, 422, 42201),
        (CALL, {"schema": '"flexcapture.Unknown"'}, 422, 42201),
        (CALL, {"schema": "[" * 100_000}, 422, 42201),
        (CALL, KNOWN | {"schemaType": "THRIFT"}, 422, 42201),
        (CALL, [], 400, 400),
        (CALL, {"schema": "x" * MAX_BODY_BYTES}, 413, 413),
        ("/compatibility/subjects/none/versions", KNOWN, 404, 40401),
        (f"/compatibility{CALL}/versions/77", KNOWN, 404, 40402),
        (f"/compatibility{CALL}/versions/x", KNOWN, 422, 42202),
    ],
)
def test_what_cannot_be_looked_up(
    client: TestClient, path: str, body: Any, status: int, code: int
) -> None:
    """Unknown, invalid and foreign schemas have the error codes of the API."""
    answer = client.post(path, json=body)
    assert (status, code) == (answer.status_code, answer.json()["error_code"])


def test_no_json_is_refused(client: TestClient) -> None:
    """A body that is not JSON is the client's error."""
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        assert 400 == client.post(CALL, content=body).json()["error_code"]


@pytest.mark.parametrize("version", ["", "/latest", "/1"])
def test_compatibility_is_checked(client: TestClient, version: str) -> None:
    """A new field with a default is compatible both ways; one without is not, and the answer gives
    the reasons if they are wanted."""
    path = f"/compatibility{CALL}/versions{version}"
    schema = json.loads(schema_text("Call"))
    assert {"is_compatible": True} == client.post(path, json=KNOWN).json()
    schema["fields"].append({"name": "extra", "type": "int", "default": 0})
    asked = {"schema": json.dumps(schema)}
    told = client.post(f"{path}?verbose=true", json=asked).json()
    assert {"is_compatible": True, "messages": []} == told
    del schema["fields"][-1]["default"]
    asked = {"schema": json.dumps(schema)}
    told = client.post(f"{path}?verbose=true", json=asked).json()
    assert not told["is_compatible"]
    assert all("extra" in message for message in told["messages"])
    assert {"is_compatible": False} == client.post(
        path, json={**KNOWN, "schemaType": "JSON"}
    ).json()


def test_each_record_type_keeps_the_announced_rule(client: TestClient) -> None:
    """Every version of every record type is compatible with all others, as `/config` says."""
    for name in SCHEMA_IDS:
        for number in range(1, 1 + len(versions(name))):
            path = f"/compatibility/subjects/flexcapture.{name}/versions?verbose=true"
            told = client.post(path, json={"schema": schema_text(name, number)}).json()
            assert {"is_compatible": True, "messages": []} == told, (name, number)


def test_the_types_of_a_union_are_found_but_not_listed(client: TestClient) -> None:
    """The schema of each record type has a version of its own there, with the id of the type. Lists
    show it with `deleted`, like a version that was deleted."""
    subject = "/subjects/p.recordings-value"
    union = client.get(f"{subject}/versions/latest").json()
    for name, version in (("RecordingStarted", 1), ("RecordingCompleted", 4)):
        schema = schema_text(name, version)
        found = client.post(subject, json={"schema": schema}).json()
        assert versions(name)[version - 1] == found["id"]
        assert found == client.get(f"{subject}/versions/{found['version']}").json()
        registered = client.post(f"{subject}/versions", json={"schema": schema}).json()
        assert found["id"] == registered["id"]
    # A later union comes after the types of the earlier one, so that no number ever changes.
    assert [1, 6, 8] == [1, 6, union["version"]] == client.get(f"{subject}/versions").json()
    assert [1, 2, 3, 4, 5, 6, 7, 8, 9] == client.get(f"{subject}/versions?deleted=true").json()
    assert [2, 3, 4, 5, 7, 9] == client.get(f"{subject}/versions?deletedOnly=true").json()
    path = f"/schemas/ids/{SCHEMA_IDS['RecordingCompleted']}/subjects"
    assert "p.recordings-value" not in client.get(path).json()


def test_a_union_may_get_another_type(client: TestClient) -> None:
    """It is compatible with the versions before it; a union that lacks a type of theirs is not."""
    path = "/compatibility/subjects/p.media-value/versions?verbose=true"
    union = json.loads(client.get("/subjects/p.media-value/versions/latest").json()["schema"])
    longer = [*union, json.loads(schema_text("Tick"))]
    told = client.post(path, json={"schema": json.dumps(longer)}).json()
    assert {"is_compatible": True, "messages": []} == told
    told = client.post(path, json={"schema": json.dumps(union[:-1])}).json()
    assert not told["is_compatible"]
    assert all("RecordingDecided" in message for message in told["messages"])


PIECES = [
    "subjects", "schemas", "ids", "versions", "schema", "config", "mode", "compatibility",
    "contexts", "types", "latest", "-1", "1", "p.calls-value", "flexcapture.Tick", ":.:", ":*:",
    str(SCHEMA_IDS["Call"]), "", "%00", "%2F", "%ff", "..",
]  # fmt: skip
PATHS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=6)
PARAMETERS = st.dictionaries(
    st.sampled_from(["normalize", "deleted", "subject", "fetchMaxId", "format", "offset", "limit"]),
    st.sampled_from(["true", "resolved", "1", "-1", "", "9" * 5000, ":.:"]) | st.text(max_size=5),
    max_size=3,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["record", "enum", "fixed", "array", "int", "a", "long"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "name", "fields", "items", "symbols", "size", "aliases"])
        | st.text(max_size=3),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
BODIES = st.binary(max_size=20) | st.builds(
    lambda schema, more: json.dumps({**more, "schema": schema}).encode(),
    JSON.map(json.dumps) | JSON | st.sampled_from([NEW, schema_text("Call")]),
    st.dictionaries(st.sampled_from(["schemaType", "id", "references"]), JSON, max_size=2),
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    path=PATHS,
    parameters=PARAMETERS,
    body=BODIES,
)
def test_no_request_is_an_internal_error(
    method: str, path: list[str], parameters: Mapping[str, str], body: bytes
) -> None:
    """Whatever is asked, the answer is JSON, and an error has the registry's form."""
    url = "http://testserver/" + "/".join(
        quote(piece, safe="%:", errors="replace") for piece in path
    )
    answer = CLIENT.request(method, url, params=parameters, content=body)
    _check(method, answer)


@given(schema=JSON.map(json.dumps) | JSON, subject=st.sampled_from(sorted(served_subjects("p."))))
@pytest.mark.parametrize("path", ["", "/versions", "compatibility"])
def test_no_schema_is_an_internal_error(path: str, schema: Any, subject: str) -> None:
    """A schema may have any form."""
    url = f"/subjects/{subject}{path}"
    if path == "compatibility":
        url = f"/compatibility/subjects/{subject}/versions"
    _check("POST", CLIENT.post(url, content=json.dumps({"schema": schema}).encode()))


CLIENT = TestClient(app("p."), follow_redirects=False)


def _check(method: str, answer: Response) -> None:
    assert answer.status_code < 500
    if answer.is_redirect or method == "HEAD":
        return
    assert CONTENT_TYPE == answer.headers["content-type"]
    if answer.is_error:
        assert {"error_code", "message"} == answer.json().keys()
