"""The pages of docs/reference: a table of each record's fields, and an index."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from schemas.call_keys import FACTS
from schemas.topics import ALL, Topic
from tools.reference.example_run import load
from tools.reference.field_origins import ORIGINS
from tools.reference.model import (
    KEYS,
    STATES,
    FieldInfo,
    RecordInfo,
    all_records,
    states_of,
    value_at,
)
from tools.reference.writers import origins, short, writers

_DAY_MS = 24 * 60 * 60 * 1000
_EXAMPLE_CHARACTERS = 40
WRITTEN_BY = """\
Written by `python -m tools.reference` from the Avro files, the classes and the records of a run; do
not edit this page.
"""
_COLUMNS = """\
| field | type | unit | null | allowed values | from | example | meaning |
|---|---|---|---|---|---|---|---|
"""


_KEYS_HEAD = """\
Keys of the maps, and the types of CTI events that gave them a value in the run, without
`com.twilio.` and `taskrouter.`:

| map | key | from | meaning |
|---|---|---|---|
"""


def pages() -> Mapping[str, str]:
    """Return the text of each page by the name of its file."""
    named = {f"{page}.md": _page(page, infos) for page, infos in _by_page().items()}
    return {"README.md": _index(), **named}


def _by_page() -> Mapping[str, list[RecordInfo]]:
    found: dict[str, list[RecordInfo]] = {}
    for info in all_records().values():
        found.setdefault(info.page, []).append(info)
    return dict(sorted(found.items()))


def link(name: str, page: str) -> str:
    """Return a link from a page to a record's section."""
    info = all_records()[name]
    target = "" if info.page == page else f"{info.page}.md"
    return f"[`{name}`]({target}#{name.lower()})"


def _index() -> str:
    text = f"""\
# Reference of topics and records

{WRITTEN_BY}
Each topic's key, partitions, retention and records are below; how to read topics:
[../topics.md](../topics.md). Each record has a section with its fields. For programs:
[asyncapi.yaml](asyncapi.yaml) (AsyncAPI 3.0). How records change between releases:
[evolution.md](evolution.md). The examples: [example-run.json](example-run.json).

Each record has the headers of a CloudEvent, by which readers can filter records without decoding
them (docs/decisions/0033): `ce_type` is its name, as `flexcapture.Call`.

- `null`: whether a value may be null. A new version of a schema may leave out a field with a
  default; readers then get the default.
- `allowed values`: those that this release writes; `...` stands for more. Readers must accept
  others: later releases may add some.
- `from`: the field of another record, or the message from outside, that the value is taken from.
- `example`: a value from a run of `flexcapture demo`; empty if the run had none.
- The fields of a list or map of records are in the section of that record.

| topic | key | partitions | kept | records |
|---|---|---|---|---|
"""
    return text + "".join(
        (*map(_topic_row, ALL), "\n## Records\n\n", *_record_rows(), "\n## Enumerations\n\n",
         "\n".join(map(_enumeration, STATES)))
    )  # fmt: skip


def _topic_row(topic: Topic) -> str:
    names = ", ".join(link(name, "README") for name in topic.records)
    return f"| `{topic.name}` | {topic.key} | {topic.partitions} | {kept(topic)} | {names} |\n"


def kept(topic: Topic) -> str:
    """Return how long the topic's records are kept, in words."""
    if topic.retention_ms is None:
        return "compacted"
    days = topic.retention_ms // _DAY_MS
    return f"{days} day" if days == 1 else f"{days} days"


def _record_rows() -> Iterator[str]:
    yield "| record | topics | written by | schema id | meaning |\n|---|---|---|---|---|\n"
    for info in all_records().values():
        if info.has_file:
            topics = ", ".join(f"`{topic.name}`" for topic in info.topics) or "none"
            roles = ", ".join(writers(info))
            yield (
                f"| {link(info.name, 'README')} | {topics} | {roles} | {info.schema_id} "
                f"| {info.doc} |\n"
            )


