"""The pages that list all roles list every role."""

import re
from pathlib import Path

import pytest

from pipeline.runtime.settings import Role

DOCS = Path(__file__).parents[2] / "docs"
LISTS = (
    ("architecture.md", "Roles and topics"),
    ("deployment.md", "The parts"),
    ("operations.md", "What runs"),
)


def _section(page: str, title: str) -> str:
    sections = re.split(r"^## ", (DOCS / page).read_text(), flags=re.MULTILINE)
    [found] = [section for section in sections if section.startswith(f"{title}\n")]
    return found


@pytest.mark.parametrize("page", LISTS, ids=str)
def test_each_role_has_a_row(page: tuple[str, str]) -> None:
    """In the first cell of the section's table, alone or with others."""
    cells = re.findall(r"^\| ([^|]+) \|", _section(*page), re.MULTILINE)
    named = {word for cell in cells for word in re.findall(r"[a-z-]+", cell)}
    assert set() == {role.value for role in Role} - named
