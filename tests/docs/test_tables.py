"""The tables of documents are tables: a renderer shows each row as a row."""

import re
from pathlib import Path

import pytest

from tests.docs.files import ROOT, files

_DELIMITERS = re.compile(r"\|(?: *:?-{3,}:? *\|)+")
_BAR = re.compile(r"(?<!\\)\|")


PAGES = [path for path in files() if path.suffix == ".md"]


def _broken(text: str) -> list[int]:
    """Return the numbers of the lines (from 1) that break a table: a row of delimiters inside of
    other text, or a row with another number of cells than the first row of its table.
    """
    broken = []
    in_code, bars = False, 0
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        in_code ^= line.startswith("```")
        if in_code or not line.startswith("|"):
            bars = 0
            if not in_code and _DELIMITERS.search(line):
                broken.append(number)
            continue
        found = len(_BAR.findall(line))
        inside = _DELIMITERS.search(line) and not _DELIMITERS.fullmatch(line)
        if inside or not line.endswith("|") or (bars and found != bars):
            broken.append(number)
        bars = bars or found
    return broken


def test_a_broken_table_is_found() -> None:
    """A table that was filled like a paragraph; a row without its last cell; code is left out."""
    assert [] == _broken("| a | b |\n|---|---|\n| `x\\|y` | 1 |\n\n| c |\n|---|\n```\n| d\n```\n")
    assert [1] == _broken("| a | b | |---|---| | 1 |\n2 |\n")
    assert [2] == _broken("Text\nand | a | |---| | 1 |")
    assert [3] == _broken("| a | b |\n|---|---|\n| 1 |\n")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_table_of_a_page_is_whole(page: Path) -> None:
    """Each row has a line of its own, and as many cells as its table."""
    assert [] == _broken((ROOT / page).read_text())
