"""The bundled schemas as files with an index, for registries that are filled in another way.
Pure."""

import json
from collections.abc import Mapping
from typing import Any

from schemas.registry.subjects import SchemaVersion, Subject, served_subjects

INDEX = "index.json"
_UNION = "union."


def exported(topic_prefix: str) -> dict[str, str]:
    """Return the content of the files by their names: `NAME.VERSION.avsc` for each version of a
    record type, `union.TOPIC.VERSION.avsc` for each of a union, and the index."""
    subjects = served_subjects(topic_prefix)
    names = {v.schema_id: _file_of(subject, v) for subject in subjects.values()
             for v in subject.versions}  # fmt: skip
    texts = {v.schema_id: v.text for subject in subjects.values() for v in subject.versions}
    index = {
        "schemas": [{"id": each, "file": names[each]} for each in sorted(names)],
        "subjects": [_described(name, subjects[name], names) for name in sorted(subjects)],
    }
    files = {names[each]: _pretty(json.loads(texts[each])) for each in names}
    return files | {INDEX: _pretty(index)}


def _described(name: str, subject: Subject, names: Mapping[int, str]) -> dict[str, Any]:
    versions = [
        # Every schema has all its definitions in it, for clients that resolve no references.
        {"version": v.number, "id": v.schema_id, "file": names[v.schema_id], "references": []}
        for v in subject.versions
    ]
    return {"subject": name, "compatibility": subject.compatibility, "versions": versions}


def _file_of(subject: Subject, version: SchemaVersion) -> str:
    is_union = version.text.startswith("[")
    return f"{_UNION if is_union else ''}{subject.schema}.{version.number}.avsc"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
