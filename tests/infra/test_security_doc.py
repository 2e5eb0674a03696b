"""SECURITY.md: the files that it names, and its table of requirements."""

import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
_PATH = re.compile(
    r"\b(?:docs|tests|pipeline|bridge|cli|console|gateway|infra|agents|schemas)/[\w./-]*\w",
    re.ASCII,
)
_ROW = re.compile(r"^\| (\d+\.\d+\.\d+) ([^|]+) \| ([^|]+) \|(.*)\|$", re.MULTILINE)


def test_each_file_that_is_named_exists() -> None:
    """A reader can look up each claim. Decisions are named by their number."""
    named = set(_PATH.findall(TEXT))
    assert len(named) > 30
    missing = {name for name in named if not any(ROOT.glob(f"{name}*"))}
    assert set() == missing


def test_each_requirement_has_one_state() -> None:
    """Requirements are in order, each once; those not fully met name the missing part."""
    rows = _ROW.findall(TEXT)
    numbers = [tuple(map(int, number.split("."))) for number, *_ in rows]
    assert len(rows) > 100
    assert all(one < other for one, other in pairwise(numbers))
    assert {"met", "partly", "not met", "operator"} == {state for _, _, state, _ in rows}
    assert all(where.strip() for _, _, state, where in rows if state != "met")


def test_a_way_to_report_is_named() -> None:
    """The way to report is private; no e-mail address is named."""
    assert "private vulnerability reporting" in TEXT
    assert not re.search(r"[\w.]+@[\w-]+\.\w+", TEXT)
