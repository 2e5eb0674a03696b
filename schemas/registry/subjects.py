"""The subjects of the bundled schemas. Pure.

Three strategies of Confluent's clients lead to a subject:

- TopicRecordNameStrategy, `<topic>-flexcapture.<Record>`: every record type of every topic. The
  subject of a record that is on no topic, only in tables, is `flexcapture.<Record>`.
- TopicNameStrategy, `<topic>-value`: the record type of the topic, or the union of its types.
- RecordNameStrategy, `flexcapture.<Record>` without a prefix: only in the built-in registry.

A subject has the versions of its record type or union, under the ids of `schemas`. The subject of a
union also has the schemas of its record types, for clients that look up the schema of a record
there, as Kafka Connect's converter does. They are not part of its history, so the built-in registry
treats them like deleted versions: it finds them, but lists them only on request.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from schemas.codec import SCHEMA_IDS, schema_text, versions
from schemas.registry.union_schema import union_text
from schemas.topics import ALL, Topic
from schemas.unions import UNION_VERSIONS

NAMESPACE = "flexcapture"
FULL_TRANSITIVE = "FULL_TRANSITIVE"
"""Data of each version can be read with the schema of any other."""
BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
"""Data of each version can be read with the schema of any later one. A union may get another type,
which earlier versions cannot read."""


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """A version of a schema, from 1. `text`: the schema in JSON."""

    number: int
    schema_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The versions of a subject, oldest first, and the compatibility between them.

    `schema`: the name of the record type, or of the topic of a union. `members`: the versions of
    the record types in a union. They have numbers of their own.
    """

    schema: str
    compatibility: str
    versions: Sequence[SchemaVersion]
    members: Sequence[SchemaVersion] = ()


def subjects(topic_prefix: str) -> dict[str, Subject]:
    """Return the subjects by name. `topic_prefix`: of the topics."""
    found: dict[str, Subject] = {}
    for topic in ALL:
        if not topic.records:  # the topic only has consumers, which share its partitions
            continue
        name = f"{topic_prefix}{topic.name}"
        found |= {f"{name}-{NAMESPACE}.{record}": _of_record(record) for record in topic.records}
        found[f"{name}-value"] = _of_values(topic)
    on_topics = {subject.schema for subject in found.values()}
    tables = [name for name in SCHEMA_IDS if name not in on_topics]
    return found | {f"{topic_prefix}{NAMESPACE}.{name}": _of_record(name) for name in tables}


def served_subjects(topic_prefix: str) -> dict[str, Subject]:
    """Return the subjects of the built-in registry: `subjects`, and `flexcapture.<Record>` without
    a prefix for each record type."""
    by_name = {f"{NAMESPACE}.{name}": _of_record(name) for name in SCHEMA_IDS}
    return subjects(topic_prefix) | by_name


def _of_values(topic: Topic) -> Subject:
    return _of_union(topic.name) if len(topic.records) > 1 else _of_record(topic.records[0])


@cache
def _of_record(name: str) -> Subject:
    return Subject(name, FULL_TRANSITIVE, tuple(_versions_of(name)))


@cache
def _of_union(topic: str) -> Subject:
    """Return the union's subject: its first version has the number 1. Schemas of record types that
    came with a version follow it, and the next version follows them."""
    unions, members = [], []
    numbers = itertools.count(1)
    known: set[int] = set()
    for union in UNION_VERSIONS[topic]:
        unions.append(SchemaVersion(next(numbers), union.schema_id, union_text(union)))
        for name, latest in union.members.items():
            new = [v for v in _versions_of(name)[:latest] if v.schema_id not in known]
            members += [replace(version, number=next(numbers)) for version in new]
            known |= {version.schema_id for version in new}
    return Subject(topic, BACKWARD_TRANSITIVE, tuple(unions), tuple(members))


def _versions_of(name: str) -> list[SchemaVersion]:
    return [
        SchemaVersion(number, schema_id, schema_text(name, number))
        for number, schema_id in enumerate(versions(name), 1)
    ]
