"""The parts of Avro that we write ourselves. That records are written as by fastavro, to the byte,
is in `test_records`."""

import io
import json
from dataclasses import dataclass
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.avro_writer import writer_of
from schemas.codec import encode, schema_text
from schemas.records import Call, Fact, Leg

_LONG = writer_of("long")


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_whole_numbers(number: int) -> None:
    """Up to 64 bits, written as fastavro does."""
    ours, out = bytearray(), io.BytesIO()
    _LONG(number, ours)
    fastavro.schemaless_writer(out, {"type": "long"}, number)
    assert out.getvalue() == bytes(ours)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1])
def test_no_more_than_64_bits(number: int) -> None:
    """A number that does not fit raises an error instead of changing its value."""
    with pytest.raises(OverflowError, match="not a 64-bit number"):
        _LONG(number, bytearray())


def test_a_shared_part_is_written_once() -> None:
    """A part that two records have in common is asked for its fields once."""
    schema = {
        "type": "array",
        "items": {"type": "record", "name": "Part", "fields": [{"name": "n", "type": "int"}]},
    }
    part, other = _Asked(5), _Asked(5)
    write, out = writer_of(schema, {"Part"}), bytearray()
    write([part, part, other], out)
    write([part], out)
    assert (1, 1) == (part.asked, other.asked)
    assert bytes([6, 10, 10, 10, 0, 2, 10, 0]) == bytes(out)


def test_a_changed_leg_is_written_anew() -> None:
    """Legs that share a cached part are written with their own values."""
    fact = Fact("joined", 1, 2, "EV1")
    legs = [Leg("CA1", {"presence": fact}, {"joined": at}) for at in range(100)]
    write = writer_of(_legs_schema(), {"Leg"})
    written = set()
    for leg in legs:
        out = bytearray()
        write([leg], out)
        written.add(bytes(out))
    assert len(legs) == len(written)


def test_a_missing_text_is_an_error() -> None:
    """A record that its schema does not allow is not written."""
    plain = {"call_sid": None, "task_sid": "WT", "at": 1, "listed": False}
    with pytest.raises(AttributeError):
        encode(codec._FROM_PLAIN["CallAlias"](plain))


def test_only_null_and_something_else() -> None:
    """Other unions are refused when the writer is made, not when something is written."""
    with pytest.raises(ValueError, match="union"):
        writer_of(["long", "string"])


@pytest.mark.parametrize("name", ["a.b", "from", "a\n", ""])
def test_only_names_of_attributes(name: str) -> None:
    """The names of fields become a part of Python source."""
    schema = {"type": "record", "name": "R", "fields": [{"name": name, "type": "long"}]}
    with pytest.raises(ValueError, match="cannot have the name"):
        writer_of(schema)


@dataclass
class _Asked:
    number: int
    asked: int = 0

    @property
    def n(self) -> int:
        self.asked += 1
        return self.number


def _legs_schema() -> Any:
    fields = json.loads(schema_text(Call.__name__))["fields"]
    fact = next(f for f in fields if f["name"] == "facts")["type"]["values"]
    legs = next(f for f in fields if f["name"] == "legs")["type"]
    first, *rest = legs["items"]["fields"]
    facts = {"name": "facts", "type": {"type": "map", "values": fact}}
    milestones = rest[1]
    return {"type": "array", "items": {**legs["items"], "fields": [first, facts, milestones]}}
