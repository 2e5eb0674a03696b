"""The page of assumptions names what the simulator can play and what a test call checks, and tests
that exist."""

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

from cli.check_call.findings import JUDGES, NOT_SHOWN
from simulator.unlike import OTHERWISE, Unlike

ROOT = Path(__file__).parents[2]
OTHER_SECTIONS = {"The test call", "Not relied upon yet", "Twilio's own recordings"}
LINES = ("Usual", "Otherwise", "Product", "Test call", "Tests")


def _sections() -> dict[str, dict[str, str]]:
    """The lines of each section, by their first word."""
    text = (ROOT / "docs/assumptions.md").read_text()
    found = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    bodies = dict(section.split("\n", 1) for section in found)
    return {
        name: dict(re.findall(r"^- ([A-Z][a-z ]+): (.*)$", body, re.MULTILINE))
        for name, body in bodies.items()
        if name not in OTHER_SECTIONS
    }


@lru_cache
def _tests_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_the_page_has_a_section_for_each_name() -> None:
    """No more and no fewer than the simulator knows and the test call reports."""
    names = {each.value for each in Unlike}
    assert names == set(_sections())
    assert names == {*JUDGES, *NOT_SHOWN}
    assert not set(JUDGES) & set(NOT_SHOWN)


@pytest.mark.parametrize("name", [each.value for each in Unlike])
def test_a_section_is_true(name: str) -> None:
    """It says what the simulated Twilio does, whether a test call shows it, and which tests play
    both ways; they exist."""
    section = _sections()[name]
    assert set(LINES) == section.keys()
    assert f"Twilio {OTHERWISE[Unlike(name)]}." == section["Otherwise"]
    assert (name in JUDGES) == (section["Test call"] == "shows it.")
    tests = re.findall(r"`([^`:]+)::([^`]+)`", section["Tests"])
    assert len(tests) > 1
    for path, test in tests:
        assert test in _tests_in(path), (path, test)
