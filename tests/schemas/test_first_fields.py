"""The first fields of a record, read from its bytes, are those that decoding it gives."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import SCHEMA_IDS, versions, writer_schema
from schemas.first_fields import first_fields
from tests.examples import examples
from tests.schemas.avro_values import values_of

EVERY_VERSION = [
    (name, number) for name in SCHEMA_IDS for number in range(1, 1 + len(versions(name)))
]


@pytest.mark.parametrize(("name", "version"), EVERY_VERSION)
@given(data=st.data())
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_fields_are_read(name: str, version: int, data: st.DataObject) -> None:
    """For any wanted fields, and any fields after them."""
    schema: Any = writer_schema(versions(name)[version - 1])
    plain = data.draw(values_of(name, version))
    names = [field["name"] for field in schema["fields"] if _is_simple(field["type"])]
    wanted = data.draw(st.lists(st.sampled_from(["none", *names]), unique=True))
    body = io.BytesIO(b"12345")
    body.seek(5)
    fastavro.schemaless_writer(body, schema, plain)
    found = first_fields(schema, wanted, 5)(body.getvalue() + b"\xff")
    expected = [plain.get(name) for name in wanted]
    assert [v.encode() if isinstance(v, str) else v for v in expected] == list(found)


def _is_simple(kind: Any) -> bool:
    """Whether it is text or a number, or one of these or null."""
    kinds = kind if isinstance(kind, list) else [kind]
    return {"string", "int", "long", "null"} >= {
        each if isinstance(each, str) else each["type"] for each in kinds
    }


def test_the_rest_need_not_be_there() -> None:
    """Nothing after the last wanted field is read."""
    schema: Any = writer_schema(SCHEMA_IDS["MediaBatch"])
    body = io.BytesIO()
    fields = {"type": "record", "name": "r", "fields": schema["fields"][:2]}
    fastavro.schemaless_writer(
        body, fastavro.parse_schema(fields), {"stream_sid": "MZ1", "call_sid": "CA1"}
    )
    read = first_fields(schema, ["call_sid"], 0)
    assert [b"CA1"] == list(read(body.getvalue()))
    with pytest.raises(IndexError):
        read(b"\x06MZ1")


def test_a_field_after_a_list_is_read() -> None:
    """fastavro reads fields of other types than text and numbers."""
    schema: Any = writer_schema(SCHEMA_IDS["WorkerSeen"])
    assert "array" in json.dumps(schema["fields"][2])
    body = io.BytesIO()
    plain = {"worker_sid": "WK1", "task_sid": "WT1", "identities": [], "at": 7}
    fastavro.schemaless_writer(body, schema, plain)
    assert [7] == list(first_fields(schema, ["at"], 0)(body.getvalue()))
