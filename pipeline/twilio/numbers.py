"""Telephone numbers in the form that Twilio accepts (E.164). Pure."""

import re

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_PUNCTUATION = re.compile(r"[\s().-]")


def e164(text: str) -> str:
    """Return the number, as `+15550100200`, without spaces and punctuation. Raises `ValueError`."""
    plain = _PUNCTUATION.sub("", text)
    if not _E164.fullmatch(plain):
        raise ValueError(f"{text!r} is not a number such as +15550100200")
    return plain
