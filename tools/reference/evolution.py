"""The page docs/reference/evolution.md: the rules, and what each version of a record changed."""

import json
from collections.abc import Iterator

from schemas.codec import schema_text, versions
from schemas.unions import UNION_VERSIONS
from tools.reference.model import all_records
from tools.reference.pages import WRITTEN_BY, link
from tools.schema_evolution import changes

_RULES = f"""\
# How records change

{WRITTEN_BY}
A record that one release wrote is read by every later release, and by every earlier one. A topic
may hold records of many versions; each names its version by its schema id.

| may change | may not change |
|---|---|
| a field is added, with a default | a field's type, logical type, name or default |
| a field with a default is removed | a field without a default is removed |
| descriptions (the id stays) | the symbols of an enumeration, and their order |
| a union gets a member, as its last one | names and namespaces; the order of a union |
| a field of type string has new values | the meaning of a value |

- All versions of a record are `FULL_TRANSITIVE`, those of a topic's union `BACKWARD_TRANSITIVE`. A
  test checks each pair of versions, with Avro's own checker, and with our own rules for logical
  types, enumerations, names and defaults (`tests/schemas/test_evolution.py`).
- A change gives the record a new id. An id never means another schema: the ids and schemas of a
  released commit are recorded, and a test compares them.
- Readers ignore fields and values that they do not know. They get new schemas from the registry,
  or from a newer `flexcapture-schemas`, which should be installed before flexcapture is updated.
- A change that these rules forbid becomes a new field, or a new record, beside the old one.

## Versions of records

The changes of fields, oldest version first. A record within another one changes with it.

| record | version | id | added | removed |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    unions = (
        "\n## Versions of unions\n\n"
        "The union of a topic with several record types, for clients that have one subject for a\n"
        "topic. Members with the version of their schema.\n\n"
        "| topic | version | id | members |\n|---|---|---|---|\n"
    )
    return _RULES + "".join(_rows()) + unions + "".join(_union_rows())


def _rows() -> Iterator[str]:
    for info in all_records().values():
        if not info.has_file:
            continue
        ids = versions(info.name)
        for number, schema_id in enumerate(ids, 1):
            added, removed = _changes(info.name, number) if number > 1 else ("", "")
            name = link(info.name, "evolution") if number == 1 else ""
            yield f"| {name} | {number} | {schema_id} | {added} | {removed} |\n"


def _changes(name: str, number: int) -> tuple[str, str]:
    found = changes(
        json.loads(schema_text(name, number - 1)), json.loads(schema_text(name, number))
    )
    added, removed = ([f"`{path}`" for path in each] for each in (found.added, found.removed))
    return ", ".join(added), ", ".join(removed)


def _union_rows() -> Iterator[str]:
    for topic, unions in UNION_VERSIONS.items():
        for number, union in enumerate(unions, 1):
            members = ", ".join(f"`{name}` {version}" for name, version in union.members.items())
            yield f"| `{topic}` | {number} | {union.schema_id} | {members} |\n"
