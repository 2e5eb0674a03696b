"""What `schemas check` finds."""

from schemas.records import RegisteredSchema, RegisteredSchemas
from schemas.registry.assignment import names_of, registered
from schemas.registry.differences import differences, differing_ids
from schemas.registry.present import Present, PresentVersion
from schemas.registry.subjects import served_subjects

SUBJECTS = served_subjects("")
NAMES = names_of(SUBJECTS.values())
IDS = {fixed: number for number, fixed in enumerate(NAMES, 1)}
WHOLE: Present = {
    name: [PresentVersion(v.number, IDS[v.schema_id], v.schema_id) for v in subject.versions]
    for name, subject in SUBJECTS.items()
}
PUBLISHED = registered("r", 1, NAMES, {fixed: [n] for fixed, n in IDS.items()}, None)


def test_an_equal_registry_has_no_differences() -> None:
    """Nothing is found in a registry that has all, under the published ids."""
    assert [] == differences(SUBJECTS, WHOLE)
    assert [] == differing_ids(SUBJECTS, WHOLE, PUBLISHED)


def test_missing_and_foreign_versions_are_named() -> None:
    """Each with its subject."""
    found = dict(WHOLE)
    del found["ticks-value"]
    found["calls-value"] = [*WHOLE["calls-value"], PresentVersion(9, 999, None)]
    assert [
        "ticks-value: version 1 of Tick is missing",
        "calls-value: its version 9 (id 999) is none of ours",
    ] == differences(SUBJECTS, found)


def test_ids_that_differ_are_named() -> None:
    """Of the records that are written, and of the registry. Without a registration, there are
    none; one of an earlier release may lack some."""
    [none] = differing_ids(SUBJECTS, WHOLE, None)
    assert "not on the topic" in none
    tick = next(each for each in PUBLISHED.schemas if each.name == "Tick")
    others = tuple(each for each in PUBLISHED.schemas if each != tick)
    lacks = differing_ids(SUBJECTS, WHOLE, RegisteredSchemas("r", 1, others))
    assert ["schema.ids has no id for Tick"] == lacks
    wrong = RegisteredSchema(tick.fixed_id, "Tick", 5_000, ())
    assert [f"records of Tick have the id 5000, the registry has {tick.id}"] == differing_ids(
        SUBJECTS, WHOLE, RegisteredSchemas("r", 1, (*others, wrong))
    )