def _page(page: str, infos: Sequence[RecordInfo]) -> str:
    sections = "\n".join(_section(info) for info in infos)
    return f"# Records: {page}\n\n{WRITTEN_BY}\nColumns: [README.md](README.md).\n\n{sections}"


def _section(info: RecordInfo) -> str:
    example = load()["records"].get(info.owner, {}).get("value")
    rows = "".join(_row(field, info, example) for field in info.fields)
    parts = [f"## {info.name}", info.doc, _facts(info), _COLUMNS + rows.rstrip()]
    if info.name in FACTS:
        parts.append(_keys(info))
    return "\n\n".join(parts).rstrip() + "\n"


def _facts(info: RecordInfo) -> str:
    if not info.has_file:
        return f"A part of {link(info.owner, info.page)}."
    id_text = f"{info.schema_id} (`{info.schema_id:#010x}`)"
    schema = f"`schemas/avro/{info.name}.avsc`, version {info.version}, id {id_text}"
    if not info.topics:
        return f"On no topic: in a role's table or in the recordings store. Schema: {schema}."
    topics = "; ".join(f"`{topic.name}` (key: {topic.key})" for topic in info.topics)
    return f"Topics: {topics}. Written by: {', '.join(writers(info))}. Schema: {schema}."


def _row(field: FieldInfo, info: RecordInfo, example: Any) -> str:
    kind = field.type
    if field.record:
        kind = kind.replace(field.record, link(field.record, info.page))
    cells = [
        f"`{field.name}`",
        kind,
        field.unit,
        _null(field),
        _values(field),
        ORIGINS.get(f"{info.name}.{field.name}", ""),
        "" if field.record else _example(value_at(example, (*info.place, field.name))),
        field.doc.replace("|", "\\|"),
    ]
    return f"| {' | '.join(cells)} |\n"


def _null(field: FieldInfo) -> str:
    default = "" if field.default in (None, "null") else f"; default `{field.default}`"
    return ("yes" if field.nullable else "no") + default


def _values(field: FieldInfo) -> str:
    if field.name in KEYS and field.values:
        return "keys: see below"
    named = ", ".join(value if value == "..." else f"`{value}`" for value in field.values)
    state = states_of(field.values) if field.values else None
    if state is not None:
        return f"[{state}](README.md#{state.lower()})"
    return f"keys: {named}" if named and field.type.startswith("map of ") else named


def _example(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("|", "\\|").replace("`", "'").replace("\n", " ")
    cut = text if len(text) <= _EXAMPLE_CHARACTERS else f"{text[:_EXAMPLE_CHARACTERS]}..."
    return f"`{cut}`"


def _keys(info: RecordInfo) -> str:
    """Describe the keys of `facts` and `milestones`."""
    found = origins(load()["events"])
    place = "".join(f"{step}." for step in info.place)
    rows = "".join(
        f"| `{field}` | `{key}` | {_events(found.get(f'{place}{field}.{key}', ()))} | {meaning} |\n"
        for field, of_record in KEYS.items()
        for key, meaning in of_record[info.name].items()
    )
    return f"{_KEYS_HEAD}{rows}"


def _events(names: Sequence[str]) -> str:
    """Name event types; if these are all of a kind that the run had, name the kind."""
    every = [short(name) for name in load()["events"]]
    found: dict[str, None] = {}
    for name in names:
        kind = f"{name.partition('.')[0]}."
        same = [each for each in every if each.startswith(kind)]
        is_all = len(same) > 1 and {*same} <= {*names}
        found[f"all `{kind}*`" if is_all else f"`{name}`"] = None
    return ", ".join(found)


def _enumeration(each: type[StrEnum]) -> str:
    what = " ".join((inspect.getdoc(each) or "").split())
    return f"### {each.__name__}\n\n{what}\n\n{', '.join(f'`{value}`' for value in each)}\n"
