"""Registration in a registry elsewhere: one that takes our ids, one that assigns its own, and one
that fails."""

import copy
import json
from collections.abc import Callable

import pytest

from schemas.codec import OUR_IDS, SCHEMA_IDS, schema_text, versions
from schemas.records import RegisteredSchemas
from schemas.registry.assignment import read_from, written_with
from schemas.registry.http import RegistryAnswer, RegistryAway, RegistryError
from schemas.registry.probe import PROBE_SUBJECT, RESERVED_ID, RESERVED_SUBJECT
from schemas.registry.register import Registration, register
from schemas.registry.subjects import served_subjects
from tests.schemas.foreign_registry import ForeignRegistry, foreign_registry

AT = 1_700_000_000_000
FOREIGN = '{"type":"record","name":"Other","fields":[]}'
KINDS: list[Callable[[], ForeignRegistry]] = [
    ForeignRegistry,
    lambda: ForeignRegistry(ignores_ids=True),
    lambda: ForeignRegistry(imports=False),
    lambda: ForeignRegistry(imports=False, next_id=70_000),
]
SUBJECTS = {
    name: subject
    for name, subject in served_subjects("p.").items()
    if name.endswith((".RecordingSegment", ".CommandAnswered", "calls-value", "ticks-value"))
    or name.startswith(("p.cti.events-", "p.stream.events-value"))
}
"""Of the subjects, some of each kind: each registration makes hundreds of requests for all of them.
Tests with real registries have all."""
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
"""Confluent's, one that answers that it imports and does not, and ones that do not import."""


@pytest.fixture(autouse=True)
def few_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only some subjects are registered."""
    monkeypatch.setattr("schemas.registry.register.served_subjects", lambda _: SUBJECTS)


def registered(registry: ForeignRegistry, earlier: RegisteredSchemas | None = None) -> Registration:
    """Register all, and check that the registry then has all, under the ids of the record."""
    made = register(registry.url, "p.", AT, earlier)
    for name, subject in SUBJECTS.items():
        found = registry.subjects[name]
        texts = [registry.schemas[found[n]] for n in sorted(found)]
        assert [version.text for version in subject.versions] == texts
        for version, number in zip(subject.versions, sorted(found), strict=True):
            assert found[number] in read_from([made.record])[version.schema_id]
    return made


@EVERY_KIND
def test_all_is_registered_once(kind: Callable[[], ForeignRegistry]) -> None:
    """An empty registry gets every subject; one that has them all is not written to, and the ids
    stay. Nothing but our subjects remains."""
    with foreign_registry(kind()) as registry:
        first = registered(registry)
        assert first.added
        assert registry.subjects.keys() - {RESERVED_SUBJECT} == SUBJECTS.keys()
        assert {} == registry.modes
        registry.requests.clear()
        second = registered(registry, first.record)
        assert [] == registry.changes
        assert (first.record, 0) == (second.record, len(second.added))
        assert len(first.added) == second.present


def test_a_registry_that_takes_our_ids_has_them() -> None:
    """Each schema has its fixed id, and each version the number that it has here."""
    with foreign_registry() as registry:
        made = registered(registry)
    assert made.takes_our_ids
    assert all(fixed == number for fixed, number in written_with(made.record).items())
    for name, subject in SUBJECTS.items():
        assert {v.number: v.schema_id for v in subject.versions} == registry.subjects[name]


def test_the_registrys_counter_leaves_our_block() -> None:
    """After an import, the registry's own ids lie beyond our block: the next release finds its ids
    free. So does a registry that an earlier release filled without the reserved id."""
    with foreign_registry() as registry:
        registered(registry)
        assert OUR_IDS.stop == registry.put("other-value", FOREIGN)
        del registry.subjects[RESERVED_SUBJECT], registry.schemas[RESERVED_ID]
        del registry.subjects["p.calls-value"]
        registry.next_id = 0x4643F009
        registered(registry)
        assert RESERVED_ID in registry.schemas
        assert registry.put("another", FOREIGN.replace("Other", "Third")) not in OUR_IDS


@pytest.mark.parametrize("kind", KINDS[1:])
def test_assigned_ids_are_used(kind: Callable[[], ForeignRegistry]) -> None:
    """Without import, the record has the id that the registry assigned to each schema. Subjects
    get their compatibility."""
    with foreign_registry(kind()) as registry:
        made = registered(registry)
    written = written_with(made.record)
    assert not made.takes_our_ids
    assert len(written) == len(set(written.values()))
    assert not set(written.values()) & set(OUR_IDS)
    assert written.keys() >= set(versions("Call"))
    assert registry.levels == {n: s.compatibility for n, s in SUBJECTS.items()}


def test_the_operator_may_choose_assigned_ids() -> None:
    """With `assigned_ids`, the ids are the registry's, and later registrations keep to that. The
    registry's counter continues as before."""
    with foreign_registry() as registry:
        made = register(registry.url, "p.", AT, assigned_ids=True)
        assert not made.takes_our_ids
        assert RESERVED_SUBJECT not in registry.subjects
        del registry.subjects["p.calls-value"]
        assert made.record == registered(registry, made.record).record
        assert max(written_with(made.record).values()) < 1_000


def test_an_id_of_ours_that_is_taken_is_not_used() -> None:
    """If another schema has its id, a schema gets an assigned id; the others get theirs."""
    taken = SCHEMA_IDS["CtiEvent"]
    with foreign_registry(ForeignRegistry(schemas={taken: FOREIGN})) as registry:
        made = registered(registry)
    others = {f: n for f, n in written_with(made.record).items() if f != n}
    assert [taken] == list(others)
    assert others[taken] not in OUR_IDS


