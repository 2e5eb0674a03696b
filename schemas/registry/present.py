"""Find out which of our subjects and versions a registry has, and which it lacks. `read_present`
asks the registry; the rest is pure."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from schemas.registry.avro_schemas import comparable, with_docs
from schemas.registry.http import RegistryAway, RegistryHttp
from schemas.registry.subjects import SchemaVersion, Subject

_AT_ONCE = 4
"""The number of concurrent requests. They only read."""


@dataclass(frozen=True, slots=True)
class PresentVersion:
    """A version of a subject in the registry. `fixed_id`: our id of its schema; None: the schema is
    not one of the subject's."""

    number: int
    registry_id: int
    fixed_id: int | None


Present = Mapping[str, Sequence[PresentVersion]]
"""The versions that the registry has, by subject; empty for a subject that it lacks."""


@dataclass(frozen=True, slots=True)
class MissingVersion:
    """A version of ours that the registry lacks."""

    subject: str
    schema: str
    version: SchemaVersion


def read_present(registry: RegistryHttp, subjects: Mapping[str, Subject]) -> Present:
    """Return the versions of these subjects that the registry has. Raise `RegistryError`."""
    listed = registry.get("/subjects")
    if not isinstance(listed, list):
        raise RegistryAway(f"{registry.address} is no schema registry: /subjects is not a list")
    names = sorted(subjects.keys() & {name for name in listed if isinstance(name, str)})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: _versions(registry, name, subjects[name]), names)
        return dict(zip(names, found, strict=True))


def _versions(registry: RegistryHttp, name: str, subject: Subject) -> tuple[PresentVersion, ...]:
    path = f"/subjects/{quote(name, safe='')}/versions"
    found = (registry.find(f"{path}/{number}") for number in registry.find(path) or ())
    return tuple(_present(each, subject) for each in found if each is not None)


def _present(answer: Mapping[str, Any], subject: Subject) -> PresentVersion:
    try:
        text, number = str(answer["schema"]), int(answer["version"])
        return PresentVersion(number, int(answer["id"]), fixed_id_of(text, subject))
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryAway(f"the registry describes a version without {error}") from error


def fixed_id_of(text: str, subject: Subject) -> int | None:
    """Return our id of a schema in JSON, if it is one of the subject's. White space and
    documentation do not matter: documentation may change under one id."""
    found = comparable(text)
    ours = [version for version in subject.versions if comparable(version.text) == found]
    same = [version for version in ours if with_docs(version.text) == with_docs(text)]
    return next((version.schema_id for version in (*same, *ours)), None)


def missing_versions(subjects: Mapping[str, Subject], present: Present) -> list[MissingVersion]:
    """Return our versions that the registry lacks: by subject, oldest first."""
    return [
        MissingVersion(name, subject.schema, version)
        for name, subject in subjects.items()
        for version in subject.versions
        if not _has(present.get(name, ()), version, subject)
    ]


def _has(versions: Sequence[PresentVersion], version: SchemaVersion, subject: Subject) -> bool:
    """Return whether one of the registry's versions has the schema, or a schema that differs from
    it in documentation only: not every registry distinguishes them."""
    equal = _equal(version, subject)
    return any(each.fixed_id in equal for each in versions)


def _equal(version: SchemaVersion, subject: Subject) -> frozenset[int]:
    wanted = comparable(version.text)
    return frozenset(v.schema_id for v in subject.versions if comparable(v.text) == wanted)


def out_of_order(subjects: Mapping[str, Subject], present: Present) -> list[str]:
    """Return the subjects that have a version of ours and lack an earlier one. A registry that
    numbers versions itself would make the earlier one its latest."""
    found = []
    for name, subject in subjects.items():
        have = [_has(present.get(name, ()), version, subject) for version in subject.versions]
        if have != sorted(have, reverse=True):
            found.append(name)
    return found


def ids_in(subjects: Mapping[str, Subject], present: Present) -> dict[int, set[int]]:
    """Return the registry's ids by our id. If the registry does not distinguish two schemas, both
    have the same ids."""
    found: dict[int, set[int]] = {}
    for versions in present.values():
        for each in versions:
            if each.fixed_id is not None:
                found.setdefault(each.fixed_id, set()).add(each.registry_id)
    shared = {
        version.schema_id: set().union(*(found.get(n, ()) for n in _equal(version, subject)))
        for subject in subjects.values()
        for version in subject.versions
        if version.schema_id not in found
    }
    return found | {fixed: ids for fixed, ids in shared.items() if ids}
