"""What the local broker reads its settings from."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from infra.local.kafka import java_property


def _as_java_reads(text: str) -> str:
    units = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
    return units.encode("utf-16", "surrogatepass").decode("utf-16")


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("/home/jürgen/a\\u0041 \n\U0001f600%#x")
def test_a_value_survives_a_properties_file(value: str) -> None:
    """The escaped value is ASCII and one line, and is read back unchanged."""
    text = java_property(value)
    assert text.isascii()
    assert "\n" not in text
    assert value == _as_java_reads(text)