def test_other_documentation_is_the_same_schema() -> None:
    """A registry keeps the texts with which a schema was registered first; ours may be reworded."""
    name = "CtiEvent"
    older = json.loads(schema_text(name)) | {"doc": "older words"}
    older["fields"][0]["doc"] = "older words"
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        number = registry.put("p.cti.events-value", json.dumps(older))
        made = register(registry.url, "p.", AT)
        assert 1 == len(registry.subjects["p.cti.events-value"])
        every = read_from([made.record])[SCHEMA_IDS[name]]
        assert number in every
        assert 2 == len(every), "the registry takes other words for another schema"


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("fails_at", [1, 2, 9, -1])
def test_a_failure_leaves_nothing_behind(
    kind: Callable[[], ForeignRegistry], fails_at: int
) -> None:
    """A registration that fails midway removes its additions, modes and settings too. The next one
    succeeds."""
    with foreign_registry(kind()) as registry:
        registry.put("other-value", FOREIGN)
        registry.put("p.calls-value", schema_text("Call", 1))
        before = copy.deepcopy(registry.state())
        total = sum(len(subject.versions) for subject in SUBJECTS.values()) - 1
        registry.registrations, registry.fails_at = 0, fails_at if fails_at > 0 else total
        with pytest.raises(RegistryError, match="500"):
            register(registry.url, "p.", AT)
        assert before == registry.state()
        registry.fails_at = 0
        registered(registry)


@EVERY_KIND
def test_a_killed_registration_is_continued(kind: Callable[[], ForeignRegistry]) -> None:
    """What a killed process left, also a subject in the mode IMPORT and a probe, blocks nothing."""
    with foreign_registry(kind()) as registry:
        first = registered(registry)
        for name in list(registry.subjects)[4:]:
            del registry.subjects[name]
        if registry.imports:
            registry.modes["p.ticks-value"] = "IMPORT"
        else:
            registry.put(PROBE_SUBJECT, FOREIGN)
        again = registered(registry)
    assert 0 < len(again.added) < len(first.added)


def test_a_foreign_schema_in_a_subject_of_ours_is_named() -> None:
    """If the registry does not take our schema as the next version of a subject, the error names
    the subject, and the registry is as before."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        registry.put("p.calls-value", '"string"')
        before = copy.deepcopy(registry.state())
        with pytest.raises(RegistryError, match=r"Call .* p\.calls-value \(409\): .*incompatible"):
            register(registry.url, "p.", AT)
        assert before == registry.state()


def test_later_versions_without_earlier_ones_are_refused() -> None:
    """A registry that counts versions itself would make an earlier version the latest."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        registry.put("p.calls-value", schema_text("Call"))
        with pytest.raises(RegistryError, match=r"later versions of p\.calls-value"):
            register(registry.url, "p.", AT)


@pytest.mark.parametrize("imports", [True, False])
def test_a_read_only_registry_is_not_written_to(imports: bool) -> None:
    """A registry that says that it is read-only is refused, and not tricked by the mode of a
    subject. If it has everything, it can be used."""
    with foreign_registry(ForeignRegistry(imports=imports)) as registry:
        registry.mode = "READONLY"
        with pytest.raises(RegistryError, match="read-only"):
            register(registry.url, "p.", AT)
        assert [] == registry.changes
        registry.mode = "READWRITE"
        made = registered(registry)
        registry.mode = "READONLY"
        assert made.record == registered(registry, made.record).record


def test_wrong_credentials_are_refused() -> None:
    """Neither a wrong password nor none registers anything."""
    with foreign_registry(ForeignRegistry(password="right")) as registry:
        for user in ("", "ann:wrong@"):
            with pytest.raises(RegistryAnswer, match="401"):
                register(registry.url.replace("//", f"//{user}"), "p.", AT)
        assert {} == registry.subjects


def test_a_registry_that_is_away_is_named() -> None:
    """If the registry does not answer, the error names its address."""
    with pytest.raises(RegistryAway, match=r"127\.0\.0\.1:9"):
        register("http://127.0.0.1:9", "", AT)


def test_ids_within_our_block_are_refused() -> None:
    """A registry that assigns ids of our block could give one to a schema of the next release."""
    registry = ForeignRegistry(imports=False, next_id=0x4643F009)
    with foreign_registry(registry), pytest.raises(RegistryError, match="within our own block"):
        register(registry.url, "p.", AT)
    assert {} == registry.subjects


def test_an_id_that_meant_another_schema_is_refused() -> None:
    """Records in the log have the ids of an earlier registry. Another one that assigns the same
    numbers to other schemas would make them unreadable."""
    with foreign_registry(ForeignRegistry(imports=False)) as first:
        earlier = register(first.url, "p.", AT).record
    with foreign_registry(ForeignRegistry(imports=False, next_id=3)) as second:
        with pytest.raises(RegistryError, match=r"id \d+ means"):
            register(second.url, "p.", AT, None, [earlier])
        assert {} == second.subjects
    with foreign_registry(ForeignRegistry(imports=False, next_id=1_000)) as third:
        assert register(third.url, "p.", AT, None, [earlier]).added


def test_ids_that_were_written_stay_readable() -> None:
    """If the registry loses its content and assigns other ids, the earlier ones can be read."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        first = registered(registry)
        registry.subjects.clear()
        registry.hidden.clear()
        registry.schemas.clear()
        registry.next_id = 5_000
        second = registered(registry, first.record)
    fixed = SCHEMA_IDS["Call"]
    old, new = written_with(first.record)[fixed], written_with(second.record)[fixed]
    assert old != new
    assert (new, old) == read_from([second.record])[fixed]
