"""The schemas of record types in the subjects of unions, in a registry elsewhere."""

import json
from collections.abc import Callable

import pytest

from schemas.registry.http import RegistryError, RegistryHttp
from schemas.registry.members import NOT_FOUND, finds_deleted, hide, missing_members
from schemas.registry.register import register
from schemas.registry.subjects import Subject, served_subjects
from tests.schemas.foreign_registry import ForeignRegistry, foreign_registry

AT = 1_700_000_000_000
NAME = "p.stream.events-value"
SUBJECTS: dict[str, Subject] = {
    name: subject
    for name, subject in served_subjects("p.").items()
    if name.startswith("p.stream.events-")
}
KINDS: list[Callable[[], ForeignRegistry]] = [
    ForeignRegistry,
    lambda: ForeignRegistry(ignores_ids=True),
    lambda: ForeignRegistry(imports=False),
]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def few_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those of one topic are registered."""
    monkeypatch.setattr("schemas.registry.register.served_subjects", lambda _: SUBJECTS)


@EVERY_KIND
def test_schemas_of_record_types_are_found_and_the_union_is_the_latest(
    kind: Callable[[], ForeignRegistry],
) -> None:
    """Each is found among the deleted versions; the versions that are left are the union's."""
    with foreign_registry(kind()) as registry:
        register(registry.url, "p.", AT)
        asked = RegistryHttp(registry.url)
        members = SUBJECTS[NAME].members
        assert len(members) == len(registry.hidden[NAME])
        for member in members:
            body = {"schema": member.text}
            found = asked.ask("POST", f"/subjects/{NAME}?deleted=true", body)
            assert found["version"] not in registry.subjects[NAME]
        latest = asked.get(f"/subjects/{NAME}/versions/latest")
        assert isinstance(json.loads(latest["schema"]), list)
        assert len(SUBJECTS[NAME].versions) == len(registry.subjects[NAME])
        assert [] == missing_members(asked, SUBJECTS)
        registry.requests.clear()
        register(registry.url, "p.", AT)
        assert [] == registry.changes


@EVERY_KIND
def test_an_earlier_release_registered_the_union_only(kind: Callable[[], ForeignRegistry]) -> None:
    """The next registration adds the missing schemas. The subject's compatibility is as before."""
    with foreign_registry(kind()) as registry:
        register(registry.url, "p.", AT)
        before = dict(registry.subjects[NAME])
        del registry.hidden[NAME]
        levels = dict(registry.levels)
        made = register(registry.url, "p.", AT)
        assert () == made.added
        assert len(SUBJECTS[NAME].members) == len(registry.hidden[NAME])
        assert before == registry.subjects[NAME]
        assert levels.get(NAME, "BACKWARD_TRANSITIVE") == registry.levels[NAME]


def test_a_killed_registration_is_completed() -> None:
    """One that was killed after it had registered a schema left it as the latest version."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        register(registry.url, "p.", AT)
        number, found = registry.hidden[NAME].popitem()
        registry.subjects[NAME][number] = found
        register(registry.url, "p.", AT)
        assert number in registry.hidden[NAME]
        assert number not in registry.subjects[NAME]


def test_a_failed_registration_takes_them_back() -> None:
    """Of a subject that was there before."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        register(registry.url, "p.", AT)
        del registry.hidden[NAME]
        registry.registrations, registry.fails_at = 0, 6
        with pytest.raises(RegistryError):
            register(registry.url, "p.", AT)
        assert {} == registry.hidden[NAME]


def test_a_registry_that_deletes_for_good_gets_none() -> None:
    """The registration names the limitation, and leaves no trace of the attempt."""
    with foreign_registry(ForeignRegistry(imports=False, finds_deleted=False)) as registry:
        made = register(registry.url, "p.", AT)
        assert NOT_FOUND in made.notes
        assert SUBJECTS.keys() == registry.subjects.keys()
        assert len(SUBJECTS[NAME].versions) == len(registry.subjects[NAME])
        assert not finds_deleted(RegistryHttp(registry.url))


def test_a_version_may_be_deleted_twice() -> None:
    """Its number is returned each time."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        text = '{"type":"record","name":"A","fields":[]}'
        registry.put("s", text)
        asked = RegistryHttp(registry.url)
        assert 1 == hide(asked, "s", text) == hide(asked, "s", text)
