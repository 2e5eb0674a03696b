"""The count of phrases that make the English hard to read."""

from pathlib import Path

import pytest

from tools.wording import LIMITS, PATTERNS, area_of, found_in, texts_of

PY = Path("agents/x.py")


def test_comments_docstrings_and_texts_are_read_and_code_is_not() -> None:
    """Names are no English; neither are short strings such as keys."""
    source = (
        '"""Says who it was."""\nwho = "who"  # to whom it may concern\nraise E(f"{x} told us so")'
    )
    assert [(1, "Says who it was."), (2, "# to whom it may concern"), (3, " told us so")] == sorted(
        texts_of(PY, source)
    )


def test_all_of_a_document_is_read() -> None:
    """Line by line, if a line has three words."""
    assert [(1, "One two three"), (3, "four five six")] == list(
        texts_of(Path("docs/x.md"), "One two three\n\nfour five six\nend")
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The process whose clock is wrong", "who, whose"),
        ("Nobody reads it", "nobody"),
        ("The backlog is told of each record", "tell, told"),
        ("What comes after the close", "what is"),
        ("It goes on without it", "go on"),
        ("None where no partition is assigned", "where"),
        ("He is on the list", "he, his"),
    ],
)
def test_a_phrase_is_found(text: str, name: str) -> None:
    """In any case of letters, and under its name."""
    assert [name] == [found for found, _ in found_in(text)]


@pytest.mark.parametrize(
    "text", ["Return the offset to commit.", "Somewhere else", "The whole", "Whatever is missing"]
)
def test_plain_english_has_none(text: str) -> None:
    """Parts of other words are not found."""
    assert not list(found_in(text))


def test_each_area_has_a_limit_for_each_pattern() -> None:
    """Without one it would be zero."""
    assert {"code", "docs", "tests"} == LIMITS.keys()
    assert {frozenset(PATTERNS)} == {frozenset(limits) for limits in LIMITS.values()}
    assert "tests" == area_of(Path("benchmarks/rows.py"))
