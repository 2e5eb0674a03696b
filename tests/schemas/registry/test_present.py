"""What a registry has, and lacks."""

import json

import pytest

from schemas.codec import schema_text, versions
from schemas.registry.avro_schemas import comparable
from schemas.registry.http import RegistryAway, RegistryHttp
from schemas.registry.present import (
    PresentVersion,
    fixed_id_of,
    ids_in,
    missing_versions,
    out_of_order,
    read_present,
)
from schemas.registry.subjects import served_subjects
from tests.schemas.foreign_registry import ForeignRegistry, foreign_registry

NAME = "flexcapture.CommandAnswered"
SUBJECTS = {NAME: served_subjects("")[NAME]}
IDS = versions("CommandAnswered")


def present(*fixed: int | None) -> dict[str, list[PresentVersion]]:
    """Versions of the subject in a registry that counts ids from 100."""
    return {NAME: [PresentVersion(n, 100 + n, each) for n, each in enumerate(fixed, 1)]}


def test_the_registry_is_read() -> None:
    """Versions by number, with our id, or None for a schema that is not ours."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        registry.put(NAME, schema_text("CommandAnswered", 1))
        registry.levels[NAME] = "NONE"
        registry.put(NAME, '"string"')
        registry.put("other-value", '"string"')
        found = read_present(RegistryHttp(registry.url), SUBJECTS)
        assert {NAME: (PresentVersion(1, 1, IDS[0]), PresentVersion(2, 2, None))} == found
        assert ["GET"] * len(registry.requests) == [method for method, _ in registry.requests]


def test_another_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else may answer at the address."""
    monkeypatch.setattr(RegistryHttp, "get", lambda *_: {"subjects": []})
    with pytest.raises(RegistryAway, match="no schema registry"):
        read_present(RegistryHttp("http://127.0.0.1:9"), SUBJECTS)


def test_missing_versions_are_in_order() -> None:
    """By subject, oldest first. Versions that differ in documentation only count as one."""
    assert list(IDS) == [each.version.schema_id for each in missing_versions(SUBJECTS, {})]
    assert [] == missing_versions(SUBJECTS, present(*IDS))
    same = [n for n in range(2, len(IDS) + 1) if _plain(n) == _plain(n - 1)]
    assert same, "two versions differ in documentation only"
    [number] = same
    left = [each for each in IDS if each != IDS[number - 1]]
    assert [] == missing_versions(SUBJECTS, present(*left))
    assert {IDS[number - 1]: {100 + number - 1}}.items() <= ids_in(SUBJECTS, present(*left)).items()


def test_a_later_version_without_an_earlier_one_is_noticed() -> None:
    """Foreign versions do not matter."""
    assert [] == out_of_order(SUBJECTS, present(*IDS))
    assert [] == out_of_order(SUBJECTS, present(None, IDS[0]))
    assert [NAME] == out_of_order(SUBJECTS, present(IDS[-1]))


def test_documentation_decides_between_equal_versions() -> None:
    """Of two versions with the same fields, a schema is the one with its documentation; with other
    words, the first."""
    for number, each in enumerate(IDS, 1):
        assert each == fixed_id_of(schema_text("CommandAnswered", number), SUBJECTS[NAME])
    reworded = json.loads(schema_text("CommandAnswered")) | {"doc": "other words"}
    assert fixed_id_of(json.dumps(reworded), SUBJECTS[NAME]) in IDS
    assert fixed_id_of(schema_text("Tick"), SUBJECTS[NAME]) is None
    assert fixed_id_of("no schema", SUBJECTS[NAME]) is None


def _plain(number: int) -> object:
    return comparable(schema_text("CommandAnswered", number))
