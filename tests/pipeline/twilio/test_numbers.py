"""Telephone numbers."""

import pytest

from pipeline.twilio.numbers import e164


@pytest.mark.parametrize("text", ["+15550100200", "+1 555 010-0200", "+1 (555) 010.0200"])
def test_a_number_loses_its_punctuation(text):
    """However it is written."""
    assert "+15550100200" == e164(text)


@pytest.mark.parametrize("text", ["", "5550100", "+0123456789", "+1555", "client:x", "+१२३४५६७८९"])
def test_anything_else_is_no_number(text):
    """No country code, too short, another address, digits of another script."""
    with pytest.raises(ValueError, match="is not a number"):
        e164(text)
