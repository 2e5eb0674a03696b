"""What the reference says of each record and field: read from the Avro files and the classes.

A description that begins with a list of single words, `a, b or c`, lists the allowed values; `...`
at its end means that there may be more.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from schemas import records, states
from schemas.call_keys import FACTS, MILESTONES
from schemas.codec import SCHEMA_IDS, schema_text, versions
from schemas.topics import ALL, Topic

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "flexcapture."

_VALUES = re.compile(r"(?:[a-z]+: )?((?:[a-z-]+, )*[a-z-]+ or [a-z-]+)(?=$|[;,.( ]*[;(.]| \()")
_OPEN_VALUES = re.compile(r"(?:[a-z ,]+: )((?:[a-z-]+, )+\.\.\.)$")
_COUNT = re.compile(r"\bnumber of (?!this |the |that |its )(?:[a-z]+ ){0,2}?([a-z]+s)\b")
KEYS: Mapping[str, Mapping[str, Mapping[str, str]]] = {"facts": FACTS, "milestones": MILESTONES}
"""The meaning of the keys of maps: by the name of the field, and by the record with the field."""
STATES = [
    each for each in vars(states).values() if isinstance(each, type) and each.__module__ ==
    states.__name__ and issubclass(each, StrEnum)
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A row of a record's table.

    `type`: with the names of records in it; `record`: the one that values of the field are of, if
    any. `default`: JSON, or None if a reader needs the field. `unit`: empty if it has none.
    """

    name: str
    type: str
    nullable: bool
    default: str | None
    unit: str
    values: tuple[str, ...]
    record: str | None
    doc: str


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """A record type. `owner`: the record with an Avro file in which this one is described first;
    its own name, if it has a file. `place`: the path of its values in the owner's examples."""

    name: str
    doc: str
    fields: tuple[FieldInfo, ...]
    owner: str
    place: tuple[str, ...]

    @property
    def has_file(self) -> bool:
        """Whether it is written by itself, not only within another record."""
        return self.name == self.owner

    @property
    def page(self) -> str:
        """The name of the page: the module of the owner's class."""
        module: str = getattr(records, self.owner).__module__
        return module.rpartition(".")[2]

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics that it is on."""
        return tuple(topic for topic in ALL if self.name in topic.records)

    @property
    def schema_id(self) -> int:
        """The id of its present schema."""
        return SCHEMA_IDS[self.name]

    @property
    def version(self) -> int:
        """The number of its present schema, from 1."""
        return len(versions(self.name))


@cache
def all_records() -> Mapping[str, RecordInfo]:
    """Return all record types by name: those with an Avro file first, each followed by those that
    are described in its file."""
    found: dict[str, RecordInfo] = {}
    for name in SCHEMA_IDS:
        for info in _Reading(name).records():
            if info.name not in SCHEMA_IDS or info.has_file:
                found.setdefault(info.name, info)
    return found


class _Reading:
    """Reads the records of one Avro file."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._enums: dict[str, tuple[str, ...]] = {}
        self._found: list[RecordInfo] = []

    def records(self) -> Sequence[RecordInfo]:
        """Return the file's record and those in it, outermost first."""
        self._record(json.loads(schema_text(self._owner)), ())
        return self._found[::-1]

    def _record(self, schema: Mapping[str, Any], place: tuple[str, ...]) -> None:
        name = _short(schema["name"])
        fields = tuple(self._field(name, field, place) for field in schema["fields"])
        self._found.append(RecordInfo(name, schema.get("doc", ""), fields, self._owner, place))

    def _field(self, owner: str, field: Mapping[str, Any], place: tuple[str, ...]) -> FieldInfo:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        (kind,) = [each for each in branches if each != "null"]
        text, inner = self._type(kind, (*place, field["name"]))
        name = inner.get("name") if inner else None
        doc = field["doc"]
        return FieldInfo(
            name=field["name"],
            type=text,
            nullable="null" in branches,
            default=json.dumps(field["default"]) if "default" in field else None,
            unit=_unit(field["name"], inner, doc),
            values=self._enums.get(_short(name or "")) or _values_of(owner, field["name"], doc),
            record=_short(name) if name and _short(name) not in self._enums else None,
            doc=doc,
        )

    def _type(self, kind: Any, place: tuple[str, ...]) -> tuple[str, Mapping[str, Any]]:
        """Return the type in words, and the innermost type."""
        if isinstance(kind, str):
            return self._named(kind)
        match kind["type"]:
            case "record":
                self._record(kind, place)
                return self._named(kind["name"])
            case "enum":
                self._enums[_short(kind["name"])] = tuple(kind["symbols"])
                return "enum", {"name": kind["name"]}
            case "array":
                text, inner = self._type(kind["items"], place)
                return f"list of {text}", inner
            case "map":
                text, inner = self._type(kind["values"], place)
                return f"map of string to {text}", inner
            case _:
                return str(kind["type"]), kind

    def _named(self, name: str) -> tuple[str, Mapping[str, Any]]:
        short = _short(name)
        if short in self._enums:
            return "enum", {"name": short}
        is_record = short[0].isupper()
        return short, {"name": short} if is_record else {"type": name}


def _short(name: str) -> str:
    return name.removeprefix(NAMESPACE)


_UNITS: Mapping[str, str] = {
    "_ms": "ms",
    "_bytes": "bytes",
    "_samples": "samples",
    "_seconds": "s",
    "_percent": "%",
}


def _unit(name: str, inner: Mapping[str, Any], doc: str) -> str:
    if inner.get("logicalType") == "timestamp-millis":
        return "ms since 1970, UTC"
    kind = inner.get("type")
    if kind == "bytes":
        return "bytes"
    if kind not in ("int", "long"):
        return ""
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return unit
    if re.search(r"\bms\b", doc):
        return "ms"
    if re.match(r"(bytes|length in bytes|size in bytes)\b", doc):
        return "bytes"
    counted = _COUNT.search(doc)
    return counted[1] if counted else ""


def _values_of(owner: str, name: str, doc: str) -> tuple[str, ...]:
    """Return the keys of a map, the values of the enumeration that the field is named after, or
    the list in its description."""
    keys = KEYS.get(name, {}).get(owner)
    if keys is not None:
        return tuple(keys)
    if "_" in name:  # of one word, as `outcome`: several enumerations could be meant
        named = "".join(word.capitalize() for word in name.split("_"))
        for each in STATES:
            if each.__name__ == named:
                return tuple(each)
    return _listed(doc)


def _listed(doc: str) -> tuple[str, ...]:
    found = _VALUES.match(doc) or _OPEN_VALUES.match(doc)
    return (
        tuple(re.findall(r"[a-z][a-z-]*|\.\.\.", found[1].replace(" or ", ", "))) if found else ()
    )


def states_of(values: Sequence[str]) -> str | None:
    """Return the name of the enumeration in `schemas/states.py` with exactly these values."""
    return next((each.__name__ for each in STATES if {*values} == {*each}), None)


def value_at(example: Any, place: Sequence[str]) -> Any:
    """Return the first value in an example that is neither null nor empty at a path; of lists and
    maps, look into each element."""
    return next((each for each in _values(example, place) if each not in (None, "", [], {})), None)


def _values(example: Any, place: Sequence[str]) -> Iterator[Any]:
    if isinstance(example, list):
        for each in example:
            yield from _values(each, place)
    elif not place:
        yield example
    elif isinstance(example, Mapping):
        if place[0] in example:
            yield from _values(example[place[0]], place[1:])
        else:  # a map: its keys are no fields
            for each in example.values():
                yield from _values(each, place)
