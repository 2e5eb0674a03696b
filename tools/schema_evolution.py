"""What changed between two versions of a schema, and which changes are forbidden. Pure.

Avro's own rules of compatibility say nothing of logical types, of names that are no type's, and of
defaults that differ between versions. `violations` has the rules for these. A test applies both to
all versions (`tests/schemas/test_evolution.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_UNNAMED = ("array", "map")


@dataclass(frozen=True, slots=True)
class Changes:
    """The paths of fields that one version has and the other has not: `legs.facts.value`."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def changes(older: Any, newer: Any) -> Changes:
    """Return the fields that were added and removed. A field within such a field is not named."""
    before, after = dict(_fields(older)), dict(_fields(newer))
    added = tuple(path for path in after if path not in before and _parent(path) in {*before, ""})
    removed = tuple(path for path in before if path not in after and _parent(path) in {*after, ""})
    return Changes(added, removed)


def violations(older: Any, newer: Any) -> list[str]:
    """Return what breaks our rules between two versions of a schema (parsed JSON), whichever of
    them reads: a union may have more members, everything else that both have is the same."""
    if isinstance(newer, list) and isinstance(older, list):
        return _of_unions(older, newer)
    before, after = dict(_fields(older)), dict(_fields(newer))
    found = [f"{path}: {what}" for path, what in _of_fields(before, after)]
    if older.get("name") != newer.get("name") or older.get("namespace") != newer.get("namespace"):
        found.append("the record's name or namespace is another one")
    found += [f"{path}: has an alias" for path, field in after.items() if "aliases" in field]
    return found


def _of_unions(older: list[Any], newer: list[Any]) -> list[str]:
    """The members of a union keep their places; each keeps the rules."""
    names = [each["name"] for each in newer]
    if [each["name"] for each in older] != names[: len(older)]:
        return ["members of the union have lost their places"]
    return [each for pair in zip(older, newer, strict=False) for each in violations(*pair)]


def _of_fields(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for path in before.keys() & after.keys():
        old, new = before[path], after[path]
        if _form(old["type"]) != _form(new["type"]):
            yield path, f"type {_form(old['type'])} became {_form(new['type'])}"
        if "default" in old and "default" in new and old["default"] != new["default"]:
            yield path, f"default {old['default']!r} became {new['default']!r}"
    yield from ((path, "is new and has no default") for path in _without_default(after, before))
    yield from ((path, "is gone and had no default") for path in _without_default(before, after))
    folded: dict[str, str] = {}
    for path in after:
        if folded.setdefault(path.lower(), path) != path:
            yield path, f"differs from {folded[path.lower()]} in capitals only"


def _without_default(
    some: Mapping[str, Mapping[str, Any]], others: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the paths that only `some` has and that have no default; those within a new field need
    none."""
    for path in some.keys() - others.keys():
        if _parent(path) in {*others, ""} and "default" not in some[path]:
            yield path


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _form(kind: Any) -> Any:
    """Return a type without the parts that may change: documentation, and the fields of records,
    which have paths of their own. Logical types, symbols with their order, and names stay."""
    if isinstance(kind, str):
        return kind.removeprefix("flexcapture.")
    if isinstance(kind, list):
        return [_form(each) for each in kind]
    match kind["type"]:
        case "record":
            return kind["name"]
        case "enum":
            return {"enum": kind["name"], "symbols": kind["symbols"]}
        case "array" | "map" as outer:
            return {outer: _form(kind["items" if outer == "array" else "values"])}
        case plain:
            return {"type": plain, "logicalType": kind.get("logicalType")}


def _fields(schema: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield all fields of a record, at any depth, by path. A record that is named again has its
    fields at that path too."""
    yield from _Walk().fields(schema, "")


class _Walk:
    def __init__(self) -> None:
        self._named: dict[str, Any] = {}
        self._within: list[str] = []

    def fields(self, kind: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if isinstance(kind, list):
            for each in kind:
                yield from self.fields(each, path)
        elif isinstance(kind, str):
            known = self._named.get(kind.rpartition(".")[2])
            if known is not None:
                yield from self._record(known, path)
        elif kind["type"] == "record":
            self._named[kind["name"]] = kind
            yield from self._record(kind, path)
        elif kind["type"] in _UNNAMED:
            yield from self.fields(kind.get("items", kind.get("values")), path)

    def _record(self, record: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if record["name"] in self._within:  # a record within itself
            return
        self._within.append(record["name"])
        for field in record["fields"]:
            own = f"{path}.{field['name']}".lstrip(".")
            yield own, field
            yield from self.fields(field["type"], own)
        self._within.pop()
