"""The ids under which a registry has our schemas, as a record for the topic `schema.ids`. Pure.

Records on topics may have the fixed ids of `schemas`, or the ids that a registry assigned, now or
earlier. So no id may ever mean two schemas.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache

from schemas.codec import OUR_IDS, SCHEMA_IDS
from schemas.records import RegisteredSchema, RegisteredSchemas
from schemas.registry.avro_schemas import comparable
from schemas.registry.subjects import Subject, served_subjects

FIXED_KEY = "fixed"
"""The key of the record that puts the fixed ids in force."""


def key_of(record: RegisteredSchemas) -> str:
    """Return the key of the record on the topic: there is one record for each registry."""
    return record.registry or FIXED_KEY


def fixed_ids(at: int) -> RegisteredSchemas:
    """Return the record that puts the fixed ids in force from `at` (ms) on."""
    return RegisteredSchemas("", at, ())


def names_of(subjects: Iterable[Subject]) -> dict[int, str]:
    """Return the names of all schemas by their fixed id."""
    return {v.schema_id: subject.schema for subject in subjects for v in subject.versions}


def registered(
    address: str,
    at: int,
    names: Mapping[int, str],
    ids: Mapping[int, Sequence[int]],
    earlier: RegisteredSchemas | None,
) -> RegisteredSchemas:
    """Return the record of a registration.

    - `names`: the schemas by their fixed id.
    - `ids`: the ids that the registry has for each.
    - `earlier`: the last record for this registry. Its ids stay readable, and an id with which
      records were written is kept if the registry still has it. Schemas that only another release
      knows are kept.
    """
    known = {each.fixed_id: each for each in (earlier.schemas if earlier else ())}
    found = dict(known)
    for fixed, name in sorted(names.items()):
        before = known.get(fixed)
        preferred = [before.id] if before else []
        chosen = next((n for n in (*preferred, fixed) if n in ids[fixed]), ids[fixed][0])
        others = {*ids[fixed], *((before.id, *before.other_ids) if before else ())} - {chosen}
        found[fixed] = RegisteredSchema(fixed, name, chosen, tuple(sorted(others)))
    return RegisteredSchemas(address, at, tuple(found[fixed] for fixed in sorted(found)))


def read_from(records: Iterable[RegisteredSchemas]) -> dict[int, tuple[int, ...]]:
    """Return all ids with which records can be read, by fixed id."""
    found: dict[int, dict[int, None]] = {}
    for record in records:
        for each in record.schemas:
            found.setdefault(each.fixed_id, {}).update(dict.fromkeys((each.id, *each.other_ids)))
    return {fixed: tuple(ids) for fixed, ids in found.items()}


def written_with(record: RegisteredSchemas | None) -> dict[int, int]:
    """Return the ids with which records are written, by fixed id."""
    return {} if record is None else {each.fixed_id: each.id for each in record.schemas}


def lacking(record: RegisteredSchemas, needed: Collection[str] | None = None) -> list[str]:
    """Return those of the `needed` record types (None: all types of this release) for which the
    registry has no id of the current schema."""
    if not record.registry:
        return []
    known = written_with(record)
    names = SCHEMA_IDS if needed is None else needed
    return sorted(name for name in names if SCHEMA_IDS[name] not in known)


def ambiguities(records: Iterable[RegisteredSchemas]) -> list[str]:
    """Return why these records contradict each other, one text for each wrong id."""
    meanings: dict[int, int] = {}
    found = []
    for fixed, ids in read_from(records).items():
        for number in ids:
            if number in OUR_IDS and number != fixed:
                found.append(
                    f"the registry assigned {number} to {fixed:#010x}: that id is within our own "
                    f"block, {OUR_IDS.start} to {OUR_IDS.stop - 1}"
                )
            elif _meaning(meanings.setdefault(number, fixed)) != _meaning(fixed):
                found.append(f"id {number} means {meanings[number]:#010x} and {fixed:#010x}")
    return found


def _meaning(fixed: int) -> object:
    """Return a value that is equal for schemas that differ in documentation only."""
    return _texts().get(fixed, fixed)


@cache
def _texts() -> dict[int, str]:
    every = served_subjects("").values()
    return {v.schema_id: comparable(v.text) for subject in every for v in subject.versions}
