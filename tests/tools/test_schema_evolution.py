"""The rules for versions of schemas."""

import copy
from typing import Any

import pytest

from tools.schema_evolution import changes, violations

TIME = {"type": "long", "logicalType": "timestamp-millis"}
KIND = {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    """A record in our namespace."""
    return {"type": "record", "name": name, "namespace": "flexcapture", "fields": list(fields)}


def a_field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    """A field without a description."""
    return {"name": name, "type": kind, **more}


PART = {"type": "record", "name": "Part", "fields": [a_field("x", "int"), a_field("at", TIME)]}
BASE = record(
    a_field("id", "string"),
    a_field("at", TIME),
    a_field("kind", KIND),
    a_field("parts", {"type": "array", "items": PART}, default=[]),
    a_field("last", ["null", "Part"], default=None),
)


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The base with another value at a path."""
    found = copy.deepcopy(BASE)
    place: Any = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return found


ALLOWED = {
    "no change": BASE,
    "descriptions": {**BASE, "doc": "new"},
    "a new field with a default": record(*BASE["fields"], a_field("n", "int", default=0)),
    "a field with a default is gone": record(*BASE["fields"][:3]),
    "another order of fields": record(*BASE["fields"][:3][::-1], *BASE["fields"][3:]),
    "a new record": record(
        *BASE["fields"],
        a_field("other", ["null", record(a_field("y", "int"), name="Other")], default=None),
    ),
}
FORBIDDEN = {
    "a new field without a default": record(*BASE["fields"], a_field("n", "int")),
    "a field without a default is gone": record(*BASE["fields"][1:]),
    "a promoted type": changed("fields", 3, "type", "items", "fields", 0, "type", to="long"),
    "no logical type any more": changed("fields", 1, "type", to="long"),
    "another logical type": changed("fields", 1, "type", "logicalType", to="timestamp-micros"),
    "a logical type within": changed("fields", 3, "type", "items", "fields", 1, "type", to="long"),
    "a new symbol": changed("fields", 2, "type", "symbols", to=["a", "b", "c"]),
    "another order of symbols": changed("fields", 2, "type", "symbols", to=["b", "a"]),
    "another name of an enumeration": changed("fields", 2, "type", "name", to="Sort"),
    "another name of a record": {**BASE, "name": "S"},
    "another namespace": {**BASE, "namespace": "other"},
    "another default": changed("fields", 3, "default", to=[{"x": 1, "at": 1}]),
    "an alias": changed("fields", 0, "aliases", to=["ident"]),
    "null is allowed": changed("fields", 0, "type", to=["null", "string"]),
    "a name in other capitals": record(*BASE["fields"], a_field("ID", "int", default=0)),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed(name: str) -> None:
    """In both directions, except that the older one is never asked to have more."""
    assert [] == violations(BASE, ALLOWED[name])


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden(name: str) -> None:
    """Each is reported."""
    assert [] != violations(BASE, FORBIDDEN[name])


def test_unions_only_grow() -> None:
    """At their end."""
    one, two, three = (record(a_field("x", "int"), name=name) for name in ("A", "B", "C"))
    assert [] == violations([one, two], [one, two, three])
    assert [] != violations([one, two], [two, one])
    assert [] != violations([one, two], [one])
    assert [] != violations([one], [record(a_field("x", "long"), name="A")])


def test_changes_name_the_outermost_fields() -> None:
    """A field within a new record is not named."""
    found = changes(BASE, ALLOWED["a new record"])
    assert (("other",), ()) == (found.added, found.removed)
    gone = changes(BASE, ALLOWED["a field with a default is gone"])
    assert ((), ("parts", "last")) == (gone.added, gone.removed)
    within = changed("fields", 3, "type", "items", "fields", to=[*PART["fields"][:1]])
    assert ("parts.at", "last.at") == changes(BASE, within).removed


def test_a_record_within_itself_ends() -> None:
    """Its fields are named once."""
    tree = record(a_field("sub", {"type": "array", "items": "R"}, default=[]))
    assert [] == violations(tree, tree)
