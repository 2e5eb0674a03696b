"""What a registry can do. Registration as a whole: test_register.py."""

from contextlib import suppress

import pytest

from schemas.registry.http import RegistryAnswer, RegistryError, RegistryHttp
from schemas.registry.probe import (
    PROBE_SUBJECT,
    RESERVED_ID,
    RESERVED_SUBJECT,
    delete_version,
    importing,
    refuse_read_only,
    takes_our_ids,
    try_out,
)
from tests.schemas.foreign_registry import ForeignRegistry, foreign_registry


@pytest.mark.parametrize(
    ("registry", "takes"),
    [
        (ForeignRegistry(), True),
        (ForeignRegistry(ignores_ids=True), False),
        (ForeignRegistry(imports=False), False),
    ],
)
def test_only_the_result_counts(registry: ForeignRegistry, takes: bool) -> None:
    """A registry that says that it imports, and does not, takes no ids of ours. The attempt then
    leaves no subject and no mode."""
    with foreign_registry(registry):
        assert takes is takes_our_ids(RegistryHttp(registry.url))
    assert ({RESERVED_SUBJECT: {1: RESERVED_ID}} if takes else {}) == registry.subjects
    assert {} == registry.modes


def test_a_failing_registry_is_no_registry_without_import() -> None:
    """A server's error is not taken for an answer, or the ids would depend on it."""
    registry = ForeignRegistry(fails_at=1)
    with foreign_registry(registry), pytest.raises(RegistryAnswer, match="500"):
        takes_our_ids(RegistryHttp(registry.url))
    assert {} == registry.subjects == registry.modes


def test_the_probe_is_deleted() -> None:
    """The probe subject is gone afterwards, also if the registry refuses to be used."""
    with foreign_registry(ForeignRegistry(imports=False)) as registry:
        assert try_out(RegistryHttp(registry.url)) is None
        assert {} == registry.subjects
        registry.schemas.clear()
        registry.next_id = 0x46430200
        with pytest.raises(RegistryError, match="within our own block"):
            try_out(RegistryHttp(registry.url))
        registry.schemas.clear()
        registry.next_id = 7
        registry.put(PROBE_SUBJECT, '"string"')
        assert try_out(RegistryHttp(registry.url)) is None
        assert {} == registry.subjects


def test_a_registry_that_takes_nothing_is_named() -> None:
    """With its answer."""
    registry = ForeignRegistry(imports=False, fails_at=1)
    with foreign_registry(registry), pytest.raises(RegistryError, match=r"takes no schema.*500"):
        try_out(RegistryHttp(registry.url))


def test_read_only_registries_are_refused() -> None:
    """If they say so. A registry without modes can be used."""
    for mode in ("READONLY", "READONLY_OVERRIDE"):
        with foreign_registry(ForeignRegistry(mode=mode)) as registry:
            asked = RegistryHttp(registry.url)
            with pytest.raises(RegistryError, match="read-only"):
                refuse_read_only(asked)
    with foreign_registry() as registry:
        refuse_read_only(RegistryHttp(registry.url))
        refuse_read_only(RegistryHttp(f"{registry.url}/no/such/path"))


def test_the_mode_is_restored() -> None:
    """Also after an error, and in a registry that cannot delete a mode."""
    with foreign_registry() as registry:
        asked = RegistryHttp(registry.url)
        with suppress(KeyError), importing(asked, "a/b"):
            assert {"a/b": "IMPORT"} == registry.modes
            raise KeyError
        assert {} == registry.modes


def test_one_version_is_deleted() -> None:
    """The others stay."""
    with foreign_registry() as registry:
        registry.put("s", '{"type":"record","name":"A","fields":[]}')
        registry.levels["s"] = "NONE"
        registry.put("s", '"string"')
        delete_version(RegistryHttp(registry.url), "s", 1)
        assert {"s": {2: 2}} == registry.subjects
