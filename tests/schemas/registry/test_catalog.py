"""How schemas are found in the registry: by themselves, however they are written."""

import json

import pytest
from starlette.testclient import TestClient

from schemas.codec import AVRO_DIR, SCHEMA_IDS, schema_text, versions
from schemas.registry.app import app

CALL = "/subjects/p.calls-value"


@pytest.fixture
def client() -> TestClient:
    """Return a client of the registry for topics with the prefix `p.`."""
    return TestClient(app("p."))


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
