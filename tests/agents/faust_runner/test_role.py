"""The declaration of a Faust role."""

from dataclasses import FrozenInstanceError
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

import agents
from agents.faust_runner.role import RoleSpec
from pipeline.runtime.acls import ACCESS
from pipeline.runtime.settings import Role
from schemas.topics import CALLS, CONTACTS, DEAD_LETTERS, PROVISIONED, TICKS, WORKERS

_MODULES = [import_module(f"agents.{each.name}") for each in iter_modules(agents.__path__)]
SPECS = [module.SPEC for module in _MODULES if hasattr(module, "SPEC")]


def spec(**changes: Any) -> RoleSpec:
    """A role that could run, but for the changes."""
    return RoleSpec(**{"name": "counter", "sources": (CALLS,), "targets": (CONTACTS,)} | changes)


@pytest.mark.parametrize("declared", SPECS, ids=lambda each: each.name)
def test_a_role_may_do_what_it_declares(declared: RoleSpec) -> None:
    """Its ACLs allow its topics and its group, and its topics are created with all others. A role
    may do more outside the runner: read and publish the monitored list."""
    access = ACCESS[Role(declared.name)]
    assert declared.name == access.group
    assert [] == [topic for topic in declared.reads if topic not in access.reads]
    assert [] == [topic for topic in declared.writes if topic not in access.writes]
    assert [] == [t for t in (*declared.reads, *declared.writes) if t not in PROVISIONED]


def test_no_two_roles_share_a_name() -> None:
    """The name is that of the group and of the table."""
    names = sorted(declared.name for declared in SPECS)
    assert ["consolidator", "resolver", "stream-manager", "tracker"] == names


def test_the_runners_own_topics_are_added() -> None:
    """Every role reads ticks and its table, and writes dead letters and its table."""
    table = spec().table
    assert "counter-table-changelog" == table.name
    assert (CALLS, TICKS) == spec().inputs
    assert (CALLS, TICKS, table) == spec().reads
    assert (CONTACTS, DEAD_LETTERS, table) == spec().writes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "no name of a role"),
        ({"name": "Counter"}, "no name of a role"),
        ({"name": "counter/2"}, "no name of a role"),
        ({"sources": ()}, "has no source"),
        ({"sources": (CALLS, WORKERS)}, "cannot read workers: it has 1 partitions"),
    ],
)
def test_a_role_that_could_not_run_is_refused(changes: dict[str, Any], reason: str) -> None:
    """When its module is imported, not when its first record is handled."""
    with pytest.raises(ValueError, match=reason):
        spec(**changes)


def test_a_declaration_does_not_change() -> None:
    """It is a constant that tests and tools may read."""
    with pytest.raises(FrozenInstanceError):
        spec().name = "other"  # type: ignore[misc]
