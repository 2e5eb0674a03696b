"""The table of ACLs, and the documentation of it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.acls import ACCESS, Acl, Operation, ResourceType, acls
from pipeline.runtime.settings import Role

DOCS = Path(__file__).parents[3] / "docs" / "kafka.md"


def documented(role: Role) -> frozenset[Acl]:
    """The ACLs that docs/kafka.md gives a role."""
    [row] = re.findall(rf"^\| {role} \|(.*)\|$", DOCS.read_text(), re.MULTILINE)
    columns = (
        (Operation.READ, ResourceType.TOPIC),
        (Operation.WRITE, ResourceType.TOPIC),
        (Operation.READ, ResourceType.GROUP),
        (Operation.WRITE, ResourceType.TRANSACTIONAL_ID),
    )
    cells = row.split("|")
    assert len(columns) == len(cells)
    return frozenset(
        Acl(operation, kind, name, "(prefixed pattern)" in cell)
        for (operation, kind), cell in zip(columns, cells, strict=True)
        for name in re.findall(r"`([^`]+)`", cell)
    )


@pytest.mark.parametrize("role", Role)
def test_the_docs_show_the_table(role: Role) -> None:
    """docs/kafka.md has each role's ACLs, and no others."""
    assert documented(role) == acls(role, "", "STREAM")


@given(st.sampled_from(Role), st.text("ab.-", max_size=6), st.text("xyz-", min_size=1, max_size=6))
def test_every_acl_is_on_names_of_ours(role: Role, prefix: str, stream: str) -> None:
    """No ACL reaches beyond the prefix, none is on every name, and those for a pattern name the
    Kinesis stream."""
    for acl in acls(role, prefix, stream):
        assert acl.name.startswith(prefix)
        assert acl.name != prefix
        assert not acl.is_prefix or stream in acl.name


def test_each_role_is_in_the_table() -> None:
    """A role that is added needs a row."""
    assert set(Role) == set(ACCESS)


def test_only_the_roles_that_need_it_read_audio() -> None:
    """Audio is on `media`: the recorder alone reads it."""
    readers = {role for role, access in ACCESS.items() if "media" in {t.name for t in access.reads}}
    assert {Role.RECORDER} == readers
