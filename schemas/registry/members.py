"""The schemas of record types in the subject of their topic's union, for clients that look them up
there. It blocks.

A deserializer with `use.latest.version` looks up the schema of a record in the subject, among
deleted versions too, and the union must stay the latest version. So each of these schemas is
registered as a version and then deleted, but not for good. Not every registry finds deleted
versions, so this is tested first.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote

from schemas.registry.avro_schemas import comparable
from schemas.registry.http import RegistryAnswer, RegistryHttp
from schemas.registry.probe import PROBE_SUBJECT, delete_subject
from schemas.registry.subjects import SchemaVersion, Subject

NOT_FOUND = (
    "the registry does not find deleted versions: on topics with several record types, "
    "deserializers with use.latest.version fail (docs/registry.md)"
)
_AT_ONCE = 4
_PROBES = (
    '{"type":"record","name":"ProbeMember","namespace":"flexcapture","fields":[]}',
    '["null",{"type":"record","name":"ProbeMember","namespace":"flexcapture","fields":[]}]',
)


@dataclass(frozen=True, slots=True)
class MissingMember:
    """A record type's schema that a union's subject lacks."""

    subject: str
    version: SchemaVersion


def missing_members(registry: RegistryHttp, subjects: Mapping[str, Subject]) -> list[MissingMember]:
    """Return the schemas that the subjects of unions lack, oldest first. Raise `RegistryError`."""
    found = []
    for name, subject in subjects.items():
        if not subject.members:
            continue
        has = _deleted_texts(registry, name)
        found += [
            MissingMember(name, version)
            for version in subject.members
            if comparable(version.text) not in has
        ]
    return found


def finds_deleted(registry: RegistryHttp) -> bool:
    """Return whether the registry finds a schema among a subject's deleted versions, without
    reporting one of them as the latest. Leave nothing behind. Raise `RegistryError` if the registry
    fails."""
    path = f"/subjects/{quote(PROBE_SUBJECT)}"
    first, last = _PROBES
    try:
        _post(registry, PROBE_SUBJECT, first)
        with any_schema(registry, PROBE_SUBJECT, "NONE"):
            _post(registry, PROBE_SUBJECT, last)
        number = hide(registry, PROBE_SUBJECT, first)
        latest = registry.get(f"{path}/versions/latest")
        is_found = number == _look_up(registry, PROBE_SUBJECT, first)
        return is_found and comparable(str(latest["schema"])) == comparable(last)
    except RegistryAnswer as answer:
        if answer.status >= 500 and answer.status != 501:
            raise
        return False
    except (KeyError, TypeError, ValueError):
        return False
    finally:
        with suppress(RegistryAnswer):
            delete_subject(registry, PROBE_SUBJECT)


def hide(registry: RegistryHttp, subject: str, text: str) -> int:
    """Delete the version with this schema, so that only look-ups find it. Return its number."""
    number = _look_up(registry, subject, text)
    try:
        registry.ask("DELETE", f"/subjects/{quote(subject, safe='')}/versions/{number}")
    except RegistryAnswer as answer:
        if answer.status != 404:  # deleted already: it differs from another in documentation only
            raise
    return number


@contextmanager
def any_schema(registry: RegistryHttp, subject: str, compatibility: str) -> Iterator[None]:
    """Let an existing subject take any schema during the block; then set its compatibility."""
    path = f"/config/{quote(subject, safe='')}"
    registry.ask("PUT", path, {"compatibility": "NONE"})
    try:
        yield
    finally:
        registry.ask("PUT", path, {"compatibility": compatibility})


def _post(registry: RegistryHttp, subject: str, text: str) -> None:
    path = f"/subjects/{quote(subject, safe='')}/versions"
    registry.ask("POST", path, {"schemaType": "AVRO", "schema": text})


def _look_up(registry: RegistryHttp, subject: str, text: str) -> int:
    """Return the number of the schema's version, deleted or not."""
    path = f"/subjects/{quote(subject, safe='')}?deleted=true"
    return int(registry.ask("POST", path, {"schemaType": "AVRO", "schema": text})["version"])


def _deleted_texts(registry: RegistryHttp, subject: str) -> frozenset[str]:
    """Return the schemas of deleted versions, in the form of `comparable`."""
    path = f"/subjects/{quote(subject, safe='')}/versions"
    left = set(registry.find(path) or ())
    deleted = [n for n in registry.find(f"{path}?deleted=true") or () if n not in left]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda n: registry.find(f"{path}/{n}?deleted=true"), deleted)
        return frozenset(comparable(str(each["schema"])) for each in found if each is not None)
