"""The bundled schemas by subject, version and id, as a registry that is only read. Pure.

Every look-up that fails raises `Refused` with the error code that the registry's API defines.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from schemas.codec import SCHEMA_IDS, schema_text, versions
from schemas.registry.avro_schemas import AvroSchema, parse
from schemas.registry.compatibility import incompatibilities

COMPATIBILITY = "FULL_TRANSITIVE"
"""The rule for changed schemas (`tests/schemas` checks it): each version of a record can be read
with the schema of any other."""
MODE = "READONLY"
_DEFAULT_CONTEXT = ":.:"
_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)


class Refused(Exception):
    """The request cannot be answered.

    `status`: of HTTP. `code`: the registry's error code. The text gives the reason.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject."""

    subject: str
    number: int
    schema_id: int
    name: str

    @property
    def text(self) -> str:
        """The schema in JSON."""
        return schema_text(self.name, self.number)

    @property
    def schema(self) -> AvroSchema:
        """The parsed schema."""
        return _parsed(self.name, self.number)


class Catalog:
    """The schemas of these subjects. `subjects`: the name of the record type of each."""

    def __init__(self, subjects: Mapping[str, str]) -> None:
        self._versions = {
            subject: tuple(
                Version(subject, number, schema_id, name)
                for number, schema_id in enumerate(versions(name), 1)
            )
            for subject, name in sorted(subjects.items())
        }
        self._by_id: dict[int, list[Version]] = {}
        for each in self.all():
            self._by_id.setdefault(each.schema_id, []).append(each)
        self.max_id = max(SCHEMA_IDS.values())

    def subjects(self, prefix: str = "") -> list[str]:
        """Return the subjects that begin with `prefix`; `:*:` is any prefix."""
        wanted = "" if prefix == ":*:" else _plain(prefix)
        return [subject for subject in self._versions if subject.startswith(wanted)]

    def all(self, prefix: str = "", *, latest_only: bool = False) -> list[Version]:
        """Return the versions of the subjects that begin with `prefix`."""
        found = [self._versions[subject] for subject in self.subjects(prefix)]
        return [each for every in found for each in (every[-1:] if latest_only else every)]

    def versions(self, subject: str) -> Sequence[Version]:
        """Return the versions of a subject, oldest first."""
        plain = _plain(subject)
        if plain not in self._versions:
            raise Refused(404, 40401, f"Subject '{subject}' not found.")
        return self._versions[plain]

    def has(self, subject: str) -> bool:
        """Whether there is such a subject."""
        return _plain(subject) in self._versions

    def version(self, subject: str, asked: str) -> Version:
        """Return a subject's version by its number, or the last for `latest` and `-1`."""
        number = -1 if asked == "latest" else _number(asked)
        if number is None or number == 0 or number < -1 or number >= 2**31:
            raise Refused(
                422,
                42202,
                f"The specified version '{asked}' is not a valid version id. Allowed values are "
                'between [1, 2^31-1] and the string "latest"',
            )
        found = self.versions(subject)
        if number > len(found):
            raise Refused(404, 40402, f"Version {asked} not found.")
        return found[number - 1 if number > 0 else -1]

    def by_id(self, asked: str, subject: str | None = None) -> list[Version]:
        """Return the versions that have an id, of one subject if it is given. For an unknown id,
        raise `Refused`."""
        found = self._by_id.get(_number(asked) or 0)
        if found is None:
            raise Refused(404, 40403, f"Schema {asked} not found")
        return [each for each in found if not subject or each.subject == _plain(subject)]

    def find(self, subject: str, schema: AvroSchema, *, with_docs: bool = True) -> Version | None:
        """Return the latest version of the subject that has this schema, if any has."""
        wanted = schema.canonical(with_docs=with_docs)
        return next(
            (
                each
                for each in reversed(self.versions(subject))
                if each.schema.canonical(with_docs=with_docs) == wanted
            ),
            None,
        )


def full_incompatibilities(schema: AvroSchema, others: Sequence[Version]) -> list[str]:
    """Return why a schema is not compatible with others in both directions."""
    found = []
    for other in others:
        newer = incompatibilities(schema, other.schema)
        older = incompatibilities(other.schema, schema)
        found += [f"cannot read version {other.number}: {why}" for why in newer]
        found += [f"cannot be read with version {other.number}: {why}" for why in older]
    return found


def _plain(subject: str) -> str:
    """Return the subject without the name of the default context, the only one here."""
    return subject.removeprefix(_DEFAULT_CONTEXT)


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


@cache
def _parsed(name: str, number: int) -> AvroSchema:
    return parse(schema_text(name, number))
