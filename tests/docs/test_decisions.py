"""docs/decisions: numbers, titles, dates, status, and the index."""

import re
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "docs" / "decisions"
PAGES = sorted(ROOT.glob("[0-9]*.md"))
STATUS = r"accepted|replaced by \d{4}"
_HEAD = re.compile(
    r"# (?P<number>\d{4}): (?P<title>[A-Z].+)\n\n"
    rf"Date: (?P<date>\d{{4}}-\d\d-\d\d)\. Status: (?P<status>{STATUS})\."
)
_ROW = re.compile(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \| (.+) \| (.+) \|$", re.MULTILINE)


def _head(page: Path) -> tuple[str, ...]:
    found = _HEAD.match(page.read_text())
    assert found is not None, f"{page.name} does not begin with number, title, date and status"
    return found.group("number", "title", "date", "status")


def test_numbers_have_no_holes() -> None:
    """The first is 0001, and each is there once."""
    numbers = [page.name[:4] for page in PAGES]
    assert [f"{number:04}" for number in range(1, len(PAGES) + 1)] == numbers


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name[:4])
def test_a_page_begins_with_its_number_subject_date_and_status(page: Path) -> None:
    """The name of the file is number and subject."""
    number, title, day, _ = _head(page)
    words = re.findall(r"[a-z0-9]+", title.lower().replace("'", ""))
    assert page.name == "-".join([number, *words]) + ".md"
    assert date.fromisoformat(day).isoformat() == day


def test_the_index_lists_each_page() -> None:
    """In order, with the same subject, date and status."""
    rows = _ROW.findall((ROOT / "README.md").read_text())
    expected = []
    for page in PAGES:
        number, title, day, status = _head(page)
        expected.append((number, title, page.name, day, status))
    assert expected == rows
