"""The states in our records."""

import re
from pathlib import Path

from schemas.states import ReasonCode

TOPICS = (Path(__file__).parents[2] / "docs" / "topics.md").read_text()


def test_the_document_lists_the_reason_codes() -> None:
    """docs/topics.md has each code once, with its meaning, and no other."""
    section = TOPICS.partition("## Reasons\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| .+ \| .+ \|$", section, re.MULTILINE)
    assert sorted(ReasonCode) == sorted(rows)
