"""Find the differences between a registry and the bundled schemas, and between it and the ids on
the topic `schema.ids`. Pure."""

from collections.abc import Mapping

from schemas.records import RegisteredSchemas
from schemas.registry.assignment import lacking, written_with
from schemas.registry.present import Present, ids_in, missing_versions
from schemas.registry.subjects import Subject


def differences(subjects: Mapping[str, Subject], present: Present) -> list[str]:
    """Return the schemas that the registry lacks, or has in another form."""
    absent = [
        f"{each.subject}: version {each.version.number} of {each.schema} is missing"
        for each in missing_versions(subjects, present)
    ]
    foreign = [
        f"{name}: its version {each.number} (id {each.registry_id}) is none of ours"
        for name in sorted(present)
        for each in present[name]
        if each.fixed_id is None
    ]
    return absent + foreign


def differing_ids(
    subjects: Mapping[str, Subject], present: Present, published: RegisteredSchemas | None
) -> list[str]:
    """Return the differences between the registry's ids and those with which records are written.
    `published`: the last registration of this registry."""
    if published is None:
        return ["the ids of this registry are not on the topic schema.ids"]
    found = [f"schema.ids has no id for {name}" for name in lacking(published)]
    names = {each.fixed_id: each.name for each in published.schemas}
    ids, written = ids_in(subjects, present), written_with(published)
    for fixed in sorted(ids.keys() & written.keys()):
        if written[fixed] not in ids[fixed]:
            has = ", ".join(map(str, sorted(ids[fixed])))
            found.append(
                f"records of {names[fixed]} have the id {written[fixed]}, the registry has {has}"
            )
    return found
