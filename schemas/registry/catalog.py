"""The bundled schemas by subject, version and id, as a registry that is only read. Pure.

A look-up that fails raises `RegistryRefusal` with the error code of the registry's API.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from schemas.registry.avro_schemas import AvroSchema, parse
from schemas.registry.compatibility import incompatibilities
from schemas.registry.subjects import BACKWARD_TRANSITIVE, FULL_TRANSITIVE, Subject

COMPATIBILITY = FULL_TRANSITIVE
"""The default compatibility of subjects (`tests/schemas` checks it)."""
MODE = "READONLY"
_DEFAULT_CONTEXT = ":.:"
_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)


class RegistryRefusal(Exception):
    """The request cannot be answered.

    `status`: of HTTP. `code`: the registry's error code. The text gives the reason.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class VersionedSchema:
    """One version of a subject. `is_listed`: False for the schema of a record type in a union."""

    subject: str
    number: int
    schema_id: int
    text: str
    compatibility: str
    is_listed: bool

    @property
    def schema(self) -> AvroSchema:
        """The parsed schema."""
        return _parsed(self.text)


class Catalog:
    """The schemas of these subjects."""

    def __init__(self, subjects: Mapping[str, Subject]) -> None:
        self._versions = {name: _of(name, subjects[name]) for name in sorted(subjects)}
        self._by_id: dict[int, list[VersionedSchema]] = {}
        for each in self.all():
            self._by_id.setdefault(each.schema_id, []).append(each)
        self.max_id = max(self._by_id)

    def subjects(self, prefix: str = "") -> list[str]:
        """Return the subjects that begin with `prefix`; `:*:` is any prefix."""
        wanted = "" if prefix == ":*:" else _plain(prefix)
        return [subject for subject in self._versions if subject.startswith(wanted)]

    def all(self, prefix: str = "", *, latest_only: bool = False) -> list[VersionedSchema]:
        """Return the listed versions of the subjects that begin with `prefix`."""
        found = [self.versions(subject) for subject in self.subjects(prefix)]
        return [each for every in found for each in (every[-1:] if latest_only else every)]

    def versions(self, subject: str) -> Sequence[VersionedSchema]:
        """Return the listed versions of a subject, oldest first."""
        return [each for each in self.every_version(subject) if each.is_listed]

    def every_version(self, subject: str) -> Sequence[VersionedSchema]:
        """Return all versions of a subject, in the order of their numbers."""
        plain = _plain(subject)
        if plain not in self._versions:
            raise RegistryRefusal(404, 40401, f"Subject '{subject}' not found.")
        return self._versions[plain]

    def has(self, subject: str) -> bool:
        """Return whether there is such a subject."""
        return _plain(subject) in self._versions

    def compatibility(self, subject: str) -> str:
        """Return the compatibility of a subject, or the general one if there is no such subject."""
        found = self._versions.get(_plain(subject))
        return COMPATIBILITY if found is None else found[0].compatibility

    def version(self, subject: str, asked: str) -> VersionedSchema:
        """Return a subject's version by its number, or the last listed one for `latest`, `-1`."""
        number = -1 if asked == "latest" else _number(asked)
        if number is None or number == 0 or number < -1 or number >= 2**31:
            raise RegistryRefusal(
                422,
                42202,
                f"The specified version '{asked}' is not a valid version id. Allowed values are "
                'between [1, 2^31-1] and the string "latest"',
            )
        if number < 0:
            return self.versions(subject)[-1]
        for each in self.every_version(subject):
            if each.number == number:
                return each
        raise RegistryRefusal(404, 40402, f"VersionedSchema {asked} not found.")

    def by_id(self, asked: str, subject: str | None = None) -> list[VersionedSchema]:
        """Return the listed versions that have an id, of one subject if it is given. For an unknown
        id, raise `RegistryRefusal`."""
        found = self._by_id.get(_number(asked) or 0)
        if found is None:
            raise RegistryRefusal(404, 40403, f"Schema {asked} not found")
        return [each for each in found if not subject or each.subject == _plain(subject)]

    def find(
        self, subject: str, schema: AvroSchema, *, with_docs: bool = True
    ) -> VersionedSchema | None:
        """Return the latest version of the subject that has this schema, if any has."""
        wanted = schema.canonical(with_docs=with_docs)
        return next(
            (
                each
                for each in reversed(self.every_version(subject))
                if each.schema.canonical(with_docs=with_docs) == wanted
            ),
            None,
        )


def _of(name: str, subject: Subject) -> tuple[VersionedSchema, ...]:
    found = [
        VersionedSchema(
            name, each.number, each.schema_id, each.text, subject.compatibility, is_listed
        )
        for versions, is_listed in ((subject.versions, True), (subject.members, False))
        for each in versions
    ]
    return tuple(sorted(found, key=lambda version: version.number))


def conflicts(schema: AvroSchema, others: Sequence[VersionedSchema]) -> list[str]:
    """Return why a schema cannot be the next version of a subject with the versions `others`."""
    found = []
    for other in others:
        newer = incompatibilities(schema, other.schema)
        found += [f"cannot read version {other.number}: {why}" for why in newer]
        if other.compatibility != BACKWARD_TRANSITIVE:
            older = incompatibilities(other.schema, schema)
            found += [f"cannot be read with version {other.number}: {why}" for why in older]
    return found


def _plain(subject: str) -> str:
    """Return the subject without the name of the default context, the only one here."""
    return subject.removeprefix(_DEFAULT_CONTEXT)


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


@cache
def _parsed(text: str) -> AvroSchema:
    return parse(text)
