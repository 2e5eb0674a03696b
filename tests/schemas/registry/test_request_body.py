"""Bodies with and without a schema, and no body that breaks the registry."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from schemas.codec import SCHEMA_IDS, schema_text
from schemas.registry.app import CONTENT_TYPE, MAX_BODY_BYTES, app
from schemas.registry.subjects import served_subjects

CALL = "/subjects/p.calls-value"
NEW = json.dumps({"type": "record", "name": "Other", "fields": []})


@pytest.fixture
def client() -> TestClient:
    """Return a client of the registry for topics with the prefix `p.`."""
    return TestClient(app("p."))


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
    """For any request, the answer is JSON, and an error has the registry's form."""
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
