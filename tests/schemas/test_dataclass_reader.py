"""Dataclasses from the dictionaries that fastavro reads."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from schemas.dataclass_reader import reader_of_record, without_logical_types


@dataclass(frozen=True)
class Inner:
    """A record within another one."""

    value: int


@dataclass(frozen=True)
class Outer:
    """A record with every kind of field."""

    text: str
    maybe: str | None
    inner: Inner | None
    several: tuple[Inner, ...]
    plain: tuple[str, ...]
    named: Mapping[str, Inner]


def test_nested_values_become_dataclasses() -> None:
    """Records, lists of them and maps of them become dataclasses, tuples and maps of dataclasses;
    null stays None."""
    plain = {
        "text": "t",
        "maybe": None,
        "inner": {"value": 1},
        "several": [{"value": 2}, {"value": 3}],
        "plain": ["a"],
        "named": {"k": {"value": 4}},
    }
    read = reader_of_record(Outer)
    assert Outer("t", None, Inner(1), (Inner(2), Inner(3)), ("a",), {"k": Inner(4)}) == read(plain)
    assert read(plain | {"inner": None}).inner is None
    with pytest.raises(KeyError):
        read({"text": "t"})


def test_logical_types_are_left_out_everywhere() -> None:
    """Times become plain integers, also within lists and nested types."""
    time = {"type": "long", "logicalType": "timestamp-millis"}
    schema = {"fields": [{"type": ["null", time]}], "items": time}
    assert {"fields": [{"type": ["null", {"type": "long"}]}], "items": {"type": "long"}} == (
        without_logical_types(schema)
    )
