"""docs/howto: the files and tests that the pages name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))
_PATH = re.compile(
    r"\b(?:docs|tests|pipeline|cli|infra|agents|schemas|examples)/[\w./-]*\w", re.ASCII
)
_TEST = re.compile(r"`(test_\w+)`")
_LINK = re.compile(r"\]\(([\w.-]+\.md)\)")
MADE = frozenset({"agents/NAME.py", "schemas/avro/earlier/CallAlias.1.avsc"})
"""Files that a reader makes."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_that_is_named_exists(page: Path) -> None:
    """Decisions are named by their number."""
    named = set(_PATH.findall(page.read_text())) - MADE
    assert set() == {name for name in named if not any(ROOT.glob(f"{name}*"))}
    assert set() == {name for name in _LINK.findall(page.read_text()) if not _is_page(name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_is_named_exists(page: Path) -> None:
    """They say what a reader forgot."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert set() == {
        name for name in _TEST.findall(page.read_text()) if f"def {name}(" not in tests
    }


def _is_page(name: str) -> bool:
    return (ROOT / "docs" / "howto" / name).exists()
